"""Pcodec, a coder of numbers, on chunks of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pcodec import ChunkConfig, standalone

from ways.pieces import read_pieces, write_pieces
from ways.way import Way

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie

FRAMES = 100  # in a chunk


def write(movie: Movie, path: Path) -> Movie:
    """Write the values, chunk by chunk."""
    starts = range(0, len(movie.values), FRAMES)
    chunks = (np.ravel(movie.values[start : start + FRAMES]) for start in starts)
    write_pieces(path, (standalone.simple_compress(each, ChunkConfig()) for each in chunks))
    return movie


def read(movie: Movie, path: Path) -> NDArray[Any]:
    """Read all chunks."""
    values = np.empty_like(movie.values)
    for number, piece in enumerate(read_pieces(path)):
        chunk = values[number * FRAMES : (number + 1) * FRAMES]
        standalone.simple_decompress_into(bytes(piece), chunk.reshape(-1))
    return values


WAYS = [Way("pcodec", write, read)]
