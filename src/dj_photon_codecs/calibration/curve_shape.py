"""Whether a photon transfer curve is straight, and one line enough for all pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dj_photon_codecs.calibration.instrumental_regression import instrumental_regression
from dj_photon_codecs.calibration.temporal_noise import likely_means
from dj_photon_codecs.calibration.tiles import Tiles
from dj_photon_codecs.calibration.transfer_line import expect_variance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.calibration.temporal_noise import NoiseMaps
    from dj_photon_codecs.calibration.transfer_line import TransferLine

__all__ = ["curvature", "unevenness"]

SURE = 6.0  # standard errors


def curvature(maps: NoiseMaps, line: TransferLine) -> float:
    """Measure how much the slope of the curve changes with brightness.

    Parameters
    ----------
    maps : NoiseMaps
        Mean and variance of every pixel.
    line : TransferLine
        The line, and the pixels that it was drawn through.

    Returns
    -------
    float
        Change of the slope, relative to it, from one standard deviation of the pixels' brightness
        below their mean to one above; 0 if it may be chance.
    """
    likely = likely_means(maps)[::-1]
    _, weights = expect_variance(maps, line, means=likely, runs=maps.runs[::-1])
    weights *= line.kept
    centre = (weights * maps.mean).sum() / weights.sum()
    spread = math.sqrt((weights * (maps.mean - centre) ** 2).sum() / weights.sum())
    solution = instrumental_regression(
        maps.variance,
        _powers((maps.mean - centre) / spread),
        _powers((likely - centre) / spread),
        weights=weights,
        tiles=Tiles(*maps.mean.shape[1:]),
    )
    if solution is None:
        return 0.0
    (_, slope, square), covariance = solution
    if abs(square) < SURE * math.sqrt(covariance[2, 2]):
        return 0.0
    return float(4 * square / slope)


def unevenness(maps: NoiseMaps, line: TransferLine) -> float:
    """Measure how much the noise of equally bright pixels differs.

    Parameters
    ----------
    maps : NoiseMaps
        Mean and variance of every pixel.
    line : TransferLine
        The line, and the pixels that it was drawn through.

    Returns
    -------
    float
        Standard deviation of the pixels' variances, relative to the line, that both folds of the
        movie show; 0 if it may be chance.
    """
    expected, weights = expect_variance(maps, line, means=maps.mean, runs=maps.runs)
    both = line.kept.all(axis=0)
    scores = ((maps.variance - expected) * np.sqrt(weights)).prod(axis=0)[both]
    precision = (expected * np.sqrt(weights)).prod(axis=0)[both]
    if scores.sum() <= SURE * math.sqrt((scores**2).sum()):
        return 0.0
    return math.sqrt(scores.sum() / precision.sum())


def _powers(values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [np.ones_like(values), values, values**2]
