"""A line through variance against mean, for every pixel of a movie.

It is found by weighted regression with instrumental variables: a pixel's mean in the other fold
of the movie stands in for its mean in this one, which cures the bias that errors in the means
would cause (they correlate with the errors in the variances, since photon noise is skewed).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.instrumental_regression import instrumental_regression
from dj_photon_codecs.calibration.noise_maps import NoiseMaps, light_means, likely_means
from dj_photon_codecs.calibration.tiles import Tiles

__all__ = [
    "FEWEST_PIXELS",
    "OUTLIER",
    "TransferLine",
    "binned",
    "draw_line",
    "expect_variance",
    "motion_variance",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# benchmarks/constants_calibration.py tries other values of these.
BINS = 32
FEWEST_PIXELS = 128  # of both folds, four for each bin
ROUNDS = (0.3, 0.3, 0.3, 0.3, 0.05, 0.05)  # share of its variance that motion may add to a pixel
FREE = 0.1  # above this share motion is fitted too; below there is too little of it
EXCESS = 0.29  # sum of fourth powers and products of the contrasts, by which shot noise is skewed
OUTLIER = 3.5  # sigma, judged in the other fold
WILD = 35.0  # sigma; so far off that no second opinion is needed


@dataclass(frozen=True)
class TransferLine:
    """The line, and the pixels it was drawn through; its covariance is of intercept and gain."""

    gain: float  # slope of variance against mean, in ADU per photon
    intercept: float  # variance at the `origin` of the noise maps, in ADU squared
    covariance: Floats  # (2, 2)
    motion: float  # variance that motion adds, per unit of `texture`
    texture: Floats  # (height, width); squared differences of the mean image between neighbours
    kept: Mask  # (2, height, width); pixels that the line was drawn through, in each fold
    vouched: bool = True  # whether pixels at the lowest value were shown to be unclipped
    clipped: bool = False  # whether they were clipped; the line is what they would follow otherwise

    @property
    def gain_stderr(self) -> float:
        """Standard error of the gain, in ADU per photon."""
        return math.sqrt(self.covariance[1, 1])

    def variance_at(self, mean: float) -> tuple[float, float]:
        """Return the variance at a mean (in ADU above the origin), and its standard error."""
        row = np.array([1.0, mean])
        return self.intercept + self.gain * mean, math.sqrt(row @ self.covariance @ row)

    def zero(self) -> tuple[float, float]:
        """Return the mean at which the variance is zero, and its standard error, in ADU."""
        mean = -self.intercept / self.gain
        return mean, self.variance_at(mean)[1] / abs(self.gain)


def draw_line(maps: NoiseMaps, eligible: Mask, *, outlier: float = OUTLIER) -> TransferLine | None:
    """Draw the line through the pixels that other movement than noise does not disturb.

    Of the `eligible` ones, (2, height, width), those farther off than `outlier` standard deviations
    are left out. None if there are fewer than 128, or all of them equally bright.
    """
    if np.count_nonzero(eligible) < FEWEST_PIXELS:
        return None
    # In rounds: predict, judge, draw; with all the motion there is, then away from it.
    texture = _texture(maps.mean.astype(np.float64))
    likely = likely_means(maps)[::-1]
    line: TransferLine | None = _robust_line(maps, eligible, texture)
    for share in ROUNDS:
        if line is None:
            return None
        # A fold's outliers are told by its own means, else what is kept of the other would depend
        # on its noise; weights and motion are told by the other fold's.
        expected, weights = expect_variance(maps, line, means=light_means(maps), runs=maps.runs)
        score = (maps.variance - expected) * np.sqrt(weights)
        expected, weights = expect_variance(maps, line, means=likely, runs=maps.runs[::-1])
        kept = eligible & _believable(score, eligible, outlier=outlier)
        kept &= motion_variance(line) < share * expected
        line = _drawn(
            maps,
            replace(line, kept=kept),
            weights=weights,
            instrument=likely,
            free=share > FREE,
        )
    return line


def binned(
    maps: NoiseMaps, chosen: Mask, *quantities: NDArray[Any]
) -> tuple[NDArray[np.int_], list[Floats]]:
    """Average quantities over pixels that are equally bright in the other fold.

    All of shape (2, height, width). Returns the number of chosen pixels in each bin, and each
    quantity's averages, from dark to bright.
    """
    instrument = light_means(maps)[::-1][chosen]
    edges = np.unique(np.quantile(instrument, np.linspace(0, 1, BINS + 1)[1:-1]))
    where = np.searchsorted(edges, instrument, side="right")
    count = np.bincount(where)
    sums = [np.bincount(where, weights=quantity[chosen]) for quantity in quantities]
    return count[count > 0], [total[count > 0] / count[count > 0] for total in sums]


def motion_variance(line: TransferLine) -> Floats:
    """Return the variance that motion adds to each pixel, (height, width), in ADU squared."""
    added: Floats = max(line.motion, 0.0) * np.maximum(line.texture, 0)
    return added


def expect_variance(
    maps: NoiseMaps, line: TransferLine, *, means: NDArray[Any], runs: NDArray[Any]
) -> tuple[Floats, Floats]:
    """Predict each pixel's variance, and the weight (inverse variance) that its measurement has.

    From `means` of each pixel, (2, height, width), in ADU above the origin, that so many `runs`
    tell.
    """
    expected = line.intercept + line.gain * means + motion_variance(line)
    one_photon = line.gain**2 / (4 * np.maximum(runs, 1))  # less is not known to be zero
    expected = np.maximum(expected, np.maximum(one_photon, 1e-9 * maps.variance.mean()))
    weights = maps.runs / (expected**2 + EXCESS * line.gain**2 * expected)
    return expected, weights


def _texture(mean: Floats) -> Floats:
    """Multiply the two folds' differences between a pixel and its neighbours, and add them up."""
    smooth = _smoothed(_smoothed(mean, 1), 2)
    texture = np.zeros(mean.shape[1:])
    below, right = (np.diff(smooth, axis=axis).prod(axis=0) for axis in (1, 2))
    texture[:-1] += below
    texture[1:] += below
    texture[:, :-1] += right
    texture[:, 1:] += right
    return texture


def _smoothed(mean: Floats, axis: int) -> Floats:
    width = [(0, 0)] * 3
    width[axis] = (1, 1)
    padded = np.moveaxis(np.pad(mean, width, mode="edge"), axis, 0)
    return np.moveaxis((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4, 0, axis)


def _robust_line(maps: NoiseMaps, eligible: Mask, texture: Floats) -> TransferLine:
    """Draw a first line that a third of wild points cannot move (Theil's incomplete method).

    Slopes count by the distance that they span: most of a scene may be equally bright.
    """
    _, (mean, variance) = binned(maps, eligible, maps.mean, maps.variance)
    half = len(mean) // 2
    rise, run = variance[-half:] - variance[:half], mean[-half:] - mean[:half]
    gain = _weighted_median(rise[run > 0] / run[run > 0], run[run > 0])
    intercept = float(np.median(variance - gain * mean))
    return TransferLine(gain, intercept, np.zeros((2, 2)), 0.0, texture, eligible)


def _weighted_median(values: Floats, weights: Floats) -> float:
    """Find the value below which half of the weight lies; 0 of none."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)]) if len(order) else 0.0


def _believable(score: Floats, eligible: Mask, *, outlier: float) -> Mask:
    """Keep what the other fold shows to be on the line, alone and with its neighbours."""
    tiles = Tiles(*score.shape[1:])
    common = tiles.sum(np.clip(score, -outlier, outlier) * eligible)
    together = common / np.sqrt(np.maximum(tiles.sum(eligible), 1))
    alone = np.abs(score) < outlier * max(_sigma(score[eligible]), 1)
    shared = np.abs(together) < outlier * max(_sigma(together), 1)
    believable: Mask = (alone & tiles.spread(shared))[::-1] & (score < WILD)
    return believable


def _sigma(values: NDArray[Any]) -> float:
    """Standard deviation of normal values, from the median of their sizes."""
    return 1.4826 * float(np.median(np.abs(values)))


def _drawn(
    maps: NoiseMaps,
    line: TransferLine,
    *,
    weights: Floats,
    instrument: Floats,
    free: bool,
) -> TransferLine | None:
    """Draw a line through what is kept, with or without fitting what motion adds."""
    weights = weights * line.kept
    if not weights.any():
        return None
    centre = float((weights * maps.mean).sum() / weights.sum())
    ones, own, other = np.ones(maps.mean.shape), maps.mean - centre, instrument - centre
    scale = float(np.abs(line.texture).mean())
    moving = [np.broadcast_to(line.texture / scale, own.shape)] if free and scale > 0 else []
    variance = maps.variance if moving else maps.variance - max(line.motion, 0.0) * line.texture
    solution = instrumental_regression(
        variance, [ones, own, *moving], [ones, other, *moving], weights=weights
    )
    if solution is None:
        return None
    found, covariance = solution
    if moving:
        line = replace(line, motion=float(found[2]) / scale)
    to_origin = np.array([[1, -centre], [0, 1]])
    intercept, gain = (to_origin @ found[:2]).tolist()
    covariance = to_origin @ covariance[:2, :2] @ to_origin.T
    return replace(line, gain=gain, intercept=intercept, covariance=covariance)
