"""`read_movie`: the movie in files of many formats, as an array that is read when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dj_photon_codecs.movies.files.choices import refuse_choices
from dj_photon_codecs.movies.files.numpy_files import (
    is_suite2p,
    read_npy,
    read_npz,
    read_suite2p,
)
from dj_photon_codecs.movies.files.paths import TIFF, movie_paths
from dj_photon_codecs.movies.files.tiff import read_tiff

if TYPE_CHECKING:
    from dj_photon_codecs.movies.sources import Frames

__all__ = ["read_movie"]

KNOWN = (".tif", ".npy", ".npz", "suite2p's .bin")


def read_movie(
    path: Any,
    *,
    channel: int | str | None = None,
    plane: int | str | None = None,
    dataset: int | str | None = None,
) -> Frames:
    """Open the movie in a file, or in several, to insert, calibrate or report on.

    Parameters
    ----------
    path : str, Path, or list of these
        A file; a pattern, ``"folder/movie_*.tif"``; a folder of TIFF files. Those of a list are in
        its order, others in natural order: 2 comes before 10.
    channel : int or str, optional
        Number, from 0, or name of the channel, where there are several.
    plane : int, optional
        Number of the plane, from 0, where there are several.
    dataset : str or int, optional
        Name, or number, of the array in a file that holds several.

    Returns
    -------
    array_like
        With ``shape``, ``dtype`` and slices of frames. Nothing but the first frame is read before
        it is sliced. Threads may share it. It can be pickled, and opens its files again.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If the library that reads the format is not installed; the message names the extra.
    ValueError
        If there are several channels, planes or arrays, and none is chosen; if a file is damaged,
        or of no format that is known; if files differ in the shape or dtype of their frames.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> np.save(f"{folder}/movie.npy", np.zeros((20, 8, 8), "u2"))
    >>> read_movie(f"{folder}/movie.npy").shape
    (20, 8, 8)
    """
    paths = movie_paths(path)
    first, chosen = paths[0], {"channel": channel, "plane": plane}
    suffix = first.suffix.lower()
    if suffix in TIFF:
        return read_tiff(paths, **chosen, dataset=dataset)
    if len(paths) > 1:
        raise ValueError(f"{first} is one of {len(paths)} files; only TIFF files make one movie")
    if suffix == ".npz":
        refuse_choices(first, **chosen)
        return read_npz(first, dataset=dataset)
    if suffix == ".npy":
        refuse_choices(first, **chosen, dataset=dataset)
        return read_npy(first)
    if suffix == ".bin" or is_suite2p(first):
        refuse_choices(first, dataset=dataset)
        return read_suite2p(first, **chosen)
    raise ValueError(
        f"{first} is of no format that is known by its name; known are {', '.join(KNOWN)}"
    )
