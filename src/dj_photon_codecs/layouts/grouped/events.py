"""Events: the differences that need more bits than their class stores, by gap and excess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["Events", "find_events"]


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
