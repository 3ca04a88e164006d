"""Which pixels of a chunk have the same noise, and in which few values each such class varies.

A compressor's tables fit the statistics of the bytes they are built from. The brightness of a
photon-limited movie, and with it the spread of its noise, varies from pixel to pixel. So each
pixel is taken relative to a base of its own, and groups of neighbouring pixels of like brightness,
and so of like noise, are put into one class and stored next to each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.grouped.windows import smallest_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLASS", "Grouping", "Kind", "group_pixels"]

GROUPS = {1: (4, 2, 1), 2: (8, 4, 2, 1), 4: (4, 2, 1), 8: (2, 1)}  # by the size of a code
MAX_CLASSES = 256  # so that a class is a byte
GROUPS_PER_CLASS = 32  # at least, on average: describing a class takes time
STEP = 0.3  # sigma; the width of a class
BINS = 32  # of equal population, in which noise is measured against brightness
RUNS = 5  # of frames, over which a group is steady if its means differ by chance only
FEWEST_KIND = 64  # one group in so many, in a kind of their own
FEWEST_BYTES = 1 << 19  # in fewer, codes of other kinds are compressed together with them
INDEPENDENT = 0.92  # of the noise of frames further apart, in the difference of neighbouring ones
UNSTEADY = 10.0  # times the variance that noise gives these means
COARSER = 4  # how many levels of brightness of unsteady groups make a class
STEADY = 203  # the highest level of steady groups, so that all levels are below MAX_CLASSES
FINEST = 2.9  # sigma; the unit of the offsets of pixels is below it, and at least a quarter
SAMPLED_FRAMES = 5
SAMPLED_GROUPS = 128  # of a class, about: half of them at least
SAMPLED_PAIRS = 16
SAMPLED_PIXELS = 1 << 12

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
    order : ndarray of intp, shape (groups,)
        The groups by class; within a class in the order of the frame.
    """

    classes: NDArray[np.uint8]
    offsets: NDArray[np.int8]
    table: NDArray[Any]
    order: NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # computed here: functools.cached_property holds a lock for the class on Python 3.11
        object.__setattr__(self, "order", np.argsort(self.classes, kind="stable"))

    @property
    def size(self) -> int:
        """The number of pixels of a group."""
        return self.offsets.size // self.classes.size

    @property
    def inverse(self) -> NDArray[np.intp]:
        """The place of each group in the order of the classes."""
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(self.order.size)
        return inverse

    @property
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
    of_groups, levels = _noise_levels(frames, runs, size=size)
    found, classes = np.unique(of_groups, return_inverse=True)
    unit = np.frexp(np.maximum(levels.noise / FINEST, 1))[1] - 1
    unit = np.minimum(unit, 8 * frames.itemsize - 1)
    away = runs.mean(axis=0).reshape(-1, size) - levels.brightness[of_groups][:, None]
    steps = np.rint(away / np.exp2(unit)[of_groups][:, None])
    offsets = np.clip(steps, -128, 127).astype(np.int8).reshape(-1)
    unordered = Grouping(classes.astype(np.uint8), offsets, np.zeros(len(found), CLASS))
    unordered.table["unit"] = unit[found]
    return _described(frames, unordered, independent=levels.independent[found])


class _Levels(NamedTuple):
    """What is known of each level of brightness, and of that beyond them for unsteady groups."""

    brightness: NDArray[Any]
    noise: NDArray[Any]
    independent: NDArray[np.bool_]  # whether it is, in one frame, of that in the frame before


def _noise_levels(
    frames: NDArray[Any], runs: NDArray[Any], *, size: int
) -> tuple[NDArray[np.uint8], _Levels]:
    """Groups' mean brightness, in steps of `STEP` times the noise at that brightness.

    Groups whose brightness changes are given levels of their own, beyond the others.
    """
    of_groups = _group_means(runs, size)
    mean = of_groups.mean(axis=0)
    sample = slice(None, None, max(1, runs.shape[1] // SAMPLED_PIXELS) | 1)
    edges, sigma, independent = _noise_profile(frames[:, sample], runs.mean(axis=0)[sample])
    edges[[0, -1]] = min(mean.min(), edges[0]), max(mean.max(), edges[-1])
    scale = np.append(0.0, np.cumsum(np.diff(edges) / sigma)) / STEP
    highest = min(STEADY, max(8, mean.size // GROUPS_PER_CLASS))
    scale *= min(1.0, highest / max(np.quantile(np.interp(mean[sample], edges, scale), 0.999), 1))
    level = np.minimum(np.interp(mean, edges, scale) + 0.5, STEADY).astype(np.uint8)
    at_level = np.interp(np.arange(STEADY + 1), scale, edges)
    noise_at_level = np.interp(at_level, (edges[1:] + edges[:-1]) / 2, sigma)
    by_chance = noise_at_level**2 * (len(runs) - 1) / (len(frames) * size)
    unsteady = of_groups.var(axis=0) > UNSTEADY * by_chance[level]
    coarse = slice(COARSER // 2, None, COARSER)
    steady = independent[np.searchsorted(edges[1:-1], at_level)]
    known = _Levels(
        np.append(at_level, at_level[coarse]),
        np.append(noise_at_level, noise_at_level[coarse]),
        np.append(steady, np.zeros_like(steady[coarse])),
    )
    return np.where(unsteady, STEADY + 1 + level // COARSER, level), known


def _run_means(frames: NDArray[Any]) -> NDArray[Any]:
    """The mean of each pixel over a fifth of the frames, then over the next."""
    # integer sums of 32 bits are several times faster than numpy's mean
    small = frames.itemsize <= 2 and len(frames) <= 1 << 15
    dtype = np.dtype(f"{frames.dtype.kind}4" if small else np.float64)
    runs = np.array_split(frames, min(RUNS, len(frames)))
    return np.stack([np.divide(run.sum(axis=0, dtype=dtype), len(run)) for run in runs])


def _group_means(runs: NDArray[Any], size: int) -> NDArray[Any]:
    """The mean of each group of so many pixels, a power of two, in each run."""
    total = runs
    while total.shape[1] * size > runs.shape[1]:
        total = total[:, ::2] + total[:, 1::2]
    return total / size


def _noise(frames: NDArray[Any], lag: int) -> NDArray[Any]:
    """Half the mean squared difference of frames that are so many frames apart, per pixel."""
    last = max(len(frames) - lag, 0)
    first = np.arange(0, last, max(1, last // SAMPLED_PAIRS))
    difference = frames[first + lag].astype(np.float32) - frames[first]
    return np.square(difference).sum(axis=0) / max(2 * len(first), 1)


def _noise_profile(
    frames: NDArray[Any], mean: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Bins of brightness of like population, the noise in each, and whether it is independent."""
    # many times faster than np.quantile, for as many of them
    edges = np.interp(np.linspace(0, mean.size - 1, BINS + 1), np.arange(mean.size), np.sort(mean))
    edges = np.unique(edges) if edges[0] < edges[-1] else edges[[0, -1]]
    bins = np.searchsorted(edges[1:-1], mean)
    length = len(edges) - 1
    count = np.maximum(np.bincount(bins, minlength=length), 1)
    near, far = (
        np.bincount(bins, weights=_noise(frames, lag), minlength=length) / count for lag in (1, 2)
    )
    return edges, np.sqrt(np.maximum(near, 1 / len(frames))), near > INDEPENDENT * far


def _described(
    frames: NDArray[Any], grouping: Grouping, *, independent: NDArray[np.bool_]
) -> Grouping:
    """Fill in the table of classes, and put it in order.

    Codes of more than 4 bits stay whole, as bytes, if they are many and independent of those of
    the frame before. Else 4 bits of both share a byte, of which the compressor sees how they go
    together.
    """
    table = grouping.table
    table["bits"], table["low"], table["base"] = smallest_windows(*_samples(frames, grouping))
    rank = np.lexsort((table["low"], table["bits"]))
    wide = table["low"] > 0
    pixels = np.bincount(grouping.classes)[wide] * grouping.size
    alone = (pixels * independent[wide]).sum()
    if pixels.sum() * len(frames) >= FEWEST_BYTES and 2 * alone >= pixels.sum():
        table["bits"][wide], table["low"][wide] = 8, np.maximum(table["low"][wide], 4) - 4
    renamed = np.argsort(rank).astype(np.uint8)
    classes, table = renamed[grouping.classes], table[rank]
    _join_small_kinds(table, np.bincount(classes))
    return Grouping(classes, grouping.offsets, table)


def _join_small_kinds(table: NDArray[Any], groups: NDArray[np.intp]) -> None:
    """Store classes of few groups as those with the next more bits: a kind takes time to unpack.

    Given the sorted table of the classes, and how many groups are in each.
    """
    _, first = np.unique(table["bits"].astype(int) * 256 + table["low"], return_index=True)
    start = 0
    for stop in [*first[1:].tolist(), len(table)]:
        if groups[start:stop].sum() * FEWEST_KIND >= groups.sum() or stop == len(table):
            table["bits"][start:stop] = table["bits"][stop - 1]
            table["low"][start:stop] = table["low"][stop - 1]
            start = stop


def _samples(frames: NDArray[Any], grouping: Grouping) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Codes less their bases from some frames, by class, and how many pixels of each there are."""
    groups = np.bincount(grouping.classes)
    stride = np.repeat(-(-groups // SAMPLED_GROUPS), groups)
    within = np.arange(stride.size) - np.repeat(np.cumsum(groups) - groups, groups)
    chosen = np.flatnonzero(within % stride == 0)
    some = frames[:: max(1, len(frames) // SAMPLED_FRAMES)].view(f"u{frames.itemsize}")
    codes = some.reshape(len(some), -1, grouping.size)[:, grouping.order[chosen]]
    codes -= grouping.base(codes.dtype).reshape(-1, grouping.size)[chosen]
    pixels = np.bincount(grouping.classes[grouping.order[chosen]]) * grouping.size
    return codes.reshape(len(some), -1), pixels
