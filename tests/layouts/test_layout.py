"""Any layout, and any codec that is none, is read by frames and by pixels."""

import numpy as np
import pytest
from numcodecs import BZ2, Delta, Zlib

from dj_photon_codecs.layouts.grouped.layout import GroupedLayout
from dj_photon_codecs.layouts.layout import DamagedChunk, Layout, WholeChunk, open_chunk

CODES = np.random.default_rng(0).poisson(3, (20, 6, 7)).astype("<u2")
SHAPE = 20, 42


class Reversed:
    """A third party's layout: the bytes of a chunk, the last one first."""

    codec_id = "reversed"

    def encode(self, buf):
        return np.ascontiguousarray(buf).tobytes()[::-1]

    def decode(self, buf, out=None):
        del out
        return bytes(buf)[::-1]

    def open(self, buf):
        return WholeChunk.of(np.frombuffer(self.decode(buf), "<u2").reshape(SHAPE))


PIPELINES = {
    "no filter": [],
    "a codec": [Delta("<u2")],
    "two codecs": [Delta("<u2"), Zlib()],
    "our layout": [GroupedLayout()],
    "our layout and a codec": [GroupedLayout(), BZ2()],
    "another's layout": [Reversed()],
}


def through(filters, codes):
    for codec in filters:
        codes = codec.encode(codes)
    return np.ascontiguousarray(codes).tobytes()


@pytest.mark.parametrize("filters", PIPELINES.values(), ids=PIPELINES)
def test_frames_and_pixels_are_read_through_any_filters(filters):
    chunk = open_chunk(through(filters, CODES), filters, shape=SHAPE, dtype=CODES.dtype)
    flat, some = CODES.reshape(SHAPE), np.array([3, 17, 40])

    assert (chunk.shape, chunk.dtype) == (SHAPE, CODES.dtype)
    np.testing.assert_array_equal(chunk.frames(3, 9), flat[3:9], strict=True)
    np.testing.assert_array_equal(chunk.pixels(some, range(3, 9)), flat[3:9, some], strict=True)
    out = np.empty((6, 42), CODES.dtype)
    assert chunk.frames(3, 9, out=out) is out
    np.testing.assert_array_equal(out, flat[3:9])
    assert isinstance(chunk.divisible, bool)


@pytest.mark.parametrize("filters", PIPELINES.values(), ids=PIPELINES)
@pytest.mark.parametrize(
    ("shape", "dtype"), [((20, 43), "<u2"), ((21, 42), "<u2"), (SHAPE, "<u4")], ids=str
)
def test_a_chunk_of_another_shape_or_dtype_is_refused(filters, shape, dtype):
    with pytest.raises(DamagedChunk, match=r"damaged chunk: .* of .*uint\d+ .*belong"):
        open_chunk(through(filters, CODES), filters, shape=shape, dtype=np.dtype(dtype))


def test_a_layout_says_its_shape_before_it_decodes():
    # a chunk of as many bytes, in another shape
    with pytest.raises(DamagedChunk, match=r"it holds \(20, 42\) codes of uint16 .* \(40, 21\)"):
        open_chunk(
            through([GroupedLayout()], CODES),
            [GroupedLayout()],
            shape=(40, 21),
            dtype=CODES.dtype,
        )


def test_codecs_that_open_chunks_are_layouts():
    assert isinstance(GroupedLayout(), Layout)
    assert isinstance(Reversed(), Layout)
    assert not isinstance(Zlib(), Layout)


def test_the_frames_that_are_wanted_first_are_decoded_alone_and_all_for_others():
    codes, decoded = np.arange(30, dtype="u2").reshape(6, 5), []

    def decode(room, start):
        decoded.append((start, len(room)))
        room[...] = codes[start : start + len(room)]

    chunk = WholeChunk(codes.shape, codes.dtype, decode, some=True)
    for start, stop in ((2, 4), (3, 4), (1, 3), (0, 6)):
        np.testing.assert_array_equal(chunk.frames(start, stop), codes[start:stop])
    np.testing.assert_array_equal(chunk.pixels(np.array([1, 4]), range(5, 6)), codes[5:, [1, 4]])
    assert decoded == [(2, 2), (0, 6)]
