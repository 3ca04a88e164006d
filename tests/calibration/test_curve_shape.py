"""Curves that are bent, and noise that differs between pixels, by known amounts."""

import numpy as np
import pytest

from dj_photon_codecs.calibration.curve_shape import curvature, unevenness
from dj_photon_codecs.calibration.photon_transfer import fit_transfer_line
from dj_photon_codecs.calibration.temporal_noise import measure_noise

SHAPE = (240, 96, 96)
MEANS = np.random.default_rng(0).uniform(20, 100, SHAPE[1:])


def measured(variance, seed=1):
    """Maps of normal noise of a known variance, and the line through them."""
    noise = np.random.default_rng(seed).normal(size=SHAPE) * np.sqrt(variance)
    maps = measure_noise((500 + MEANS + noise).astype("float32"))
    line = fit_transfer_line(maps)
    assert line is not None
    return maps, line


def test_a_straight_curve_has_no_curvature_and_equal_pixels_no_unevenness():
    maps, line = measured(3 * MEANS)
    assert curvature(maps, line) == 0
    assert unevenness(maps, line) == 0


def test_chance_in_means_and_variances_feigns_no_curvature():
    light = np.random.default_rng(3).exponential(0.5, (256, 256))
    maps = measure_noise(np.random.default_rng(4).poisson(light, (16, 256, 256)))
    line = fit_transfer_line(maps)
    assert line is not None
    assert curvature(maps, line) == 0


@pytest.mark.parametrize("bent", [0.2, -0.2])
def test_the_curvature_is_the_change_of_the_slope(bent):
    middle, spread = 60, 80 / np.sqrt(12)
    distance = (MEANS - middle) / spread
    maps, line = measured(3 * (middle + spread * (distance + bent / 4 * distance**2)))
    assert curvature(maps, line) == pytest.approx(bent, rel=0.3)


def test_unevenness_is_the_spread_of_variances():
    spread = np.random.default_rng(2).normal(1, 0.2, SHAPE[1:])
    maps, line = measured(3 * MEANS * spread)
    assert unevenness(maps, line) == pytest.approx(0.2, rel=0.15)
