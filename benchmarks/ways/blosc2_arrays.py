"""Blosc2's own arrays in files (b2nd)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import blosc2

from ways.way import Way

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie

FRAMES = 100  # in a chunk
BITSHUFFLE = {
    "codec": blosc2.Codec.ZSTD,
    "clevel": 5,
    "filters": [blosc2.Filter.BITSHUFFLE],
    "filters_meta": [0],
}


def write(movie: Movie, path: Path) -> None:
    """Write an array in chunks of whole frames."""
    chunks = (min(FRAMES, len(movie.values)), *movie.values.shape[1:])
    blosc2.asarray(
        movie.values, chunks=chunks, urlpath=path.as_posix(), mode="w", cparams=BITSHUFFLE
    )


def read(_stored: None, path: Path) -> NDArray[Any]:
    """Read an array whole."""
    values: NDArray[Any] = blosc2.open(path.as_posix(), mode="r")[:]
    return values


WAYS = [Way("Blosc2 b2nd, Zstd 5 bit shuffle", write, read)]
