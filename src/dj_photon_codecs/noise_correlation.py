"""Correlation of the noise between neighbouring pixels and frames, which a camera has not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.temporal_noise import NoiseMaps
    from dj_photon_codecs.transfer_line import TransferLine

__all__ = ["CORRELATED", "Correlation", "correlate_noise"]

CORRELATED = 0.1  # between neighbours; the estimate for independent pixels is below .02


@dataclass(frozen=True)
class Correlation:
    """Correlation of the noise of a pixel with the next frame's and its neighbours'.

    Parameters
    ----------
    time, vertical, horizontal : float
        -1 to 1; about 0 for a camera that reads every pixel and frame by itself.
    """

    time: float
    vertical: float
    horizontal: float


def correlate_noise(maps: NoiseMaps, line: TransferLine) -> Correlation:
    """Correlate the noise of each pixel with its neighbours in time and space.

    Parameters
    ----------
    maps : NoiseMaps
        Variances and covariances of every pixel.
    line : TransferLine
        Pixels count where it was drawn through them and their four neighbours.

    Returns
    -------
    Correlation
        With the next frame, the pixel below and the pixel to the right.
    """
    variance = maps.variance.mean(axis=0, dtype=np.float64)
    weights = _eroded(line.kept[0] & line.kept[1]) / np.maximum(variance, 1e-3 * variance.mean())
    total = float((weights * variance).sum())
    if total == 0:
        return Correlation(0.0, 0.0, 0.0)
    # Of noise with correlation r between frames, both contrasts lose variance, by 1/2 and 3/2 r.
    time, below, right = (float((weights * product).sum()) / total for product in maps.products)
    return Correlation(time / (1 + time), below, right)


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1, mode="edge")
    sides = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    eroded: NDArray[np.bool_] = mask & sides
    return eroded
