"""Where whole photons lie in camera values, and how much noise blurs them.

From the noise of a movie, read noise and offset cannot be told apart. A calibration without a dark
frame therefore gives the right mean and variance at every brightness, but its zero may be off by
half a photon, and its read noise too low. The transform does not depend on that. Decoding without
bias does: it needs to know which values a code stands for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dj_photon_codecs.photons.calibration import Calibration

__all__ = ["clipping", "photon_peaks"]

Floats = NDArray[np.float64]

# benchmarks/constants_fit.py tries other values of these.
SAMPLE = 1 << 18  # values that are used, at most
ENOUGH = 1000  # values, at least, for another calibration than the given one
FADING = 5.0  # photons over which weights fall by 1 / e: an error of the gain moves bright peaks
FADED = 60.0  # photons above the faintest value beyond which values are not used
NARROW = 2.0  # gain below which whole numbers of ADU are too far apart to sample the peaks
CLIPPED = 0.001  # share of values at the lowest or highest value above which it is a limit,
PILED = 5.0  # if it is also so many times as frequent as the value next to it
SHARP, NEARLY_ALL = 0.01, 0.998  # distance from whole photons, and share of values within it
BINS = 64  # per photon
VISIBLE = 0.02  # contrast of a read noise of .45 photon, below which peaks cannot be seen
CERTAIN = 5.0  # standard errors by which another gain must fit better than the given one
SCALES = 1 + np.linspace(-0.03, 0.03, 61)  # gains that are tried, relative to the given one
SMOOTH = 0.7  # read noise, photons rms, that stands for any at which peaks cannot be seen
SAME = 0.002  # difference in variance (photons squared) or relative gain that does not matter


def photon_peaks(values: ArrayLike, calibration: Calibration, *, whole: bool) -> Calibration:
    """Find where whole photons lie in camera values, and how much noise blurs them.

    From a sample of the movie, ADU, some 100,000 values, and a calibration whose gain is right to 3
    %. It is returned itself where the values agree with it, are fewer than 1000, or have a gain
    below 2 and a variance that is not 0. Otherwise it has the gain, offset and variance of the
    peaks; if peaks cannot be seen, a read noise of .7 photon rms.

    Notes
    -----
    The mean of ``exp(2j * pi * photons)`` over values of any brightness has the absolute value
    ``exp(-2 * pi**2 * variance)``, with the variance of the read noise in photons squared, and
    the angle ``2 * pi`` times the place of the peaks, in photons.

    Examples
    --------
    A camera with an offset of 100 and a read noise of 10 ADU, calibrated without a dark frame:

    >>> from dj_photon_codecs.photons.calibration import Calibration
    >>> rng = np.random.default_rng(0)
    >>> values = np.rint(rng.normal(100 + 50 * rng.poisson(2, 10**5), 10))
    >>> found = photon_peaks(values, Calibration(gain=50, offset=98), whole=True)
    >>> round(found.offset), round(found.variance, -1)
    (100, 100.0)
    """
    sample, counts = _sample(values)
    photons = (sample - calibration.offset) / calibration.gain
    measured, narrow = calibration.variance > 0, whole and calibration.gain < NARROW
    if counts.sum() < ENOUGH or (narrow and measured):
        return calibration
    if not measured and _share_of_peaks(photons, counts, calibration, whole=whole) > NEARLY_ALL:
        return calibration
    if narrow:
        return _displaced(calibration, noise=SMOOTH**2, place=SMOOTH**2)
    photons, counts = photons[1:-1], counts[1:-1]  # the others may be clipped
    if counts.sum() < ENOUGH:
        return calibration
    return _measured(_Histogram.of(photons, counts), calibration, whole=whole)


def clipping(values: ArrayLike) -> tuple[float, float]:
    """Return the lowest and the highest value at which a movie is clipped, ADU, by a sample of it.

    Minus and plus infinity where values do not pile up there.
    """
    sample, counts = _sample(values)
    return _limit(sample, counts), -_limit(-sample[::-1], counts[::-1])


def _limit(sample: Floats, counts: NDArray[np.intp]) -> float:
    """Return the lowest value if it is too frequent to be the end of a distribution's tail."""
    if counts.size < 2:
        return -math.inf
    piled = counts[0] > max(CLIPPED * counts.sum(), PILED * counts[1])
    return float(sample[0]) if piled else -math.inf


def _sample(values: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    """Return the distinct values of a sample, from the lowest to the highest, and their numbers."""
    flat = np.asarray(values).reshape(-1)
    sample, counts = np.unique(flat[:: max(1, flat.size // SAMPLE)], return_counts=True)
    return sample.astype(np.float64), counts


@dataclass(frozen=True)
class _Histogram:
    """Values in photons, in narrow bins, with weights that fall with brightness."""

    means: Floats
    counts: Floats
    weights: Floats

    @classmethod
    def of(cls, photons: Floats, numbers: NDArray[np.intp]) -> _Histogram:
        """Count photons in bins; those far brighter than the faintest are left out."""
        faintest = photons[np.searchsorted(np.cumsum(numbers), numbers.sum() / 100)]
        near = np.abs(photons - faintest) < FADED
        photons, numbers = photons[near], numbers[near]
        bins = np.rint(photons * BINS).astype(np.int64)
        bins -= bins.min()
        counts = np.bincount(bins, numbers).astype(np.float64)
        sums = np.bincount(bins, photons * numbers)
        means, counts = sums[counts > 0] / counts[counts > 0], counts[counts > 0]
        # Only an exponential weight shifts all blurred peaks by the same amount.
        return cls(means, counts, np.exp(-np.maximum(means - faintest, 0) / FADING))

    def contrast(self, scale: float = 1.0) -> complex:
        weights = self.counts * self.weights
        return complex(np.exp(2j * np.pi * scale * self.means) @ weights / weights.sum())

    def uncertainty(self) -> float:
        """Return the standard error of the contrast."""
        weights = self.counts * self.weights
        return float(np.sqrt(weights @ self.weights) / weights.sum())


def _measured(histogram: _Histogram, calibration: Calibration, *, whole: bool) -> Calibration:
    given, scale = calibration.variance / calibration.gain**2, _scale(histogram)
    contrast = histogram.contrast(scale)
    visible = max(VISIBLE, 3 * histogram.uncertainty())
    if abs(contrast) < visible:
        if math.exp(-2 * math.pi**2 * given) < 2 * visible:
            return calibration
        # this leaves the mean and the variance at every brightness as the calibration has them
        return _displaced(calibration, noise=SMOOTH**2, place=SMOOTH**2 - given)
    rounding = whole / (12 * calibration.gain**2)
    noise = max(-math.log(abs(contrast)) / (2 * math.pi**2) - rounding, 0.0)
    place = float(np.angle(contrast)) / (2 * math.pi) + noise / FADING
    place += round(noise - given - place)
    return _displaced(calibration, noise=noise, place=place, scale=scale)


def _displaced(
    calibration: Calibration, *, noise: float, place: float, scale: float = 1.0
) -> Calibration:
    """Return a calibration for peaks that are given in photons; the same if they do not differ."""
    given, gain = calibration.variance / calibration.gain**2, calibration.gain / scale
    if max(abs(noise - given), abs(place) / 5, abs(scale - 1)) < SAME:
        return calibration
    offset = calibration.offset + gain * place
    return replace(calibration, gain=gain, offset=offset, variance=gain**2 * noise)


def _scale(histogram: _Histogram) -> float:
    """Return the factor for photons at which their peaks lie one photon apart."""
    logarithms = np.log([abs(histogram.contrast(scale)) for scale in SCALES])
    # Read noise lowers the logarithm of the contrast by its variance times the scale squared.
    blur = -float((logarithms / SCALES**2).max())
    sharpness = logarithms + blur * SCALES**2
    best, given = int(sharpness.argmax()), SCALES.size // 2
    better = math.sqrt(2 * (sharpness[best] - sharpness[given])) * math.exp(-blur)
    certain = better > CERTAIN * histogram.uncertainty()
    return float(SCALES[best]) if certain and 0 < best < SCALES.size - 1 else 1.0


def _share_of_peaks(
    photons: Floats, counts: NDArray[np.intp], calibration: Calibration, *, whole: bool
) -> float:
    """Return the share of values that are whole photons, rounded to whole ADU if they must be."""
    nearest = np.rint(photons)
    if whole:
        values = np.rint(calibration.offset + calibration.gain * nearest)
        nearest = (values - calibration.offset) / calibration.gain
    return float(counts[np.abs(photons - nearest) < SHARP].sum() / counts.sum())
