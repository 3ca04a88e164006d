"""The points of a photon transfer curve, and whether one straight line fits all pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.instrumental_regression import instrumental_regression
from dj_photon_codecs.calibration.noise_maps import NoiseMaps, light_means, likely_means
from dj_photon_codecs.calibration.transfer_line import (
    FEWEST_PIXELS,
    TransferLine,
    binned,
    expect_variance,
    motion_variance,
)
from dj_photon_codecs.photons.calibration import Points

__all__ = ["bend", "curvature", "curve_points", "dark_excess", "unevenness"]

# benchmarks/constants_calibration.py tries other values of these.
SURE = 6.0  # standard errors
ABOVE_FLOOR = 4.0  # sigma; so far above the lowest value clipping takes nothing away
MANY = 0.05  # share of the pixels, that were left out because they are dark
RARE = 0.003  # share of the lowest value from which on a point of the curve is clipped


def curve_points(maps: NoiseMaps, line: TransferLine, *, kept: bool) -> Points:
    """Average pixels of like brightness into points: mean (ADU), variance and its standard error.

    Those that the line was drawn through, less what motion adds to them, or the others, as they
    are; with six digits.
    """
    chosen = line.kept if kept else ~line.kept & (maps.runs > 0)
    if not chosen.any():
        return ()
    still = maps.variance.astype(np.float64) - (motion_variance(line) if kept else 0.0)
    count, (mean, variance, square) = binned(maps, chosen, maps.mean, still, still**2)
    stderr = np.sqrt(np.maximum(square - variance**2, 0) / count)
    # Six digits, so that a stored calibration is short; of the means, six behind the largest.
    digits = 6 - math.ceil(math.log10(np.abs(maps.mean).max()))
    means = (mean + maps.origin).round(digits).tolist()
    rows = zip(means, variance.tolist(), stderr.tolist(), strict=True)
    return tuple((m, _rounded(v), _rounded(s)) for m, v, s in rows)


def bend(maps: NoiseMaps, line: TransferLine, curve: Points) -> float:
    """Find the point of the curve of the pixels that were kept which is farthest from the line.

    Returns its distance, less three standard errors, relative to the variance on the line; 0 if it
    may be chance. Where the line allows for clipping, points that are clipped do not count.
    """
    mean, variance, stderr = np.array(curve).T
    expected = line.intercept + line.gain * (mean - maps.origin)
    counts = expected > 0
    if line.clipped:
        _, (at_floor,) = binned(maps, line.kept, maps.at_floor)
        counts &= at_floor < RARE
    distance = (np.abs(variance - expected) - 3 * stderr)[counts] / expected[counts]
    return float(np.max(distance, initial=0.0))


def curvature(maps: NoiseMaps, line: TransferLine) -> float:
    """Return how much the slope of the curve changes with brightness, relative to it.

    From one standard deviation of the pixels' brightness below their mean to one above; 0 if it may
    be chance.
    """
    likely = likely_means(maps)[::-1]
    expected, weights = expect_variance(maps, line, means=likely, runs=maps.runs[::-1])
    weights *= line.kept
    if line.clipped:
        weights *= likely + maps.origin - maps.floor > ABOVE_FLOOR * np.sqrt(expected)
    if np.count_nonzero(weights) < FEWEST_PIXELS:
        return 0.0
    centre = (weights * maps.mean).sum() / weights.sum()
    spread = math.sqrt((weights * (maps.mean - centre) ** 2).sum() / weights.sum())
    solution = instrumental_regression(
        maps.variance,
        _powers((maps.mean - centre) / spread),
        _powers((likely - centre) / spread),
        weights=weights,
    )
    if solution is None:
        return 0.0
    (_, slope, square), covariance = solution
    if abs(square) < SURE * math.sqrt(covariance[2, 2]):
        return 0.0
    return float(4 * square / slope)


def dark_excess(maps: NoiseMaps, line: TransferLine) -> float:
    """Return how much noisier dark pixels are than a line drawn without those at the lowest value.

    That is the share of their variance above the line, less three standard errors; clipping takes
    variance away, and leaves it negative. 0 if few pixels were left out.
    """
    dark = ~line.kept & (maps.runs > 0) & (maps.at_floor > RARE)
    if np.count_nonzero(dark) < MANY * dark.size:
        return 0.0
    count, (mean, variance, square) = binned(
        maps, dark, maps.mean, maps.variance, maps.variance.astype(np.float64) ** 2
    )
    stderr = np.sqrt(np.maximum(square - variance**2, 0) / count)
    expected = np.maximum(line.intercept + line.gain * mean, 0)
    return float((count * (variance - 3 * stderr - expected)).sum() / (count * variance).sum())


def unevenness(maps: NoiseMaps, line: TransferLine) -> float:
    """Return the standard deviation of equally bright pixels' variances, relative to the line.

    It is what both folds of the movie show; 0 if it may be chance.
    """
    means = light_means(maps)
    expected, weights = expect_variance(maps, line, means=means, runs=maps.runs)
    both = line.kept.all(axis=0)
    # Not less what is expected of a pixel in which no photon was seen: that is never quite zero.
    predicted = line.intercept + line.gain * means + motion_variance(line)
    scores = ((maps.variance - predicted) * np.sqrt(weights)).prod(axis=0)[both]
    precision = (expected * np.sqrt(weights)).prod(axis=0)[both]
    if scores.sum() <= SURE * math.sqrt((scores**2).sum()):
        return 0.0
    return math.sqrt(scores.sum() / precision.sum())


def _powers(values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [np.ones_like(values), values, values**2]


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
