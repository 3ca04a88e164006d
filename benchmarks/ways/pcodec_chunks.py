"""Pcodec, a coder of numbers, on chunks of frames, in the order of frames or of pixels."""

from __future__ import annotations

from functools import partial
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
CONFIG = ChunkConfig(enable_8_bit=True)


def write(movie: Movie, path: Path, *, by_pixel: bool) -> Movie:
    """Write the values, chunk by chunk; by pixel, all frames of a pixel follow each other."""
    starts = range(0, len(movie.values), FRAMES)
    chunks = (movie.values[start : start + FRAMES] for start in starts)
    ordered = (np.moveaxis(each, 0, -1) if by_pixel else each for each in chunks)
    pieces = (standalone.simple_compress(np.ravel(each), CONFIG) for each in ordered)
    write_pieces(path, pieces)
    return movie


def read(movie: Movie, path: Path, *, by_pixel: bool) -> NDArray[Any]:
    """Read all chunks."""
    values = np.empty_like(movie.values)
    for number, piece in enumerate(read_pieces(path)):
        chunk = values[number * FRAMES : (number + 1) * FRAMES]
        if by_pixel:
            pixels = np.empty((*chunk.shape[1:], len(chunk)), chunk.dtype)
            standalone.simple_decompress_into(bytes(piece), pixels.reshape(-1))
            chunk[...] = np.moveaxis(pixels, -1, 0)
        else:
            standalone.simple_decompress_into(bytes(piece), chunk.reshape(-1))
    return values


WAYS = [
    Way(name, partial(write, by_pixel=by_pixel), partial(read, by_pixel=by_pixel))
    for name, by_pixel in (("pcodec", False), ("pcodec, by pixel", True))
]
