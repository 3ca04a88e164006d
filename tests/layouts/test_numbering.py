"""Numbers of codes have 16 bits, and stand for the codes."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.numbering import number_codes

INTEGERS = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"]


def numbered(codes):
    found = number_codes(codes)
    assert found is not None
    return found


def restored(codes):
    numbers, numbering = numbered(codes)
    assert numbers.dtype in (np.uint8, np.uint16)
    room = np.empty(codes.shape, f"u{codes.itemsize}")
    numbering.apply(room, numbers)
    if codes.itemsize > 1:
        in_place = numbers.astype(room.dtype)
        numbering.apply(in_place)
        np.testing.assert_array_equal(in_place, room)
    return room.view(codes.dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("end", ["min", "max"])
def test_codes_come_back_at_either_end_of_a_dtype(dtype, end):
    limits = np.iinfo(dtype)
    first = limits.min if end == "min" else limits.max - 90
    codes = np.array([first + k for k in (0, 30, 60, 90)], dtype).repeat(50).reshape(10, 4, 5)
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


@pytest.mark.parametrize("dtype", ["i4", "u8", "i8"])
def test_a_span_of_65536_has_numbers_of_its_own(dtype):
    codes = np.random.default_rng(0).integers(0, 1 << 16, (20, 40, 40)).astype(dtype)
    codes[0, 0, :2] = 0, 65535
    codes += np.iinfo(dtype).max - 70_000
    assert numbered(codes)[1].unit == 1
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


def test_what_wide_codes_have_in_common_is_left_out():
    codes = np.random.default_rng(0).poisson(5, (20, 30, 30)).astype("i4") * 77_000 - 1000
    numbers, numbering = numbered(codes)
    assert (numbering.lowest, numbering.unit, numbers.max()) == (
        -1000,
        77_000,
        codes.max() // 77_000 + 1,
    )
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8", "u8"])
def test_the_two_ends_of_a_dtype_are_numbers_0_and_1(dtype):
    limits = np.iinfo(dtype)
    codes = np.array([limits.max, limits.min, limits.max, limits.max], dtype)
    numbers, numbering = numbered(codes)
    assert numbers.tolist() == [1, 0, 1, 1]
    assert numbering.unit == limits.max - limits.min
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


@pytest.mark.parametrize("last", [1 << 16, 100_003])
def test_codes_that_span_more_have_none(last):
    codes = np.array([[0, 7, last]], "u4")
    assert number_codes(codes) is None
    codes = np.zeros((30, 100, 100), "u4")
    codes[0, 0, 0], codes[-1, -1, -1] = 77_000 * 4, 77_001
    assert number_codes(codes) is None


def test_holes_are_left_out():
    codes = np.random.default_rng(0).choice(np.array([3, 7, 500, 520], "u2"), (20, 30, 30))
    numbers, numbering = numbered(codes)
    assert (numbers.max(), numbering.values.tolist()) == (3, [0, 4, 497, 517])
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


def test_holes_between_few_codes_are_left():
    codes = np.random.default_rng(0).integers(0, 40_000, (2, 5, 5)).astype("u2")
    numbers, numbering = numbered(codes)
    assert numbering.values.size == 0
    assert numbers.max() == codes.max() - codes.min()


def test_bright_codes_without_holes_are_left():
    codes = np.random.default_rng(0).poisson(900, (20, 60, 60)).astype("u2")
    numbers, numbering = numbered(codes)
    assert (numbering.values.size, numbering.lowest) == (0, codes.min())
    np.testing.assert_array_equal(numbers, codes - codes.min())


def test_codes_of_one_value_come_back():
    codes = np.full((3, 4, 5), -7, "i2")
    assert numbered(codes)[1][:2] == (-7, 1)
    np.testing.assert_array_equal(restored(codes), codes, strict=True)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8"])
def test_numbers_are_in_the_order_of_codes_below_zero(dtype):
    numbers, numbering = numbered(np.array([[-3, -1, 0, 2, 120]], dtype))
    assert numbers.tolist() == [[0, 2, 3, 5, 123]]
    assert numbering.lowest == -3
