"""What this library does with a movie that is inserted, but for the database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import fsspec

from dj_photon_codecs import Calibration, CameraMovie
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.writing import write_movie
from ways.way import Way, is_any

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie

    from dj_photon_codecs.layouts.choice import Compression


def insert(movie: Movie, path: Path, *, compression: Compression | None = None) -> Any:
    """Do what an insert does."""
    described = CameraMovie(movie.values, movie.calibration, movie.step)
    counts = movie.calibration == Calibration() and movie.values.dtype.kind == "u"
    policy = (
        Policy()
        if compression is None
        else Policy(compressor=compression.compressor, layout=compression.layout)
    )
    folder = MovieFolder(fsspec.filesystem("file"), path.as_posix())
    return write_movie(described, plan_movie(described, policy, counts=counts), folder=folder)


def fetch_raw(documents: Any, path: Path) -> NDArray[Any]:
    """Do what a fetch and a read of the raw values do."""
    values: NDArray[Any] = _fetch(documents, path).raw[:]
    return values


def fetch_transformed(documents: Any, path: Path) -> NDArray[Any]:
    """Do what a fetch and a read do."""
    values: NDArray[Any] = _fetch(documents, path)[:]
    return values


def photon_way(name: str, compression: Compression | None = None) -> Way:
    """Return the way in which the library stores movies under a name."""
    write = partial(insert, compression=compression)
    return Way(name, write, fetch_raw, fetch_transformed, takes=is_any)


def _fetch(documents: Any, path: Path) -> Any:
    return open_movie(fsspec.filesystem("file"), path.as_posix(), documents)


WAYS = [photon_way("<photon@>")]
