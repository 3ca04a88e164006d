"""The movies of a row of any column type, opened without more of them in memory than needed."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from datajoint.blob import unpack
from datajoint.hash_registry import get_store_backend

from dj_photon_codecs.movies.files.choices import UndecidedError
from dj_photon_codecs.movies.kinds import is_a
from dj_photon_codecs.movies.read_movie import read_movie
from dj_photon_codecs.tables.queries import settings_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dj_photon_codecs.tables.queries import Key

__all__ = ["fetched_row", "refuse_undecided"]

PACKED = (b"mYm\0", b"dj0\0", b"ZL123\0")  # how the blobs of DataJoint begin, since 0.11


@contextmanager
def fetched_row(query: Any, key: Key, movies: Collection[str]) -> Iterator[dict[str, Any]]:
    """Fetch one row, with its movies opened as arrays, while a block runs.

    ``<blob>`` and ``longblob`` are in memory then, ``<npy@>`` is a memory map (of a file that was
    downloaded, unless the store is local), files of ``<attach>`` and ``<filepath@>`` are opened by
    `read_movie`, and what is lazy stays so. A file that needs a choice, such as of a channel,
    remains a `Path`. Other attributes are as they can be inserted. Downloads go to a temporary
    folder, which is removed with the block.
    """
    with TemporaryDirectory(prefix="photon-migrate-", ignore_cleanup_errors=True) as folder:
        config = settings_of(query.connection)
        with config.override(download_path=folder):
            row = (query & key).fetch1()
        yield {
            name: _opened(value, config, folder=Path(folder, f"{name}.opened"))
            if name in movies
            else _insertable(value)
            for name, value in row.items()
        }


def refuse_undecided(movie: Any) -> None:
    """Raise what `read_movie` says of a file that it could not open without a choice."""
    if isinstance(movie, Path):
        try:
            read_movie(movie)
        except UndecidedError as error:
            raise ValueError(f"{error}. migrate(convert=...) is given the path") from error


def _opened(value: Any, config: Any, *, folder: Path) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return _unpacked(bytes(value))
    if is_a(value, "datajoint", "ObjectRef"):
        folder.mkdir()
        value = value.full_path if "file" in value.fs.protocol else value.download(folder)
    if isinstance(value, str | Path):
        try:
            return read_movie(value)
        except UndecidedError:
            return Path(value)
    if is_a(value, "datajoint", "NpyRef"):
        backend = get_store_backend(value.store, config=config)
        if backend.protocol == "file":
            return value.load(mmap_mode="r")
        folder.mkdir()  # of this attribute: the file of another one is still mapped
        backend.get_file(value.path, folder / "movie.npy")
        return np.load(folder / "movie.npy", mmap_mode="r", allow_pickle=False)
    return value


def _insertable(value: Any) -> Any:
    """Return what DataJoint takes for a value that it gave: not its handles."""
    if is_a(value, "datajoint", "NpyRef"):
        return value.load()
    return value.path if is_a(value, "datajoint", "ObjectRef") else value


def _unpacked(stored: bytes) -> Any:
    """Return what a column of plain bytes holds, as DataJoint 0.14 and before packed it."""
    if not stored.startswith(PACKED):
        raise ValueError(
            f"the column holds {len(stored)} bytes that begin with {stored[:8]!r}, and are no blob "
            "of DataJoint (which begin with mYm, dj0 or ZL123). If they are a file, write it to a "
            "folder, open it with read_movie, and insert that"
        )
    return unpack(stored)
