"""Fitted tables: bias and variance, summed over the distribution of the values, not simulated.

The distribution is made here from its definition, value by value, and not from what model_table.py
knows of codes: Poisson, times gain, plus offset, plus Gaussian noise, rounded to whole ADU, and
clipped. So are the numbers of the theory: a bias of .005 photon, a variance of 1.1 and 1.5 times.
"""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.decode_table import DecodeTable
from dj_photon_codecs.photons.model_table import model_table
from dj_photon_codecs.photons.steps import quantize
from dj_photon_codecs.photons.transform import generalized_anscombe

pytestmark = pytest.mark.slow  # all of it measures simulated movies

RATES = np.array([0.1, 0.15, 0.25, 0.4, 0.7, 1, 1.5, 2.2, 3, 4, 5.5, 7.5, 10, 14, 20, 28, 38, 50])
BRIGHT = np.array([80.0, 130, 300, 400, 410, 1000, 3000, 10000])
gains = pytest.mark.parametrize("gain", [1, 8, 30, 100])


def camera(gain, noise, offset=100.0):
    """Return a calibration; `noise` in photons rms."""
    return Calibration(gain=float(gain), offset=offset, variance=float((noise * gain) ** 2))


def poisson(rates, counts):
    logarithms = np.array([math.lgamma(n + 1) for n in counts])
    return np.exp(counts * np.log(rates)[:, None] - rates[:, None] - logarithms)


def normal(z):
    return np.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in z.flat]).reshape(z.shape)


def whole_values(rates, given):
    """Return all values a camera writes, and the probability of each at each rate."""
    counts = np.arange(int(rates[-1] + 9 * math.sqrt(rates[-1]) + 20))
    centres = given.offset + given.gain * counts
    if given.variance == 0:
        return np.rint(centres), poisson(rates, counts)
    blur = math.sqrt(given.variance)
    reach = np.arange(-int(8 * blur) - 2, int(8 * blur) + 3)
    values = np.arange(np.floor(centres[0]) + reach[0], np.ceil(centres[-1]) + reach[-1] + 1)
    distribution = np.zeros((rates.size, values.size))
    shapes = {}
    for centre, probability in zip(centres, poisson(rates, counts).T, strict=True):
        part = round(centre % 1, 9)
        if part not in shapes:
            edges = (np.append(reach, reach[-1] + 1) - 0.5 - part) / blur
            shapes[part] = np.diff(normal(edges))
        start = int(math.floor(centre) + reach[0] - values[0])
        distribution[:, start : start + reach.size] += probability[:, None] * shapes[part]
    return values, distribution


def bias_and_variance(table, values, distribution):
    """Return the error of the mean in photons, and decoded over given variance, at each rate."""
    y = generalized_anscombe(values, table.gain, table.offset, table.variance)
    decoded = table.photons(quantize(y, table.step, dtype="i8"))
    photons = (values - table.offset) / table.gain
    means, given_means = distribution @ decoded, distribution @ photons
    variance = distribution @ decoded**2 - means**2
    return means - given_means, variance / (distribution @ photons**2 - given_means**2)


# ---------------------------------------------------------------------------- the bars


@gains
@pytest.mark.parametrize("noise", [0, 0.1, 0.3, 0.5, 1, 2])
@pytest.mark.parametrize(
    ("step", "unbiased", "ratio"), [(0.25, 0.0003, 1.02), (0.5, 0.0005, 1.05), (1.0, 0.005, 1.36)]
)
def test_the_mean_is_right_and_the_variance_hardly_larger(gain, noise, step, unbiased, ratio):
    given = camera(gain, noise)
    values, distribution = whole_values(RATES, given)
    photons = (values - given.offset) / given.gain
    np.testing.assert_allclose(distribution @ photons, RATES, rtol=1e-5)  # of the test itself
    bias, variance = bias_and_variance(
        model_table(given, step=step, whole=True), values, distribution
    )
    assert np.abs(bias).max() < unbiased
    assert variance.max() < ratio


@pytest.mark.parametrize(
    ("gain", "noise", "ratio"),
    [(8, 0.18, 1.4), (8, 0.25, 1.97), (30, 0.15, 1.56), (100, 0.15, 1.48), (100, 0.2, 1.48)],
)
def test_where_codes_hardly_tell_one_photon_from_none_variance_is_bought_with_bias(
    gain, noise, ratio
):
    # Far more rounds reach no less, nor do photons that need not rise.
    given = camera(gain, noise)
    table = model_table(given, step=1.0, whole=True)
    bias, variance = bias_and_variance(table, *whole_values(RATES, given))
    assert np.abs(bias).max() < 0.005
    assert variance.max() < ratio
    dark, _ = bias_and_variance(table, *whole_values(np.array([0.001, 0.01, 0.05]), given))
    assert np.abs(dark).max() < 0.014


@pytest.mark.parametrize("noise", [0.42, 0.45, 0.48])
def test_bias_is_evened_out_where_few_whole_values_make_it_uneven(noise):
    given = camera(1, noise)
    bias, variance = bias_and_variance(
        model_table(given, step=1.0, whole=True), *whole_values(RATES, given)
    )
    assert np.abs(bias).max() < 0.005
    assert variance.max() < 1.15


@pytest.mark.parametrize("noise", [0, 0.3, 1])
@pytest.mark.parametrize("step", [0.5, 1.0])
@pytest.mark.parametrize(
    ("gain", "offset"), [(0.5, 0.0), (0.7, 12.3), (2, -200.0), (2.5, 33.3), (700, 1000.0)]
)
def test_unusual_gains_and_offsets_are_unbiased_too(gain, offset, noise, step):
    rates = RATES[:12] if gain == 700 else RATES
    given = camera(gain, noise, offset)
    bias, variance = bias_and_variance(
        model_table(given, step=step, whole=True), *whole_values(rates, given)
    )
    # few whole values to a photon leave few numbers to choose
    assert np.abs(bias).max() < (0.015 if gain < 1 and step == 1 else 0.005)
    assert variance.max() < (1.06 if step == 0.5 else 2)


@pytest.mark.parametrize("noise", [0, 0.3, 1])
@pytest.mark.parametrize("step", [0.5, 1.0])
def test_values_that_are_not_whole_numbers_are_unbiased_too(noise, step):
    # A thousand ADU to a photon are as good as a continuum.
    fine = camera(1000, noise, 0.0)
    values, distribution = whole_values(RATES[:10], fine)
    table = model_table(camera(1, noise, 0.0), step=step, whole=False)
    bias, variance = bias_and_variance(table, values / 1000, distribution)
    assert np.abs(bias).max() < 0.005
    assert variance.max() < 1.36


@pytest.mark.parametrize("noise", [0, 0.3, 1])
@pytest.mark.parametrize("step", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("gain", [1, 3])
def test_bright_rates_are_unbiased_by_their_closed_form(gain, noise, step):
    given = camera(gain, noise)
    bias, variance = bias_and_variance(
        model_table(given, step=step, whole=True), *whole_values(BRIGHT, given)
    )
    assert (np.abs(bias) / BRIGHT).max() < 5e-4
    assert (np.abs(bias) / np.sqrt(BRIGHT)).max() < 0.01  # of the noise
    assert variance.max() < 1.11


# ---------------------------------------------------------------------------- peaks and clipping


@pytest.mark.parametrize("step", [0.5, 1.0])
@pytest.mark.parametrize("noise", [0.2, 0.5, 1])
def test_a_calibration_without_a_dark_frame_needs_to_know_the_peaks(noise, step):
    true = camera(30, noise)
    effective = replace(true, offset=true.offset - true.variance / true.gain, variance=0.0)
    values, distribution = whole_values(RATES, true)
    guessed = model_table(effective, step=step, whole=True)
    informed = model_table(effective, step=step, whole=True, peaks=true)
    assert np.abs(bias_and_variance(guessed, values, distribution)[0]).max() > 0.05
    assert np.abs(bias_and_variance(informed, values, distribution)[0]).max() < 0.005


@pytest.mark.parametrize("step", [0.5, 1.0])
@pytest.mark.parametrize(("gain", "noise"), [(30, 0.3), (30, 0.5), (8, 1.0), (8, 2.0)])
def test_clipped_values_are_unbiased_if_the_limits_are_known(gain, noise, step):
    given = camera(gain, noise, 10.0)
    limits = (0.0, given.offset + 20 * gain)
    values, distribution = whole_values(RATES, given)
    informed = model_table(given, step=step, whole=True, clipped=limits)
    ignorant = model_table(given, step=step, whole=True)
    clipped = np.clip(values, *limits), distribution
    bias, blind_bias = (np.abs(bias_and_variance(t, *clipped)[0]) for t in (informed, ignorant))
    few = RATES < 8  # photons; at 20 all is clipped
    assert bias[few].max() < (0.001 if step == 0.5 else 0.01)
    assert bias.max() < 0.08 * step * math.sqrt(20)
    assert blind_bias.max() > 1.2 * bias.max()


# ---------------------------------------------------------------------------- the table itself


@pytest.mark.parametrize("step", [1.0, 0.3, 0.1, 0.01])
@pytest.mark.parametrize("noise", [0, 0.3, 4, 7.9])
@pytest.mark.parametrize(("gain", "whole"), [(1, True), (30, True), (0.07, True), (1, False)])
def test_any_table_rises_and_is_small(gain, whole, noise, step):
    table = model_table(camera(gain, noise), step=step, whole=whole)
    photons = table.photons(np.arange(table.first - 3000, table.first + 9000))
    assert np.isfinite(photons).all()
    assert (np.diff(photons) >= 0).all()
    stored = json.dumps(table.to_dict(), allow_nan=False)
    assert len(stored) < 2000
    assert DecodeTable.from_dict(json.loads(stored)) == table


def test_the_table_meets_the_closed_form_without_a_seam():
    table = model_table(camera(30, 0.5), step=0.5, whole=True)
    codes = np.arange(60, 110)  # tabulated up to 400 photons, which is code 80
    closed = replace(table, table="", first=0).photons(codes)
    difference = table.photons(codes) - closed
    assert (difference[codes > 81] == 0).all()
    assert np.abs(difference).max() < 0.02  # of 8 photons that a code is wide


@pytest.mark.parametrize("step", [0.1, 0.25])
def test_single_counts_stay_exact_where_all_their_codes_do(step):
    counts = np.arange(int(0.2 / step**2))
    codes = quantize(generalized_anscombe(counts), step, dtype="i8")
    photons = model_table(Calibration(), step=step, whole=True).photons(codes)
    np.testing.assert_allclose(photons, counts, atol=2e-4)


@pytest.mark.parametrize("noise", [0.3, 1, 2])
def test_read_noise_moves_single_values_little(noise):
    given, values = camera(1, noise, 0.0), np.arange(math.floor(-4 * noise), 8)
    codes = quantize(
        generalized_anscombe(values, given.gain, given.offset, given.variance), 0.25, dtype="i8"
    )
    photons = model_table(given, step=0.25, whole=True).photons(codes)
    np.testing.assert_allclose(photons, values, atol=0.03)


def test_fine_steps_and_great_noise_need_no_table():
    for given, step in ((camera(30, 0), 0.009), (camera(30, 8.1), 1.0)):
        assert model_table(given, step=step, whole=True).table == ""


def test_the_parameters_are_plain_numbers():
    given = Calibration(gain=2, offset=1, variance=3)
    table = model_table(given, step=1, whole=True)
    kinds = [type(value) for value in table.to_dict().values()]
    assert kinds == [float, float, float, float, bool, int, str]


def test_a_step_out_of_range_is_refused():
    with pytest.raises(ValueError, match="step is 2; it must be 0 < step <= 1"):
        model_table(Calibration(), step=2, whole=True)
