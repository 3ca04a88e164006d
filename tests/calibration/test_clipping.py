"""Moments of clipped values against integrals, and against draws."""

import math

import numpy as np
import pytest

from benchmarks.simulate import camera, simulate_rates
from dj_photon_codecs.calibration.clipping import clipped_moments, fit_clipped_curve
from dj_photon_codecs.calibration.temporal_noise import measure_noise
from dj_photon_codecs.calibration.transfer_line import draw_line


def test_half_of_what_is_centred_on_zero_is_clipped():
    mean, square, zeros = clipped_moments(np.array([0.0]), noise=2.0, step=0.0)
    assert mean[0] == pytest.approx(2 / math.sqrt(2 * math.pi), rel=1e-5)
    assert square[0] == pytest.approx(2.0, rel=1e-5)
    assert zeros[0] == pytest.approx(0.5)


def test_far_above_zero_nothing_is_clipped():
    mean, square, zeros = clipped_moments(np.array([50.0]), noise=2.0, step=0.0)
    assert (mean[0], square[0], zeros[0]) == pytest.approx((50, 50**2 + 4, 0))


def test_rounding_adds_a_twelfth_of_its_step_squared():
    mean, square, _ = clipped_moments(np.array([5.0]), noise=0.5, step=0.1)
    assert square[0] - mean[0] ** 2 == pytest.approx(0.5**2 + 0.1**2 / 12, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("step", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_the_moments_are_those_of_draws(step, noise):
    values = np.array([-1.0, 0.0, 0.4, 3.0])
    draws = values + noise * np.random.default_rng(0).standard_normal((400_000, 4))
    written = np.maximum(step * np.rint(draws / step) if step else draws, 0)
    expected = written.mean(axis=0), (written**2).mean(axis=0), (written == 0).mean(axis=0)
    # Where steps are fine, the edge of the lowest one is blurred by their width.
    tolerance = 0.01 if step != 0.05 else 0.02
    for found, drawn in zip(clipped_moments(values, noise=noise, step=step), expected, strict=True):
        np.testing.assert_allclose(found, drawn, atol=tolerance)


def maps_and_line(**settings):
    maps = measure_noise(camera(simulate_rates(200, 128, 128, mean=2, seed=0), **settings))
    line = draw_line(maps, np.ones(maps.runs.shape, bool))
    assert line is not None
    return maps, line


@pytest.mark.slow
def test_clipped_values_are_followed_to_where_they_would_be():
    maps, line = maps_and_line(gain=20, offset=0, read_noise=1)
    assert line.gain > 1.2 * 20
    found = fit_clipped_curve(maps, line)
    assert found is not None
    assert found.clipped
    assert found.gain == pytest.approx(20, rel=0.03)
    assert maps.origin + found.zero()[0] == pytest.approx(-20, abs=0.15 * 20)
    assert abs(found.gain - 20) < 4 * found.gain_stderr


@pytest.mark.slow
def test_a_line_that_explains_the_zeros_is_returned_as_it_is():
    maps, line = maps_and_line(gain=1, offset=0)
    assert fit_clipped_curve(maps, line) is line


@pytest.mark.slow
def test_zeros_of_another_origin_are_not_explained():
    rates = simulate_rates(200, 128, 128, mean=2, seed=0)
    movie = camera(rates, gain=20, offset=100, read_noise=0.3)
    movie[np.random.default_rng(0).random(movie.shape) < 0.2] = 0  # dropped samples
    maps = measure_noise(movie)
    line = draw_line(maps, np.ones(maps.runs.shape, bool))
    assert line is not None
    assert fit_clipped_curve(maps, line) is None
