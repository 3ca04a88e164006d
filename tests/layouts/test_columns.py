"""Columns come back from their bytes, and what is damaged is refused."""

import zlib

import numpy as np
import pytest

from dj_photon_codecs.layouts.columns import bytewise, changes, cut, inflated, numbers_of


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i4"])
def test_numbers_come_back_from_their_bytes(dtype):
    numbers = np.random.default_rng(0).integers(0, 1 << 31, 50).astype(dtype)
    np.testing.assert_array_equal(numbers_of(bytewise(numbers), dtype), numbers, strict=True)
    summed = np.cumsum(changes(numbers), dtype=dtype)
    np.testing.assert_array_equal(summed, numbers, strict=True)


def test_the_lowest_bytes_come_first():
    assert bytewise(np.array([0x0102, 0x0304], np.uint16)).tolist() == [2, 4, 1, 3]


@pytest.mark.parametrize("size", [2, 4])
def test_streams_of_another_size_are_refused(size):
    stored = np.frombuffer(zlib.compress(b"abc"), np.uint8)
    assert inflated(stored, 3).tobytes() == b"abc"
    with pytest.raises(ValueError, match=f"damaged chunk: a model of 3 bytes or more, not {size}"):
        inflated(stored, size)


def test_bytes_are_cut_where_they_are_enough():
    stored = np.arange(5, dtype=np.uint8)
    assert [part.tolist() for part in cut(stored, (2, 1))] == [[0, 1], [2], [3, 4]]
    assert [part.tolist() for part in cut(stored, (2, 1), all_of_it=True)] == [[0, 1], [2]]
    with pytest.raises(ValueError, match="damaged chunk: 5 bytes, where 6 should be"):
        cut(stored, (2, 4))
