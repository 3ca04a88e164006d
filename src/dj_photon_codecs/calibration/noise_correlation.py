"""Correlation of the noise between neighbouring pixels and frames, which a camera has not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.noise_maps import NoiseMaps
from dj_photon_codecs.calibration.transfer_line import TransferLine

__all__ = ["CORRELATED", "Correlation", "correlate_noise", "without_shared_change"]

Maps = NDArray[np.float32]

# benchmarks/constants_calibration.py tries other values of these.
CORRELATED = 0.05  # between neighbours; the estimate for independent pixels is below .02
CHANCE = 4.0  # standard errors
ALONG_LINES = 0.03  # by so much more do neighbours in a line correlate where detectors are slow


@dataclass(frozen=True)
class Correlation:
    """Correlation of a pixel's noise, -1 to 1; about 0 for a camera that reads each by itself."""

    time: float  # with the next frame
    vertical: float  # with the pixel below
    horizontal: float  # with the pixel to the right
    chance: float = 0.0  # what the largest of them may be by chance: four standard errors


def correlate_noise(maps: NoiseMaps, line: TransferLine) -> Correlation:
    """Correlate the noise of each pixel with its neighbours in time and space.

    Pixels count where the line was drawn through them and their four neighbours.
    """
    variance = maps.variance.mean(axis=0, dtype=np.float64)
    expected = line.intercept + line.gain * maps.mean.mean(axis=0, dtype=np.float64)
    weights = _eroded(line.kept[0] & line.kept[1]) / np.maximum(expected, 1e-3 * variance.mean())
    total = float((weights * variance).sum())
    if total == 0:
        return Correlation(0.0, 0.0, 0.0)
    products = [weights * product.mean(axis=0, dtype=np.float64) for product in maps.products]
    time, below, right = (float(each.sum()) / total for each in products)
    chance = max(math.sqrt(float((each**2).sum())) for each in products) * CHANCE / total
    # Of noise with correlation r between frames, both contrasts lose variance, by 1/2 and 3/2 r.
    time = time / (1 + time) if time > -1 / 2 else -1.0
    return Correlation(min(time, 1.0), below, right, chance)


def without_shared_change(maps: NoiseMaps) -> NoiseMaps:
    """Take from the variance of each pixel what it has in common with its neighbours.

    The noise of neighbours is independent; what transients and motion leave of themselves in a
    pixel is nearly the same in the next. Of a detector whose noise correlates along its lines,
    only neighbours across them count; of a smoothed movie, none.
    """
    below, right = maps.products[1:]
    vertical, horizontal = (_typical(product, maps.variance) for product in (below, right))
    if vertical > CORRELATED:
        return maps
    lines_only = horizontal - vertical > ALONG_LINES
    quarters = maps.quarters
    of_quarters = quarters.variance - _shared(*quarters.products, lines_only=lines_only)
    return replace(
        maps,
        variance=maps.variance - _shared(below, right, lines_only=lines_only),
        quarters=replace(quarters, variance=of_quarters),
    )


def _shared(below: Maps, right: Maps, *, lines_only: bool) -> Maps:
    """Average the products of each pixel with its neighbours, or those in other lines only."""
    pairs = [(below, 1)] if lines_only else [(below, 1), (right, 2)]
    shared = sum(_both_sides(product, axis) for product, axis in pairs)
    count = sum(_both_sides(_has_next(product, axis), axis) for product, axis in pairs)
    average: Maps = np.asarray(shared / count)
    return average


def _typical(product: NDArray[np.float32], variance: NDArray[np.float32]) -> float:
    """Average correlations of pixels, so limited that a few wild ones do not count."""
    correlation = np.zeros_like(product)
    np.divide(product, variance, where=variance > 0, out=correlation)
    return float(np.clip(correlation, -1, 1).sum()) / max(int(np.count_nonzero(variance)), 1)


def _both_sides(product: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Add up the products with the next pixel and with the one before; the last has no next."""
    both: NDArray[np.float32] = product + np.roll(product, 1, axis)
    return both


def _has_next(product: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    exists = np.ones_like(product)
    np.moveaxis(exists, axis, 0)[-1] = 0
    return exists


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1, mode="edge")
    sides = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    eroded: NDArray[np.bool_] = mask & sides
    return eroded
