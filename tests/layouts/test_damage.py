"""Whatever happens to the bytes of a chunk: codes of the same size, or `DamagedChunk`."""

import numpy as np
import pytest
from numcodecs import Blosc

from dj_photon_codecs.layouts.blosc_chunks import decode_compressed
from dj_photon_codecs.layouts.dense.chunk import Form, chunk_header
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.grouped.layout import COMPRESSOR, GroupedLayout
from dj_photon_codecs.layouts.layout import DamagedChunk, Layout
from dj_photon_codecs.layouts.plain import COMPRESSORS

pytestmark = pytest.mark.usefixtures("backend")

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(np.geomspace(0.05, 300, 400), (20, 400)).reshape(20, 20, 20).astype("u2")
CODES = {
    "counts": COUNTS,
    "bytes": COUNTS.astype("u1"),
    "wide": COUNTS[:10, :8, :9].astype("i8") * 10**12,
    "holes": COUNTS[:10] // 3 * 3,
    "floats": COUNTS.astype("f4"),
    "big-endian": COUNTS.astype(">u2"),
    "constant": np.full((20, 8, 8), 7, "u2"),
    "constant at the end": np.concatenate([COUNTS[:12], np.zeros((8, 20, 20), "u2")]),
}
IN_GROUPS = chunk_header(Form.GROUPED, COUNTS, varying=20) + COMPRESSOR.encode(
    GroupedLayout().encode(COUNTS)
)
LAYOUTS: dict[str, Layout] = {"grouped": GroupedLayout(), "dense": DenseLayout()}
STORED = {
    f"{name}, {kind}": (layout, np.frombuffer(layout.encode(codes), np.uint8), codes)
    for name, layout in LAYOUTS.items()
    for kind, codes in CODES.items()
} | {"dense, in groups": (DenseLayout(), np.frombuffer(IN_GROUPS, np.uint8), COUNTS)}
stored_chunks = pytest.mark.parametrize(
    ("layout", "good", "codes"), STORED.values(), ids=list(STORED)
)


def outcome(decode, bad):
    """Return the codes, or None if they are damaged; anything else fails the test."""
    try:
        return decode(bad)
    except DamagedChunk:
        return None


def damaged(good, rng, number):
    """Yield buffers with flipped bits, other bytes, zeros, pieces exchanged, and other lengths."""
    for _ in range(number):
        bad = good.copy()
        reach = min(good.size, int(rng.choice([16, 64, 128, 400, good.size])))
        at, length = int(rng.integers(reach)), int(rng.integers(1, 40))
        match int(rng.integers(7)):
            case 0:
                bad[at] ^= 1 << rng.integers(8)
            case 1:
                bad[at : at + length] = rng.integers(0, 256, bad[at : at + length].size)
            case 2:
                bad[at : at + length] = rng.choice([0, 255])
            case 3:
                bad[at:] = np.roll(bad[at:], length)
            case 4:
                bad = bad[:at]
            case 5:
                bad = np.append(bad, rng.integers(0, 256, length, "u1"))
            case 6:
                other = int(rng.integers(good.size))
                length = min(length, good.size - max(at, other))
                bad[other : other + length] = good[at : at + length]
        yield bad


@stored_chunks
def test_damage_is_a_damaged_chunk_and_nothing_else(layout, good, codes):
    out, refused = np.empty_like(codes), 0
    for bad in damaged(good, np.random.default_rng(1), 40):
        refused += (
            outcome(lambda stored: layout.decode(stored, out=out), bad) is None
            if (_says(layout, bad) == codes.nbytes)
            else 1
        )
    assert refused > 5


@stored_chunks
def test_open_chunks_raise_damaged_chunk_and_nothing_else(layout, good, codes):
    for bad in damaged(good, np.random.default_rng(2), 12):
        chunk = outcome(layout.open, bad)
        if chunk is None or chunk.shape != (len(codes), codes[0].size):
            continue
        found = outcome(lambda _, chunk=chunk: chunk.frames(3, 9), bad)
        assert found is None or found.shape == (6, codes[0].size)
        picked = outcome(lambda _, chunk=chunk: chunk.pixels(np.array([2, 5]), range(3, 9)), bad)
        assert picked is None or picked.shape == (6, 2)


def _says(layout, bad):
    """Return how many bytes of codes the header of a chunk says; -1 if it is refused."""
    chunk = outcome(layout.open, bad)
    return -1 if chunk is None else chunk.shape[0] * chunk.shape[1] * chunk.dtype.itemsize


@stored_chunks
def test_every_shorter_chunk_is_refused(layout, good, codes):
    for size in {*range(0, min(good.size, 200), 11), *range(0, good.size, max(1, good.size // 20))}:
        with pytest.raises(DamagedChunk, match="damaged chunk: "):
            layout.decode(good[:size], out=np.empty_like(codes))


@pytest.mark.parametrize(("first", "second"), [("counts", "bytes"), ("holes", "floats")])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_chunks_that_were_exchanged_say_their_own_shape_and_dtype(layout, first, second):
    chunk = layout.open(layout.encode(CODES[second]))
    assert chunk.dtype == CODES[second].dtype != CODES[first].dtype


@pytest.mark.parametrize("compressor", [COMPRESSOR, COMPRESSORS[0], Blosc("lz4")], ids=repr)
def test_blosc_never_sees_a_buffer_of_another_length_than_it_says(compressor):
    codes = np.random.default_rng(3).poisson(3, 1_000_000).astype("u2")
    good = np.frombuffer(compressor.encode(codes), np.uint8)
    for bad in damaged(good, np.random.default_rng(4), 40):
        found = outcome(
            lambda stored: decode_compressed(stored, compressor=compressor, most=codes.nbytes),
            bad,
        )
        assert found is None or len(memoryview(found).cast("B")) <= codes.nbytes
