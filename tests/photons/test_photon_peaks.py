"""Photon peaks: found where a calibration without a dark frame cannot know them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.photon_peaks import clipping, photon_peaks

MANY = 200_000


def camera(gain, noise, offset=100.0):
    """Return a calibration; `noise` in photons rms."""
    return Calibration(gain=float(gain), offset=offset, variance=float((noise * gain) ** 2))


def without_dark_frame(given):
    return replace(given, offset=given.offset - given.variance / given.gain, variance=0.0)


def record(given, rates, size=MANY, *, whole=True):
    rng = np.random.default_rng(7)
    photons = rng.poisson(rng.choice(np.atleast_1d(rates), size))
    values = rng.normal(given.offset + given.gain * photons, math.sqrt(given.variance))
    return np.rint(values) if whole else values


ALL_RATES = np.geomspace(0.1, 30, 20)


@pytest.mark.slow
@pytest.mark.parametrize("rates", [0.1, 3, 50, ALL_RATES], ids=["dark", "dim", "bright", "all"])
@pytest.mark.parametrize("noise", [0, 0.1, 0.3, 2])
@pytest.mark.parametrize("gain", [1, 30, 700])
def test_a_calibration_that_is_right_is_kept(gain, noise, rates):
    given = camera(gain, noise)
    assert photon_peaks(record(given, rates), given, whole=True) is given


@pytest.mark.slow
@pytest.mark.parametrize("rates", [0.1, 3, 50, ALL_RATES], ids=["dark", "dim", "bright", "all"])
@pytest.mark.parametrize("noise", [0.1, 0.2, 0.3, 0.4])
@pytest.mark.parametrize(("gain", "whole"), [(5, True), (30, True), (700, True), (1, False)])
def test_offset_and_read_noise_are_told_apart(gain, whole, noise, rates):
    true = camera(gain, noise)
    values = record(true, rates, whole=whole)
    found = photon_peaks(values, without_dark_frame(true), whole=whole)
    brightest = 50 if np.ndim(rates) == 0 else 30
    at_zero = (found.offset - true.offset) / gain
    at_brightest = at_zero + brightest * (found.gain / true.gain - 1)
    assert abs(at_zero if np.max(rates) < 10 else at_brightest) < 0.05
    assert found.variance == pytest.approx(true.variance, rel=0.06, abs=0.002 * gain**2)


@pytest.mark.parametrize("error", [0.98, 0.995, 1.004, 1.02])
@pytest.mark.parametrize("noise", [0, 0.1, 0.2])
def test_sharp_peaks_correct_the_gain(noise, error):
    true = camera(30, noise)
    mistaken = replace(without_dark_frame(true), gain=30 * error)
    found = photon_peaks(record(true, ALL_RATES), mistaken, whole=True)
    assert found.gain == pytest.approx(30, rel=0.001)


@pytest.mark.parametrize("noise", [0.6, 1, 4])
@pytest.mark.parametrize("gain", [1.5, 8, 30])
def test_noise_without_peaks_is_called_smooth(gain, noise):
    effective = without_dark_frame(camera(gain, noise))
    found = photon_peaks(record(camera(gain, noise), ALL_RATES), effective, whole=True)
    assert found.variance == pytest.approx(0.49 * gain**2)
    # mean and variance at every brightness stay as they were
    before = effective.variance - effective.gain * effective.offset
    assert found.variance - found.gain * found.offset == pytest.approx(before)


def test_photon_counts_are_sharp_whatever_their_gain_is_called():
    counts = np.random.default_rng(3).poisson(ALL_RATES, (10_000, 20))
    for gain in (1.0, 1.002, 0.998):
        given = Calibration(gain=gain)
        assert photon_peaks(counts, given, whole=True) is given


@pytest.mark.parametrize("error", [0.95, 1.05])
def test_a_gain_that_is_far_off_is_not_corrected_halfway(error):
    mistaken = replace(camera(30, 0.0), gain=30 * error)
    found = photon_peaks(record(camera(30, 0.1), ALL_RATES), mistaken, whole=True)
    assert found.gain == mistaken.gain


def test_a_wrong_gain_is_not_read_into_blurred_peaks():
    given = camera(30, 0.3)
    for rate in (0.3, 1, 2):
        mistaken = replace(given, offset=given.offset + 3)
        found = photon_peaks(record(given, rate, size=5000), mistaken, whole=True)
        assert found.gain == 30
        assert found.offset == pytest.approx(100, abs=2)


def test_read_noise_that_is_not_there_goes_to_the_offset():
    true, claimed = camera(30, 0.2), 4 * 30**2
    offset = true.offset + (claimed - true.variance) / true.gain
    mistaken = replace(true, offset=offset, variance=claimed)
    found = photon_peaks(record(true, ALL_RATES), mistaken, whole=True)
    assert found.offset == pytest.approx(true.offset, abs=0.3)
    assert found.variance == pytest.approx(true.variance, rel=0.05)


def test_a_pile_of_clipped_values_is_no_peak():
    true = camera(30, 1.0, offset=0.0)
    values = np.clip(record(true, 1.0), 0, 300)
    found = photon_peaks(values, without_dark_frame(true), whole=True)
    assert found.variance > (0.3 * 30) ** 2


def test_few_values_tell_nothing():
    given = without_dark_frame(camera(30, 1))
    assert photon_peaks(record(camera(30, 1), 3.0, size=999), given, whole=True) is given


def test_a_constant_movie_tells_nothing():
    given = camera(30, 1)
    assert photon_peaks(np.full(5000, 100), given, whole=True) is given


# ---------------------------------------------------------------------------- clipping


def test_clipped_values_pile_up_at_the_limits():
    values = record(camera(30, 1, offset=0.0), ALL_RATES)
    assert clipping(values) == (-math.inf, math.inf)
    assert clipping(np.maximum(values, 0)) == (0, math.inf)
    assert clipping(np.minimum(values, 600)) == (-math.inf, 600)
    assert clipping(np.clip(values, 0, 600)) == (0, 600)


@pytest.mark.parametrize("rate", [0.001, 0.3, 3, 30])
def test_the_highest_count_is_no_limit(rate):
    counts = np.random.default_rng(4).poisson(rate, MANY)
    assert clipping(counts)[1] == math.inf


def test_rare_single_photons_are_no_limit():
    counts = np.random.default_rng(4).random(MANY) < 0.01
    assert clipping(counts) == (0, math.inf)


def test_a_constant_movie_is_not_clipped():
    assert clipping(np.zeros((3, 4, 5), "u1")) == (-math.inf, math.inf)
