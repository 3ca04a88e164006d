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

from dj_photon_codecs.frame_blocks import RUN, read_blocks
from dj_photon_codecs.tiles import Tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Maps = NDArray[np.float32]

__all__ = ["NoiseMaps", "measure_noise"]

FEWEST_TILES = 32  # for which the noise that a common change takes with it is negligible
STEADY = 3.0  # sigma, of the common change of a tile


@dataclass(frozen=True)
class NoiseMaps:
    """What a movie tells about the noise of each of its pixels.

    Maps have the shape (2, height, width) or, where there are none for folds, (height, width).

    Parameters
    ----------
    mean : numpy.ndarray
        Mean of each pixel in each fold, in ADU above `origin`.
    variance : numpy.ndarray
        Variance of its noise, in ADU squared, over the same frames.
    runs : numpy.ndarray
        How many runs those are.
    products : numpy.ndarray
        (3, height, width). Covariance of the noise with that of the next frame, the pixel below
        and the pixel to the right, in ADU squared; both folds together.
    at_floor, at_ceiling : numpy.ndarray
        What share of the samples has the lowest, the highest value of the movie.
    frames : int
        Frames that were read.
    origin, floor, ceiling : float
        The value that was subtracted, the lowest and the highest value, in ADU.
    resolution : float
        1 ADU for integers, 0 for floating-point values.
    """

    mean: Maps
    variance: Maps
    runs: Maps
    products: Maps
    at_floor: Maps
    at_ceiling: Maps
    frames: int
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
    sums = _Sums(*movie.shape[1:])
    floor, ceiling = _Extreme(np.min, sums.shape), _Extreme(np.max, sums.shape)
    count = 0
    for block in read_blocks(movie):
        for start in range(0, len(block) - RUN + 1, RUN):
            frames = block[start : start + RUN]
            _refuse_infinite(frames)
            kept = sums.add(_relative(frames, origin), tiles, fold=count % 2)
            floor.add(frames, kept, fold=count % 2)
            ceiling.add(frames, kept, fold=count % 2)
            count += 1
    means = sums.means()
    samples = RUN * np.maximum(means["runs"], 1)
    return NoiseMaps(
        **means,
        at_floor=floor.counts / samples,
        at_ceiling=ceiling.counts / samples,
        frames=count * RUN,
        origin=origin,
        floor=floor.level,
        ceiling=ceiling.level,
        resolution=float(movie.dtype.kind in "iu"),
    )


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

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self._runs = np.zeros((2, height, width), np.float32)
        self._mean = np.zeros_like(self._runs)
        self._square = np.zeros_like(self._runs)
        self._products = np.zeros((3, height, width), np.float32)

    def add(self, frames: Maps, tiles: Tiles, *, fold: int) -> Maps:
        mean, curve, wiggle = _contrasts(frames)
        for contrast in (curve, wiggle):
            _remove_common(contrast, mean, tiles)
        kept = tiles.spread(_steady(curve, tiles) & _steady(wiggle, tiles)).astype(np.float32)
        curve *= kept
        wiggle *= kept
        squares = curve * curve, wiggle * wiggle
        self._runs[fold] += kept
        self._mean[fold] += mean * kept
        self._square[fold] += squares[0] + squares[1]
        time, below, right = self._products
        time += squares[0] - squares[1]
        for contrast in (curve, wiggle):
            below[:-1] += contrast[:-1] * contrast[1:]
            right[:, :-1] += contrast[:, :-1] * contrast[:, 1:]
        return kept

    def means(self) -> dict[str, Maps]:
        # The line that each run lost took two of its four degrees of freedom.
        runs = np.maximum(self._runs, 1)
        products = self._products / np.maximum(self._runs.sum(axis=0), 1)
        products[1:] /= 2
        return {
            "mean": self._mean / runs,
            "variance": self._square / (2 * runs),
            "runs": self._runs,
            "products": products,
        }


def _contrasts(frames: Maps) -> tuple[Maps, Maps, Maps]:
    """Split four frames into their mean and two orthonormal contrasts that no line has."""
    outer, inner = frames[0] + frames[3], frames[1] + frames[2]
    mean = (outer + inner) * np.float32(1 / 4)
    curve = (outer - inner) * np.float32(1 / 2)
    wiggle = (frames[3] - frames[0] + 3 * (frames[1] - frames[2])) * np.float32(1 / math.sqrt(20))
    return mean, curve, wiggle


def _remove_common(contrast: Maps, mean: Maps, tiles: Tiles) -> None:
    """Subtract what the frame does as a whole: a shift, and a share of its brightness."""
    change, brightness = tiles.sum(contrast) / tiles.pixels, tiles.sum(mean) / tiles.pixels
    energy = tiles.sum(contrast * contrast) / tiles.pixels
    # A hot pixel must not speak for the frame, nor a tile in which something happened.
    usual = (energy > 0) & (change**2 * tiles.pixels <= (2 * STEADY) ** 2 * energy)
    usual &= brightness <= np.quantile(brightness, 0.98)
    if np.count_nonzero(usual) < FEWEST_TILES:
        return
    weights = tiles.pixels[usual] / energy[usual]
    slope, level = _weighted_line(brightness[usual], change[usual], weights)
    contrast -= tiles.spread(energy > 0) * (level + slope * mean)


def _weighted_line(x: Maps, y: Maps, weights: Maps) -> tuple[np.float32, np.float32]:
    total = weights.sum()
    x_mean, y_mean = (weights * x).sum() / total, (weights * y).sum() / total
    spread = (weights * (x - x_mean) ** 2).sum()
    slope = (weights * (x - x_mean) * y).sum() / spread if spread > 0 else np.float32(0)
    return slope, y_mean - slope * x_mean


def _steady(contrast: Maps, tiles: Tiles) -> NDArray[np.bool_]:
    """Find the tiles whose pixels do not change together."""
    steady: NDArray[np.bool_] = tiles.sum(contrast) ** 2 <= STEADY**2 * tiles.sum(contrast**2)
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
