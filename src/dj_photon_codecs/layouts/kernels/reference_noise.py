"""How the noise of a chunk grows with brightness, measured from one frame to the next, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.kernels.reference_rans import refuse

__all__ = ["measure_noise"]


def measure_noise(
    numbers: NDArray[Any],
    sums: NDArray[np.uint32],
    segments: int,
    width: int,
    knots: NDArray[np.float64],
    totals: NDArray[np.uint64],
    unsteady: NDArray[np.float64],
) -> int:
    """Measure the noise of some pixels, of which `sums` over all frames are known.

    They are in so many segments of `width` neighbours, spread over the frame. Half of the mean
    square of their differences from one frame to the next is the variance of their noise, even
    where they become brighter. Their means and variances, in groups of like brightness, are put
    into `knots`, (3, groups), with the standard deviations from the first mean to each; how many of
    these there are is returned, as the means must grow. What is put into `totals` is what the
    pixels add up to in each frame; into `unsteady`, (1,), the mean square of what frames are
    brighter or darker than the mean, in standard deviations of a pixel: of the median of all
    segments, so that a few pixels that flash do not count.
    """
    frames, pixels = numbers.shape
    refuse(not 0 < segments * width <= pixels or width > 1 << 16 or not 2 <= frames <= 1 << 16)
    starts = np.arange(segments) * (pixels - width) // max(segments - 1, 1)
    chosen = (starts[:, None] + np.arange(width)).reshape(-1)
    taken = numbers[:, chosen].astype(np.int64)
    changes = np.square(np.diff(taken, axis=0)).sum(axis=0)
    of_segment = taken.reshape(frames, segments, width).sum(axis=2)
    totals[...] = of_segment.sum(axis=1)
    unsteady[...] = _unsteady(of_segment, changes.reshape(segments, width).sum(axis=1), width)
    order = np.argsort(sums[chosen], kind="stable")
    number = min(knots.shape[1], order.size)
    edges = np.arange(number + 1) * order.size // number
    mean = np.add.reduceat(sums[chosen][order], edges[:-1], dtype=np.int64)
    mean = mean / (np.diff(edges) * frames)
    variance = _variance(np.add.reduceat(changes[order], edges[:-1]), np.diff(edges), frames)
    brighter = np.diff(mean, prepend=-1) > 0
    mean, variance = mean[brighter], variance[brighter]
    between = np.diff(mean) / np.sqrt((variance[1:] + variance[:-1]) / 2)
    knots[:, : mean.size] = mean, variance, np.append(0, np.cumsum(between))
    return mean.size


def _variance(changes: NDArray[Any], pixels: Any, frames: int) -> NDArray[np.float64]:
    """Return the variance of the noise of pixels, of what is ever dark not less than some."""
    return np.maximum(changes / (pixels * (2 * (frames - 1))), 0.3 / frames + 0.01)


def _unsteady(totals: NDArray[np.int64], changes: NDArray[np.int64], width: int) -> float:
    frames, segments = totals.shape
    apart = totals * frames - totals.sum(axis=0)
    found = apart / (frames * width * np.sqrt(_variance(changes, width, frames)))
    found.sort(axis=1)
    twice = found[:, (segments - 1) // 2] + found[:, segments // 2]
    return float(np.cumsum(twice * twice)[-1]) / (4 * frames)
