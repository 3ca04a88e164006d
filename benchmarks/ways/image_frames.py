"""Image formats that lose nothing, each frame an image of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np

from ways.pieces import read_pieces, write_pieces
from ways.way import Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie

MOST_SLOWLY = 10_000_000  # pixels of a movie for what takes seconds for each million
SIGN = 1 << 15  # these formats hold no negative numbers


def takes(movie: Movie) -> bool:
    """Say whether the formats hold such values."""
    return movie.step is None and movie.values.dtype in ("uint8", "uint16", "int16")


def takes_slowly(movie: Movie) -> bool:
    """Say whether the formats hold such values, and there are few."""
    return takes(movie) and movie.values.size <= MOST_SLOWLY


def write(movie: Movie, path: Path, *, encode: Callable[..., bytes]) -> Movie:
    """Write all frames."""
    write_pieces(path, (encode(_unsigned(frame)) for frame in movie.values))
    return movie


def read(movie: Movie, path: Path, *, decode: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    """Read all frames."""
    frames = np.empty_like(movie.values)
    for frame, piece in zip(frames, read_pieces(path), strict=True):
        image = decode(piece)
        frame[...] = image if frame.dtype.kind == "u" else image ^ SIGN
    return frames


def _unsigned(frame: NDArray[Any]) -> NDArray[Any]:
    return frame if frame.dtype.kind == "u" else frame.view("u2") ^ SIGN


def _way(
    name: str,
    encode: Callable[..., bytes],
    decode: Callable[..., Any],
    takes: Callable[[Movie], bool] = takes,
) -> Way:
    return Way(name, partial(write, encode=encode), partial(read, decode=decode), takes=takes)


_jpegxl = partial(imagecodecs.jpegxl_encode, lossless=True)
_jpeg2000 = partial(imagecodecs.jpeg2k_encode, level=0, reversible=True)
_htj2k = partial(imagecodecs.htj2k_encode, reversible=True)

WAYS = [
    _way("JPEG XL", _jpegxl, imagecodecs.jpegxl_decode),
    _way("JPEG XL, effort 1", partial(_jpegxl, effort=1), imagecodecs.jpegxl_decode),
    _way("JPEG XL, effort 9", partial(_jpegxl, effort=9), imagecodecs.jpegxl_decode, takes_slowly),
    _way("JPEG-LS", imagecodecs.jpegls_encode, imagecodecs.jpegls_decode),
    _way("JPEG 2000", _jpeg2000, imagecodecs.jpeg2k_decode),
    _way("HTJ2K", _htj2k, imagecodecs.htj2k_decode),
]
