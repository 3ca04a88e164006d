"""Codes in steps: their guarantee, their range, and what they decode to without any fit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dj_photon_codecs.photons import steps as quantization
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.steps import (
    check_step,
    quantize,
    stepped_codes,
    stepped_dtype,
)
from dj_photon_codecs.photons.table_lookup import BLOCK as LOOKUP_BLOCK
from dj_photon_codecs.photons.transform import generalized_anscombe

CAMERAS = {
    "photon counts": Calibration(),
    "counts with noise": Calibration(gain=1.0, offset=0.0, variance=4.0),
    "fractions": Calibration(gain=2.3, offset=7.7, variance=1.0),
    "camera": Calibration(gain=30.0, offset=100.0, variance=81.0),
    "negative offset": Calibration(gain=2400.0, offset=-200.0, variance=0.0),
    "coarse": Calibration(gain=0.3, offset=100.0, variance=0.09),
}
STEPS = [1.0, 0.5, 0.25, 0.1, 1 / 3]
unhurried = settings(deadline=None, derandomize=True)  # the same examples on any machine
cameras = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
steps = pytest.mark.parametrize("step", STEPS)
numbers = st.floats(0.001, 1.0)


def transform(values, camera):
    return generalized_anscombe(values, camera.gain, camera.offset, camera.variance)


def code_of(values, camera, step):
    return quantize(transform(values, camera), step, dtype="i8")


# ---------------------------------------------------------------------------- steps


@pytest.mark.parametrize("step", [1, 0.5, 1e-6, np.float32(0.25), np.int8(1)])
def test_a_step_is_a_number_up_to_one_standard_deviation(step):
    checked = check_step(step)
    assert checked == step
    assert type(checked) is float


@pytest.mark.parametrize("step", [0, -0.5, 1.0001, 2, math.nan, math.inf])
def test_a_step_out_of_range_is_refused_with_what_it_would_cost(step):
    with pytest.raises(ValueError, match=r"0 < step <= 1 standard deviation .* adds 1.04 %"):
        check_step(step)


@pytest.mark.parametrize("step", [True, np.True_, "0.5", None, 0.5j, [0.5]])
def test_what_is_no_number_is_no_step(step):
    with pytest.raises(TypeError, match=r"step is .*; it must be a number"):
        check_step(step)


# ---------------------------------------------------------------------------- codes


@unhurried
@given(st.floats(-1e9, 1e9), numbers)
def test_a_code_is_never_farther_off_than_half_a_step(y, step):
    code = quantize([y], step, dtype="i8")[0]
    assert abs(step * float(code) - y) <= step / 2 + 2 * np.spacing(abs(y))


def test_halves_go_to_the_even_code():
    codes = quantize([0.25, 0.75, 1.25, -0.25, -0.75], 0.5, dtype="i1")
    assert codes.tolist() == [0, 2, 2, 0, -2]


def test_codes_have_the_shape_of_the_values_and_the_dtype_asked_for():
    codes = quantize(np.ones((2, 0, 3)), 0.5, dtype="<u2")
    assert codes.shape == (2, 0, 3)
    assert codes.dtype == "<u2"


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4"])
def test_codes_reach_both_ends_of_a_dtype_and_never_wrap(dtype):
    ends = np.iinfo(dtype)
    codes = quantize([ends.min, ends.max], 1.0, dtype=dtype)
    assert codes.tolist() == [ends.min, ends.max]
    for y in (ends.min - 1.0, ends.max + 1.0):
        with pytest.raises(ValueError, match=f"do not fit into {np.dtype(dtype)}; take the dtype"):
            quantize([0.0, y], 1.0, dtype=dtype)


@pytest.mark.parametrize(("dtype", "first"), [("i8", 2.0**63), ("u8", 2.0**64)])
def test_codes_of_64_bits_end_where_float64_says(dtype, first):
    below = math.nextafter(first, 0)
    assert quantize([below], 1.0, dtype=dtype)[0] == int(below)
    with pytest.raises(ValueError, match="do not fit"):
        quantize([first], 1.0, dtype=dtype)


@pytest.mark.parametrize("y", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_no_code(y):
    with pytest.raises(ValueError, match="finite values"):
        quantize([1.0, y, 2.0], 0.5, dtype="i8")


# ---------------------------------------------------------------------------- codes of values


def assert_coded_one_by_one(values, camera, step):
    """Check codes, however they were found, against those of all values, one after the other."""
    expected = code_of(values, camera, step)
    dtype = stepped_dtype(values.min(), values.max(), camera, step=step)
    coded = stepped_codes(values, camera, step=step, dtype=dtype)
    np.testing.assert_array_equal(coded, expected.astype(dtype), strict=True)
    assert np.array_equal(coded, expected)


@pytest.mark.slow
@cameras
@steps
@pytest.mark.parametrize("dtype", ["u2", "i2", ">u2", ">i2"])
def test_every_number_of_16_bits_has_its_code(camera, step, dtype):
    limits = np.iinfo(dtype)
    twice = np.tile(np.arange(limits.min, limits.max + 1), 2)
    values = np.random.default_rng(0).permutation(twice).astype(dtype)
    assert_coded_one_by_one(values.reshape(4, -1, 64), camera, step)


@unhurried
@given(
    st.sampled_from(list(CAMERAS.values())),
    numbers,
    st.sampled_from(["u1", "i1", "u2", ">i2", "u4", "<i4", "u8", ">u8", "i8"]),
    st.floats(0, 1),
    st.integers(1, 300),
    st.integers(1, 300),
)
def test_integers_have_the_same_codes_wherever_their_range_lies(
    camera, step, dtype, place, width, size
):
    lowest, highest = max(np.iinfo(dtype).min, -(2**40)), np.iinfo(dtype).max  # all have codes
    first = min(lowest + int(place * (highest - lowest)), highest)
    possible = [min(first + number, highest) for number in range(width)]
    values = np.random.default_rng(size).choice(np.array(possible, dtype), size)
    assert_coded_one_by_one(values, camera, step)


@pytest.mark.parametrize("dtype", ["?", "f2", ">f4", "f8"])
def test_values_that_are_no_integers_are_coded_too(dtype):
    values = np.random.default_rng(0).normal(3, 2, (5, 40, 50)).astype(dtype)
    assert_coded_one_by_one(values, Calibration(), 0.5)


@pytest.mark.parametrize("shape", [(), (0, 3), (1, 1), (LOOKUP_BLOCK + 1, 3)], ids=str)
def test_values_of_any_number_are_coded(shape):
    values = np.random.default_rng(0).poisson(3, shape) * np.ones(shape, "u1")
    coded = stepped_codes(values, Calibration(), step=0.5, dtype="u1")
    np.testing.assert_array_equal(coded, code_of(values, Calibration(), 0.5))
    assert coded.shape == shape
    assert coded.dtype == "u1"


@pytest.mark.parametrize(
    "layout", [np.asfortranarray, lambda values: values[::-1, ::2], np.transpose]
)
def test_values_in_any_order_of_memory_are_coded(layout):
    values = layout(np.random.default_rng(0).integers(-50, 50, (30, 40, 50), "i2"))
    assert_coded_one_by_one(values, CAMERAS["camera"], 0.5)


@pytest.mark.parametrize(
    ("size", "coded"), [(100_000, 101), (102, 101), (101, 101), (100, 100)], ids=str
)
def test_no_number_is_transformed_more_often_than_needs_be(size, coded, monkeypatch):
    sizes = []

    def transform_and_count(x, *camera):
        sizes.append(np.size(x))
        return generalized_anscombe(x, *camera)

    monkeypatch.setattr(quantization, "generalized_anscombe", transform_and_count)
    values = np.resize(np.array([-30, 70], "i2"), size)
    stepped_codes(values, Calibration(), step=0.5, dtype="i2")
    assert sizes == [coded]


def test_codes_of_values_never_wrap():
    values = np.tile(np.arange(4100, dtype="u2"), 2)
    with pytest.raises(ValueError, match="codes from 2 to 256 do not fit into uint8"):
        stepped_codes(values, Calibration(), step=0.5, dtype="u1")


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8"])
@pytest.mark.parametrize("changed", [9, 21])
def test_integers_that_change_meanwhile_are_refused(dtype, changed, monkeypatch):
    values = np.tile(np.arange(10, 21), 2).astype(dtype)

    def write_meanwhile(x, *camera):
        values[5] = changed
        return generalized_anscombe(x, *camera)

    monkeypatch.setattr(quantization, "generalized_anscombe", write_meanwhile)
    with pytest.raises(ValueError, match=r"changed while it was coded\. Let nothing write to it"):
        stepped_codes(values, Calibration(), step=0.5, dtype="u1")


# ---------------------------------------------------------------------------- dtypes


@unhurried
@given(
    st.sampled_from(list(CAMERAS.values())),
    numbers,
    st.lists(st.integers(-(2**32), 2**32), min_size=2),
)
def test_every_value_in_a_range_has_a_code_that_fits(camera, step, values):
    dtype = stepped_dtype(min(values), max(values), camera, step=step)
    codes = quantize(transform(values, camera), step, dtype=dtype)
    assert np.array_equal(codes, code_of(values, camera, step))


@pytest.mark.parametrize(
    ("lowest", "highest", "dtype"),
    [
        (0, 1000, "|u1"),  # code 127 would fit into both
        (0, 4000, "|u1"),  # code 253
        (0, 4100, "<u2"),  # code 256
        (-3, 100, "|i1"),
        (-3, 4000, "<i2"),
        (0, 2**32 - 1, "<u4"),  # code 262144
        (-(2**31), 2**31, "<i8"),  # the transform is linear below zero
        (0, 2**60 - 2**32, "<u4"),  # code 2**32 - 8
        (0, 2**60, "<u8"),  # code 2**32
    ],
)
def test_the_dtype_is_the_smallest(lowest, highest, dtype):
    assert stepped_dtype(lowest, highest, Calibration(), step=0.5).str == dtype


@pytest.mark.parametrize("highest", [math.inf, math.nan, 1e60])
def test_a_range_without_codes_is_refused(highest):
    with pytest.raises(ValueError, match=r"have no 64-bit codes .* step=None"):
        stepped_dtype(0, highest, Calibration(), step=0.5)
