"""Noise maps of movies whose noise is known pixel by pixel."""

import numpy as np
import pytest

from dj_photon_codecs.calibration.noise_maps import likely_means
from dj_photon_codecs.calibration.temporal_noise import measure_noise

SIDE = 64


def noise(frames=400, **more):
    rng = np.random.default_rng(0)
    return 1000 + more.get("sigma", 5.0) * rng.standard_normal((frames, SIDE, SIDE))


def test_mean_and_variance_are_those_of_each_pixel():
    sigma = np.linspace(1, 20, SIDE)
    values = (
        500
        + 10 * np.arange(SIDE)[:, None]
        + sigma * np.random.default_rng(1).normal(size=(800, SIDE, SIDE))
    )
    maps = measure_noise(values)
    columns = maps.variance.mean(axis=(0, 1))
    np.testing.assert_allclose(columns, sigma**2, rtol=0.04)
    rows = maps.origin + maps.mean.mean(axis=(0, 2))
    np.testing.assert_allclose(rows, 500 + 10 * np.arange(SIDE), atol=0.5)


def test_the_folds_are_different_frames():
    values = noise(8)
    maps = measure_noise(values)
    expected = [values[:4].mean(axis=0), values[4:].mean(axis=0)]
    np.testing.assert_allclose(maps.mean + maps.origin, expected, rtol=1e-5)
    assert maps.frames == 8


def test_frames_that_fill_no_run_are_left_out():
    assert measure_noise(noise(11)).frames == 8


@pytest.mark.parametrize(
    "drift",
    [
        lambda t: 3.0 * t,  # a line is taken out of each run
        lambda t: 200 * np.sin(t),  # and what the frame does as a whole
    ],
    ids=["line", "flicker"],
)
def test_what_is_no_noise_does_not_count(drift):
    values = noise(160) + drift(np.arange(160.0))[:, None, None]
    assert measure_noise(values).variance.mean() == pytest.approx(25, rel=0.02)


def test_tiles_that_change_together_are_left_out_for_that_run():
    values = noise(160)
    values[80:, 8:16, 8:16] += 20
    values[40:41, 24:32, 24:32] += 20
    maps = measure_noise(values)
    runs = maps.runs.sum(axis=0)
    assert runs[30, 30] == 39
    assert runs[12, 12] == 40  # the jump lies between two runs
    assert runs[40, 40] == 40
    assert maps.variance.mean() == pytest.approx(25, rel=0.02)


@pytest.mark.parametrize(
    ("axis", "expected"), [(0, (1 / 3, 0, 0)), (1, (0, 0.5, 0)), (2, (0, 0, 0.5))]
)
def test_products_tell_the_correlation_with_neighbours(axis, expected):
    white = noise()
    values = (white + np.roll(white, 1, axis)) / 2
    maps = measure_noise(values)
    time, below, right = maps.products[..., 1:-1, 1:-1].mean(axis=(1, 2, 3)) / maps.variance.mean()
    assert (time / (1 + time), below, right) == pytest.approx(
        (0.5, 0, 0) if axis == 0 else expected, abs=0.03
    )


def test_extreme_values_are_counted():
    values = noise(80).astype("float32")
    values[:, 5, 5] = values.min() - 100
    values[:8, 7, 7] = values.max() + 50  # the highest, until a higher one comes
    values[20::2, 6, 6] = values.max() + 100
    maps = measure_noise(values)
    assert maps.floor == values.min()
    assert maps.ceiling == values.max()
    assert maps.at_floor[:, 5, 5] == pytest.approx(1)
    assert maps.at_ceiling[:, 6, 6] == pytest.approx([0.4, 0.35], abs=0.06)
    assert maps.at_ceiling[:, 7, 7] == pytest.approx(0)
    assert maps.at_floor.sum() == pytest.approx(2)


def test_integers_have_a_resolution():
    assert measure_noise(noise(8).astype("int16")).resolution == 1
    assert measure_noise(noise(8)).resolution == 0


def test_likely_means_are_averages_where_neighbours_are_alike_and_their_own_where_not():
    white = noise(40)
    flat = likely_means(measure_noise(white))
    assert flat.std() < measure_noise(white).mean.std() / 3
    maps = measure_noise(white + np.random.default_rng(0).uniform(0, 300, white.shape[1:]))
    np.testing.assert_allclose(likely_means(maps), maps.mean, atol=0.01 * 300)
