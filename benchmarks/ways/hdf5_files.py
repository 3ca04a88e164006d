"""HDF5, with the compression that everybody has and with Blosc2."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin

from ways.way import Way

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie

FRAMES = 100  # in a chunk
GZIP = {"compression": "gzip", "shuffle": True}
BLOSC2 = hdf5plugin.Blosc2(cname="zstd", clevel=5, filters=hdf5plugin.Blosc2.BITSHUFFLE)


def write(movie: Movie, path: Path, *, compression: Mapping[str, Any]) -> None:
    """Write a dataset in chunks of whole frames."""
    chunks = (min(FRAMES, len(movie.values)), *movie.values.shape[1:])
    with h5py.File(path, "w") as file:
        file.create_dataset("movie", data=movie.values, chunks=chunks, **compression)


def read(_stored: None, path: Path) -> NDArray[Any]:
    """Read the dataset whole."""
    with h5py.File(path) as file:
        values: NDArray[Any] = file["movie"][:]
    return values


WAYS = [
    Way("HDF5, gzip", partial(write, compression=GZIP), read),
    Way("HDF5, Blosc2 Zstd bit shuffle", partial(write, compression=BLOSC2), read),
]
