"""Numbers of codes are small, and stand for the codes."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.numbering import number_codes

INTEGERS = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"]


def restored(codes: np.ndarray) -> np.ndarray:
    found = number_codes(codes, most=1 << 24)
    assert found is not None
    numbers, numbering = found
    room = numbers.astype(f"u{codes.itemsize}")
    numbering.apply(room)
    return room.view(codes.dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("end", ["min", "max"])
def test_codes_come_back_at_either_end_of_a_dtype(dtype, end):
    limits = np.iinfo(dtype)
    first = limits.min if end == "min" else limits.max - 90
    codes = np.array([first + k for k in (0, 30, 60, 90)], dtype).repeat(50).reshape(10, 4, 5)
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


@pytest.mark.parametrize("unit", [1, 2, 16, 77])
def test_what_all_have_in_common_is_left_out(unit):
    codes = np.random.default_rng(0).poisson(5, (20, 30, 30)).astype("i4") * unit - 1000
    numbers, numbering = number_codes(codes, most=100)  # type: ignore[misc]
    assert (numbers.dtype, numbering.lowest, numbering.unit) == (np.uint8, -1000, unit)
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


def test_what_only_the_first_frame_has_in_common_is_not():
    codes = np.array([[[0, 48, 96]], [[16, 40, 8]]], "u2")
    numbers, numbering = number_codes(codes, most=100)  # type: ignore[misc]
    assert (numbers.max(), numbering.unit) == (12, 8)
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


def test_codes_of_one_value_come_back():
    codes = np.full((3, 4, 5), -7, "i2")
    numbers, numbering = number_codes(codes, most=100)  # type: ignore[misc]
    assert (numbers.max(), numbering.lowest, numbering.unit) == (0, -7, 1)
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


def test_holes_between_few_codes_are_left():
    codes = np.random.default_rng(0).integers(0, 40_000, (2, 5, 5)).astype("u2")
    numbers, numbering = number_codes(codes, most=1 << 24)  # type: ignore[misc]
    assert numbering.values.size == 0
    assert numbers.max() == (codes.max() - codes.min()) // numbering.unit


def test_holes_are_left_out():
    codes = np.random.default_rng(0).choice(np.array([3, 7, 8, 20], "u2"), (20, 30, 30))
    numbers, numbering = number_codes(codes, most=100)  # type: ignore[misc]
    assert numbers.max() == 3
    assert numbering.values.tolist() == [0, 4, 5, 17]
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


def test_too_many_are_refused():
    assert number_codes(np.array([[[0, 100, 33]]]), most=100) is None
    assert number_codes(np.array([[[0, 200, 66]]]), most=101) is not None
