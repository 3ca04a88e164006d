"""Planes hold the bits they are said to hold, in the order they are said to be in."""

import numpy as np
import pytest

from dj_photon_codecs.grouping import CLASS, Grouping
from dj_photon_codecs.planes import Escapes, PlaneReader, blocks, pack_planes, planes_size


def alike(pixels: int, *, bits: int, low: int = 0, base: int = 0) -> Grouping:
    return Grouping(np.zeros(pixels, "u1"), np.array([(bits, low, base)], CLASS))


def read_all(stored: np.ndarray, grouping: Grouping, escapes: Escapes, dtype: str) -> np.ndarray:
    reader = PlaneReader(stored, grouping, escapes=escapes, dtype=np.dtype(dtype))
    codes = np.empty((len(escapes.counts), grouping.classes.size), dtype)
    for index, block in enumerate(blocks(len(codes))):
        frames = range(block.start, block.stop)
        reader.read(reader.words(index), frames, place=0, target=codes[block.start : block.stop])
    return codes


@pytest.mark.parametrize("frames", [*range(1, 18), 100])
def test_blocks_cover_all_frames_once(frames):
    spans = blocks(frames)
    assert [t for span in spans for t in range(span.start, span.stop)] == list(range(frames))
    assert max(span.stop - span.start for span in spans) <= 8


def test_frames_of_a_pixel_share_a_byte():
    codes = np.array([[1], [2], [3], [4]], "u1")
    stored, _ = pack_planes(codes, alike(1, bits=4))
    assert stored.tolist() == [0x21, 0x43]
    stored, _ = pack_planes(codes - 1, alike(1, bits=2))
    assert stored.tolist() == [0b11_10_01_00]


def test_size_is_that_of_the_bits():
    assert planes_size(alike(1000, bits=2), 100) == 25_000
    assert planes_size(alike(1000, bits=4), 100) == 50_000
    assert planes_size(alike(1000, bits=8), 100) == 100_000
    assert planes_size(alike(1000, bits=8, low=4), 100) == 150_000
    assert planes_size(alike(1000, bits=0), 100) == 0


def test_codes_that_do_not_fit_are_escapes():
    codes = np.array([[10, 12, 14], [13, 9, 11]], "u1")
    stored, escapes = pack_planes(codes, alike(3, bits=2, base=10))
    assert escapes.counts.tolist() == [1, 2]
    assert escapes.excess.tolist() == [1, 0, 252]
    assert (read_all(stored, alike(3, bits=2, base=10), escapes, "u1") == codes).all()


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 8, 9, 15, 100])
@pytest.mark.parametrize(("dtype", "low"), [("u1", 0), ("u2", 4), ("u4", 12), ("u8", 52)])
def test_any_classes_are_exact(frames, dtype, low):
    rng = np.random.default_rng(frames)
    table = np.array([(0, 0, 3), (2, 0, 1), (4, 0, 2), (8, 0, 9), (8, low, 5)], CLASS)
    grouping = Grouping(np.sort(rng.integers(0, 5, 3000)).astype("u1"), table)
    codes = rng.integers(0, np.iinfo(dtype).max, (frames, 3000), dtype, endpoint=True)
    codes[:, grouping.classes == 0] = 3
    stored, escapes = pack_planes(codes, grouping)
    assert stored.size == planes_size(grouping, frames)
    assert (read_all(stored, grouping, escapes, dtype) == codes).all()


def test_few_pixels_among_many_are_exact():
    rng = np.random.default_rng(0)
    grouping = Grouping(
        (rng.random(40_000) < 0.01).astype("u1"), np.array([(4, 0, 0), (8, 4, 7)], CLASS)
    )
    codes = rng.poisson(np.where(grouping.classes, 3000, 3), (20, 40_000)).astype("u2")
    stored, escapes = pack_planes(codes, grouping)
    assert (read_all(stored, grouping, escapes, "u2") == codes).all()


def test_stretches_are_one_after_the_other():
    codes = np.repeat(np.arange(50, dtype="u1")[None], 8, axis=0).repeat(2000, axis=1)
    stored, _ = pack_planes(codes, alike(100_000, bits=8))
    half = len(stored) // 2
    assert stored[:half].max() <= stored[half:].min() + 8


def test_marks_that_are_not_listed_are_refused():
    stored, escapes = pack_planes(np.full((2, 5), 9, "u1"), alike(5, bits=2))
    with pytest.raises(ValueError, match="9 codes escape, 10 are marked"):
        read_all(stored, alike(5, bits=2), Escapes(np.array([4, 5]), escapes.excess[1:]), "u1")
