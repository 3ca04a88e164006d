"""What neighbouring pixels share, and what is left of a pixel's variance without it."""

from dataclasses import replace

import numpy as np
import pytest

from dj_photon_codecs.calibration.noise_correlation import without_shared_change
from dj_photon_codecs.calibration.temporal_noise import measure_noise

SHAPE = (400, 64, 64)


def noise():
    return 5 * np.random.default_rng(0).standard_normal(SHAPE)


def test_independent_noise_keeps_its_variance():
    maps = measure_noise(noise())
    found = without_shared_change(maps).variance
    assert found.mean() == pytest.approx(25, rel=0.01)
    assert found[:, 0, 0].mean() == pytest.approx(25, rel=0.3)


def test_at_the_edges_only_neighbours_that_exist_count():
    maps = measure_noise(noise()[:8])
    products = np.ones_like(maps.products)
    products[1, :, -1] = products[2, :, :, -1] = 0
    maps = replace(maps, variance=np.full_like(maps.variance, 100), products=products)
    np.testing.assert_allclose(without_shared_change(maps).variance, 99)


def test_what_a_cell_does_is_no_noise():
    y, x = np.indices(SHAPE[1:])
    cell = np.exp(-((y - 31.5) ** 2 + (x - 31.5) ** 2) / (2 * 3.0**2))
    flicker = 2 * np.random.default_rng(1).standard_normal((SHAPE[0], 1, 1))
    maps = measure_noise(noise() + flicker * cell)
    centre = np.s_[:, 30:34, 30:34]
    assert maps.variance[centre].mean() > 26.5
    assert without_shared_change(maps).variance[centre].mean() == pytest.approx(25, rel=0.04)


@pytest.mark.parametrize("axes", [(2,), (1, 2)], ids=["slow detector", "smoothed"])
def test_noise_that_is_correlated_everywhere_is_noise(axes):
    values = noise()
    for axis in axes:
        values = (values + np.roll(values, 1, axis)) / 2
    maps = measure_noise(values)
    found = without_shared_change(maps).variance
    assert found.mean() == pytest.approx(maps.variance.mean(), rel=0.01)
