"""`open_stored`: a stored movie by its path or URL, without a database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fsspec import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from dj_photon_codecs.arrays.photon_array import PhotonArray, open_movie
from dj_photon_codecs.storage.documents.checks import check_documents
from dj_photon_codecs.storage.documents.description import NAMES, Documents
from dj_photon_codecs.storage.files.movie_files import MovieFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

__all__ = ["open_stored"]


def open_stored(
    path: str | PathLike[str], *, storage_options: Mapping[str, Any] | None = None
) -> PhotonArray:
    """Open a stored movie by where it lies, without a database.

    Its two documents are read; chunks are read, and checked, when they are asked for, as those of
    a fetched movie are. What a database row would say of the documents is not known: prefer
    ``fetch1`` where there is a row.

    Parameters
    ----------
    path : path-like or str
        The movie's directory, ``.../movie_x7Ab3Zq9.zarr``: a path, or a URL of fsspec such as
        ``"s3://bucket/location/..."``.
    storage_options : mapping, optional
        What fsspec needs for a URL, such as ``{"endpoint_url": ...}``; by default from its own
        configuration and the environment (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ...).

    Returns
    -------
    PhotonArray
        Lazy and read-only.

    Raises
    ------
    FileNotFoundError
        If there is no stored movie.
    ValueError
        If its documents are damaged, or a newer version of this package wrote it; if there are
        `storage_options` for a path.

    Examples
    --------
    >>> open_stored("/data/imaging/nothing.zarr")
    Traceback (most recent call last):
    ...
    FileNotFoundError: no stored movie is at .../data/imaging/nothing.zarr: it has no .zattrs ...
    """
    fs, place = LocalFileSystem(), str(path)
    if "://" in place:  # in a path, such as of a folder named "a::b", nothing has a meaning
        fs, place = url_to_fs(place, **(storage_options or {}))
    elif storage_options:
        raise ValueError(
            f"storage_options are of URLs, and {place!r} is a path; leave them out, or give a URL, "
            "such as 's3://bucket/...'"
        )
    files = MovieFiles(fs, place)
    documents = Documents(**{key: _document(files, name) for name, key in NAMES.items()})  # type: ignore[typeddict-item]
    check_documents(documents)
    return open_movie(fs, files.path, documents)


def _document(files: MovieFiles, name: str) -> Any:
    stored = files.read(name)
    if stored is None:
        raise FileNotFoundError(
            f"no stored movie is at {files}: it has no {name} there. Give the directory of a movie,"
            " whose name ends in .zarr; an insert that was interrupted leaves one without .zarray"
        )
    try:
        return json.loads(stored)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{name} of {files} is no JSON ({error}); the database row has a copy of it"
        ) from error
