"""DataJoint's own codecs: `<npy@>`, which does not compress, and `<blob@>`, which uses zlib."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ways.way import Way

with warnings.catch_warnings(action="ignore"):  # that there is no datajoint.json; none is needed
    from datajoint import blob

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie


def write_npy(movie: Movie, path: Path) -> None:
    """Do what `<npy@>` does: save to memory, and write that."""
    buffer = io.BytesIO()
    np.save(buffer, movie.values, allow_pickle=False)
    path.write_bytes(buffer.getvalue())


def read_npy(_stored: None, path: Path) -> NDArray[Any]:
    """Do what `<npy@>` does."""
    values: NDArray[Any] = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    return values


def write_blob(movie: Movie, path: Path) -> None:
    """Do what `<blob@>` does."""
    path.write_bytes(blob.pack(movie.values, compress=True))


def read_blob(_stored: None, path: Path) -> NDArray[Any]:
    """Do what `<blob@>` does."""
    values: NDArray[Any] = blob.unpack(path.read_bytes(), squeeze=False)
    return values


WAYS = [Way("<npy@>", write_npy, read_npy), Way("<blob@>", write_blob, read_blob)]
