"""The noise of every pixel of a movie, apart from everything else that changes in time.

A movie is read once, in runs of four consecutive frames. Within a run, a pixel's noise is what
departs from a straight line, so that bleaching and slow decay do not count; what all pixels do
in common (flicker) is subtracted; and tiles in which neighbours move together (a transient, a
passing cell, motion) are left out for that run. Runs go by turns into two folds, whose noise is
independent: what is selected or predicted with one fold is judged with the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.calibration.common_change import MOVEMENTS, remove_common_change
from dj_photon_codecs.calibration.frame_blocks import RUN, read_blocks
from dj_photon_codecs.calibration.pixel_motion import FEWEST, PixelMotion
from dj_photon_codecs.calibration.tiles import Tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Maps = NDArray[np.float32]

__all__ = ["NoiseMaps", "likely_means", "measure_noise"]

NEAR = 2  # pixels to each side
STEADY = 3.0  # sigma, of the common change of a tile
STILL = 0.1  # pixels; noise feigns less, and so little does not matter


@dataclass(frozen=True)
class NoiseMaps:
    """What a movie tells about the noise of each of its pixels.

    Maps have the shape (2, height, width): one for each fold.

    Parameters
    ----------
    mean : numpy.ndarray
        Mean of each pixel in each fold, in ADU above `origin`.
    variance : numpy.ndarray
        Variance of its noise, in ADU squared, over the same frames.
    runs : numpy.ndarray
        How many runs those are.
    moved : numpy.ndarray
        What was taken from the variance because the pixel followed the movement of the scene.
    products : numpy.ndarray
        (3, 2, height, width). Covariance of the noise with that of the next frame, the pixel below
        and the pixel to the right, in ADU squared.
    at_floor, at_ceiling : numpy.ndarray
        What share of the samples has the lowest, the highest value of the movie.
    frames : int
        Frames that were read.
    motion : float
        Root mean square of the movement of the whole scene along an axis, in pixels.
    origin, floor, ceiling : float
        The value that was subtracted, the lowest and the highest value, in ADU.
    resolution : float
        1 ADU for integers, 0 for floating-point values.
    """

    mean: Maps
    variance: Maps
    runs: Maps
    moved: Maps
    products: Maps
    at_floor: Maps
    at_ceiling: Maps
    frames: int
    motion: float
    origin: float
    floor: float
    ceiling: float
    resolution: float


def measure_noise(movie: Any) -> NoiseMaps:
    """Read a movie once and measure the temporal noise of its pixels.

    Parameters
    ----------
    movie : array_like
        (frames, height, width), at least 8 frames. Whatever has a shape, a dtype and slices
        along its first axis: it is never in memory whole.

    Returns
    -------
    NoiseMaps
        Maps of mean, variance and what else a photon transfer curve needs.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    origin = _origin(movie)
    tiles = Tiles(*movie.shape[1:])
    sums = _Sums(tiles)
    floor, ceiling = _Extreme(np.min, sums.shape), _Extreme(np.max, sums.shape)
    count, motion = 0, 0.0
    for block in read_blocks(movie):
        _refuse_infinite(block)
        runs = block[: len(block) // RUN * RUN].reshape(-1, RUN, *block.shape[1:])
        means, contrasts = _contrasts(_relative(runs, origin))
        movements, square = remove_common_change(contrasts, means.mean(axis=0), tiles)
        motion += len(runs) * square
        for run, mean, contrast, movement in zip(runs, means, contrasts, movements, strict=True):
            kept = sums.add(mean, contrast, movement, fold=count % 2)
            floor.add(run, kept, fold=count % 2)
            ceiling.add(run, kept, fold=count % 2)
            count += 1
    motion = math.sqrt(max(motion / count, 0))
    averages = sums.averages(moving=motion > STILL)
    samples = RUN * np.maximum(averages["runs"], 1)
    return NoiseMaps(
        **averages,
        at_floor=floor.counts / samples,
        at_ceiling=ceiling.counts / samples,
        frames=count * RUN,
        motion=motion,
        origin=origin,
        floor=floor.level,
        ceiling=ceiling.level,
        resolution=float(movie.dtype.kind in "iu"),
    )


def likely_means(maps: NoiseMaps) -> NDArray[np.float64]:
    """Estimate each pixel's brightness from its neighbours too, as far as they are alike.

    Parameters
    ----------
    maps : NoiseMaps
        Mean and variance of every pixel.

    Returns
    -------
    numpy.ndarray
        (2, height, width), in ADU above the origin: between the pixel's mean and that of the
        5 x 5 pixels around it, by what share of their differences is not noise.

    References
    ----------
    J.-S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE
    Trans. Pattern Anal. Mach. Intell. 2 (1980) 165-168, doi:10.1109/TPAMI.1980.4766994.
    """
    runs = _near(maps.runs) + 1e-9
    mean = _near(maps.runs * maps.mean) / runs
    spread = _near(maps.runs * (maps.mean - mean) ** 2) / runs
    chance = _near(maps.runs * maps.variance) / (runs * RUN * np.maximum(maps.runs, 1))
    trust = np.clip(1 - chance / np.maximum(spread, 1e-9 * chance.mean() + 1e-30), 0, 1)
    likely: NDArray[np.float64] = mean + trust * (maps.mean - mean)
    return likely


def _near(values: NDArray[Any]) -> NDArray[np.float64]:
    """Average each pixel's square of 5 x 5."""
    total = np.asarray(values, np.float64)
    for axis in (1, 2):
        width = [(0, 0)] * 3
        width[axis] = (NEAR, NEAR)
        padded = np.moveaxis(np.pad(total, width, mode="edge"), axis, 0)
        size = total.shape[axis]
        rows = sum(padded[start : start + size] for start in range(2 * NEAR + 1))
        total = np.moveaxis(np.asarray(rows), 0, axis) / (2 * NEAR + 1)
    return total


class _Extreme:
    """The lowest or the highest value of a movie, and how often each pixel shows it."""

    def __init__(self, choose: Any, shape: tuple[int, ...]) -> None:
        self._choose = choose
        self.level = math.nan
        self.counts = np.zeros((2, *shape), np.float32)

    def add(self, frames: NDArray[Any], kept: Maps, *, fold: int) -> None:
        level = float(self._choose(frames))
        if math.isnan(self.level) or self._choose((level, self.level)) != self.level:
            self.level = level
            self.counts[...] = 0  # no earlier sample can have the new extreme value
        if level == self.level:
            self.counts[fold] += kept * np.count_nonzero(frames == level, axis=0)


class _Sums:
    """Running sums over runs of frames, for each fold."""

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        self.shape = tiles.spread(tiles.pixels).shape
        self._runs = np.zeros((2, *self.shape), np.float32)
        self._mean = np.zeros_like(self._runs)
        self._square = np.zeros_like(self._runs)
        self._products = np.zeros((3, 2, *self.shape), np.float32)
        self._motion = PixelMotion(tiles)

    def add(
        self, mean: Maps, contrasts: Maps, movements: NDArray[np.float64], *, fold: int
    ) -> Maps:
        steady = _steady(contrasts, self._tiles)
        kept = self._tiles.spread(steady).astype(np.float32)
        contrasts *= kept
        squares = contrasts**2
        self._runs[fold] += kept
        self._mean[fold] += mean * kept
        self._square[fold] += squares[0] + squares[1]
        time, below, right = self._products[:, fold]
        time += squares[0] - squares[1]
        for contrast in contrasts:
            below[:-1] += contrast[:-1] * contrast[1:]
            right[:, :-1] += contrast[:, :-1] * contrast[:, 1:]
        self._motion.add(contrasts, movements=movements, kept=steady, fold=fold)
        return kept

    def averages(self, *, moving: bool) -> dict[str, Maps]:
        # The line that each run lost took two of its four degrees of freedom.
        runs = np.maximum(self._runs, 1)
        variance, sums = self._square / (2 * runs), np.stack([self._square, *self._products[1:]])
        left = 2 * runs
        if moving:
            enough = left >= FEWEST
            sums -= enough * self._motion.explained()
            left -= MOVEMENTS * enough
        still, below, right = sums / left
        return {
            "mean": self._mean / runs,
            "variance": still,
            "runs": self._runs,
            "moved": variance - still,
            "products": np.stack([self._products[0] / runs, below, right]),
        }


def _contrasts(runs: Maps) -> tuple[Maps, Maps]:
    """Split runs of four frames into means and two orthonormal contrasts that no line has."""
    outer, inner = runs[:, 0] + runs[:, 3], runs[:, 1] + runs[:, 2]
    contrasts = np.empty((len(runs), 2, *runs.shape[2:]), np.float32)
    np.multiply(outer - inner, 1 / 2, out=contrasts[:, 0])
    rise, middle = runs[:, 3] - runs[:, 0], runs[:, 1] - runs[:, 2]
    np.multiply(rise + 3 * middle, 1 / math.sqrt(20), out=contrasts[:, 1])
    return (outer + inner) * np.float32(1 / 4), contrasts


def _steady(contrasts: Maps, tiles: Tiles) -> NDArray[np.bool_]:
    """Find the tiles whose pixels do not change together, in any of the contrasts."""
    common, energy = tiles.sum(contrasts), tiles.sum(contrasts**2)
    steady: NDArray[np.bool_] = np.logical_and.reduce(common**2 <= STEADY**2 * energy)
    return steady


def _origin(movie: Any) -> float:
    """Choose a value near all others, so that float32 keeps every bit that matters."""
    first = np.asarray(movie[0], np.float64)
    middle = float(np.median(first))
    return float(np.rint(middle)) if math.isfinite(middle) else 0.0


def _refuse_infinite(frames: NDArray[Any]) -> None:
    if frames.dtype.kind == "f" and not np.isfinite(frames).all():
        value = frames[~np.isfinite(frames)][0]
        raise ValueError(
            f"movie holds {value}; every value must be finite. Cut off such frames or pixels, or "
            "calibrate the camera's own file, before it was processed"
        )


def _relative(frames: NDArray[Any], origin: float) -> Maps:
    if frames.dtype.itemsize <= 2:
        return frames.astype(np.float32) - np.float32(origin)
    return (frames.astype(np.float64) - origin).astype(np.float32)
