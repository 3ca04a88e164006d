"""The range of the values of a movie, found in a first pass that refuses illegal ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.progress import Task
from dj_photon_codecs.movies.sources import as_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from dj_photon_codecs.movies.sources import Frames

    Spans = Iterable[tuple[int, int]]

__all__ = ["ValueRange", "joint_range", "range_of", "survey"]

EXACT = 2**53  # from here on, float64 does not hold every whole number


@dataclass(frozen=True)
class ValueRange:
    """The range of the values of a movie."""

    lowest: float  # a Python integer for movies of integers
    highest: float  # likewise
    whole: bool  # whether all are whole numbers below 2**53, or of an integer dtype


def range_of(dtype: np.dtype[Any]) -> ValueRange | None:
    """Return the range of all legal values of a dtype, or None unless it is narrow and has no sign.

    Examples
    --------
    >>> range_of(np.dtype("u1"))
    ValueRange(lowest=0, highest=255, whole=True)
    """
    if dtype.kind != "u" or dtype.itemsize > 2:
        return None
    return ValueRange(0, int(np.iinfo(dtype).max), whole=True)


def survey(
    values: Frames,
    *,
    counts: bool,
    over: Callable[[Callable[[tuple[int, int]], ValueRange], Spans], Iterable[ValueRange]] = map,
) -> ValueRange:
    """Read all values once, refuse illegal ones, and return their range.

    Values may be camera values or `counts` of photons, which cannot be negative. Parts of an array
    in memory are looked at by what stands for `map`, which may do so in several threads.

    Raises
    ------
    ValueError
        If a value is NaN, infinite, or, in photon counts, negative; if the source does not keep
        to its shape and dtype (`Source`). The message names the value, its frame, and what to do.

    Examples
    --------
    >>> survey(np.arange(24.0).reshape(2, 3, 4), counts=True)
    ValueRange(lowest=0.0, highest=23.0, whole=True)
    """
    source = as_source(values)

    def look(span: tuple[int, int]) -> ValueRange:
        ranges = []
        for first, slab in source.slabs(*span):
            ranges.append(_checked_range(slab, source.first + first, counts=counts))
            task.advance(len(slab))
        return joint_range(ranges)

    with Task("check", source.shape, itemsize=source.dtype.itemsize, rehearsal=True) as task:
        return joint_range(list(over(look, source.spans())))


def joint_range(ranges: Sequence[ValueRange]) -> ValueRange:
    """Return the range of a movie of whose parts these are the ranges."""
    return ValueRange(
        lowest=min(found.lowest for found in ranges),
        highest=max(found.highest for found in ranges),
        whole=all(found.whole for found in ranges),
    )


def _checked_range(slab: NDArray[Any], first: int, *, counts: bool) -> ValueRange:
    lowest, highest = slab.min().item(), slab.max().item()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        value, frame = _first_of(slab, ~np.isfinite(slab))
        raise ValueError(
            f"movie holds {value} at frame {first + frame}; every value must be finite. Change "
            "such values (numpy.nan_to_num), or leave out the frame"
        )
    if counts and lowest < 0:
        value, frame = _first_of(slab, slab < 0)
        raise ValueError(
            f"movie holds {value} at frame {first + frame}; photon counts must be >= 0. Subtract "
            "the camera offset with CameraMovie(values, calibrate(values))"
        )
    return ValueRange(lowest, highest, _is_whole(slab, lowest, highest))


def _first_of(slab: NDArray[Any], wrong: NDArray[np.bool_]) -> tuple[Any, int]:
    position = np.unravel_index(np.argmax(wrong), wrong.shape)
    return slab[position], int(position[0])


def _is_whole(slab: NDArray[Any], lowest: float, highest: float) -> bool:
    if slab.dtype.kind != "f":
        return True
    if max(-lowest, highest) >= EXACT:
        return False
    return bool((np.rint(slab) == slab).all())
