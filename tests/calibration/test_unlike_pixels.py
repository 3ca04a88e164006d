"""Pixels that differ in offset or in read noise, as those of sCMOS cameras do."""

import numpy as np
import pytest

from benchmarks.simulate import simulate_rates
from dj_photon_codecs import calibrate

pytestmark = pytest.mark.slow

GAIN, OFFSET, READ_NOISE = 2.2, 100.0, 1.4  # ADU
SIDE = 128


def scmos(*, mean=5, offset_spread=0.0, noise_spread=0.0, seed=0):
    """Record with pixels that differ in offset (photons, s.d.) and read noise (s.d. of its log)."""
    rng = np.random.default_rng(seed)
    rates = simulate_rates(160, SIDE, SIDE, mean=mean, seed=seed)
    offsets = OFFSET + GAIN * offset_spread * rng.standard_normal((SIDE, SIDE))
    noise = READ_NOISE * np.exp(noise_spread * rng.standard_normal((SIDE, SIDE)))
    values = offsets + GAIN * rng.poisson(rates) + noise * rng.standard_normal(rates.shape)
    return np.rint(values).astype("uint16")


def error(found):
    """Of the gain, in stated standard errors."""
    return (found.gain - GAIN) / (found.gain_stderr or 0)


@pytest.mark.parametrize(("mean", "offset_spread"), [(5, 0.3), (5, 0.5), (30, 1.0)])
def test_pixels_that_differ_in_offset_leave_the_gain_right_and_are_warned_of(mean, offset_spread):
    with pytest.warns(UserWarning, match="differ in their offset, as those of an sCMOS") as caught:
        found = calibrate(scmos(mean=mean, offset_spread=offset_spread))
    assert len(caught) == 1
    assert abs(error(found)) < 3
    assert found.gain == pytest.approx(GAIN, rel=0.02)
    assert found.offset == pytest.approx(OFFSET - READ_NOISE**2 / GAIN, abs=0.1 * GAIN)


def test_what_is_left_without_the_offset_of_each_pixel_comes_without_a_warning(recwarn):
    offsets = np.random.default_rng(0).standard_normal((SIDE, SIDE))  # the same that scmos draws
    found = calibrate(scmos(offset_spread=0.5, seed=0) - GAIN * 0.5 * offsets)
    assert not recwarn.list
    assert abs(error(found)) < 3


@pytest.mark.parametrize("mean", [1.5, 5])
@pytest.mark.filterwarnings("ignore:the noise of equally bright pixels differs")
def test_pixels_that_differ_in_read_noise_are_covered_by_the_standard_error(mean):
    errors = [error(calibrate(scmos(mean=mean, noise_spread=0.4, seed=seed))) for seed in range(3)]
    assert np.sqrt(np.mean(np.square(errors))) < 2.2  # 4 to 8 without
