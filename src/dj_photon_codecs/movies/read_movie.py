"""`read_movie`: the movie in files of many formats, as an array that is read when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dj_photon_codecs.movies.files.choices import UndecidedError, refuse_choices
from dj_photon_codecs.movies.files.extractors import BRUKER, EXTRACTORS, is_bruker, read_extractor
from dj_photon_codecs.movies.files.hdf5 import read_hdf5, read_nwb
from dj_photon_codecs.movies.files.numpy_files import (
    is_suite2p,
    read_npy,
    read_npz,
    read_suite2p,
)
from dj_photon_codecs.movies.files.paths import TIFF, movie_paths, tiffs_in
from dj_photon_codecs.movies.files.tiff import read_tiff
from dj_photon_codecs.movies.files.zarr_arrays import is_zarr, read_zarr

if TYPE_CHECKING:
    from pathlib import Path

    from dj_photon_codecs.movies.sources import Frames

__all__ = ["read_movie"]

# By the name of a file, or what a folder is: what reads it, and which choices it takes.
READERS: dict[str, tuple[Any, tuple[str, ...]]] = {
    ".npy": (read_npy, ()),
    ".npz": (read_npz, ("dataset",)),
    ".nwb": (read_nwb, ("dataset",)),
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".mat"), (read_hdf5, ("dataset",))),
    ".zarr": (read_zarr, ("dataset",)),
    ".bin": (read_suite2p, ("channel", "plane")),
    **dict.fromkeys(EXTRACTORS, (read_extractor, ("channel", "plane"))),
}
BIOIO = (".nd2", ".czi", ".lif")


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
    chosen = {"channel": channel, "plane": plane, "dataset": dataset}
    paths = movie_paths(path)
    kind = _kind(paths[0])
    if kind not in READERS and paths[0].is_dir():
        paths, kind = tiffs_in(paths[0]), TIFF[0]
    if kind in TIFF:
        return read_tiff(paths, **chosen)
    if len(paths) > 1:
        raise ValueError(f"{paths[0]} is one of {len(paths)} files; only TIFF files make one movie")
    if kind not in READERS:
        raise UndecidedError(_unknown(paths[0], kind))
    reader, taken = READERS[kind]
    refuse_choices(paths[0], **{what: chosen[what] for what in chosen if what not in taken})
    movie: Frames = reader(paths[0], **{what: chosen[what] for what in taken})
    return movie


def _kind(path: Path) -> str:
    folders = {BRUKER: is_bruker, ".bin": is_suite2p, ".zarr": is_zarr}
    return next((kind for kind, is_one in folders.items() if is_one(path)), path.suffix.lower())


def _unknown(path: Path, kind: str) -> str:
    if kind in BIOIO:
        return (
            f"{path} is opened by bioio, and what it opens can be inserted: "
            f"bioio.BioImage({str(path)!r}).get_image_dask_data('TYX', C=0, Z=0)"
        )
    known = sorted({".tif", *READERS} - {BRUKER})
    return (
        f"{path} is of no format that is known by its name, {', '.join(known)}. Open it with the "
        "library of its format, and give the array; roiextractors' extractors are taken, too"
    )
