"""The transform against its published formulas, its inverses against the Poisson distribution."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import anscombe as own_name
from dj_photon_codecs.photons.transform import (
    anscombe,
    exact_inverse,
    generalized_anscombe,
    generalized_inverse_anscombe,
    inverse_anscombe,
)

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


# ---------------------------------------------------------------------------- averages


@pytest.mark.parametrize(("rate", "y"), EXPECTATIONS.items())
def test_mean_of_transformed_photons_is_the_published_one(rate, y):
    assert poisson_mean(anscombe, rate) == pytest.approx(y, abs=1e-6)
    assert generalized_inverse_anscombe(y, method="unbiased") == pytest.approx(rate, abs=2e-5)


@pytest.mark.parametrize("rate", [0.0, *RATES, 1e3, 1e4])
def test_unbiased_inverse_returns_the_rate_behind_an_average(rate):
    average = poisson_mean(anscombe, rate)

    assert generalized_inverse_anscombe(average, method="unbiased") == pytest.approx(rate, abs=1e-5)


@pytest.mark.parametrize("rate", [0.05, 0.3, 1.0, 3.0, 10.0, 50.0, 199.0, 201.0, 500.0])
@cameras
def test_unbiased_inverse_knows_gain_offset_and_read_noise(camera, rate):
    average = camera_mean(lambda x: generalized_anscombe(x, **camera), rate, **camera)

    adu = generalized_inverse_anscombe(average, **camera, method="unbiased")

    assert (adu - camera["offset"]) / camera["gain"] == pytest.approx(rate, abs=2e-5)


def test_unbiased_inverse_is_near_its_closed_form():
    # M. Makitalo, A. Foi, IEEE Trans. Image Process. 20 (2011) 2697, doi:10.1109/TIP.2011.2121085
    y = np.linspace(DARK, 40, 2000)
    root = math.sqrt(3 / 2)
    closed = y**2 / 4 + root / (4 * y) - 11 / (8 * y**2) + 5 * root / (8 * y**3) - 1 / 8

    exact = generalized_inverse_anscombe(y, method="unbiased")

    assert np.abs(exact - closed).max() == pytest.approx(0.018, abs=0.002)


def test_unbiased_inverse_is_never_below_the_dark():
    y = np.array([-5.0, 0.0, DARK - 1e-9, DARK])

    assert generalized_inverse_anscombe(y, method="unbiased").tolist() == [0, 0, 0, 0]
    adu = generalized_inverse_anscombe([-9.0], **CAMERA, method="unbiased")
    assert adu.tolist() == [CAMERA["offset"]]


def test_unbiased_inverse_is_continuous_where_its_table_ends():
    y = np.linspace(28.2, 28.4, 100_001)  # 200 photons are at 28.29

    steps = np.diff(generalized_inverse_anscombe(y, method="unbiased"))

    assert steps.min() > 0
    assert steps.max() < 1.02 * steps.min()


@pytest.mark.parametrize(
    ("rate", "error"),
    [(0.1, -0.0295), (1.0, -0.1794), (5.0, -0.2506), (20.0, -0.25), (100.0, -0.25)],
)
def test_algebraic_inverse_makes_averages_too_dark(rate, error):
    average = poisson_mean(anscombe, rate)

    assert inverse_anscombe(average) - rate == pytest.approx(error, abs=1e-4)


@pytest.mark.parametrize("rate", RATES)
def test_algebraic_inverse_keeps_the_mean_of_single_samples(rate):
    restored = poisson_mean(lambda x: inverse_anscombe(anscombe(x)), rate)

    assert restored == pytest.approx(rate, rel=1e-9)


@pytest.mark.parametrize(
    ("rate", "error"),
    [(0.1, 0.0188), (0.5, 0.0798), (1.0, 0.1351), (5.0, 0.2452), (20.0, 0.25), (100.0, 0.25)],
)
def test_unbiased_inverse_makes_single_samples_too_bright(rate, error):
    def unbiased(x):
        return generalized_inverse_anscombe(anscombe(x), method="unbiased")

    assert poisson_mean(unbiased, rate) - rate == pytest.approx(error, abs=1e-3)


# ---------------------------------------------------------------------------- exactness


def test_whole_counts_come_back_exactly():
    rng = np.random.default_rng(1)
    x = np.concatenate([np.arange(1 << 18), rng.integers(0, 1 << 40, 100_000), [1 << 40]])

    restored = inverse_anscombe(anscombe(x))

    np.testing.assert_array_equal(restored, x)
    assert not np.signbit(restored).any()


def test_dark_comes_back_as_plus_zero():
    assert math.copysign(1, inverse_anscombe(anscombe(0))) == 1
    assert inverse_anscombe(anscombe(0)) == 0
    assert math.copysign(1, generalized_inverse_anscombe(generalized_anscombe(-0.0))) == 1


@unhurried
@given(
    x=npst.arrays("i8", st.integers(1, 20), elements=st.integers(-(2**16), 2**40)),
    gain=st.floats(0.01, 1000),
    offset=st.floats(-1000, 1000),
    variance=st.floats(0, 1e5),
)
def test_whole_camera_values_come_back_exactly(x, gain, offset, variance):
    y = generalized_anscombe(x, gain, offset, variance)

    np.testing.assert_array_equal(generalized_inverse_anscombe(y, gain, offset, variance), x)


@cameras
def test_other_values_come_back_to_rounding(camera):
    x = camera["offset"] + camera["gain"] * np.linspace(-1e4, 1e4, 12_347)

    restored = generalized_inverse_anscombe(generalized_anscombe(x, **camera), **camera)

    np.testing.assert_allclose(restored, x, rtol=1e-12, atol=1e-9)


parameters = {
    "gain": st.floats(1e-3, 1e4),
    "offset": st.floats(-1e5, 1e5),
    "variance": st.floats(0, 1e6),
}


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
@unhurried
@given(data=st.data())
def test_exact_inverse_finds_codes_with_the_same_transform(dtype, data):
    floats = st.floats(-32768, 32768, width=16) | st.just(math.nan)
    elements = floats if dtype[0] == "f" else None
    given_codes = data.draw(npst.arrays(dtype, npst.array_shapes(max_side=5), elements=elements))
    camera = data.draw(st.fixed_dictionaries(parameters))
    y = generalized_anscombe(given_codes, **camera)

    found = exact_inverse(y, dtype, **camera)

    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(generalized_anscombe(found, **camera), y, strict=True)


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_exact_inverse_searches_where_rounding_does_not_find(dtype):
    rng = np.random.default_rng(6)
    for _ in range(200):
        gain, variance = 10 ** rng.uniform(-3, 4), 10 ** rng.uniform(-3, 6)
        camera = {"gain": gain, "offset": rng.uniform(-1e5, 1e5), "variance": variance}
        if dtype in FLOATS:
            codes = rng.normal(0, 10 ** rng.uniform(-6, 4), 50).astype(dtype)
        else:
            limits = np.iinfo(dtype)
            codes = rng.integers(limits.min, limits.max, 50, dtype, endpoint=True)
        y = generalized_anscombe(codes, **camera)

        np.testing.assert_array_equal(
            generalized_anscombe(exact_inverse(y, dtype, **camera), **camera), y
        )


@pytest.mark.parametrize("dtype", FLOATS)
def test_exact_inverse_covers_the_range_of_floats(dtype):
    limits = np.finfo(dtype)
    top = min(float(limits.max), 1e300)
    x = [top, top / 3, 1e-3, limits.smallest_subnormal, limits.eps, -top / 3, math.inf, -math.inf]
    y = anscombe(np.array(x, dtype))

    found = exact_inverse(y, dtype, gain=1, offset=0, variance=0)

    np.testing.assert_array_equal(anscombe(found), y)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_exact_inverse_is_the_code_itself_where_codes_are_apart(dtype):
    limits = np.iinfo(dtype)
    codes = np.array([max(limits.min, -(2**40)), 0, 1, 2, 77, min(limits.max, 2**40)], dtype)

    found = exact_inverse(anscombe(codes), dtype, gain=1, offset=0, variance=0)

    np.testing.assert_array_equal(found, codes, strict=True)


@pytest.mark.parametrize(
    ("y", "dtype", "message"),
    [
        (1.3, "u1", r"1\.3 is not the transform of any uint8 value"),
        (anscombe(256), "u1", "is not the transform of any uint8 value"),
        (anscombe(-1), "u2", "is not the transform of any uint16 value"),
        (anscombe(0.1), "f4", "is not the transform of any float32 value; .* floating codes"),
        (math.inf, "i8", "inf is not the transform of any int64 value"),
        (math.nan, "u2", r"NaN has no uint16 code; .* fill_value"),
    ],
)
def test_exact_inverse_refuses_what_is_no_transform(y, dtype, message):
    with pytest.raises(ValueError, match=message):
        exact_inverse([DARK, y], dtype, gain=1, offset=0, variance=0)


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
        ({"gain": 0.0}, r"gain is 0\.0; it must be a positive number"),
        ({"gain": -1.0}, r"gain is -1\.0"),
        ({"gain": math.nan}, "gain is nan"),
        ({"gain": math.inf}, "gain is inf"),
        ({"offset": math.nan}, "offset is nan; it must be a finite number"),
        ({"offset": -math.inf}, "offset is -inf"),
        ({"variance": -0.1}, r"variance is -0\.1; it must be finite and >= 0"),
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
