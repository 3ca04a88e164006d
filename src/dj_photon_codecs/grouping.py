"""Which pixels of a chunk have the same noise, and which few values each such class takes.

A compressor's tables fit the statistics of the bytes they are built from. The brightness of a
photon-limited movie, and with it the spread of its noise, varies from pixel to pixel; so pixels
of like mean are put into one class, narrower than their noise, and stored next to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["CLASS", "Grouping", "checked_table", "group_pixels"]

MAX_CLASSES = 256  # so that a class is a byte
STEP = 0.45  # sigma; the width of a class. Narrower ones fit better, wider ones are stored shorter
BINS = 32  # of equal population, in which noise is measured against brightness
RUNS = 5  # of frames, over which a pixel is steady if its means differ by chance only
UNSTEADY = 10.0  # times the variance that noise gives these means
COARSER = 4  # how many levels of brightness of unsteady pixels make a class
STEADY = 203  # the highest level of steady pixels, so that all levels are below MAX_CLASSES
SAMPLED_FRAMES = 5
SAMPLED_PAIRS = 16
SAMPLED_PIXELS = 1 << 15
MOSTLY_ONE_VALUE = 0.78  # of a class's codes; above it, the exceptions are listed
HISTOGRAM_BITS = 12

BITS = (0, 2, 4, 8)
CLASS = np.dtype([("bits", "u1"), ("low", "u1"), ("base", "<u8")])


@dataclass(frozen=True)
class Grouping:
    """The classes of the pixels of a chunk.

    Attributes
    ----------
    classes : ndarray of uint8, shape (pixels,)
        The class of each pixel.
    table : ndarray of CLASS, shape (classes,)
        For each class `bits`, the size of a code less its low bits (2, 4 or 8; 0 where nearly
        all codes equal `base`), `low`, how many bits are stored apart because they are noise
        only, and `base`, the code that is stored as 0. In order of `bits`, then `low`.
    """

    classes: NDArray[np.uint8]
    table: NDArray[Any]

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Pixels by class; within a class in the order of the frame."""
        return np.argsort(self.classes, kind="stable")

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """The number of pixels of each class."""
        return np.bincount(self.classes, minlength=len(self.table))


def checked_table(
    stored: NDArray[np.uint8], classes: NDArray[np.uint8], *, bits: int
) -> NDArray[Any]:
    """Read a table of classes from its bytes.

    Parameters
    ----------
    stored : ndarray of uint8
        The bytes of a table of `CLASS`.
    classes : ndarray of uint8
        The class of each pixel.
    bits : int
        Of a code.

    Returns
    -------
    ndarray of CLASS
        The table.

    Raises
    ------
    ValueError
        If a pixel is of a class that it does not have, or a row is not one that
        `group_pixels` makes.
    """
    highest = int(classes.max())
    if stored.size % CLASS.itemsize or not highest < stored.size // CLASS.itemsize:
        raise ValueError(f"damaged chunk: {stored.size} bytes for {highest + 1} classes")
    table = stored.view(CLASS)
    kinds = table["bits"].astype(int) * 256 + table["low"]
    room = np.where(table["bits"] == 8, bits - 8, 0)
    legal = np.isin(table["bits"], BITS) & (table["low"] % 4 == 0) & (table["low"] <= room)
    if not legal.all() or (np.diff(kinds) < 0).any():
        raise ValueError(f"damaged chunk: classes of bits {table['bits']}, low {table['low']}")
    return table


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
    >>> rates = np.repeat([0.1, 3.0, 50.0], 1000)
    >>> counts = np.random.default_rng(0).poisson(rates, (100, 3000)).astype("u2")
    >>> grouping = group_pixels(counts)
    >>> grouping.table["bits"][grouping.classes[[500, 1500, 2500]]]
    array([0, 4, 8], dtype=uint8)
    """
    levels = _noise_levels(frames)
    found = np.flatnonzero(np.bincount(levels))
    names = np.zeros(MAX_CLASSES, np.uint8)
    names[found] = np.arange(len(found))
    unsorted = Grouping(names[levels], np.zeros(len(found), CLASS))
    table = np.array([_describe(sample) for sample in _samples(frames, unsorted)], CLASS)
    rank = np.lexsort((table["low"], table["bits"]))
    renamed = np.argsort(rank).astype(np.uint8)
    return Grouping(renamed[unsorted.classes], table[rank])


def _noise_levels(frames: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels' mean brightness, in steps of `STEP` times the noise at that brightness.

    Pixels whose brightness changes are given levels of their own, beyond the others.
    """
    runs = _run_means(frames)
    mean = runs.mean(axis=0)
    sample = slice(None, None, max(1, mean.size // SAMPLED_PIXELS))
    noise = _noise(frames[:, sample])
    edges, sigma = _noise_profile(mean[sample], noise, floor=1 / np.sqrt(len(frames)))
    edges[[0, -1]] = mean.min(), mean.max()
    scale = np.append(0.0, np.cumsum(np.diff(edges) / sigma)) / STEP
    scale *= min(1.0, STEADY / max(np.quantile(np.interp(mean[sample], edges, scale), 0.999), 1))
    level = np.minimum(np.interp(mean, edges, scale) + 0.5, STEADY).astype(np.uint8)
    at_level = np.interp(np.arange(STEADY + 1), scale, edges)
    noise_at_level = np.interp(at_level, (edges[1:] + edges[:-1]) / 2, sigma)
    by_chance = noise_at_level**2 * (len(runs) - 1) / len(frames)
    unsteady = runs.var(axis=0) > UNSTEADY * by_chance[level]
    return np.where(unsteady, STEADY + 1 + level // COARSER, level)


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
    edges = np.quantile(mean, np.linspace(0, 1, BINS + 1))
    edges = np.unique(edges) if edges[0] < edges[-1] else edges[[0, -1]]
    bins = np.searchsorted(edges[1:-1], mean)
    count = np.bincount(bins, minlength=len(edges) - 1)
    total = np.bincount(bins, weights=variance, minlength=len(edges) - 1)
    return edges, np.sqrt(np.maximum(total / np.maximum(count, 1), floor**2))


def _samples(frames: NDArray[Any], grouping: Grouping) -> Iterator[NDArray[Any]]:
    """Codes of each class, from some of the frames."""
    some = frames[:: max(1, len(frames) // SAMPLED_FRAMES)][:, grouping.order]
    stops = np.cumsum(grouping.sizes)
    for start, stop in zip(stops - grouping.sizes, stops, strict=True):
        yield some[:, start:stop]


def _describe(sample: NDArray[Any]) -> tuple[int, int, int]:
    """Choose the row of `CLASS` that stores codes like these in the fewest bytes."""
    lowest, highest = int(sample.min()), int(sample.max())
    coarse = max(0, (highest - lowest).bit_length() - HISTOGRAM_BITS)
    unsigned = np.subtract(sample, sample.min()).view(f"u{sample.itemsize}")
    counts = np.bincount((unsigned >> coarse).ravel().astype(np.intp))
    if coarse == 0 and counts[0] >= MOSTLY_ONE_VALUE * sample.size:
        return 0, 0, _modulo(lowest)
    bits, low, start = _window(counts, coarse=coarse, word=8 * sample.itemsize)
    return bits, low, _modulo(lowest + (start << coarse))


def _window(counts: NDArray[Any], *, coarse: int, word: int) -> tuple[int, int, int]:
    """Return bits, low bits and start of the smallest window that most codes fall into."""
    below = np.append(0, np.cumsum(counts))
    for bits, low, outside in _windows(word):
        width = min((((1 << bits) - 1) << low) >> coarse, len(counts))
        inside = below[width:] - below[: len(below) - width]
        if inside.max() >= (1 - outside) * below[-1]:
            break
    return bits, low, int(inside.argmax())


def _windows(word: int) -> Iterator[tuple[int, int, float]]:
    yield 2, 0, 0.035
    yield 4, 0, 0.02
    for low in range(0, word - 7, 4):
        yield 8, low, 0.01


def _modulo(value: int) -> int:
    return value & 0xFFFF_FFFF_FFFF_FFFF
