"""The checksum in a chunk: damage raises, whoever reads it."""

import random

import google_crc32c
import numpy as np
import pytest
import zarr
from numcodecs import Blosc, Zstd

from dj_photon_codecs.layouts.choice import GROUPED, PLAIN, Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.storage.filters.checksum import ChecksumFilter
from dj_photon_codecs.storage.plan import StoragePlan
from tests.movies_at_hand import CAMERA, camera_values, local_files, photon_counts, store_movie

COMPRESSIONS = {
    "plain": PLAIN,
    "grouped": GROUPED,
    "dense": Compression(None, DenseLayout()),
    "none": Compression(None),
    "own": Compression(Zstd(3)),
    "own Blosc": Compression(Blosc("lz4")),
}
MOVIES = {
    "lossless": photon_counts((20, 12, 14)),
    "steps": CameraMovie(camera_values((20, 12, 14)), CAMERA, step=0.5),
}
every_compression = pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)


def damaged(stored, chance):
    """Change a bit, a byte, or some bytes. Blosc 1 may crash where its buffer was cut."""
    changed, place = bytearray(stored), chance.randrange(len(stored))
    kind = chance.randrange(4)
    if kind == 0:
        changed[place] ^= 1 << chance.randrange(8)
    elif kind == 1:
        changed[place] = chance.randrange(256)
    elif kind == 2:
        changed[place : place + 16] = chance.randbytes(len(changed[place : place + 16]))
    else:
        changed[place : place + 16] = bytes(len(changed[place : place + 16]))
    return bytes(changed)


@pytest.mark.slow
@every_compression
@pytest.mark.parametrize("movie", MOVIES.values(), ids=MOVIES)
def test_plain_zarr_reads_no_damaged_chunk_without_an_error(movie, compression, tmp_path):
    store_movie(movie, local_files(), tmp_path / "movie.zarr", compression=compression)
    chunk, chance = tmp_path / "movie.zarr" / "0.0.0", random.Random(0)
    stored, plain = chunk.read_bytes(), zarr.open_array(tmp_path / "movie.zarr", mode="r")
    expected = plain[:]

    for _ in range(60):
        chunk.write_bytes(damaged(stored, chance))
        try:
            read = plain[:]
        except (ValueError, RuntimeError, SystemError):  # of Blosc: not a chunk, no memory
            continue
        # bits of a header that nothing reads, or what was there before
        np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("name", ["dense", "none"])
def test_plain_zarr_reads_no_chunk_that_was_cut_without_an_error(name, tmp_path):
    store_movie(
        MOVIES["lossless"], local_files(), tmp_path / "m.zarr", compression=COMPRESSIONS[name]
    )
    chunk = tmp_path / "m.zarr" / "0.0.0"
    stored, plain = chunk.read_bytes(), zarr.open_array(tmp_path / "m.zarr", mode="r")

    for length in [*range(12), *range(12, len(stored), 97), len(stored) - 1]:
        chunk.write_bytes(stored[:length])
        with pytest.raises(DamagedChunk, match=r"damaged chunk: .* insert the movie again"):
            plain[:]


def test_bytes_without_a_compressor_have_checksums_of_their_own(tmp_path):
    # CRC-32C of bytes that end in their CRC-32C is one number: exchanged chunks would pass
    movie = store_movie(
        photon_counts((60, 3, 4)),
        local_files(),
        tmp_path / "movie.zarr",
        frames_per_chunk=20,
        compression=Compression(None),
    )

    digits = str(movie.attrs["crc32c"])
    assert len({digits[:8], digits[8:16], digits[16:]}) == 3


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u4", "f8", "?", "S3", "M8[s]"])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 100])
def test_the_trailer_is_what_the_format_says(dtype, size):
    chunk = np.arange(size).astype("u1").astype(dtype)

    stored = ChecksumFilter().encode(chunk)

    raw, itemsize = stored.tobytes(), chunk.itemsize
    trailer = int.from_bytes(raw[-8:-4], "little")
    crc = google_crc32c.value(raw[:-4])
    masked = ((crc >> 15) | (crc << 17 & 0xFFFFFFFF)) + 0xA282EAD8 & 0xFFFFFFFF
    assert stored.dtype == chunk.dtype
    assert stored.size % 8 == 0
    assert raw[: -trailer or None] == chunk.tobytes()
    assert raw[-trailer:-8] == bytes(trailer - 8)
    assert raw[-4:] == masked.to_bytes(4, "little")
    assert 8 <= trailer < 8 + 8 * itemsize + itemsize


def test_a_chunk_is_returned_without_a_copy():
    stored = ChecksumFilter().encode(np.arange(100, dtype="u2"))

    assert np.shares_memory(ChecksumFilter().decode(stored), stored)
    assert np.shares_memory(ChecksumFilter().payload(stored), stored)


def test_the_payload_is_not_checked():
    stored = ChecksumFilter().encode(np.arange(5, dtype="u1"))
    stored[1] = 9

    assert ChecksumFilter().payload(stored).tolist() == [0, 9, 2, 3, 4]
    with pytest.raises(DamagedChunk, match=r"its checksum is \w{8}, and \w{8} was written"):
        ChecksumFilter().decode(stored)


@pytest.mark.parametrize("stored", [b"", b"1234567", bytes(16), b"\xff" * 16])
@pytest.mark.parametrize("method", ["decode", "payload"])
def test_too_short_for_its_checksum(method, stored):
    with pytest.raises(DamagedChunk, match=r"bytes, of which .* hold its checksum"):
        getattr(ChecksumFilter(), method)(stored)


@pytest.mark.parametrize("size", [0, 4, 6])
def test_room_of_another_size_is_refused(size):
    stored = ChecksumFilter().encode(b"12345")

    with pytest.raises(ValueError, match=f"out holds {size} bytes; the chunk has 5"):
        ChecksumFilter().decode(stored, out=bytearray(size))


@pytest.mark.slow
@every_compression
def test_it_takes_less_than_half_a_percent(compression):
    codes = np.random.default_rng(0).poisson(0.1, (100, 64, 64)).astype("u1")

    plan = StoragePlan(codes.shape, codes.dtype, Calibration(), None, codes.dtype, 100, compression)

    assert len(plan.encode_chunk(codes)) < 1.005 * len(compression.encode(codes))
