"""The bytes of a dense chunk: a header, the model, the coders, and the stream of words."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.dense.unpacking import SECTIONS_HEADER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.dense.unpacking import Model, Sections

__all__ = ["join_sections"]

LEVEL_OF_ZLIB = 9


def join_sections(sections: Sections, shape: tuple[int, ...]) -> bytes:
    """Return the bytes of a chunk.

    Parameters
    ----------
    sections : Sections
        The parts of the chunk.
    shape : tuple of int
        Frames, height and width.
    """
    top, start, model, coders, stream = sections
    _, levels, escapes, values = model
    stored = zlib.compress(_joined(model), LEVEL_OF_ZLIB)
    sizes = len(levels.level), len(levels.table), escapes.size, values.size, coders.size
    header = np.array([(*shape, top, start, *sizes, len(stored))], SECTIONS_HEADER)
    parts = coders.astype("<u4"), stream.astype("<u2")
    return b"".join([header.tobytes(), stored, *(part.tobytes() for part in parts)])


def _joined(model: Model) -> bytes:
    """Return the columns of a model as bytes; those that change little as changes."""
    level, table = model.levels.level, model.levels.table
    columns = (
        *(_changes(weights) for weights in model.weights.T),
        *(_changes(level[name]) for name in ("key", "table", "base")),
        table["low"],
        table["frequencies"],
        model.escapes,
        _changes(model.values),
    )
    return b"".join(_bytewise(column).tobytes() for column in columns)


def _bytewise(numbers: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the lowest byte of all 32-bit numbers, then the next byte of all, and so on."""
    words = numbers.astype("<u4").ravel()
    return np.ascontiguousarray(words.view(np.uint8).reshape(-1, 4).T)


def _changes(numbers: NDArray[Any]) -> NDArray[np.uint32]:
    """Return each number less the one before, modulo 2**32."""
    words = numbers.astype(np.uint32)
    return words - np.append(np.uint32(0), words[:-1])[: words.size]
