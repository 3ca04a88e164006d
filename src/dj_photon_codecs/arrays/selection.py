"""What stands between the brackets of ``movie[...]``, parsed once.

A movie is read as a matrix of frames by pixels, or as single points of it. `parse_selection` turns
integers, slices, masks and arrays of integers into the numbers of these frames and pixels.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Part = int | slice | NDArray[Any]

__all__ = ["Selection", "parse_selection"]

ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Selection:
    """Which frames and pixels to read, and how to arrange them."""

    frames: range | NDArray[np.intp]  # a range with a positive step, or an array in any order
    pixels: NDArray[np.intp] | None  # numbers in a frame, in C order; None for all of them
    shape: tuple[int, ...]  # of the result
    leading: int = 0  # axes of pixels before that of the frames, as in movie[:, ys, :, xs]
    paired: bool = False  # single points, or all these pixels in all these frames


def parse_selection(selection: Any, shape: tuple[int, ...]) -> Selection:
    """Find out which frames and pixels of a movie a selection takes.

    It is an int, slice, Ellipsis, mask, array of integers, or a tuple of them, as for a NumPy
    array, but for negative steps and new axes. In one case it means more: a mask over pixels may
    stand beside an array of frames or a mask over frames. All these pixels are then taken in all
    these frames, while NumPy would pair them one by one, which for most masks is an error.

    Raises
    ------
    IndexError
        If the selection is not one of these, or does not fit the shape.

    Examples
    --------
    >>> parse_selection(np.s_[10:, 1, 2:4], (12, 5, 5))
    Selection(frames=range(10, 12), pixels=array([7, 8]), shape=(2, 2), leading=0, paired=False)
    >>> roi = np.zeros((5, 5), bool)
    >>> roi[1, 2:4] = True
    >>> parse_selection(np.s_[:, roi], (12, 5, 5)).shape
    (12, 2)
    """
    first, *rest = _one_for_each_axis(selection, shape)
    if not isinstance(first, np.ndarray):
        return _select_basic_frames(first, rest, shape)
    if first.dtype == bool and first.ndim > 1:  # a mask over frames and pixels selects points
        first, *others = np.nonzero(first)
        rest = [*others, *rest]
    elif first.dtype == bool:
        first = np.flatnonzero(first)
    kinds = {part.dtype == bool for part in rest if _is_array(part)}
    if kinds == {False}:
        return _select_points(first, rest, shape)
    pixels = _pixel_numbers(rest, shape[1:])
    frames = first.reshape(-1).astype(np.intp)
    taken = None if all(_is_all(part) for part in rest) else pixels.reshape(-1)
    return Selection(frames, taken, first.shape + pixels.shape)


def _select_basic_frames(first: int | slice, rest: list[Any], shape: tuple[int, ...]) -> Selection:
    """Select one frame, or those of a slice."""
    if isinstance(first, int):
        frames, kept = range(first, first + 1), 0
    else:
        frames, kept = range(*first.indices(shape[0])), 1
    if all(_is_all(part) for part in rest):
        return Selection(frames, None, (len(frames),) * kept + shape[1:])
    # One frame stands for all, so that NumPy arranges the axes.
    pixels = _pixel_numbers([ALL if kept else 0, *rest], (1, *shape[1:]))
    leading = _leading_axes(rest) if kept else 0
    result = list(pixels.shape)
    if kept:
        result[leading] = len(frames)
    return Selection(frames, pixels.reshape(-1), tuple(result), leading)


def _select_points(first: NDArray[Any], rest: list[Any], shape: tuple[int, ...]) -> Selection:
    """Pair frames with arrays of integers along other axes, as NumPy does."""
    try:
        pixels = _pixel_numbers([np.zeros(first.shape, np.intp), *rest], (1, *shape[1:]))
    except IndexError as error:
        raise IndexError(
            f"{error}. Arrays of integers are paired one by one; for all pixels in all frames give "
            "the pixels as a mask, or read in two steps: movie[frames][:, ys, xs]"
        ) from None
    arrays = [first, *(part for part in rest if _is_array(part))]
    paired = np.broadcast_shapes(*(part.shape for part in arrays))
    frames = np.broadcast_to(first, paired).reshape(paired + (1,) * (pixels.ndim - len(paired)))
    numbers = np.broadcast_to(frames, pixels.shape).reshape(-1).astype(np.intp)
    return Selection(numbers, pixels.reshape(-1), pixels.shape, paired=True)


def _pixel_numbers(parts: list[Any], shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the numbers, in C order, of what is selected of an array, arranged as NumPy does."""
    numbers: Any = np.intp(0)
    for axis, length in enumerate(shape):
        stride = math.prod(shape[axis + 1 :])
        along = np.arange(length).reshape((-1,) + (1,) * (len(shape) - axis - 1)) * stride
        numbers = numbers + np.broadcast_to(along, shape)[tuple(parts)]
    return np.asarray(numbers, np.intp)


def _leading_axes(rest: list[Any]) -> int:
    """Return how many axes of pixels NumPy puts before that of the frames of a slice."""
    arrays = [part for part in rest if _is_array(part)]
    advanced = [place for place, part in enumerate(rest) if not isinstance(part, slice)]
    together = not advanced or advanced[-1] - advanced[0] + 1 == len(advanced)
    if not arrays or together:
        return 0
    shapes = [(1,) if part.dtype == bool else part.shape for part in arrays]
    return max(map(len, shapes))


# ---------------------------------------------------------------------------- checks


def _one_for_each_axis(selection: Any, shape: tuple[int, ...]) -> list[Part]:
    """Return checked parts that cover all axes; a mask covers as many as it has itself."""
    parts = list(selection) if isinstance(selection, tuple) else [selection]
    parts = [part if part is Ellipsis else _checked_kind(part) for part in parts]
    places = [place for place, part in enumerate(parts) if part is Ellipsis]
    if len(places) > 1:
        raise IndexError("a selection can hold one ellipsis ('...') only")
    covered = sum(map(_axes, parts))
    if covered > len(shape):
        raise IndexError(
            f"too many indices: the movie has {len(shape)} axes, and {covered} were selected from"
        )
    place = places[0] if places else len(parts)
    parts[place : place + 1] = [ALL] * (len(shape) - covered)
    axis = 0
    for place, part in enumerate(parts):
        parts[place] = _fitting(part, axis=axis, shape=shape)
        axis += _axes(part)
    return parts


def _checked_kind(part: Any) -> Part:
    """Return an integer, a slice with a positive step, or an array of integers or booleans."""
    if isinstance(part, slice):
        if part.step is not None and operator.index(part.step) < 0:
            raise IndexError(
                f"the step of {part} is negative, which a stored movie cannot be read by; read the "
                "frames and reverse them, movie[...][::-1], or use movie.dask()[::-1]"
            )
        return part
    if part is None:
        raise IndexError(
            "a stored movie takes no new axis (None, numpy.newaxis); read what you need and add "
            "it there, movie[...][None], or use movie.dask()[None]"
        )
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        return operator.index(part)
    array = np.asarray(part) if not isinstance(part, str | bytes | bool | np.bool_) else None
    if array is not None and array.size == 0 and not hasattr(part, "dtype"):
        array = array.astype(np.intp)  # an empty list
    if array is None or array.dtype.kind not in "iub" or (array.dtype == bool and not array.ndim):
        raise IndexError(
            f"{part!r} is no selection of a stored movie: use integers, slices, masks (arrays of "
            "bool) or arrays of integers; for other operations, movie.dask() or movie[:]"
        )
    return array if array.ndim else operator.index(array[()])


def _fitting(part: Part, *, axis: int, shape: tuple[int, ...]) -> Part:
    """Return a part that lies within an axis, with integers counted from its beginning."""
    if isinstance(part, slice):
        return part
    if _is_array(part) and part.dtype == bool:
        return _fitting_mask(part, axis=axis, shape=shape)
    length = shape[axis]
    if isinstance(part, int):
        if not -length <= part < length:
            raise _out_of_range(part, axis=axis, length=length)
        return part % length
    outside = (part < -length) | (part >= length) if part.size else np.zeros(0, bool)
    if outside.any():
        raise _out_of_range(part[outside][0], axis=axis, length=length)
    numbers: NDArray[Any] = part.astype(np.intp)
    return np.where(numbers < 0, numbers + length, numbers)


def _fitting_mask(mask: NDArray[Any], *, axis: int, shape: tuple[int, ...]) -> NDArray[Any]:
    covered = shape[axis : axis + mask.ndim]
    if mask.shape == covered:
        return mask
    hint = "give a mask of that shape"
    if axis == 0 and mask.shape == shape[1:]:
        hint = "for a mask over the pixels of every frame write movie[:, mask]"
    elif mask.shape == shape[:1]:
        hint = "a mask over frames comes first: movie[mask]"
    elif axis == 0:
        hint = "a mask over frames has one value for each frame, movie[mask]"
    raise IndexError(
        f"a mask of shape {mask.shape} does not fit the axes that it selects from, which are of "
        f"shape {covered}, in a movie of shape {shape}; {hint}"
    )


def _out_of_range(index: Any, *, axis: int, length: int) -> IndexError:
    if axis == 0:
        return IndexError(f"frame {index} of a movie of {length} frames")
    return IndexError(f"index {index} along axis {axis} of a movie, which has length {length}")


def _axes(part: Any) -> int:
    """Return how many axes of the movie a part of a selection covers."""
    if part is Ellipsis:
        return 0
    return part.ndim if _is_array(part) and part.dtype == bool else 1


def _is_all(part: Any) -> bool:
    return isinstance(part, slice) and part in (ALL, slice(0, None))


def _is_array(part: Any) -> TypeGuard[NDArray[Any]]:
    return isinstance(part, np.ndarray)
