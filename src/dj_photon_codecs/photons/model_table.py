"""Decode tables for a model of the camera: Poisson counts, gain, offset, Gaussian noise.

For the mean of decoded values to equal the rate of photons, the sum over all codes of the
probability of a code times its photons must equal that rate. These equations, one for each of
many rates, are linear in the photons of the codes; they are solved by least squares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.decode_table import DecodeTable
from dj_photon_codecs.photons.steps import check_step, quantize
from dj_photon_codecs.photons.transform import generalized_anscombe

__all__ = ["model_table", "rising_solution"]

Floats = NDArray[np.float64]

# benchmarks/constants_fit.py tries other values of these.
MOST_CODES = 320  # in a table, which takes 1.7 kB of text
BRIGHTEST = 400.0  # photons; above, the closed form errs by less than .1 %
SATURATED = 1.2  # highest rate that is fitted, relative to the highest value of the camera
FAINTEST = 0.1  # photons; at this rate coarse steps add the most variance
RATES = np.arange(math.sqrt(FAINTEST) - 0.2, math.sqrt(BRIGHTEST), 0.1) ** 2  # evenly in noise
NOISIEST = 8.0  # read noise, photons rms, above which the closed form is as good as a table
FINEST = 0.01  # step below which the closed form errs by less than .007 photon
RIDGE = 1e-5  # weight of the distance of a code's photons from the mean of its values; bias: 1
FLOOR = 1e-10  # weight of the closed form, which decides for codes that hardly ever occur

# Where the fit without bias adds much variance at the faintest rate, a little bias is allowed.
NOISY = 1.4  # ratio of decoded to given variance at the faintest rate above which it is
DIM, BRIGHT = 5.0, 50.0  # photons
MOST_BIAS = 0.0046, 0.0115  # photons, from the faintest rate to BRIGHT, and at fainter rates
VARIANCE_WEIGHT = 1e-3  # of the variance at faint rates
WEIGHTS = np.array([[0.1], [20.0]])  # range of the weight of a rate's bias, relative to the start
ROUNDS = 40  # of adapting these weights; the bias is then within 6 % of MOST_BIAS


@lru_cache(maxsize=64)  # the movies of a session often have one calibration
def model_table(
    calibration: Calibration,
    *,
    step: float,
    whole: bool,
    peaks: Calibration | None = None,
    clipped: tuple[float, float] = (-math.inf, math.inf),
) -> DecodeTable:
    """Fit the photons that codes decode to: a table with at most 320 entries.

    `peaks` are gain, offset and read noise as `photon_peaks` found them, if they are not those of
    `calibration`; `clipped` the lowest and highest value that the camera can write, ADU.

    If the values are as the model says, then at rates of .1 to 50 photons the mean of the photons
    differs from that of the values by less than .0005 photon at steps up to .5 and less than .005
    at steps up to 1; at rates below .1 by less than .014. Their variance is at most 1.05 times that
    of the values at step .5, and 1.4 times at step 1. Exceptions at step 1: with a read noise of
    .12 to .25 photon, at which a code may hold none or one photon, the variance is up to 2 times;
    with gains below 6 other than 1, the bias is up to .06 photon and the variance up to 2.8 times.

    References
    ----------
    G. M. Bernstein et al., Publ. Astron. Soc. Pac. 122 (2010) 336, doi:10.1086/651281: a
    correction for noise without peaks.

    C. E. DeForest et al., Astrophys. J. 934 (2022) 179, doi:10.3847/1538-4357/ac7f3d: a table.
    """
    closed = DecodeTable(
        gain=float(calibration.gain),
        offset=float(calibration.offset),
        variance=float(calibration.variance),
        step=check_step(step),
        whole=bool(whole),
    )
    peaks = peaks or calibration
    camera = _Camera(peaks.gain, peaks.offset, math.sqrt(peaks.variance), closed.whole, *clipped)
    if closed.step < FINEST or camera.blur > NOISIEST * camera.gain:
        return closed
    codes, fitted, rates = _range(closed, camera)
    photons = _observe(closed, camera, codes=codes, fitted=fitted, rates=rates).photons()
    return closed.with_entries(photons, first=int(codes[0]))


def rising_solution(matrix: Floats, vector: Floats) -> Floats:
    """Solve a positive definite linear system with no unknown less than the one before it.

    Neighbours that would fall are made one unknown, until none falls.

    Examples
    --------
    >>> rising_solution(np.eye(3), np.array([1.0, 4.0, 2.0]))
    array([1., 3., 3.])
    """
    groups = np.arange(vector.size)
    solution: Floats = np.linalg.solve(matrix, vector).astype(np.float64, copy=False)
    while (falls := np.diff(solution) < 0).any():
        groups = np.append(0, np.cumsum((np.diff(groups) > 0) & ~falls))
        joined = np.eye(groups[-1] + 1)[groups]
        solution = joined @ np.linalg.solve(joined.T @ matrix @ joined, joined.T @ vector)
    return solution


@dataclass(frozen=True)
class _Camera:
    """The model of a camera: how counts of photons become values. All in ADU."""

    gain: float
    offset: float
    blur: float
    whole: bool
    lowest: float
    highest: float

    def values(self, counts: Floats) -> Floats:
        """Return the values of counts before noise, rounding and clipping."""
        return self.offset + self.gain * counts

    def sharp_values(self, counts: Floats) -> Floats:
        """Return the values of counts if there is no read noise."""
        values = self.values(counts)
        return np.clip(np.rint(values) if self.whole else values, self.lowest, self.highest)

    def rounding_shift(self, values: Floats) -> Floats:
        """Return by how much rounding shifts the mean of values with read noise."""
        if not self.whole:
            return np.zeros_like(values)
        order = np.arange(1.0, 33.0)  # of its Fourier series
        size = (-1) ** order / (math.pi * order) * np.exp(-2 * (math.pi * order * self.blur) ** 2)
        return np.asarray(np.sin(2 * math.pi * values[:, None] * order) @ size)

    def clipping_shifts(self, values: Floats) -> tuple[Floats, Floats]:
        """Return how much clipping below and above shifts the mean of values with read noise."""
        below, above = (values - self.lowest) / self.blur, (self.highest - values) / self.blur
        return self.blur * _mean_excess(below), self.blur * _mean_excess(above)


@dataclass(frozen=True)
class _System:
    """The equations for the photons of codes: one row for each rate. All in photons."""

    rates: Floats
    means: Floats  # of the values at a rate: the rate, shifted by rounding and clipping
    variances: Floats  # of the values at a rate
    probabilities: Floats  # of codes, shape (rates, codes)
    closed: Floats  # photons of all codes by the closed form
    centres: Floats  # mean of the values of a code, for the first codes, which are fitted

    def photons(self) -> Floats:
        """Return the photons without bias or, where that adds much variance, with little bias."""
        start = weights = 1 / (self.variances + 3 / 8)
        photons = self.solve(weights, variance_weight=0.0)
        excess, ratio = self.judge(photons)
        if ratio <= NOISY and excess[self.rates < DIM].max() <= 1:
            return photons
        for _ in range(ROUNDS):
            photons = self.solve(weights, variance_weight=VARIANCE_WEIGHT)
            weights = np.clip(weights * np.sqrt(self.judge(photons)[0]), *(WEIGHTS * start))
        return photons

    def solve(self, weights: Floats, *, variance_weight: float) -> Floats:
        """Return the photons that minimise the weighted sum of squared biases and of variance."""
        fitted = self.centres.size
        faint = variance_weight * np.exp(-(np.log(self.rates / FAINTEST) ** 2)) / self.variances
        seen = self.probabilities[:, :fitted]
        means = self.means - self.probabilities[:, fitted:] @ self.closed[fitted:]
        ridge = RIDGE * (weights @ seen)
        matrix = (seen.T * weights) @ seen + np.diag(ridge + faint @ seen + FLOOR)
        vector = (weights * means) @ seen + ridge * self.centres + (faint * self.means) @ seen
        return rising_solution(matrix, vector + FLOOR * self.closed[:fitted])

    def judge(self, photons: Floats) -> tuple[Floats, float]:
        """Return the bias relative to MOST_BIAS, and the variance ratio at the faintest rate."""
        decoded = np.append(photons, self.closed[photons.size :])
        means = self.probabilities @ decoded
        ratios = (self.probabilities @ decoded**2 - means**2) / self.variances
        most = MOST_BIAS[0] * np.sqrt(np.maximum(1, self.rates / BRIGHT))
        most[self.rates < 0.99 * FAINTEST] = MOST_BIAS[1]
        return np.abs(means - self.means) / most, float(np.interp(FAINTEST, self.rates, ratios))


def _range(closed: DecodeTable, camera: _Camera) -> tuple[Floats, int, Floats]:
    """Return the codes that occur, how many of them (the first ones) are fitted, and the rates."""
    limits = [camera.offset - 5 * camera.blur - 0.5, camera.offset + BRIGHTEST * camera.gain]
    first, last = _codes(np.clip(limits, camera.lowest, camera.highest), closed)
    end = closed.offset + closed.gain * float(closed.photons(first + MOST_CODES - 1))
    end = min(end, camera.offset + SATURATED * (camera.highest - camera.offset))
    rates = RATES[: max(10, int(np.searchsorted(RATES, (end - camera.offset) / camera.gain)))]
    brightest = camera.values(_counts(rates)[-1:]) + 6 * camera.blur + 1
    end_code = _codes(np.clip(brightest, camera.lowest, camera.highest), closed)[0]
    codes = np.arange(first, max(last, end_code) + 1, dtype=np.float64)
    return codes, int(min(last - first + 1, MOST_CODES)), rates


def _observe(
    closed: DecodeTable, camera: _Camera, *, codes: Floats, fitted: int, rates: Floats
) -> _System:
    counts = _counts(rates)
    observe = _blurred if camera.blur else _sharp
    seen, sums, means = observe(closed, camera, codes=codes, counts=counts)
    noise = camera.blur**2 + camera.whole * (camera.blur > 0 or camera.gain % 1 > 0) / 12
    variances = (camera.gain**2 * rates + noise) / closed.gain**2
    poisson = _poisson(rates, counts)
    overall = (1 / (variances + 3 / 8)) @ poisson
    centres = _centres(closed, codes, overall @ seen, overall @ sums)[:fitted]
    means, decoded = poisson @ means, closed.photons(codes)
    return _System(rates, means, variances, poisson @ seen, decoded, centres)


def _counts(rates: Floats) -> Floats:
    return np.arange(int(rates[-1] + 8 * math.sqrt(rates[-1]) + 12), dtype=np.float64)


def _codes(values: Floats, closed: DecodeTable) -> NDArray[np.int64]:
    y = generalized_anscombe(values, closed.gain, closed.offset, closed.variance)
    return quantize(y, closed.step, dtype=np.int64)


def _poisson(rates: Floats, counts: Floats) -> Floats:
    """Return the probability of counts, shape (rates, counts)."""
    logarithms = np.cumsum(np.log(np.maximum(counts, 1)))
    return np.asarray(np.exp(counts * np.log(rates)[:, None] - rates[:, None] - logarithms))


def _sharp(
    closed: DecodeTable, camera: _Camera, *, codes: Floats, counts: Floats
) -> tuple[Floats, Floats, Floats]:
    """Describe the codes of counts without read noise.

    Returns the probability of each code if there are so many photons, (counts, codes), the same
    times the mean of these values, and the mean of the values of so many photons, (counts,); in
    photons.
    """
    values = camera.sharp_values(counts)
    photons = (values - closed.offset) / closed.gain
    given = np.clip(_codes(values, closed), codes[0], codes[-1])
    seen = (given[:, None] == codes).astype(np.float64)
    return seen, seen * photons[:, None], photons


def _blurred(
    closed: DecodeTable, camera: _Camera, *, codes: Floats, counts: Floats
) -> tuple[Floats, Floats, Floats]:
    """Describe the codes of counts with read noise; returns what `_sharp` does."""
    values = camera.values(counts)
    photons = (values - closed.offset) / closed.gain
    z = (closed.edges(codes[1:]) - values[:, None]) / camera.blur
    seen = np.diff(_padded(_normal_distribution(z), last=1.0), axis=1)
    density = _padded(np.exp(-z * z / 2) / math.sqrt(2 * math.pi), last=0.0)
    sums = seen * photons[:, None] - camera.blur / closed.gain * np.diff(density, axis=1)
    added, taken = (part / closed.gain for part in camera.clipping_shifts(values))
    return seen, sums, photons + camera.rounding_shift(values) / closed.gain + added - taken


def _mean_excess(z: Floats) -> Floats:
    """Return the mean of ``max(x - z, 0)`` over a standard normal variable x."""
    z = np.minimum(z, 40.0)
    return np.asarray(np.exp(-z * z / 2) / math.sqrt(2 * math.pi) - z * _normal_distribution(-z))


def _normal_distribution(z: Floats) -> Floats:
    below, near = (z > 0).astype(np.float64), np.abs(z) < 8
    below[near] = [(1 + math.erf(x)) / 2 for x in z[near] / math.sqrt(2)]
    return below


def _padded(inner: Floats, *, last: float) -> Floats:
    """Add the edges at minus infinity, of value 0, and at plus infinity."""
    return np.pad(inner, [(0, 0), (1, 1)], constant_values=((0, 0), (0, last)))


def _centres(closed: DecodeTable, codes: Floats, seen: Floats, sums: Floats) -> Floats:
    """Return the mean of the values of each code: of its only value, where there is just one."""
    edges = closed.edges(np.append(codes, codes[-1] + 1))
    middles = ((edges[1:] + edges[:-1]) / 2 - closed.offset) / closed.gain
    means = np.divide(sums, seen, out=middles.copy(), where=seen > 0)
    # The variance of n adjacent whole numbers is less than that of an interval, by this factor.
    spread = 1 - closed.whole / np.maximum(np.diff(edges), 1) ** 2
    return middles + (means - middles) * spread
