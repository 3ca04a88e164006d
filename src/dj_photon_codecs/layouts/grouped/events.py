"""Events: the differences that need more bits than their class stores, by gap and excess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.grouped.grouping import Kind

__all__ = ["EventReader", "Events", "find_events"]


class Events(NamedTuple):
    """The events of a kind.

    Attributes
    ----------
    counts : ndarray of integers, shape (frames,)
        Events in each frame.
    gaps : ndarray of integers, shape (events,)
        For each event, how many codes of the kind lie between it and the event before. Codes are
        counted frame by frame, those of a frame in the order of the classes.
    excess : ndarray of unsigned integers, shape (events,)
        The difference without its stored fields, shifted to the lowest bits.
    """

    counts: NDArray[Any]
    gaps: NDArray[Any]
    excess: NDArray[Any]


def find_events(
    codes: NDArray[Any], *, bits: int, before: int = 0
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Find the events in consecutive frames of a kind.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, pixels)
        Differences.
    bits : int
        The widths of both fields of the kind.
    before : int
        The number of codes of the kind in earlier frames.

    Returns
    -------
    places, excess : ndarray, shape (events,)
        The place of each event among the codes of the kind, and its excess.
    """
    # compared with the largest that fits, since NumPy cannot shift by all bits of a dtype
    found = np.flatnonzero(codes > np.iinfo(codes.dtype).max >> 8 * codes.itemsize - bits)
    row, column = np.divmod(found, max(codes.shape[1], 1))
    return found + before, codes[row, column] >> bits


class EventReader:
    """The events of a chunk, to be added to codes in the order of the classes.

    Parameters
    ----------
    events : list of Events
        The events of each kind.
    kinds : list of Kind
        The kinds.
    pixels : int
        Pixels of a frame.
    dtype : numpy.dtype
        Dtype of the codes.

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
                _places(of_kind, kind, pixels=pixels),
                of_kind.excess.astype(dtype) << dtype.type(kind.bits + kind.low),
                np.append(0, np.cumsum(of_kind.counts)).tolist(),
            )
            for of_kind, kind in zip(events, kinds, strict=True)
            if of_kind.gaps.size
        ]

    def add(self, frames: range, *, target: NDArray[Any]) -> None:
        """Add the events of consecutive frames to their codes, which are contiguous."""
        codes = target.reshape(-1)
        for places, excess, before in self._kinds:
            events = slice(before[frames.start], before[frames.stop])
            codes[places[events] - frames.start * self._pixels] += excess[events]

    def add_to_pixels(
        self, pixels: NDArray[np.intp], frames: range, *, target: NDArray[Any]
    ) -> None:
        """Add the events of single pixels in consecutive frames to their codes.

        Parameters
        ----------
        pixels : ndarray of intp, shape (pixels,)
            Places of the pixels in the order of the classes; each once.
        frames : range
            The frames.
        target : ndarray of unsigned integers, shape (frames, pixels)
            Their codes.
        """
        column = np.full(self._pixels, -1)
        column[pixels] = np.arange(pixels.size)
        for places, excess, before in self._kinds:
            events = slice(before[frames.start], before[frames.stop])
            counts = np.diff(before[frames.start : frames.stop + 1])
            row = np.repeat(np.arange(len(frames)), counts)
            columns = column[places[events] - (row + frames.start) * self._pixels]
            wanted = columns >= 0
            target[row[wanted], columns[wanted]] += excess[events][wanted]


def _places(events: Events, kind: Kind, *, pixels: int) -> NDArray[np.int64]:
    """Return the places of events among the codes of all kinds, frame by frame."""
    places = _sums(events.gaps)
    places += np.arange(places.size)
    _check_frames(places, events.counts, pixels=kind.stop - kind.start)
    of_other_kinds = pixels - (kind.stop - kind.start)  # in a frame
    before = np.arange(len(events.counts)) * of_other_kinds + kind.start
    places += np.repeat(before, events.counts)
    return places


def _sums(gaps: NDArray[Any]) -> NDArray[np.int64]:
    if gaps.itemsize > 4:  # damaged ones might overflow the sum; no chunk has 2**31 codes
        gaps = np.minimum(gaps.astype(np.uint64), 1 << 31)
    return np.cumsum(gaps, dtype=np.int64)


def _check_frames(places: NDArray[np.int64], counts: NDArray[Any], *, pixels: int) -> None:
    """Refuse events, in ascending order, that are not in the frames in which they are counted."""
    filled = np.flatnonzero(counts)
    ends = np.cumsum(counts)[filled]
    first = places[ends - counts[filled]] - filled * pixels
    last = places[ends - 1] - filled * pixels
    if first.min() < 0 or last.max() >= pixels:
        wrong = first.min() if first.min() < 0 else last.max()
        raise DamagedChunk(f"damaged chunk: an event at {wrong} of {pixels} codes of a frame")
