"""The classes of the pixels of a chunk: which groups of pixels have the same noise.

A compressor fits its tables to the bytes that lie together. In a photon-limited movie the
brightness, and with it the spread of the noise, varies from pixel to pixel. So the base of each
pixel is subtracted, and groups of like brightness are stored next to each other, as a class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.grouped.fields import smallest_fields

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLASS", "Grouping", "Kind", "group_pixels"]

GROUPS = {1: (4, 2, 1), 2: (8, 4, 2, 1), 4: (4, 2, 1), 8: (2, 1)}  # pixels, by bytes of a code
STEADY = 203  # the last class of steady groups; with the coarser unsteady ones they are below 256
# These are measured by benchmarks/constants.py; sigma is the standard deviation of the noise.
GROUPS_PER_CLASS = 32  # groups; the least mean of all classes
STEP = 0.3  # sigma; the width of a class
BINS = 32  # of brightness, with as many pixels each, in which the noise is measured
RUNS = 5  # of consecutive frames; a group is unsteady if its means over them differ
UNSTEADY = 10.0  # variance of these means, relative to what noise alone gives them
COARSER = 4  # classes of steady groups that are one class of unsteady groups
FINEST = 2.9  # sigma; the largest unit of offsets
FEWEST_KIND = 64  # a kind has at least 1/64 of all groups
FEWEST_BYTES = 1 << 19  # of wide differences, from where on they are stored as whole bytes
INDEPENDENT = 0.92  # noise between frames 1 apart, relative to frames 2 apart, if it is independent
SAMPLED_FRAMES = 5  # in which the widths of a class are chosen
SAMPLED_GROUPS = 128  # of a class, in which they are chosen; half of that at least
SAMPLED_PAIRS = 16  # of frames, in which noise is measured
SAMPLED_PIXELS = 1 << 12  # in which noise is measured

CLASS = np.dtype([("bits", "u1"), ("low", "u1"), ("unit", "u1"), ("base", "<u8")])


class Kind(NamedTuple):
    """The classes that store the same fields.

    Attributes
    ----------
    bits, low : int
        The widths of the fields, as in `Grouping.table`.
    start, stop : int
        The first pixel of these classes and the one after the last, in the order of the classes.
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
        The base of each pixel less that of its class, in units of the class.
    table : ndarray of CLASS, shape (classes,)
        For each class `bits` and `low`, the widths of its fields; `unit`, the logarithm to base 2
        of the unit of offsets; and `base`. Sorted by `bits`, then `low`.
    order : ndarray of intp, shape (groups,)
        The numbers of the groups, sorted by class; within a class in the order of the frame.
    """

    classes: NDArray[np.uint8]
    offsets: NDArray[np.int8]
    table: NDArray[Any]
    order: NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # not functools.cached_property: on Python 3.11 it holds a lock, which a fork would copy
        object.__setattr__(self, "order", np.argsort(self.classes, kind="stable"))

    @property
    def size(self) -> int:
        """Pixels in a group."""
        return self.offsets.size // self.classes.size

    @property
    def inverse(self) -> NDArray[np.intp]:
        """The place of each group in `order`."""
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(self.order.size)
        return inverse

    @property
    def kinds(self) -> list[Kind]:
        """The kinds, in the order in which they are stored."""
        names = self.table["bits"].astype(int) * 256 + self.table["low"]
        stops = np.append(0, np.cumsum(np.bincount(self.classes, minlength=len(names))))
        found, first = np.unique(names, return_index=True)
        edges = (stops[np.append(first, len(names))] * self.size).tolist()
        return [
            Kind(name // 256, name % 256, start, stop)
            for name, start, stop in zip(found.tolist(), edges[:-1], edges[1:], strict=True)
        ]

    def base(self, codes: np.dtype[Any]) -> NDArray[Any]:
        """Return the base of each pixel, in the order of the classes, modulo the dtype's range."""
        pixels = np.bincount(self.classes, minlength=len(self.table)) * self.size
        unit, base = (self.table[name].astype(codes) for name in ("unit", "base"))
        offsets = np.take(self.offsets.reshape(-1, self.size), self.order, axis=0).reshape(-1)
        bases = offsets.astype(codes)
        bases *= np.repeat(codes.type(1) << unit, pixels)
        bases += np.repeat(base, pixels)
        return bases


def group_pixels(frames: NDArray[Any]) -> Grouping:
    """Choose the classes of the pixels of a chunk, by their mean.

    Parameters
    ----------
    frames : ndarray of integers, shape (frames, pixels)
        Codes; at least one frame and one pixel.

    Returns
    -------
    Grouping
        At most 256 classes. Any grouping can be decoded; a good one is small.

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
    number, noise = _classes_by_noise(frames, runs, size=size)
    used, classes = np.unique(number, return_inverse=True)
    unit = np.frexp(np.maximum(noise.sigma / FINEST, 1))[1] - 1
    unit = np.minimum(unit, 8 * frames.itemsize - 1)
    differences = runs.mean(axis=0).reshape(-1, size) - noise.brightness[number][:, None]
    offsets = np.rint(differences / np.exp2(unit)[number][:, None])
    offsets = np.clip(offsets, -128, 127).astype(np.int8).reshape(-1)
    grouping = Grouping(classes.astype(np.uint8), offsets, np.zeros(len(used), CLASS))
    grouping.table["unit"] = unit[used]
    return _with_widths(frames, grouping, independent=noise.independent[used])


class _Noise(NamedTuple):
    """The noise of each class: of the steady ones, then of the unsteady ones."""

    brightness: NDArray[Any]
    sigma: NDArray[Any]
    independent: NDArray[np.bool_]  # whether the noise of a frame is, of the frame before


def _classes_by_noise(
    frames: NDArray[Any], runs: NDArray[Any], *, size: int
) -> tuple[NDArray[np.uint8], _Noise]:
    """Return the class of each group, and the noise of each class.

    A class is a range of mean brightness of `STEP` times the noise there. Groups whose brightness
    changes in time have other classes, of `COARSER` times that range.
    """
    group_means = _group_means(runs, size)
    mean = group_means.mean(axis=0)
    sample = slice(None, None, max(1, runs.shape[1] // SAMPLED_PIXELS) | 1)
    edges, sigma, independent = _noise_profile(frames[:, sample], runs.mean(axis=0)[sample])
    edges[[0, -1]] = min(mean.min(), edges[0]), max(mean.max(), edges[-1])
    scale = np.append(0.0, np.cumsum(np.diff(edges) / sigma)) / STEP
    highest = min(STEADY, max(8, mean.size // GROUPS_PER_CLASS))
    scale *= min(1.0, highest / max(np.quantile(np.interp(mean[sample], edges, scale), 0.999), 1))
    number = np.minimum(np.interp(mean, edges, scale) + 0.5, STEADY).astype(np.uint8)
    brightness = np.interp(np.arange(STEADY + 1), scale, edges)
    noise = np.interp(brightness, (edges[1:] + edges[:-1]) / 2, sigma)
    by_chance = noise**2 * (len(runs) - 1) / (len(frames) * size)
    unsteady = group_means.var(axis=0) > UNSTEADY * by_chance[number]
    coarse = slice(COARSER // 2, None, COARSER)
    steady = independent[np.searchsorted(edges[1:-1], brightness)]
    of_classes = _Noise(
        np.append(brightness, brightness[coarse]),
        np.append(noise, noise[coarse]),
        np.append(steady, np.zeros_like(steady[coarse])),
    )
    return np.where(unsteady, STEADY + 1 + number // COARSER, number), of_classes


def _run_means(frames: NDArray[Any]) -> NDArray[Any]:
    """Return the means of each pixel over `RUNS` runs of frames."""
    # integer sums of 32 bits are several times faster than numpy's mean
    small = frames.itemsize <= 2 and len(frames) <= 1 << 15
    dtype = np.dtype(f"{frames.dtype.kind}4" if small else np.float64)
    runs = np.array_split(frames, min(RUNS, len(frames)))
    return np.stack([np.divide(run.sum(axis=0, dtype=dtype), len(run)) for run in runs])


def _group_means(runs: NDArray[Any], size: int) -> NDArray[Any]:
    """Return the mean of each group, of `size` pixels (a power of two), in each run."""
    total = runs
    while total.shape[1] * size > runs.shape[1]:
        total = total[:, ::2] + total[:, 1::2]
    return total / size


def _noise(frames: NDArray[Any], lag: int) -> NDArray[Any]:
    """Return half the mean squared difference of frames that are `lag` apart, of each pixel."""
    last = max(len(frames) - lag, 0)
    first = np.arange(0, last, max(1, last // SAMPLED_PAIRS))
    difference = frames[first + lag].astype(np.float32) - frames[first]
    return np.square(difference).sum(axis=0) / max(2 * len(first), 1)


def _noise_profile(
    frames: NDArray[Any], mean: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Return edges of bins of brightness, the noise in each, and whether it is independent."""
    # as np.quantile, which is many times slower
    edges = np.interp(np.linspace(0, mean.size - 1, BINS + 1), np.arange(mean.size), np.sort(mean))
    edges = np.unique(edges) if edges[0] < edges[-1] else edges[[0, -1]]
    bins = np.searchsorted(edges[1:-1], mean)
    length = len(edges) - 1
    count = np.maximum(np.bincount(bins, minlength=length), 1)
    near, far = (
        np.bincount(bins, weights=_noise(frames, lag), minlength=length) / count for lag in (1, 2)
    )
    return edges, np.sqrt(np.maximum(near, 1 / len(frames))), near > INDEPENDENT * far


def _with_widths(
    frames: NDArray[Any], grouping: Grouping, *, independent: NDArray[np.bool_]
) -> Grouping:
    """Choose the widths and the base of each class, and sort the table.

    Differences of more than 4 bits are stored as whole bytes if they are many and independent of
    those of the frame before. Else the upper 4 bits of two frames share a byte, so that the
    compressor sees how they depend on each other.
    """
    table = grouping.table
    table["bits"], table["low"], table["base"] = smallest_fields(*_samples(frames, grouping))
    rank = np.lexsort((table["low"], table["bits"]))
    wide = table["low"] > 0
    pixels = np.bincount(grouping.classes)[wide] * grouping.size
    alone = (pixels * independent[wide]).sum()
    if pixels.sum() * len(frames) >= FEWEST_BYTES and 2 * alone >= pixels.sum():
        table["bits"][wide], table["low"][wide] = 8, np.maximum(table["low"][wide], 4) - 4
    renamed = np.argsort(rank).astype(np.uint8)
    classes, table = renamed[grouping.classes], table[rank]
    _merge_small_kinds(table, np.bincount(classes))
    return Grouping(classes, grouping.offsets, table)


def _merge_small_kinds(table: NDArray[Any], groups: NDArray[np.intp]) -> None:
    """Give kinds of few groups the widths of the next kind, since each kind takes time to unpack.

    `groups` says how many groups each class of the sorted table has.
    """
    _, first = np.unique(table["bits"].astype(int) * 256 + table["low"], return_index=True)
    start = 0
    for stop in [*first[1:].tolist(), len(table)]:
        if groups[start:stop].sum() * FEWEST_KIND >= groups.sum() or stop == len(table):
            table["bits"][start:stop] = table["bits"][stop - 1]
            table["low"][start:stop] = table["low"][stop - 1]
            start = stop


def _samples(frames: NDArray[Any], grouping: Grouping) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return a sample of the differences, sorted by class, and the pixels of each class in it."""
    groups = np.bincount(grouping.classes)
    stride = np.repeat(-(-groups // SAMPLED_GROUPS), groups)
    within = np.arange(stride.size) - np.repeat(np.cumsum(groups) - groups, groups)
    chosen = np.flatnonzero(within % stride == 0)
    sample = frames[:: max(1, len(frames) // SAMPLED_FRAMES)].view(f"u{frames.itemsize}")
    codes = sample.reshape(len(sample), -1, grouping.size)[:, grouping.order[chosen]]
    codes -= grouping.base(codes.dtype).reshape(-1, grouping.size)[chosen]
    pixels = np.bincount(grouping.classes[grouping.order[chosen]]) * grouping.size
    return codes.reshape(len(sample), -1), pixels
