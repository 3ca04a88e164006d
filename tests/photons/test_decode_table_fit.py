"""Tables fitted to a sample: the mean of the photons is that of the values, at every brightness.

The values are made from their definition, of kinds that the model of a camera does not describe:
clipped, with pulse heights or electron multiplication, saturated, or calibrated wrongly.
"""

import json
from functools import cache

import numpy as np
import pytest

from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.decode_table_fit import MOST_ENTRIES, fit_table
from dj_photon_codecs.photons.model_table import model_table
from dj_photon_codecs.photons.steps import stepped_codes
from tests.photons.test_model_table import RATES, bias_and_variance, whole_values

pytestmark = pytest.mark.slow  # all of it measures simulated movies

FRAMES, PIXELS = 100, 2000
GROUPS = 10  # of pixels, in which means are compared
CLIPPED = Calibration(100, 0, 900)
PULSES = Calibration(800, 0, 1600)
CAMERA = Calibration(30, 100, 81)


def photons(lowest, highest, seed=1):
    """Return counts of pixels whose rates lie between two, and a generator for more."""
    rng = np.random.default_rng(seed)
    rates = rng.permutation(np.geomspace(lowest, highest, PIXELS))
    return rng.poisson(rates, (FRAMES, PIXELS)), rng


def clipped(lowest, highest):
    counts, rng = photons(lowest, highest)
    return np.clip(np.rint(100 * counts + rng.normal(0, 30, counts.shape)), 0, None)


def pulses(lowest, highest):
    """Return the values of a photomultiplier: pulse heights, read noise, 13 bits."""
    counts, rng = photons(lowest, highest)
    heights = rng.gamma(np.maximum(counts, 1) * 3, 200) * (counts > 0)
    return np.clip(np.rint(heights + rng.normal(0, 40, counts.shape)), 0, 8191)


def multiplied(lowest, highest):
    """Return the values of an electron-multiplying camera."""
    counts, rng = photons(lowest, highest)
    heights = rng.gamma(np.maximum(counts, 1), 60) * (counts > 0)
    return np.rint(heights + rng.normal(200, 8, counts.shape))


def camera(lowest, highest, top=65535):
    counts, rng = photons(lowest, highest)
    return np.clip(np.rint(30 * counts + rng.normal(100, 9, counts.shape)), 0, top)


def coarse(lowest, highest):
    """Return the values of a camera that writes one value for three photons."""
    counts, rng = photons(lowest, highest)
    return np.rint(0.3 * counts + rng.normal(20, 0.3, counts.shape))


KINDS = {
    "clipped at zero, dim": (clipped(0.1, 0.3), CLIPPED),
    "clipped at zero, dark": (clipped(0.001, 0.05), CLIPPED),
    "clipped at zero, all rates": (clipped(0.01, 20), CLIPPED),
    "photomultiplier, flat": (pulses(0.2, 0.2), PULSES),
    "photomultiplier, all rates": (pulses(0.02, 5), PULSES),
    "photomultiplier, no dark frame": (pulses(0.02, 5), Calibration(800, -10, 0)),
    "photomultiplier, gain too low": (pulses(0.02, 5), Calibration(600, 0, 1600)),
    "electron multiplication": (multiplied(0.05, 30), Calibration(120, 200, 64)),
    "saturated": (camera(1, 100, top=2047), CAMERA),
    "saturated, bright": (camera(100, 3000, top=65535), CAMERA),
    "gain twice too high": (camera(0.1, 30), Calibration(60, 100, 81)),
    "gain half as high": (camera(0.1, 30), Calibration(15, 100, 81)),
    "offset too low": (camera(0.1, 30), Calibration(30, 80, 0)),
    "offset .3 photon too low": (camera(0.02, 20), Calibration(30, 91, 81)),
    "gain below one": (coarse(0.02, 20), Calibration(0.3, 20, 0.09)),
    "not whole": (camera(0.1, 30) / 7, Calibration(30 / 7, 100 / 7, 81 / 49)),
}
kinds = pytest.mark.parametrize("kind", KINDS)
steps = pytest.mark.parametrize("step", [0.25, 0.5, 1.0])


@cache
def fit_kind(kind, step):
    return fit(*KINDS[kind], step)


def fit(values, calibration, step):
    whole = bool((values == np.rint(values)).all())
    return fit_table(calibration, step=step, whole=whole, sample=values)


def biases(table, values):
    """Return the bias of the mean of groups of pixels, over what is allowed."""
    codes = stepped_codes(values, table, step=table.step, dtype="i8")
    given = (values.mean(axis=0) - table.offset) / table.gain
    decoded = table.photons(codes).mean(axis=0)
    groups = np.array_split(np.argsort(given, kind="stable"), GROUPS)
    means = np.array([[decoded[pixels].mean(), given[pixels].mean()] for pixels in groups])
    return (means[:, 0] - means[:, 1]) / np.maximum(0.005, 0.005 * np.abs(means[:, 1]))


def noise_ratio(table, values):
    codes = stepped_codes(values, table, step=table.step, dtype="i8")
    return table.photons(codes).var(axis=0).sum() / (values.var(axis=0) / table.gain**2).sum()


@steps
@kinds
def test_means_are_right_at_every_brightness(kind, step):
    # 20,000 values in a group leave a chance of .001 photon at step 1
    allowed = 1 if step < 1 else 1.2
    assert np.abs(biases(fit_kind(kind, step), KINDS[kind][0])).max() < allowed


@pytest.mark.parametrize(
    ("step", "ratio"),
    [(0.25, 1.05), (0.5, 1.29), (1.0, 1.5)],
)
@kinds
def test_the_noise_grows_little(kind, step, ratio):
    assert noise_ratio(fit_kind(kind, step), KINDS[kind][0]) < ratio


@pytest.mark.parametrize("kind", ["clipped at zero, dim", "photomultiplier, all rates"])
def test_other_frames_of_the_movie_are_right_too(kind):
    values, calibration = KINDS[kind]
    table = fit(values[::2], calibration, 0.5)
    assert np.abs(biases(table, values[1::2])).max() < 1


@steps
@pytest.mark.parametrize("kind", ["clipped at zero, dim", "photomultiplier, flat"])
def test_the_model_alone_does_not_describe_such_values(kind, step):
    values, calibration = KINDS[kind]
    table = model_table(calibration, step=step, whole=True)
    assert np.abs(biases(table, values)).max() > 1


@steps
@pytest.mark.parametrize("frames", [1, 2, 20, FRAMES])
def test_a_movie_that_is_as_calibrated_is_right_at_every_rate_not_only_in_its_sample(frames, step):
    table = fit(camera(0.1, 30)[:frames], CAMERA, step)
    rates = RATES[RATES <= 30]
    bias, variance = bias_and_variance(table, *whole_values(rates, CAMERA))
    assert (np.abs(bias) / np.maximum(0.005, 0.005 * rates)).max() < 1
    assert variance.max() < (1.05 if step < 1 else 1.45)


@pytest.mark.parametrize("step", [0.25, 0.5])
def test_where_the_model_is_right_its_table_is_kept(step):
    expected = model_table(CAMERA, step=step, whole=True)
    assert fit(camera(0.1, 30), CAMERA, step) == expected


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 30), (3, 10, 10)], ids=str)
def test_few_values_are_enough_for_a_table(shape):
    values = np.random.default_rng(0).poisson(3, shape)
    table = fit_table(CLIPPED, step=0.5, whole=True, sample=values)
    assert np.isfinite(table.photons(np.arange(-50, 300))).all()


def test_a_movie_without_values_has_a_table():
    table = fit_table(CLIPPED, step=0.5, whole=True, sample=np.empty((0, 5)))
    assert table == model_table(CLIPPED, step=0.5, whole=True)


@steps
@pytest.mark.parametrize("wild", [-1e9, 1e9])
def test_a_table_is_small_and_rises_whatever_the_values(wild, step):
    values = clipped(0.1, 0.3)
    values[::7, :3] = wild
    table = fit(values, CLIPPED, step)
    codes = np.arange(table.first - 50, table.first + MOST_ENTRIES + 50)
    assert (np.diff(table.photons(codes)) >= 0).all()
    assert len(json.dumps(table.to_dict())) < 3000
    assert np.abs(biases(table, np.delete(values, np.s_[:3], axis=1))).max() < 1


def test_bright_movies_have_no_more_entries_than_the_bound():
    values = np.random.default_rng(0).uniform(0, 65535, (20, 5000)).round()
    table = fit(values, Calibration(0.5, 0, 0), 0.25)
    assert len(json.dumps(table.to_dict())) < 3000
