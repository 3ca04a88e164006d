"""A copy of a movie in a temporary file, for sources whose chunks have too many frames."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.memory_maps import release_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["staged"]


def staged(
    read: Callable[[tuple[slice, ...]], NDArray[Any]],
    edges: Iterable[Sequence[int]],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """Copy a movie to a temporary file, each chunk, between `edges` along each axis, read once.

    The file of the memory map that is returned has the size of the movie, and no name on POSIX
    systems: the system removes it with the array, or when the process ends in whatever way.

    Raises
    ------
    OSError
        If the folder for temporary files has no room for the movie.

    Examples
    --------
    >>> movie = np.arange(24, dtype="u1").reshape(4, 2, 3)
    >>> copy = staged(movie.__getitem__, [(0, 4), (0, 2), (0, 2, 3)], shape=(4, 2, 3), dtype="u1")
    >>> bool((copy == movie).all())
    True
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            f"the chunks of the movie are so long that it is copied to a temporary file first, and "
            f"{folder} has {free} bytes left for its {size}. Set the environment variable TMPDIR "
            "to a folder with more room, or store the movie in chunks of fewer frames"
        )
    with tempfile.TemporaryFile(prefix="photon-movie-") as file:
        if hasattr(os, "posix_fallocate"):  # a disk that becomes full ends the process
            os.posix_fallocate(file.fileno(), 0, size)
        copy = np.memmap(file, dtype, "w+", shape=shape)
    for block in product(*(pairwise(along) for along in edges)):
        place = tuple(slice(start, stop) for start, stop in block)
        copy[place] = read(place)
        release_pages(copy)  # from this process; the system writes them to the file
    return copy
