"""The fit of a decode table to the values of one movie.

`model_table` assumes what a camera's values are: Poisson counts times gain, plus offset, plus
Gaussian noise, rounded and clipped. Many movies are something else: photomultipliers with a
spread of pulse heights, electron multiplication, clipping at zero, a calibration that is off. So
the model's table is tried on a sample of the movie, and where it does not give the mean of the
values at every brightness, it is corrected until it does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.photons.brightness_groups import BrightnessGroups, CodedSample
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.decode_table import DecodeTable
from dj_photon_codecs.photons.model_table import model_table, rising_solution
from dj_photon_codecs.photons.photon_peaks import clipping, photon_peaks
from dj_photon_codecs.photons.steps import stepped_codes, stepped_dtype

__all__ = ["MOST_ENTRIES", "fit_table"]

Floats = NDArray[np.float64]

MOST_ENTRIES = 512  # of a table, which makes 2.7 kB of text
FINEST = 0.01  # step below which the closed form errs by less than .007 photon

PHOTON, SHARE = 0.005, 0.005  # tolerance of a group's mean: photons, or that share if it is more
WINDOW_SAMPLE = 1 << 16  # values by which the codes of a table are chosen
SPACING = 0.5  # of the brightnesses at which the model's means are kept, standard deviations
NOISE = 0.01  # photons squared, added to the variance of a group, which may be 0
# benchmarks/constants_fit.py tries other values of these.
AGREES = 0.3  # of the tolerance; a bias up to that leaves the model's table as it is
CERTAIN = 3.5  # standard errors; a bias up to that is taken for chance
RIDGE = 0.2  # weight of the distance of a code's photons from the mean of its values
TRUST = (0.02, 0.004, 0.0008)  # weight of the model's means, less if the groups' biases want that
LUCK = 2.0  # standard errors; biases up to that may be chance and want nothing


def fit_table(
    calibration: Calibration, *, step: float, whole: bool, sample: NDArray[Any]
) -> DecodeTable:
    """Fit the photons that the codes of a movie decode to: a table with at most 512 entries.

    From a `sample`, (frames, ...), ADU, spread over the movie: about a million values, or all. It
    is the table of `model_table` where that gives the mean of the sample's values at every
    brightness, to .0015 photon or to .15 %, or to 3.5 standard errors. Otherwise the mean of its
    photons, over pixels of any brightness, is within .005 photon, or .5 % where that is more, of
    the mean of their values; what was measured is in docs/how-to/choose-a-step.md. Not where no
    table can do that: with too few frames for the noise to average out (less than about 16 at step
    1), less noise than the calibration says, or few codes (a detector that saturates at a few
    photons); benchmarks/bias_limits.py.

    Examples
    --------
    A camera that clips at its dark level, which halves the noise of dark pixels:

    >>> from dj_photon_codecs.photons.calibration import Calibration
    >>> rng = np.random.default_rng(0)
    >>> dim = 100 * rng.poisson(0.2, (100, 4000)) + rng.normal(0, 30, (100, 4000))
    >>> values = np.maximum(np.rint(dim), 0)
    >>> calibration = Calibration(gain=100, offset=0, variance=900)
    >>> table = fit_table(calibration, step=0.5, whole=True, sample=values)
    >>> codes = stepped_codes(values, calibration, step=0.5, dtype="i2")
    >>> bool(abs(table.photons(codes).mean() - values.mean() / 100) < 0.0005)
    True
    """
    peaks = photon_peaks(sample, calibration, whole=whole)
    table = model_table(calibration, step=step, whole=whole, peaks=peaks, clipped=clipping(sample))
    if table.step < FINEST or not sample.size:
        return table
    values = sample.reshape(len(sample), -1)
    dtype = stepped_dtype(values.min(), values.max(), calibration, step=step)
    codes = stepped_codes(values, calibration, step=step, dtype=dtype)
    first, number = _window(codes)
    decoded = table.photons(np.arange(first, first + number))
    coded = CodedSample(values, codes, table.gain, table.offset, first, decoded)
    groups = BrightnessGroups.of(coded)
    return table if _agrees(groups) else _corrected(table, groups, coded)


def _window(codes: NDArray[Any]) -> tuple[int, int]:
    """Return the first code of the table and the number of codes: all, or where values are."""
    first, last = int(codes.min()), int(codes.max())
    if last - first >= MOST_ENTRIES:
        spacing = max(1, codes.size // WINDOW_SAMPLE)
        ordered = np.sort(codes.reshape(-1)[::spacing].astype(np.int64))
        held = np.searchsorted(ordered, ordered + MOST_ENTRIES) - np.arange(ordered.size)
        first = int(ordered[np.argmax(held >= held.max() / 2)])  # tables matter for dim pixels
    return first, min(last - first + 1, MOST_ENTRIES)


def _tolerances(groups: BrightnessGroups) -> Floats:
    return np.maximum(PHOTON, SHARE * np.abs(groups.means))


def _agrees(groups: BrightnessGroups) -> bool:
    """Say whether the bias of every group is small, or may be chance."""
    allowed = np.maximum(AGREES * _tolerances(groups), CERTAIN * groups.errors)
    return bool((np.abs(groups.biases) <= allowed).all())


def _corrected(table: DecodeTable, groups: BrightnessGroups, sample: CodedSample) -> DecodeTable:
    """Return a table without bias in any group, close to the mean of the values of each code.

    The photons rise with the code, and minimise the sum of two parts: the squared bias of every
    group, relative to its tolerance, and the squared distance of every code's photons from the
    mean of its values, relative to the noise. The model's means are kept as far as the groups
    allow. Where steps are far beyond the noise, no table is without bias: the best one counts.
    """
    means, shares = sample.means(), groups.shares(sample)
    seen = np.isfinite(means)
    means, shares, before = means[seen], shares[:, seen], sample.decoded[seen]
    y: Floats = table.step * (sample.first + np.flatnonzero(seen)).astype(np.float64)
    variances = shares @ means**2 - (shares @ means) ** 2
    weights = 1 / _tolerances(groups) ** 2
    ridge = RIDGE / table.step**2 * (1 / (variances + NOISE)) @ shares
    fixed, kept = (shares.T * weights) @ shares + np.diag(ridge), _kept_means(before, y=y)
    correction = ridge * (means - before) - (weights * groups.biases) @ shares
    allowed = np.hypot(_tolerances(groups), LUCK * groups.errors)
    least, best = np.inf, before
    for trust in TRUST:
        matrix = fixed + trust * kept
        photons = rising_solution(matrix, matrix @ before + correction)
        excess = np.abs(groups.biases + shares @ (photons - before)) / allowed
        beyond = np.maximum(excess - 1, 0).sum()
        if beyond < least:
            least, best = beyond, photons
        if not beyond:
            break
    return table.with_entries(_filled(best, sample.decoded, seen), first=sample.first)


def _kept_means(before: Floats, *, y: Floats) -> Floats:
    """Return a matrix that keeps the model's means at all brightnesses, of unit noise.

    Pixels that flash up for a few frames show brightnesses that no group has as its mean.
    """
    noise = np.exp(-((y - np.arange(y[0], y[-1] + SPACING, SPACING)[:, None]) ** 2) / 2)
    noise = noise[noise.sum(axis=1) > 0]
    noise /= noise.sum(axis=1)[:, None]
    allowed = np.maximum(PHOTON, SHARE * np.abs(noise @ before)) ** 2
    return (noise.T / allowed) @ noise


def _filled(photons: Floats, decoded: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Return the photons of all codes; those that do not occur are kept in order, unfitted."""
    below, above = np.full(seen.size, -np.inf), np.full(seen.size, np.inf)
    below[seen] = above[seen] = photons
    below = np.maximum.accumulate(below)
    above = np.minimum.accumulate(above[::-1])[::-1]
    return np.clip(decoded, below, above)
