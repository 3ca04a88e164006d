"""Where whole photons lie in camera values, and how much noise blurs them.

A movie alone does not tell read noise from offset. A calibration made without a dark frame is
right about the mean and the variance at every brightness, and yet may misplace single photons by
half a photon, and take them for sharper than they are. The transform does not mind; decoding
without bias does, since it must know which values a code stands for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from dj_photon_codecs.photons.calibration import Calibration

    Floats = NDArray[np.float64]

__all__ = ["clipping", "photon_peaks"]

SAMPLE = 1 << 18  # values that are looked at
ENOUGH = 1000  # values, below which nothing is concluded
FADING = 5.0  # photons, over which weights fall by 1 / e; an error of the gain moves bright peaks
FADED = 60.0  # photons above the faintest, from where on there is no weight
NARROW = 2.0  # gain, below which whole numbers of ADU are too far apart to sample the peaks
CLIPPED = 0.001  # share of values that are the lowest or the highest, if these are limits,
PILED = 5.0  # and times as many as are the next
SHARP, NEARLY_ALL = 0.01, 0.998  # photons; if so many values are so close to whole, all are
BINS = 64  # in a photon
VISIBLE = 0.02  # contrast below which there are no peaks; that of a read noise of .45 photon
CERTAIN = 5.0  # standard errors by which another gain must be better than the given one
SCALES = 1 + np.linspace(-0.03, 0.03, 61)  # errors of the gain that are looked for
SMOOTH = 0.7  # photons rms; a table fitted to it serves every noise that leaves no peaks
SAME = 0.002  # difference that is none, of variance and of gain; five times that, of place


def photon_peaks(values: ArrayLike, calibration: Calibration, *, whole: bool) -> Calibration:
    """Find where whole photons lie in camera values, and how much noise blurs them.

    Parameters
    ----------
    values : array_like
        A sample of the movie, ADU, of any shape; some 100,000 values are enough.
    calibration : Calibration
        As far as it is known; its gain within 3 %.
    whole : bool
        Whether all values of the movie are whole numbers.

    Returns
    -------
    Calibration
        For `fit_table`. It is `calibration` itself where the values agree with that, or do not
        tell: too few, or a gain below 2 with known read noise. Otherwise one with another gain,
        offset and variance. Noise that leaves no peaks is given as .7 photon rms.

    Notes
    -----
    The mean of ``exp(2j * pi * photons)`` over values of any brightness has the length
    ``exp(-2 * pi**2 * variance)`` of the noise, in photons, and the angle of its place.

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
    sample = _sample(values)
    photons = (sample - calibration.offset) / calibration.gain
    known, narrow = calibration.variance > 0, whole and calibration.gain < NARROW
    if sample.size < ENOUGH or (narrow and known):
        return calibration
    if not known and _is_sharp(photons, calibration, whole=whole):
        return calibration
    if narrow:
        return _displaced(calibration, noise=SMOOTH**2, place=SMOOTH**2)
    unclipped = photons[(sample > sample.min()) & (sample < sample.max())]
    if unclipped.size < ENOUGH:
        return calibration
    return _measured(_Histogram.of(unclipped), calibration, whole=whole)


def clipping(values: ArrayLike) -> tuple[float, float]:
    """Find out between which values a camera clips.

    Parameters
    ----------
    values : array_like
        A sample of the movie, ADU, of any shape.

    Returns
    -------
    tuple of float
        The lowest and the highest value, for `fit_table`; minus and plus infinity where values
        do not pile up there.

    Examples
    --------
    >>> clipping(np.maximum(np.random.default_rng(0).normal(10, 10, 1000), 0))
    (0.0, inf)
    """
    levels, counts = np.unique(_sample(values), return_counts=True)
    return (
        float(levels[0]) if _is_pile(counts) else -math.inf,
        float(levels[-1]) if _is_pile(counts[::-1]) else math.inf,
    )


def _is_pile(counts: NDArray[np.intp]) -> bool:
    """Say whether the first of many values is there too often to be the end of a tail."""
    return counts.size > 1 and bool(counts[0] > max(CLIPPED * counts.sum(), PILED * counts[1]))


def _sample(values: ArrayLike) -> Floats:
    flat = np.asarray(values).reshape(-1)
    return flat[:: max(1, flat.size // SAMPLE)].astype(np.float64)


@dataclass(frozen=True)
class _Histogram:
    """Values in photons, gathered in narrow bins, the fainter with the more weight."""

    means: Floats
    counts: Floats
    weights: Floats

    @classmethod
    def of(cls, photons: Floats) -> _Histogram:
        """Gather photons, but for the few that are far brighter than the faintest."""
        faintest = np.percentile(photons, 1)
        photons = photons[np.abs(photons - faintest) < FADED]
        bins = np.unique(np.rint(photons * BINS), return_inverse=True)[1]
        counts = np.bincount(bins).astype(np.float64)
        means = np.bincount(bins, photons) / counts
        # An exponential displaces all blurred peaks alike, any other weight each by its own slope.
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
        # so displaced, the mean and the variance stay what the calibration says
        return _displaced(calibration, noise=SMOOTH**2, place=SMOOTH**2 - given)
    rounding = whole / (12 * calibration.gain**2)
    noise = max(-math.log(abs(contrast)) / (2 * math.pi**2) - rounding, 0.0)
    place = float(np.angle(contrast)) / (2 * math.pi) + noise / FADING
    place += round(noise - given - place)
    return _displaced(calibration, noise=noise, place=place, scale=scale)


def _displaced(
    calibration: Calibration, *, noise: float, place: float, scale: float = 1.0
) -> Calibration:
    """Return a calibration for other peaks, given in photons, or itself if they are the same."""
    given, gain = calibration.variance / calibration.gain**2, calibration.gain / scale
    if max(abs(noise - given), abs(place) / 5, abs(scale - 1)) < SAME:
        return calibration
    offset = calibration.offset + gain * place
    return replace(calibration, gain=gain, offset=offset, variance=gain**2 * noise)


def _scale(histogram: _Histogram) -> float:
    """Return by what to multiply photons for their peaks to lie one photon apart."""
    logarithms = np.log([abs(histogram.contrast(scale)) for scale in SCALES])
    # Blur by itself favours wider peaks: it takes itself, times the scale squared, from each.
    blur = -float((logarithms / SCALES**2).max())
    sharpness = logarithms + blur * SCALES**2
    best, given = int(sharpness.argmax()), SCALES.size // 2
    better = math.sqrt(2 * (sharpness[best] - sharpness[given])) * math.exp(-blur)
    certain = better > CERTAIN * histogram.uncertainty()
    return float(SCALES[best]) if certain and 0 < best < SCALES.size - 1 else 1.0


def _is_sharp(photons: Floats, calibration: Calibration, *, whole: bool) -> bool:
    """Say whether values are whole photons, rounded to whole ADU if they must be."""
    nearest = np.rint(photons)
    if whole:
        values = np.rint(calibration.offset + calibration.gain * nearest)
        nearest = (values - calibration.offset) / calibration.gain
    return bool((np.abs(photons - nearest) < SHARP).mean() > NEARLY_ALL)
