"""The compressors of Python's standard library, on the bytes of chunks of frames."""

from __future__ import annotations

import bz2
import lzma
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ways.pieces import read_pieces, write_pieces
from ways.way import Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie

FRAMES = 100  # in a chunk


def write(movie: Movie, path: Path, *, compress: Callable[[bytes], bytes]) -> Movie:
    """Write the values, chunk by chunk."""
    starts = range(0, len(movie.values), FRAMES)
    write_pieces(path, (compress(movie.values[each : each + FRAMES].tobytes()) for each in starts))
    return movie


def read(movie: Movie, path: Path, *, decompress: Callable[[Any], bytes]) -> NDArray[Any]:
    """Read all chunks."""
    stored = b"".join(map(decompress, read_pieces(path)))
    return np.frombuffer(stored, movie.values.dtype).reshape(movie.values.shape)


WAYS = [
    Way(name, partial(write, compress=codec.compress), partial(read, decompress=codec.decompress))
    for name, codec in (("bz2", bz2), ("xz", lzma))
]
