"""A movie a slab of frames at a time, since it may be larger than the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dj_photon_codecs.movies.sources import Frames, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Frames", "slabs"]


def slabs(values: Frames, start: int, stop: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield frames of a movie, in slabs of about 16 MB.

    Parameters
    ----------
    values : array_like or Source
        The movie. A `Source` reads each of its chunks once in a pass over all frames, whichever
        frames are asked for at a time.
    start, stop : int
        First frame, and the one after the last.

    Yields
    ------
    first : int
        First frame of the slab.
    frames : numpy.ndarray
        The slab, shape (frames, height, width, ...).

    Raises
    ------
    ValueError
        If frames have another shape or dtype than the movie promised, or changed.
    """
    source = values if isinstance(values, Source) else Source(values)
    yield from source.slabs(start, stop)
