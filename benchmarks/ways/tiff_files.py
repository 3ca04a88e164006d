"""TIFF, a page per frame, as tifffile writes it."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

import imagecodecs  # noqa: F401, which tifffile needs to compress
import tifffile

from ways.way import Way

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie


def write(movie: Movie, path: Path, *, compression: str) -> None:
    """Write all frames, with the horizontal predictor if that makes the first one smaller."""
    _save(path, movie.values, compression, predictor=_predictor_helps(movie, compression))


def read(_stored: None, path: Path) -> NDArray[Any]:
    """Read all frames."""
    return tifffile.imread(path)


def _predictor_helps(movie: Movie, compression: str) -> bool:
    plain, predicted = io.BytesIO(), io.BytesIO()
    _save(plain, movie.values[:1], compression, predictor=False)
    _save(predicted, movie.values[:1], compression, predictor=True)
    return len(predicted.getvalue()) < len(plain.getvalue())


def _save(target: Any, frames: NDArray[Any], compression: str, *, predictor: bool) -> None:
    tifffile.imwrite(
        target, frames, compression=compression, predictor=predictor, photometric="minisblack"
    )


WAYS = [
    Way("TIFF, Zstd", partial(write, compression="zstd"), read),
    Way("TIFF, LZW", partial(write, compression="lzw"), read),
]
