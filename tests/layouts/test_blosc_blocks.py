"""Chunks are compressed in parts, and decompressed block by block, as Blosc does it itself."""

from contextlib import suppress

import numpy as np
import pytest
from numcodecs import Blosc, Zstd

from dj_photon_codecs.layouts import blosc_blocks, threads
from dj_photon_codecs.layouts.blosc_blocks import compress, decompress_alone
from dj_photon_codecs.layouts.layout import DamagedChunk

LENGTH = 1 << 14  # bytes of a block
COMPRESSOR = Blosc("zstd", 1, Blosc.NOSHUFFLE, LENGTH)
STARTS = slice(16, 20)  # of the first block


@pytest.fixture(autouse=True)
def small_chunks_count(monkeypatch):
    monkeypatch.setattr(blosc_blocks, "SMALLEST_CHUNK", 1)
    monkeypatch.setattr(blosc_blocks, "SMALLEST_BLOCK", 1)
    monkeypatch.setattr(threads, "available_processors", lambda: 3)


@pytest.fixture
def blocks(noted):
    """The number of blocks that are decompressed here; empty if Blosc does it."""
    return noted(blosc_blocks, "in_threads", lambda _function, items: len(items))


def values(size, *, noise=False):
    """Bytes of 3 bits each, or of all of them, which do not become smaller."""
    return np.random.default_rng(size).integers(0, 256 if noise else 8, size, dtype="u1")


def compressed(codes, compressor=COMPRESSOR):
    return np.frombuffer(compressor.encode(codes), np.uint8).copy()


CODES = values(5 * LENGTH + 99)
MIXED = np.concatenate([CODES[:LENGTH], values(2 * LENGTH, noise=True), CODES[:5000]])


@pytest.mark.parametrize(
    "codes",
    # what Zstd writes a size in: 1, 2 or 4 bytes, of the last block or of all
    [CODES, CODES[: 3 * LENGTH], CODES[: LENGTH + 256], CODES[: LENGTH + 5000], MIXED],
    ids=["short", "whole", "256", "5000", "mixed"],
)
def test_blocks_are_those_of_blosc(codes, blocks):
    found = decompress_alone(compressed(codes), compressor=COMPRESSOR)
    np.testing.assert_array_equal(found, codes, strict=True)
    assert blocks == [-(-codes.size // LENGTH)]


def test_large_blocks_are_those_of_blosc(blocks):
    codes, compressor = values(5 << 20), Blosc("zstd", 1, Blosc.NOSHUFFLE, 1 << 20)
    found = decompress_alone(compressed(codes, compressor), compressor=compressor)
    np.testing.assert_array_equal(found, codes, strict=True)
    assert blocks == [5]


class OtherBlosc(Blosc):
    """A user's own."""


@pytest.mark.parametrize(
    "compressor",
    [
        Zstd(1),
        Blosc("lz4", 1, Blosc.NOSHUFFLE, LENGTH),
        Blosc("zstd", 1, Blosc.BITSHUFFLE, LENGTH),
        Blosc("zstd", 1, Blosc.SHUFFLE, LENGTH),
        Blosc("zstd", 0, Blosc.NOSHUFFLE, LENGTH),
        OtherBlosc("zstd", 1, Blosc.NOSHUFFLE, LENGTH),
    ],
    ids=str,
)
def test_what_others_compressed_they_decompress(compressor, blocks):
    codes = CODES.view("<u2")[: 4 * LENGTH] if CODES.size % 2 == 0 else CODES[:-1].view("<u2")
    found = decompress_alone(compressed(codes, compressor), compressor=compressor)
    assert bytes(found) == codes.tobytes()
    assert blocks == []


@pytest.mark.parametrize(
    ("name", "value"), [("SMALLEST_CHUNK", CODES.size + 1), ("SMALLEST_BLOCK", LENGTH + 1)]
)
def test_small_chunks_and_blocks_are_left_to_blosc(name, value, blocks, monkeypatch):
    monkeypatch.setattr(blosc_blocks, name, value)
    assert decompress_alone(compressed(CODES), compressor=COMPRESSOR) == CODES.tobytes()
    assert blocks == []


def test_one_processor_is_left_to_blosc(blocks, monkeypatch):
    monkeypatch.setattr(threads, "available_processors", lambda: 1)
    assert decompress_alone(compressed(CODES), compressor=COMPRESSOR) == CODES.tobytes()
    assert blocks == []


@pytest.mark.parametrize("size", [0, 3, 15])
def test_less_than_a_header_is_left_to_the_compressor(size, blocks):
    stored = compressed(CODES)[:size]
    with pytest.raises((RuntimeError, ValueError), match=r"\w"):
        decompress_alone(stored, compressor=Zstd(1))
    assert blocks == []


@pytest.mark.parametrize("size", [16, 19, 40, 5000, -1])
def test_what_was_cut_is_refused(size):
    with pytest.raises(DamagedChunk, match=r"damaged chunk: \d+ bytes "):
        decompress_alone(compressed(CODES)[:size], compressor=COMPRESSOR)


@pytest.mark.parametrize("start", [-5, 0, 12, 15, 1 << 30])
def test_blocks_outside_of_the_chunk_are_refused(start):
    stored = compressed(CODES)
    stored[STARTS].view("<i4")[:] = start
    with pytest.raises(DamagedChunk, match=rf"damaged chunk: a block at {start} of \d+ bytes"):
        decompress_alone(stored, compressor=COMPRESSOR)


def test_blocks_that_reach_behind_the_chunk_are_refused():
    stored = compressed(CODES)
    last = int(stored[16:40].view("<i4").max())
    stored[last : last + 4].view("<i4")[:] = -1
    with pytest.raises(DamagedChunk, match="damaged chunk: 4294967295 bytes of a block at"):
        decompress_alone(stored, compressor=COMPRESSOR)


def test_a_table_longer_than_the_chunk_is_refused():
    stored = compressed(CODES)
    stored[8:12].view("<u4")[:] = 1
    with pytest.raises(DamagedChunk, match=r"damaged chunk: \d+ bytes for a table of 82019 blocks"):
        decompress_alone(stored, compressor=COMPRESSOR)


@pytest.mark.parametrize(
    ("size", "skipped"),
    [(0, False), (3, False), (LENGTH - 1, False), (LENGTH + 1, False), (LENGTH, True)],
)
def test_a_block_of_another_size_is_refused(size, skipped):
    stored = compressed(CODES)
    first = int(stored[STARTS].view("<i4")[0])
    room = int(stored[first : first + 4].view("<i4")[0])
    frame = np.frombuffer(Zstd(1).encode(CODES[:size]), np.uint8)[:room].copy()
    if skipped:  # Zstd takes a frame that begins so for a comment, which it skips
        frame[:4] = 0x50, 0x2A, 0x4D, 0x18
    stored[first : first + 4].view("<i4")[:] = frame.size
    stored[first + 4 : first + 4 + frame.size] = frame
    with pytest.raises(DamagedChunk, match=rf"damaged chunk: a block of {frame.size} bytes for"):
        decompress_alone(stored, compressor=COMPRESSOR)


def test_a_block_that_zstd_refuses_is_refused():
    stored = compressed(CODES)
    first = int(stored[STARTS].view("<i4")[0])
    stored[first + 20 : first + 4000] = 255
    with pytest.raises(DamagedChunk, match="damaged chunk: Zstd decompression error"):
        decompress_alone(stored, compressor=COMPRESSOR)


@pytest.mark.parametrize("codes", [CODES, MIXED], ids=["short", "mixed"])
def test_flipped_bits_raise_or_decode_to_the_same_size(codes):
    good, rng = compressed(codes), np.random.default_rng(0)
    kept, refused = {0, 1, 2, 3}, 0  # what kind of chunk it is, which others decode
    for byte in [*range(120), *rng.integers(0, good.size, 300).tolist()]:
        if byte not in kept:
            bad = good.copy()
            bad[byte] ^= 1 << int(rng.integers(8))
            refused += 1
            with suppress(DamagedChunk):
                assert decompress_alone(bad, compressor=COMPRESSOR).size == codes.size
                refused -= 1
    assert refused > 20


def test_random_bytes_behind_the_header_are_refused():
    good = compressed(CODES)
    for seed in range(50):
        bad = good.copy()
        bad[16:] = np.random.default_rng(seed).integers(0, 256, good.size - 16, dtype="u1")
        with pytest.raises(DamagedChunk, match="damaged chunk: "):
            decompress_alone(bad, compressor=COMPRESSOR)


NUMBERS = np.random.default_rng(1).poisson(30, 5 * LENGTH).astype("u2")


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(blosc_blocks, "SMALLEST_PART", LENGTH)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1, 100, LENGTH, LENGTH + 8, 3 * LENGTH, 5 * LENGTH - 3])
@pytest.mark.parametrize("shuffle", [Blosc.NOSHUFFLE, Blosc.SHUFFLE, Blosc.BITSHUFFLE])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_parts_together_are_what_blosc_makes_of_all(dtype, shuffle, size, noted):
    parts = noted(blosc_blocks, "_joined", len)
    compressor = Blosc("zstd", 5, shuffle, LENGTH)
    codes = NUMBERS[:size].astype(dtype)
    stored = compress(codes, compressor=compressor)
    assert stored == compressor.encode(codes)
    blocks = codes.nbytes // LENGTH
    assert parts == ([min(blocks, 3)] if blocks > 1 else [])
    assert bytes(compressor.decode(stored)) == codes.tobytes()


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("codes", [values(5 * LENGTH, noise=True), MIXED], ids=["noise", "mixed"])
def test_parts_that_do_not_become_smaller_are_left_to_blosc(codes):
    stored = compress(codes, compressor=COMPRESSOR)
    assert stored == COMPRESSOR.encode(codes)
    np.testing.assert_array_equal(np.frombuffer(COMPRESSOR.decode(stored), "u1"), codes)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "compressor",
    [Zstd(1), Blosc("zstd", 1, Blosc.SHUFFLE), OtherBlosc("zstd", 1, Blosc.SHUFFLE, LENGTH)],
    ids=str,
)
def test_others_compress_what_is_theirs(compressor, noted):
    parts = noted(blosc_blocks, "_joined", len)
    assert compress(NUMBERS, compressor=compressor) == bytes(compressor.encode(NUMBERS))
    assert parts == []


@pytest.mark.usefixtures("small_parts")
def test_numbers_of_another_size_than_the_blocks_are_left_to_blosc(noted):
    parts = noted(blosc_blocks, "_joined", len)
    compressor = Blosc("zstd", 1, Blosc.SHUFFLE, LENGTH + 2)
    assert compress(NUMBERS.astype("f4"), compressor=compressor) == compressor.encode(
        NUMBERS.astype("f4")
    )
    assert parts == []


def test_small_chunks_are_compressed_at_once(noted):
    parts = noted(blosc_blocks, "_joined", len)
    assert compress(CODES, compressor=COMPRESSOR) == COMPRESSOR.encode(CODES)
    assert parts == []
