"""The gains of parts of a movie: quarters of the recording, and quadrants of the frame.

What disturbs a movie in one part only, or differently in each, shows as gains that differ by more
than their standard errors. These come from the scatter of single pixels, and do not know of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.instrumental_regression import instrumental_regression
from dj_photon_codecs.calibration.noise_maps import NoiseMaps, likely_means
from dj_photon_codecs.calibration.transfer_line import (
    TransferLine,
    expect_variance,
    motion_variance,
)

__all__ = ["PartGains", "gains_in_space", "gains_in_time", "scatter"]

Floats = NDArray[np.float64]

# benchmarks/constants_calibration.py tries other values of these.
FEWEST_PIXELS = 64  # of a part, through which a line is drawn


@dataclass(frozen=True)
class PartGains:
    """The gain of each part, and how well it is known."""

    gain: Floats  # one for each part, in ADU per photon; NaN where a part tells no gain
    stderr: Floats  # likewise

    @property
    def mean(self) -> float:
        """The average of the gains, weighted by their precision."""
        weights = self._weights()
        return float(np.nansum(weights * self.gain) / weights.sum())

    @property
    def chi_squared(self) -> float:
        """Sum of squared deviations from the mean, in standard errors."""
        if self.freedom == 0:
            return 0.0
        return float(np.nansum(self._weights() * (self.gain - self.mean) ** 2))

    @property
    def freedom(self) -> int:
        """How many deviations are independent: one less than there are gains."""
        return max(int(np.isfinite(self.gain).sum()) - 1, 0)

    def _weights(self) -> Floats:
        weights: Floats = np.where(np.isfinite(self.gain), 1 / self.stderr**2, 0.0)
        return weights


def gains_in_time(maps: NoiseMaps, line: TransferLine) -> PartGains:
    """Find the gain of each quarter of the recording, with the others as instrument.

    The line through all of them gives the weights, and the pixels to use.
    """
    quarters, gains = maps.quarters, []
    total = (quarters.runs * quarters.mean).sum(axis=0)
    for mean, variance, runs in zip(quarters.mean, quarters.variance, quarters.runs, strict=True):
        left = maps.runs.sum(axis=0) - runs
        others = (total - runs * mean) / np.maximum(left, 1)
        # As if the quarter were one fold, and the rest of the movie the other.
        pair = replace(
            maps,
            mean=np.stack([mean, others]),
            variance=np.stack([variance, maps.variance.mean(axis=0)]),
            runs=np.stack([runs, left]),
        )
        # Not those kept in both folds: their variances are cut off where chance made them large.
        used = line.kept.any(axis=0) & (runs > 0) & (left > 0)
        gains.append(_gain(pair, line, np.stack([used, np.zeros_like(used)])))
    return PartGains(*np.array(gains).T)


def gains_in_space(maps: NoiseMaps, line: TransferLine) -> PartGains:
    """Find the gain of each quadrant: upper left, upper right, lower left, lower right."""
    height, width = maps.mean.shape[1:]
    rows = (slice(None, height // 2), slice(height // 2, None))
    columns = (slice(None, width // 2), slice(width // 2, None))
    gains = []
    for place in product(rows, columns):
        used = np.zeros_like(line.kept)
        used[(slice(None), *place)] = line.kept[(slice(None), *place)]
        gains.append(_gain(maps, line, used))
    return PartGains(*np.array(gains).T)


def scatter(*parts: PartGains) -> float:
    """Return the factor, 1 or more, by which gains of parts scatter beyond their standard errors.

    References
    ----------
    Particle Data Group, "Review of Particle Physics", Prog. Theor. Exp. Phys. 2022, 083C01,
    section 5.2.2, doi:10.1093/ptep/ptac097.
    """
    freedom = sum(part.freedom for part in parts)
    if freedom == 0:
        return 1.0
    return math.sqrt(max(sum(part.chi_squared for part in parts) / freedom, 1.0))


def _gain(maps: NoiseMaps, line: TransferLine, used: NDArray[np.bool_]) -> tuple[float, float]:
    """Draw a line through the pixels of a part: its slope, with standard error."""
    if np.count_nonzero(used) < FEWEST_PIXELS:
        return math.nan, math.nan
    likely = likely_means(maps)[::-1]
    _, weights = expect_variance(maps, line, means=likely, runs=maps.runs[::-1])
    weights = weights * used
    centre = float((weights * maps.mean).sum() / weights.sum())
    ones = np.ones(maps.mean.shape)
    solution = instrumental_regression(
        maps.variance - motion_variance(line),
        [ones, maps.mean - centre],
        [ones, likely - centre],
        weights=weights,
    )
    if solution is None or not solution[1][1, 1] > 0:
        return math.nan, math.nan
    return float(solution[0][1]), math.sqrt(solution[1][1, 1])
