"""Plain Zarr arrays: of the values, of their transform as float64, and of codes in steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numcodecs import Blosc, Zstd

from ways.way import Way, is_any, is_in_steps

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie

FRAMES = 100  # in a chunk
BITSHUFFLE = Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE)
BYTE_SHUFFLE = Blosc(cname="zstd", clevel=5, shuffle=Blosc.SHUFFLE)
PLAIN = "Zarr, Blosc Zstd 5 bit shuffle"


def write_array(values: NDArray[Any], path: Path, **codecs: Any) -> None:
    """Write an array in chunks of whole frames."""
    chunks = (min(FRAMES, len(values)), *values.shape[1:])
    array = zarr.create_array(
        path.as_posix(),
        shape=values.shape,
        chunks=chunks,
        dtype=values.dtype,
        zarr_format=2,
        **codecs,
    )
    array[:] = values


def read_array(_stored: Any, path: Path) -> NDArray[Any]:
    """Read an array whole."""
    return np.asarray(zarr.open_array(path.as_posix(), mode="r")[:])


def write_values(movie: Movie, path: Path, **codecs: Any) -> None:
    """Write the values as they are."""
    write_array(movie.values, path, **codecs)


def write_transformed(movie: Movie, path: Path) -> Movie:
    """Write the transformed values themselves, as float64."""
    write_array(movie.transform(movie.values), path, compressors=BITSHUFFLE)
    return movie


def read_inverted(movie: Movie, path: Path) -> NDArray[Any]:
    """Read transformed values, and invert the transform."""
    return movie.invert(read_array(None, path))


def write_codes(movie: Movie, path: Path) -> Movie:
    """Write the values in steps."""
    write_array(movie.codes(), path, compressors=BITSHUFFLE)
    return movie


def read_steps(movie: Movie, path: Path) -> NDArray[np.float64]:
    """Read transformed values from codes."""
    codes, step = read_array(None, path), movie.step or 1
    transformed: NDArray[np.float64] = np.multiply(codes, step, dtype=float)
    return transformed


def read_inverted_steps(movie: Movie, path: Path) -> NDArray[Any]:
    """Read values from codes, as their centres."""
    return movie.invert(read_steps(movie, path))


WAYS = [
    Way(PLAIN, partial(write_values, compressors=BITSHUFFLE), read_array, takes=is_any),
    Way("Zarr, Blosc Zstd 5 shuffle", partial(write_values, compressors=BYTE_SHUFFLE), read_array),
    Way("Zarr, Zstd 5", partial(write_values, compressors=Zstd(5)), read_array),
    Way("Zarr, its default", write_values, read_array),
    Way("Zarr of transformed float64", write_transformed, read_inverted, read_array),
    Way("Zarr, bit shuffle, same codes", write_codes, read_inverted_steps, read_steps, is_in_steps),
]
