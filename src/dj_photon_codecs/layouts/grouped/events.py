"""Codes that exceed the bits of their class, as a list: how many fit in between, and the excess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.grouped.grouping import Kind

__all__ = ["EventReader", "Events", "find_events"]


class Events(NamedTuple):
    """Codes of a kind of classes that do not fit into its bits.

    Attributes
    ----------
    counts : ndarray of integers, shape (frames,)
        How many there are in each frame.
    gaps : ndarray of integers
        How many codes come before each, since the one before it; the codes of a frame by class,
        one frame after the other.
    excess : ndarray of unsigned integers
        What is above the bits of the class.
    """

    counts: NDArray[Any]
    gaps: NDArray[Any]
    excess: NDArray[Any]


def find_events(
    codes: NDArray[Any], *, bits: int, before: int = 0
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Find the codes of consecutive frames that do not fit into some bits.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, pixels)
        Codes of a kind, less their bases.
    bits : int
        All bits of the kind.
    before : int
        The number of codes in earlier frames.

    Returns
    -------
    at, excess : ndarray
        Their places, counted through all frames, and what is above the bits.
    """
    # the largest code that fits, for there is no shift by all bits of a dtype
    found = np.flatnonzero(codes > np.iinfo(codes.dtype).max >> 8 * codes.itemsize - bits)
    row, column = np.divmod(found, max(codes.shape[1], 1))
    return found + before, codes[row, column] >> bits


class EventReader:
    """Events, to be added to codes that are in the order of the classes.

    Parameters
    ----------
    events : list of Events
        Of each kind.
    kinds : list of Kind
        Of the grouping.
    pixels : int
        Of a frame.
    dtype : numpy.dtype
        Of the codes.

    Raises
    ------
    ValueError
        If an event is not in the frame in which it is counted.
    """

    def __init__(
        self, events: list[Events], kinds: list[Kind], *, pixels: int, dtype: np.dtype[Any]
    ) -> None:
        self._pixels = pixels
        self._kinds = [
            (
                _places(each, kind, pixels=pixels),
                each.excess.astype(dtype) << dtype.type(kind.bits + kind.low),
                np.append(0, np.cumsum(each.counts)).tolist(),
            )
            for each, kind in zip(events, kinds, strict=True)
            if each.gaps.size
        ]

    def add(self, frames: range, *, target: NDArray[Any]) -> None:
        """Add the events of consecutive frames to their codes, which are contiguous."""
        codes = target.reshape(-1)
        for at, excess, before in self._kinds:
            some = slice(before[frames.start], before[frames.stop])
            codes[at[some] - frames.start * self._pixels] += excess[some]

    def add_to_pixels(
        self, pixels: NDArray[np.intp], frames: range, *, target: NDArray[Any]
    ) -> None:
        """Add the events of some pixels in consecutive frames to their codes.

        Parameters
        ----------
        pixels : ndarray of intp, shape (pixels,)
            Which, in the order of the classes; each once.
        frames : range
            The frames.
        target : ndarray of unsigned integers, shape (frames, pixels)
            Their codes.
        """
        column = np.full(self._pixels, -1)
        column[pixels] = np.arange(pixels.size)
        for at, excess, before in self._kinds:
            some = slice(before[frames.start], before[frames.stop])
            counts = np.diff(before[frames.start : frames.stop + 1])
            row = np.repeat(np.arange(len(frames)), counts)
            found = column[at[some] - (row + frames.start) * self._pixels]
            wanted = found >= 0
            target[row[wanted], found[wanted]] += excess[some][wanted]


def _places(events: Events, kind: Kind, *, pixels: int) -> NDArray[np.int64]:
    """The places of events among the codes of all kinds of all frames."""
    at = _sums(events.gaps)
    at += np.arange(at.size)
    _check_frames(at, events.counts, size=kind.stop - kind.start)
    others = pixels - (kind.stop - kind.start)  # codes of a frame
    at += np.repeat(np.arange(len(events.counts)) * others + kind.start, events.counts)
    return at


def _sums(gaps: NDArray[Any]) -> NDArray[np.int64]:
    if gaps.itemsize > 4:  # of smaller ones, as many as there can be, no sum overflows
        # more than the codes of any chunk are as good as too many
        gaps = np.minimum(gaps.astype(np.uint64), 1 << 31)
    return np.cumsum(gaps, dtype=np.int64)


def _check_frames(at: NDArray[np.int64], counts: NDArray[Any], *, size: int) -> None:
    """Refuse events, in rising order, that are not in the frames, of so many codes, they are in."""
    filled = np.flatnonzero(counts)
    ends = np.cumsum(counts)[filled]
    first = at[ends - counts[filled]] - filled * size
    last = at[ends - 1] - filled * size
    if first.min() < 0 or last.max() >= size:
        wrong = first.min() if first.min() < 0 else last.max()
        raise DamagedChunk(f"damaged chunk: an event at {wrong} of {size} codes of a frame")
