"""The transform against its published formulas and the noise that it stabilises."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import settings

import anscombe as own_name
from dj_photon_codecs.photons.inverses import (
    exact_inverse,
    generalized_inverse_anscombe,
    inverse_anscombe,
)
from dj_photon_codecs.photons.transform import anscombe, generalized_anscombe

INTEGERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]
FLOATS = ["f2", "f4", "f8"]
DARK = 2 * math.sqrt(3 / 8)

CAMERA = {"gain": 50.0, "offset": 100.0, "variance": 400.0}
CAMERAS = {
    "photon counts": {"gain": 1.0, "offset": 0.0, "variance": 0.0},
    "camera": CAMERA,
    "negative offset": {"gain": 2.5, "offset": -200.0, "variance": 9.0},
    "noisy": {"gain": 8.0, "offset": 0.0, "variance": 256.0},
}
unhurried = settings(deadline=None, derandomize=True)  # the same examples on any machine
cameras = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)

# E[2 sqrt(x + 3/8) | rate]; M. Makitalo and A. Foi (2011) define the unbiased inverse by it.
EXPECTATIONS = {
    0.0: 1.224745,
    0.1: 1.334913,
    0.25: 1.493471,
    0.5: 1.741587,
    1.0: 2.186906,
    2.0: 2.928430,
    3.0: 3.537928,
    5.0: 4.527448,
    7.0: 5.338351,
    10.0: 6.363890,
    15.0: 7.778152,
    20.0: 8.972169,
    30.0: 10.977246,
    50.0: 14.159801,
    100.0: 20.012496,
}
RATES = [*np.geomspace(0.01, 300, 60)]


def poisson_mean(function, rate):
    """Expectation of a function of counts, by summing over all counts that matter."""
    counts = np.arange(math.ceil(rate + 15 * math.sqrt(rate) + 30), dtype=np.float64)
    logarithms = np.array([math.lgamma(count + 1) for count in counts])
    weights = np.exp(counts * math.log(rate) - rate - logarithms) if rate else counts == 0
    return float(np.sum(weights * function(counts)))


def variance_of(transform, rate):
    mean = poisson_mean(transform, rate)
    return poisson_mean(lambda x: (transform(x) - mean) ** 2, rate)


def camera_mean(function, rate, *, gain, offset, variance):
    """Expectation of a function of camera values: counts, times gain, plus Gaussian noise."""
    sigmas = np.linspace(-9, 9, 3001)
    weights = np.exp(-(sigmas**2) / 2)
    noise = math.sqrt(variance) * sigmas

    def averaged(counts):
        values = function(offset + gain * counts[:, None] + noise)
        return values @ (weights / weights.sum())

    return poisson_mean(averaged, rate)


# ---------------------------------------------------------------------------- the formulas


@pytest.mark.parametrize("dtype", ["?", *INTEGERS, *FLOATS])
def test_transform_is_anscombes_formula_to_the_last_bit(dtype):
    rng = np.random.default_rng(0)
    top = {"?": 1, "f2": 65504, "f4": 2**24, "f8": 2**53}.get(dtype)
    top = np.iinfo(dtype).max if top is None else top
    beginning, middle = np.arange(min(top, 2000) + 1), rng.integers(0, top, 1000, "u8")
    x = np.concatenate([part.astype(dtype) for part in (beginning, middle, np.array([top], "u8"))])

    y = anscombe(x)

    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, 2 * np.sqrt(x.astype(np.float64) + 3 / 8), strict=True)


@cameras
def test_transform_is_the_published_one_above_the_junction(camera):
    g, offset, v = camera.values()
    x = offset - v / g + np.geomspace(1e-3, 1e9, 1000)

    published = 2 / g * np.sqrt(g * (x - offset) + 3 / 8 * g**2 + v)

    np.testing.assert_allclose(generalized_anscombe(x, **camera), published, rtol=4e-15)


@cameras
def test_transform_goes_on_in_a_straight_line_below_the_junction(camera):
    junction = camera["offset"] - camera["variance"] / camera["gain"]
    distance = np.array([0.0, 1.0, 100.0, 1e6]) * camera["gain"]

    y = generalized_anscombe(junction - distance, **camera)

    slope = 1 / math.sqrt(3 / 8)  # of 2 sqrt(a) at a = 3/8, per photon
    np.testing.assert_allclose(y, DARK - slope * distance / camera["gain"], rtol=1e-13)


@cameras
def test_value_and_slope_are_continuous_at_the_junction(camera):
    junction = camera["offset"] - camera["variance"] / camera["gain"]
    h = 1e-5 * camera["gain"]
    below, at, above = generalized_anscombe(junction + np.array([-h, 0, h]), **camera)

    assert at == pytest.approx(DARK, abs=1e-13)
    # the second derivative of 2 sqrt(a) at 3/8 is -2.2, so that the slopes differ by 1.1e-5
    assert (above - at) == pytest.approx(at - below, rel=2e-5)


@cameras
def test_transform_never_falls(camera):
    x = camera["offset"] + camera["gain"] * np.linspace(-20, 20, 100_001)

    assert (np.diff(generalized_anscombe(x, **camera)) > 0).all()


def test_module_anscombe_is_the_same_functions():
    assert own_name.anscombe is anscombe
    assert own_name.inverse_anscombe is inverse_anscombe
    assert own_name.generalized_anscombe is generalized_anscombe
    assert own_name.generalized_inverse_anscombe is generalized_inverse_anscombe


# ---------------------------------------------------------------------------- the noise


@pytest.mark.parametrize("rate", [10.0, 20.0, 50.0, 100.0, 1000.0])
def test_noise_of_photons_becomes_one(rate):
    # Anscombe (1948): the variance is 1 + 1 / (16 rate^2) + O(rate^-3)
    assert variance_of(anscombe, rate) == pytest.approx(1 + 1 / (16 * rate**2), abs=1 / rate**3)


def test_noise_fades_only_in_the_dark():
    # where a second photon is rare it is rate (2 sqrt(11/8) - 2 sqrt(3/8))^2
    step = 2 * math.sqrt(11 / 8) - 2 * math.sqrt(3 / 8)
    assert variance_of(anscombe, 1e-3) == pytest.approx(1e-3 * step**2, rel=2e-3)

    variances = [variance_of(anscombe, rate) for rate in (0.1, 0.3, 1, 2, 3, 4)]
    assert variances == sorted(variances)
    assert variances[-1] == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("rate", [10.0, 50.0, 200.0])
@cameras
def test_noise_of_cameras_becomes_one(camera, rate):
    def transform(x):
        return generalized_anscombe(x, **camera)

    mean = camera_mean(transform, rate, **camera)
    variance = camera_mean(lambda x: (transform(x) - mean) ** 2, rate, **camera)

    assert variance == pytest.approx(1, abs=0.03)


# ---------------------------------------------------------------------------- arguments

FUNCTIONS = {
    "anscombe": anscombe,
    "inverse_anscombe": inverse_anscombe,
    "generalized_anscombe": generalized_anscombe,
    "generalized_inverse_anscombe": generalized_inverse_anscombe,
    "unbiased": lambda y: generalized_inverse_anscombe(y, method="unbiased"),
}
functions = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gain": 0.0}, r"gain is 0\.0; it must be positive"),
        ({"gain": -1.0}, r"gain is -1\.0"),
        ({"gain": math.nan}, "gain is nan"),
        ({"gain": math.inf}, "gain is inf"),
        ({"offset": math.nan}, "offset is nan; it must be finite"),
        ({"offset": -math.inf}, "offset is -inf"),
        ({"variance": -0.1}, r"variance is -0\.1; it must be >= 0"),
        ({"variance": math.nan}, "variance is nan"),
        ({"variance": math.inf}, "variance is inf"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused(wrong, message):
    everything = {"gain": 1.0, "offset": 0.0, "variance": 0.0} | wrong
    with pytest.raises(ValueError, match=message):
        generalized_anscombe([1.0], **wrong)
    with pytest.raises(ValueError, match=message):
        generalized_inverse_anscombe([2.0], **wrong)
    with pytest.raises(ValueError, match=message):
        exact_inverse([2.0], "u1", **everything)


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method is 'best'; it must be 'algebraic'"):
        generalized_inverse_anscombe([2.0], method="best")  # type: ignore[arg-type]


@functions
@pytest.mark.parametrize("x", [[1 + 2j], ["one"], [None], np.array(["2020"], "M8[Y]")], ids=repr)
def test_what_is_not_real_is_refused(function, x):
    with pytest.raises(TypeError, match=r"values have dtype .*; they must be"):
        function(x)


@functions
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (7,), (2, 3, 4, 5)], ids=str)
def test_shape_is_kept(function, shape):
    assert np.shape(function(np.ones(shape))) == shape


@functions
def test_scalars_give_scalars_and_lists_give_arrays(function):
    assert type(function(5)) is np.float64
    assert type(function(np.float32(5))) is np.float64
    assert function([[5, 6]]).tolist() == [[function(5), function(6)]]


@functions
def test_layout_and_byte_order_do_not_matter(function):
    x = np.random.default_rng(2).poisson(9, (40, 50, 60)).astype("f4")
    expected = function(x.astype("f8"))

    def check(values, wanted):
        np.testing.assert_array_equal(function(values), wanted)

    check(np.asfortranarray(x), expected)
    check(x.astype(">f4"), expected)
    check(np.repeat(x, 2, axis=1)[:, ::2], expected)
    check(x[::-1, :, ::-2], expected[::-1, :, ::-2])
    check(np.broadcast_to(x[0], (3, 50, 60)), np.broadcast_to(expected[0], (3, 50, 60)))


@functions
def test_nan_stays_nan(function):
    assert np.isnan(function([3.0, math.nan, 4.0])).tolist() == [False, True, False]


@functions
def test_argument_is_left_alone(function):
    x = np.arange(10.0)
    x.flags.writeable = False

    function(x)

    assert x.tolist() == list(range(10))


@functions
def test_memory_is_that_of_the_result(function):
    x = np.full(1 << 22, 7, "u1")
    function(x[:2])  # the table of the unbiased inverse is made once, and kept
    tracemalloc.start()
    try:
        result = function(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < result.nbytes + (4 << 20)
