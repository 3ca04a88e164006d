"""The noise of a chunk, by brightness, is what a formula says, and the same in both kernels."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.kernels.backend import kernel
from tests.backends import use_backend

BACKENDS = "compiled", "numpy"
RNG = np.random.default_rng(0)
LIGHT = np.geomspace(0.02, 90, 3000)
MOVIES = {
    "bytes": (RNG.poisson(LIGHT, (40, 3000)).astype("u1"), 15, 32),
    "words that are apart": (RNG.poisson(9 * LIGHT, (60, 3000)).astype("u2")[::3], 15, 32),
    "two segments, two frames": (RNG.poisson(LIGHT, (2, 3000)).astype("u1"), 2, 7),
    "all pixels": (RNG.integers(0, 1 << 16, (30, 50), dtype="u2"), 1, 50),
    "darkness": (np.zeros((5, 64), "u1"), 2, 32),
    "a bright frame": (RNG.poisson(LIGHT * (1 + 3 * np.eye(1, 9, 4).T)).astype("u2"), 9, 16),
}


def measured(numbers, segments, width, groups=24):
    sums = numbers.sum(axis=0, dtype="u4")
    knots, totals, unsteady = np.zeros((3, groups)), np.zeros(len(numbers), "u8"), np.zeros(1)
    found = kernel().measure_noise(numbers, sums, segments, width, knots, totals, unsteady)
    return knots[:, :found], totals, unsteady


@pytest.mark.parametrize("name", MOVIES)
def test_both_kernels_measure_the_same_to_the_last_bit(name):
    found = []
    for backend in BACKENDS:
        with use_backend(backend):
            found.append(measured(*MOVIES[name]))
    for compiled, reference in zip(*found, strict=True):
        np.testing.assert_array_equal(compiled, reference)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_variance_of_photons_is_their_mean(backend):
    numbers = np.random.default_rng(1).poisson(np.geomspace(1, 50, 4096), (400, 4096)).astype("u1")
    with use_backend(backend):
        (mean, variance, depth), totals, unsteady = measured(numbers, 128, 32)
    np.testing.assert_allclose(variance, mean, rtol=0.05)
    np.testing.assert_allclose(depth, 2 * (np.sqrt(mean) - mean[0] ** 0.5), rtol=0.02, atol=0.02)
    np.testing.assert_array_equal(totals, numbers.sum(axis=1))
    assert unsteady[0] < 0.001


@pytest.mark.parametrize("backend", BACKENDS)
def test_pixels_that_flash_do_not_make_frames_unsteady_and_light_that_changes_does(backend):
    numbers = np.random.default_rng(2).poisson(5, (50, 2048)).astype("u1")
    with use_backend(backend):
        numbers[20:30, :200] += 9
        assert measured(numbers, 32, 32)[2][0] < 0.003
        numbers[20:30] += 1
        assert measured(numbers, 32, 32)[2][0] > 0.02


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("frames", "segments", "width"), [(1, 1, 8), (9, 0, 8), (9, 9, 8), (9, 1, 65)]
)
def test_what_does_not_fit_is_refused(backend, frames, segments, width):
    with use_backend(backend), pytest.raises(ValueError, match="do not fit"):
        measured(np.zeros((frames, 64), "u1"), segments, width)
