"""The noise of every pixel of a movie, apart from everything else that changes in time.

A movie is read once, in runs of four consecutive frames. Within a run, a pixel's noise is what
departs from a straight line, so that bleaching and slow decay do not count; what all pixels do
in common (flicker) is subtracted; and tiles in which neighbours move together (a transient, a
passing cell, motion) are left out for that run. Runs go by turns into two folds, whose noise is
independent: what is selected or predicted with one fold is judged with the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.common_change import MOVEMENTS, remove_common_change
from dj_photon_codecs.calibration.frame_faults import too_few_frames
from dj_photon_codecs.calibration.frame_runs import RUN, RunReader
from dj_photon_codecs.calibration.interleaving import FRAMES, find_interleaving, sample_pixels
from dj_photon_codecs.calibration.noise_maps import NoiseMaps, QuarterMaps
from dj_photon_codecs.calibration.pixel_motion import FEWEST, PixelMotion
from dj_photon_codecs.calibration.tiles import Tiles

__all__ = ["measure_noise"]

Maps = NDArray[np.float32]

QUARTERS = 4  # parts of the recording whose noise is compared
# benchmarks/constants_calibration.py tries other values of these.
STEADY = 3.0  # sigma, of the common change of a tile
STILL = 0.1  # pixels; noise feigns less, and so little does not matter


def measure_noise(movie: Any) -> NoiseMaps:
    """Read a movie, (frames, height, width), once, and measure the temporal noise of its pixels.

    A value that is not finite, or fewer than 8 frames that are exposures of their own, are refused.
    """
    tiles = Tiles(*movie.shape[1:])
    sums, reader = _Sums(tiles), RunReader(movie)
    floor, ceiling = _ExtremeValue(np.min, sums.shape), _ExtremeValue(np.max, sums.shape)
    samples: list[NDArray[np.float64]] = []
    origin, count, motion = 0.0, 0, 0.0
    for starts, runs in reader:
        _refuse_infinite(runs)
        if count == 0:  # near all others, so that float32 keeps every bit that matters
            origin = float(np.rint(np.median(runs[0, 0].astype(np.float64))))
        if RUN * count < FRAMES:
            samples.append(sample_pixels(runs.reshape(-1, *runs.shape[2:])))
        means, contrasts = _contrasts(_relative(runs, origin))
        movements, square = remove_common_change(contrasts, means.mean(axis=0), tiles)
        motion += len(runs) * square
        for number, start in enumerate(starts):
            sums.begin_quarter(QUARTERS * start // movie.shape[0])
            fold = count % 2
            kept = sums.add(means[number], contrasts[number], movements[number], fold=fold)
            floor.add(runs[number], kept, fold=fold)
            ceiling.add(runs[number], kept, fold=fold)
            count += 1
    if count < 2:
        raise ValueError(too_few_frames(reader.counts))
    motion = math.sqrt(max(motion / count, 0))
    averages = sums.averages(moving=motion > STILL)
    of_pixel = RUN * np.maximum(averages["runs"], 1)
    return NoiseMaps(
        **averages,
        at_floor=floor.counts / of_pixel,
        at_ceiling=ceiling.counts / of_pixel,
        frames=count * RUN,
        counts=reader.counts,
        interleaving=find_interleaving(np.concatenate(samples)),
        motion=motion,
        origin=origin,
        floor=floor.level,
        ceiling=ceiling.level,
        below_ceiling=ceiling.beside / max(float(ceiling.counts.sum()), 1.0),
        resolution=float(movie.dtype.kind in "iu"),
    )


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
        self._ends = [self._totals()]  # of each quarter of the recording, as soon as it is over

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

    def begin_quarter(self, number: int) -> None:
        """Say to which quarter of the recording, 0 to 3, the next runs belong."""
        while len(self._ends) <= number:
            self._ends.append(self._totals())

    def averages(self, *, moving: bool) -> dict[str, Any]:
        """Divide the sums by the numbers of runs, and take out motion if there is some."""
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
            "quarters": self._quarters(moved=(variance - still).mean(axis=0)),
        }

    def _totals(self) -> Maps:
        """Add up both folds: runs, means, squares, products with the pixels below and right."""
        sums = (self._runs, self._mean, self._square, *self._products[1:])
        return np.stack([both.sum(axis=0) for both in sums])

    def _quarters(self, *, moved: Maps) -> QuarterMaps:
        self.begin_quarter(QUARTERS)
        runs, mean, square, below, right = np.diff(np.stack(self._ends), axis=0).swapaxes(0, 1)
        number = np.maximum(runs, 1)
        variance = square / (2 * number) - moved * (runs > 0)
        products = np.stack([below, right]) / (2 * number)
        return QuarterMaps(mean / number, variance, runs, products)


class _ExtremeValue:
    """Running count of the lowest (`numpy.min`) or the highest (`numpy.max`) value so far."""

    def __init__(self, choose: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
        self._choose = choose
        self._inwards = 1 if choose is np.min else -1
        self.level = math.nan  # the value, in ADU
        self.counts: Maps = np.zeros((2, *shape), np.float32)  # of it in each fold and pixel
        self.beside = 0.0  # how often the integer next to it, inwards, occurs in all

    def add(self, frames: NDArray[Any], kept: Maps, *, fold: int) -> None:
        """Count in frames, (n, height, width), the pixels where `kept` is 1."""
        level = float(self._choose(frames))
        if math.isnan(self.level) or self._choose((level, self.level)) != self.level:
            next_to_old = self.level == level + self._inwards
            self.beside = float(self.counts.sum()) if next_to_old else 0.0
            self.level = level
            self.counts[...] = 0  # no earlier sample can have the new extreme value
        if level == self.level:
            self.counts[fold] += kept * np.count_nonzero(frames == level, axis=0)
        self.beside += float((kept * (frames == self.level + self._inwards)).sum())


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
