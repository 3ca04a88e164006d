"""What a movie tells about the noise of each of its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.frame_faults import FrameCounts
from dj_photon_codecs.calibration.frame_runs import RUN
from dj_photon_codecs.calibration.interleaving import Interleaving

__all__ = ["NoiseMaps", "QuarterMaps", "light_means", "likely_means"]

Maps = NDArray[np.float32]

# benchmarks/constants_calibration.py tries other values of these.
NEAR = 2  # pixels to each side


@dataclass(frozen=True)
class QuarterMaps:
    """The noise in each quarter of the recording, in the order of time: (4, height, width)."""

    mean: Maps  # as in `NoiseMaps`, over the runs of the quarter; 0 where it has none
    variance: Maps
    runs: Maps
    products: Maps  # (2, 4, height, width); with the pixel below and the pixel to the right


@dataclass(frozen=True)
class NoiseMaps:
    """Mean and noise of every pixel of a movie; maps are (2, height, width), one for each fold."""

    mean: Maps  # in ADU above `origin`
    variance: Maps  # of the noise, in ADU squared, over the same frames
    runs: Maps  # how many runs those are
    moved: Maps  # what was taken from the variance, as the pixel followed the movement of the scene
    products: Maps  # (3, 2, height, width); covariance with the next frame, the pixel below, right
    quarters: QuarterMaps
    at_floor: Maps  # share of the samples that has the lowest value of the movie
    at_ceiling: Maps  # ... the highest
    frames: int  # in the runs, over which all of this was measured
    counts: FrameCounts  # frames that were read, and those of them that were left out
    interleaving: Interleaving  # whether the frames come by turns from several channels or planes
    motion: float  # root mean square movement of the whole scene along an axis, in pixels
    origin: float  # the value that was subtracted, in ADU
    floor: float  # the lowest value, in ADU
    ceiling: float  # the highest value, in ADU
    below_ceiling: float  # how often the integer below the highest value occurs, relative to that
    resolution: float  # 1 ADU for integers, 0 for floating-point values
    offsets_differ: bool = False  # between pixels; neighbours then tell their brightness


def light_means(maps: NoiseMaps) -> NDArray[Any]:
    """Return each pixel's mean or, where pixels differ in offset, that of its neighbours."""
    return likely_means(maps) if maps.offsets_differ else maps.mean


def likely_means(maps: NoiseMaps) -> NDArray[np.float64]:
    """Estimate each pixel's brightness from its neighbours too, as far as they are alike.

    Returns (2, height, width), in ADU above the origin: between the pixel's mean and that of the
    5 x 5 pixels around it, by what share of their differences is not noise. Where pixels differ in
    offset, the mean of the others of its 3 x 3.

    References
    ----------
    J.-S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE
    Trans. Pattern Anal. Mach. Intell. 2 (1980) 165-168, doi:10.1109/TPAMI.1980.4766994.
    """
    if maps.offsets_differ:
        return _neighbours(maps.runs * maps.mean) / np.maximum(_neighbours(maps.runs), 1)
    runs = _near(maps.runs, NEAR) + 1e-9
    mean = _near(maps.runs * maps.mean, NEAR) / runs
    spread = _near(maps.runs * (maps.mean - mean) ** 2, NEAR) / runs
    chance = _near(maps.runs * maps.variance, NEAR) / (runs * RUN * np.maximum(maps.runs, 1))
    trust = np.clip(1 - chance / np.maximum(spread, 1e-9 * chance.mean() + 1e-30), 0, 1)
    likely: NDArray[np.float64] = mean + trust * (maps.mean - mean)
    return likely


def _neighbours(values: NDArray[Any]) -> NDArray[np.float64]:
    """Add up the eight pixels around each; at an edge, those on the other side twice."""
    return 9 * _near(values, 1, mode="reflect") - values


def _near(
    values: NDArray[Any], near: int, *, mode: Literal["edge", "reflect"] = "edge"
) -> NDArray[np.float64]:
    """Average the square around each pixel, of `near` pixels to each side."""
    total = np.asarray(values, np.float64)
    for axis in (1, 2):
        width = [(0, 0)] * 3
        width[axis] = (near, near)
        padded = np.moveaxis(np.pad(total, width, mode=mode), axis, 0)
        size = total.shape[axis]
        rows = sum(padded[start : start + size] for start in range(2 * near + 1))
        total = np.moveaxis(np.asarray(rows), 0, axis) / (2 * near + 1)
    return total
