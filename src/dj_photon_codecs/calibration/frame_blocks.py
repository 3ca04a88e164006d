"""Movies that may be larger than the memory, read in blocks of frames."""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.checks import check_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["RUN", "check_movie", "read_blocks", "release_pages"]

RUN = 4  # frames; the fewest in which two contrasts are free of both level and slope
FEWEST_FRAMES = 2 * RUN  # one run for each fold
FEWEST_PIXELS = 256
BLOCK = 1 << 23  # samples read at a time, 16 MB of uint16
LARGEST_BLOCK = 1 << 25  # samples, where the chunks of a stored movie ask for more
ENOUGH = 1 << 28  # samples; of a longer movie, evenly spread blocks are read


def check_movie(movie: Any) -> None:
    """Refuse what has no temporal noise to measure, before any of it is read.

    Parameters
    ----------
    movie : object
        What a user gave.

    Raises
    ------
    TypeError
        If it is no array of integers or floating-point numbers, or a stored movie, whose values
        are transformed.
    ValueError
        If it is not (frames, height, width), or smaller than 8 frames of 256 pixels.

    Examples
    --------
    >>> check_movie(np.zeros((5, 64, 64)))
    Traceback (most recent call last):
        ...
    ValueError: movie has shape (5, 64, 64); its noise shows in at least 8 frames of 256 pixels...
    """
    check_array(movie)
    if movie.dtype.kind not in "iuf":
        raise TypeError(
            f"movie has dtype {movie.dtype}; it must hold integers or floating-point numbers. "
            "Add up frames of single bits to counts first"
        )
    if len(movie.shape) != 3:
        raise ValueError(
            f"movie has shape {movie.shape}; it must be (frames, height, width). Choose one "
            "channel and plane, such as movie[:, 0]"
        )
    frames, height, width = movie.shape
    if frames < FEWEST_FRAMES or height * width < FEWEST_PIXELS:
        raise ValueError(
            f"movie has shape {movie.shape}; its noise shows in at least {FEWEST_FRAMES} frames "
            f"of {FEWEST_PIXELS} pixels. Record 100 frames or more"
        )


def read_blocks(movie: Any) -> Iterator[NDArray[Any]]:
    """Read a movie in blocks of consecutive frames; of a long movie, evenly spread ones.

    Parameters
    ----------
    movie : array_like
        (frames, height, width). Of more than 2**28 values, about so many are read.

    Yields
    ------
    numpy.ndarray
        Four frames or more, about 2**23 values, whole chunks of a stored movie if they are not
        much larger than that.

    Examples
    --------
    >>> [len(block) for block in read_blocks(np.zeros((100, 512, 512), np.uint8))]
    [32, 32, 32, 4]
    """
    length = _block_length(movie)
    starts = np.arange(0, movie.shape[0] - RUN + 1, length)
    wanted = max(ENOUGH // (length * math.prod(movie.shape[1:])), FEWEST_FRAMES // RUN)
    if wanted < len(starts):
        starts = starts[np.linspace(0, len(starts) - 1, wanted).astype(int)]
    for start in starts.tolist():
        yield np.asarray(movie[start : start + length])
        release_pages(movie)


def _block_length(movie: Any) -> int:
    """Choose the frames of a block: whole chunks of a stored movie, if memory allows."""
    chunks, pixels = getattr(movie, "chunks", None), math.prod(movie.shape[1:])
    chunk = chunks[0] if chunks and isinstance(chunks[0], int) else RUN
    length = chunk * max(-(-RUN // chunk), BLOCK // (chunk * pixels))
    return int(min(length, max(RUN, LARGEST_BLOCK // pixels)))


def release_pages(values: Any) -> None:
    """Drop a memory map's pages from this process; they stay in the system's cache of the file.

    Parameters
    ----------
    values : object
        A memory map or a view of one; anything else is left alone.
    """
    while isinstance(values, np.ndarray):
        if isinstance(values, np.memmap):
            # a private mapping (mode "c") may hold changes that are nowhere else
            if values.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
                values._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # noqa: SLF001
            return
        values = values.base
