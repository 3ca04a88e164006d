"""A chunk decodes as a whole and frame by frame, and what is damaged is refused."""

from contextlib import suppress

import numpy as np
import pytest

from dj_photon_codecs.layouts.grouped.chunk import CHUNK_HEADER
from dj_photon_codecs.layouts.grouped.layout import GroupedLayout
from tests.layouts.grouped.test_layout import KINDS, movie

pytestmark = pytest.mark.usefixtures("backend")

LAYOUT = GroupedLayout()


@pytest.mark.parametrize("codes", KINDS)
@pytest.mark.parametrize(("start", "stop"), [(0, 1), (41, 42), (95, 100)])
def test_frames_are_those_of_the_chunk(codes, start, stop):
    codes = codes.copy()
    codes[98:] = 0
    chunk = LAYOUT.open(LAYOUT.encode(codes).tobytes())
    assert (chunk.shape, chunk.dtype) == ((100, codes[0].size), codes.dtype)
    for _ in range(2):
        assert chunk.frames(start, stop).tobytes() == codes[start:stop].tobytes()


@pytest.mark.parametrize("codes", KINDS)
@pytest.mark.parametrize("frames", [range(1), range(41, 60), range(90, 100), range(98, 100)])
@pytest.mark.parametrize("number", [1, 50, 1900])
def test_pixels_are_those_of_the_chunk(codes, frames, number):
    codes = np.resize(codes, (100, 48, 40))
    codes[98:] = 7
    chunk = LAYOUT.open(LAYOUT.encode(codes).tobytes())
    pixels = np.sort(np.random.default_rng(0).permutation(48 * 40)[:number])
    expected = codes.reshape(100, -1)[frames.start : frames.stop, pixels]
    np.testing.assert_array_equal(chunk.pixels(pixels, frames), expected, strict=True)


def test_frames_one_by_one_are_the_chunk():
    chunk = LAYOUT.open(LAYOUT.encode(movie()))
    frames = np.concatenate([chunk.frames(t, t + 1) for t in range(100)])
    assert (frames == movie().reshape(100, -1)).all()


@pytest.mark.parametrize("codes", KINDS)
def test_damaged_headers_raise_or_decode_to_the_same_size(codes):
    good = LAYOUT.encode(codes)
    out = np.empty_like(codes)
    refused = 0
    for bit in range(8 * min(64, good.size)):
        bad = good.copy()
        bad[bit // 8] ^= 1 << bit % 8
        with suppress(ValueError):
            refused -= 1
            LAYOUT.decode(bad, out=out)
            refused += 1
    assert refused < -100


@pytest.mark.parametrize("codes", KINDS)
@pytest.mark.parametrize("size", [0, 31, 33, 200])
def test_chunks_that_were_cut_or_grew_are_refused(codes, size):
    stored = LAYOUT.encode(codes)
    other = np.resize(stored, size)
    with pytest.raises(ValueError, match="damaged chunk: "):
        LAYOUT.decode(other)


def test_other_versions_are_named():
    stored = LAYOUT.encode(movie())
    stored[0] = 9
    with pytest.raises(ValueError, match=r"a chunk of form 9, .*: upgrade it"):
        LAYOUT.decode(stored)


def with_header(codes: np.ndarray, **changes: int) -> np.ndarray:
    stored = LAYOUT.encode(codes)
    for name, value in changes.items():
        stored[: CHUNK_HEADER.itemsize].view(CHUNK_HEADER)[name] = value
    return stored


@pytest.mark.parametrize("changes", [{"frames": 99}, {"pixels": 48 * 40 - 40}], ids=str)
def test_a_chunk_within_that_is_larger_than_its_header_says_is_refused(changes):
    with pytest.raises(ValueError, match="damaged chunk: "):
        LAYOUT.decode(with_header(movie(), **changes))


def test_frames_behind_those_within_are_constant():
    decoded = LAYOUT.decode(with_header(movie(), frames=103)).reshape(103, 48, 40)
    assert (decoded[:100] == movie()).all()
    assert (decoded[100:] == movie()[-1, -1, -1]).all()
