"""A patch of a movie: some pixels of consecutive frames, as a basic selection names it."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Patch", "find_patch"]


class Patch(NamedTuple):
    """Some pixels of consecutive frames.

    Attributes
    ----------
    frames : range
        The frames; at least one.
    pixels : ndarray of intp, shape (pixels,)
        Which pixels of a frame, counted through its rows; each once, at least one.
    shape : tuple of int
        Of the selection: axes that an integer was given for are left out.
    """

    frames: range
    pixels: NDArray[np.intp]
    shape: tuple[int, ...]


def find_patch(selection: Any, shape: tuple[int, ...]) -> Patch | None:
    """Return what a basic selection takes.

    Parameters
    ----------
    selection : int, slice, Ellipsis, or tuple of them
        As for an array.
    shape : tuple of int
        Of the movie: frames, height, width, ...

    Returns
    -------
    Patch or None
        None if it takes nothing, frames that are not consecutive, or what is not there.

    Examples
    --------
    >>> find_patch(np.s_[10:, 1, 2:4], (12, 5, 5))
    Patch(frames=range(10, 12), pixels=array([7, 8]), shape=(2, 2))
    """
    parts = _parts(selection, len(shape))
    ranges = [_range(part, length) for part, length in zip(parts, shape, strict=False)]
    if len(parts) != len(shape) or not all(ranges) or ranges[0].step != 1:
        return None
    frames, *sides = ranges
    pixels = np.ravel_multi_index(np.ix_(*sides), shape[1:]).reshape(-1)
    kept = [len(each) for each, part in zip(ranges, parts, strict=True) if isinstance(part, slice)]
    return Patch(frames, pixels, tuple(kept))


def _parts(selection: Any, axes: int) -> list[Any]:
    """The selection along each axis; of another number if there is no such selection."""
    parts = list(selection) if isinstance(selection, tuple) else [selection]
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    at = parts.index(Ellipsis)
    parts[at : at + 1] = [slice(None)] * (axes + 1 - len(parts))
    return parts


def _range(part: Any, length: int) -> range:
    """What is selected along an axis; nothing if it is not in rising order, or not there."""
    if isinstance(part, slice):
        found = range(*part.indices(length))
        return found if found.step > 0 else range(0)
    if part is Ellipsis or not -length <= operator.index(part) < length:
        return range(0)
    first = operator.index(part) % length
    return range(first, first + 1)
