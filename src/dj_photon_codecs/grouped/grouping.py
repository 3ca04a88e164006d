"""Which pixels of a chunk have the same noise, and in which few values each such class varies.

A compressor's tables fit the statistics of the bytes they are built from. The brightness of a
photon-limited movie, and with it the spread of its noise, varies from pixel to pixel. So each
pixel is taken relative to a base of its own, and groups of neighbouring pixels of like brightness,
and so of like noise, are put into one class and stored next to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["CLASS", "Grouping", "Kind", "group_pixels"]

GROUPS = {1: (4, 2, 1), 2: (8, 4, 2, 1), 4: (4, 2, 1), 8: (2, 1)}  # by the size of a code
MAX_CLASSES = 256  # so that a class is a byte
GROUPS_PER_CLASS = 32  # at least, on average: describing a class takes time
STEP = 0.3  # sigma; the width of a class
BINS = 32  # of equal population, in which noise is measured against brightness
RUNS = 5  # of frames, over which a group is steady if its means differ by chance only
UNSTEADY = 10.0  # times the variance that noise gives these means
COARSER = 4  # how many levels of brightness of unsteady groups make a class
STEADY = 203  # the highest level of steady groups, so that all levels are below MAX_CLASSES
FINEST = 2.9  # sigma; the unit of the offsets of pixels is below it, and at least a quarter
SAMPLED_FRAMES = 5
SAMPLED_PAIRS = 16
SAMPLED_PIXELS = 1 << 14
HISTOGRAM_BITS = 12
MAX_CODE = 0xFFFF_FFFF_FFFF_FFFF
OUTSIDE = {0: 0.06, 1: 0.012, 2: 0.008, 4: 0.008}  # how many codes may not fit into these bits

CLASS = np.dtype([("bits", "u1"), ("low", "u1"), ("unit", "u1"), ("base", "<u8")])


class Kind(NamedTuple):
    """Classes that are stored alike.

    Attributes
    ----------
    bits, low : int
        As in `Grouping.table`.
    start, stop : int
        Their first pixel, and the one after their last, in the order of the classes.
    """

    bits: int
    low: int
    start: int
    stop: int


@dataclass(frozen=True)
class Grouping:
    """The classes of the pixels of a chunk.

    Attributes
    ----------
    classes : ndarray of uint8, shape (groups,)
        The class of each group of neighbouring pixels.
    offsets : ndarray of int8, shape (pixels,)
        How much the base of each pixel differs from that of its class, in units of its class.
    table : ndarray of CLASS, shape (classes,)
        For each class `bits` and `low`, how many bits of a code less its base are packed
        together, and how many below them apart because they are noise only; `unit`, the
        logarithm to base 2 of the unit of offsets; and `base`. In order of `bits`, then `low`.
    """

    classes: NDArray[np.uint8]
    offsets: NDArray[np.int8]
    table: NDArray[Any]

    @property
    def size(self) -> int:
        """The number of pixels of a group."""
        return self.offsets.size // self.classes.size

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Groups by class; within a class in the order of the frame."""
        return np.argsort(self.classes, kind="stable")

    @cached_property
    def inverse(self) -> NDArray[np.intp]:
        """The place of each group in the order of the classes."""
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(self.order.size)
        return inverse

    @cached_property
    def kinds(self) -> list[Kind]:
        """The kinds of classes, in order."""
        names = self.table["bits"].astype(int) * 256 + self.table["low"]
        stops = np.append(0, np.cumsum(np.bincount(self.classes, minlength=len(names))))
        found, first = np.unique(names, return_index=True)
        edges = (stops[np.append(first, len(names))] * self.size).tolist()
        return [
            Kind(name // 256, name % 256, start, stop)
            for name, start, stop in zip(found.tolist(), edges[:-1], edges[1:], strict=True)
        ]

    def base(self, codes: np.dtype[Any]) -> NDArray[Any]:
        """Return the base of each pixel, by class, modulo the range of an unsigned dtype."""
        pixels = np.bincount(self.classes, minlength=len(self.table)) * self.size
        unit, base = (self.table[name].astype(codes) for name in ("unit", "base"))
        offsets = np.take(self.offsets.reshape(-1, self.size), self.order, axis=0).reshape(-1)
        bases = offsets.astype(codes)
        bases *= np.repeat(codes.type(1) << unit, pixels)
        bases += np.repeat(base, pixels)
        return bases


def group_pixels(frames: NDArray[Any]) -> Grouping:
    """Group the pixels of a chunk by their mean.

    Parameters
    ----------
    frames : ndarray of integers, shape (frames, pixels)
        Codes; at least one frame and one pixel.

    Returns
    -------
    Grouping
        At most `MAX_CLASSES` classes. Any grouping is legal; a good one packs small.

    Examples
    --------
    >>> rates = np.repeat([0.1, 0.5, 3.0, 50.0], 1000)
    >>> counts = np.random.default_rng(0).poisson(rates, (100, 4000)).astype("u2")
    >>> grouping = group_pixels(counts)
    >>> grouping.table["bits"][grouping.classes[62::125]]
    array([1, 2, 4, 4], dtype=uint8)
    """
    size = next(size for size in GROUPS[frames.itemsize] if frames.shape[1] % size == 0)
    runs = _run_means(frames)
    levels, centre, sigma = _noise_levels(frames, runs, size=size)
    found, classes = np.unique(levels, return_inverse=True)
    unit = np.frexp(np.maximum(sigma / FINEST, 1))[1] - 1
    unit = np.minimum(unit, 8 * frames.itemsize - 1)
    away = runs.mean(axis=0).reshape(-1, size) - centre[levels][:, None]
    steps = np.rint(away / np.exp2(unit)[levels][:, None])
    offsets = np.clip(steps, -128, 127).astype(np.int8).reshape(-1)
    unordered = Grouping(classes.astype(np.uint8), offsets, np.zeros(len(found), CLASS))
    unordered.table["unit"] = unit[found]
    return _described(frames, unordered)


def _noise_levels(
    frames: NDArray[Any], runs: NDArray[Any], *, size: int
) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any]]:
    """Groups' mean brightness, in steps of `STEP` times the noise at that brightness.

    Groups whose brightness changes are given levels of their own, beyond the others. With the
    brightness and noise of each level.
    """
    of_groups = np.add.reduce([runs[:, i::size] for i in range(size)]) / size
    mean = of_groups.mean(axis=0)
    sample = slice(None, None, max(1, runs.shape[1] // SAMPLED_PIXELS) | 1)
    noise = _noise(frames[:, sample])
    edges, sigma = _noise_profile(runs.mean(axis=0)[sample], noise, floor=1 / np.sqrt(len(frames)))
    edges[[0, -1]] = min(mean.min(), edges[0]), max(mean.max(), edges[-1])
    scale = np.append(0.0, np.cumsum(np.diff(edges) / sigma)) / STEP
    highest = min(STEADY, max(8, mean.size // GROUPS_PER_CLASS))
    scale *= min(1.0, highest / max(np.quantile(np.interp(mean[sample], edges, scale), 0.999), 1))
    level = np.minimum(np.interp(mean, edges, scale) + 0.5, STEADY).astype(np.uint8)
    at_level = np.interp(np.arange(STEADY + 1), scale, edges)
    noise_at_level = np.interp(at_level, (edges[1:] + edges[:-1]) / 2, sigma)
    by_chance = noise_at_level**2 * (len(runs) - 1) / (len(frames) * size)
    unsteady = of_groups.var(axis=0) > UNSTEADY * by_chance[level]
    levels = np.where(unsteady, STEADY + 1 + level // COARSER, level)
    coarse = slice(COARSER // 2, None, COARSER)
    return (
        levels,
        np.append(at_level, at_level[coarse]),
        np.append(noise_at_level, noise_at_level[coarse]),
    )


def _run_means(frames: NDArray[Any]) -> NDArray[Any]:
    """The mean of each pixel over a fifth of the frames, then over the next."""
    # integer sums of 32 bits are several times faster than numpy's mean
    small = frames.itemsize <= 2 and len(frames) <= 1 << 15
    dtype = np.dtype(f"{frames.dtype.kind}4" if small else np.float64)
    runs = np.array_split(frames, min(RUNS, len(frames)))
    return np.stack([np.divide(run.sum(axis=0, dtype=dtype), len(run)) for run in runs])


def _noise(frames: NDArray[Any]) -> NDArray[Any]:
    """Half the mean squared difference of neighbouring frames, per pixel."""
    last = len(frames) - 1
    first = np.arange(0, last, max(1, last // SAMPLED_PAIRS))
    difference = frames[first + 1].astype(np.float32) - frames[first]
    return np.square(difference).sum(axis=0) / max(2 * len(first), 1)


def _noise_profile(
    mean: NDArray[Any], variance: NDArray[Any], *, floor: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Bins of brightness of like population, and the noise in each."""
    # many times faster than np.quantile, for as many of them
    edges = np.interp(np.linspace(0, mean.size - 1, BINS + 1), np.arange(mean.size), np.sort(mean))
    edges = np.unique(edges) if edges[0] < edges[-1] else edges[[0, -1]]
    bins = np.searchsorted(edges[1:-1], mean)
    count = np.bincount(bins, minlength=len(edges) - 1)
    total = np.bincount(bins, weights=variance, minlength=len(edges) - 1)
    return edges, np.sqrt(np.maximum(total / np.maximum(count, 1), floor**2))


def _described(frames: NDArray[Any], grouping: Grouping) -> Grouping:
    """Fill in the table of classes, and put it in order."""
    table = grouping.table
    for row, sample in zip(table, _samples(frames, grouping), strict=True):
        row["bits"], row["low"], row["base"] = _describe(sample)
    rank = np.lexsort((table["low"], table["bits"]))
    renamed = np.argsort(rank).astype(np.uint8)
    return Grouping(renamed[grouping.classes], grouping.offsets, table[rank])


def _samples(frames: NDArray[Any], grouping: Grouping) -> Iterator[NDArray[Any]]:
    """Codes of each class less the offsets of their pixels, from some of the frames."""
    some = frames[:: max(1, len(frames) // SAMPLED_FRAMES)].view(f"u{frames.itemsize}")
    codes = np.take(some.reshape(len(some), -1, grouping.size), grouping.order, axis=1)
    codes = codes.reshape(len(some), -1)
    codes -= grouping.base(codes.dtype)
    stops = np.cumsum(np.bincount(grouping.classes)) * grouping.size
    return iter(np.split(codes, stops[:-1], axis=1))


def _describe(sample: NDArray[Any]) -> tuple[int, int, int]:
    """Choose the bits, low bits and base that store codes like these in the fewest bytes."""
    # codes less offsets may pass below zero: what counts is how far they are from any of them
    away = (sample - sample[0, 0]).view(f"i{sample.itemsize}")
    lowest, highest = int(away.min()), int(away.max())
    coarse = max(0, (highest - lowest).bit_length() - HISTOGRAM_BITS)
    above = (away - away.min()).view(sample.dtype) >> coarse
    counts = np.bincount(above.ravel().astype(np.intp))
    bits, low, start = _window(counts, coarse=coarse, word=8 * sample.itemsize)
    return bits, low, (int(sample[0, 0]) + lowest + (start << coarse)) & MAX_CODE


def _window(counts: NDArray[Any], *, coarse: int, word: int) -> tuple[int, int, int]:
    """Return bits, low bits and start of the smallest window that most codes fall into."""
    below = np.append(0, np.cumsum(counts))
    outside = OUTSIDE[0] * below[-1]  # the most that any window may leave out at either end
    least = np.diff(np.searchsorted(below, [outside, below[-1] - outside], "right"))[0]
    for bits, low in (*((bits, 0) for bits in (0, 1, 2)), *((4, low) for low in range(word - 3))):
        width = min(max(1, (1 << bits + low) >> coarse), len(counts))
        if width < least:
            continue
        inside = below[width:] - below[: len(below) - width]
        if inside.max() >= (1 - OUTSIDE[bits]) * below[-1]:
            break
    return bits, low, int(inside.argmax())
