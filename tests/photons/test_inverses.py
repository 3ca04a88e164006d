"""The inverses against the Poisson distribution, and to the last bit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from dj_photon_codecs.photons.inverses import (
    exact_inverse,
    generalized_inverse_anscombe,
    inverse_anscombe,
)
from dj_photon_codecs.photons.transform import anscombe, generalized_anscombe
from tests.photons.test_transform import (
    CAMERA,
    DARK,
    EXPECTATIONS,
    FLOATS,
    INTEGERS,
    RATES,
    camera_mean,
    cameras,
    poisson_mean,
    unhurried,
)

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


@pytest.mark.slow
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
