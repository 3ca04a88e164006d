"""The sections of a dense chunk: its header, the model, the coders, and the stream of symbols."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.dense.brightness import FEATURES
from dj_photon_codecs.layouts.dense.levels import LEVEL, MOST_TABLES, TABLE, Levels
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "MOST_CODERS",
    "MOST_CODES",
    "Model",
    "Sections",
    "fewest_coders",
    "join_sections",
    "split_sections",
]

MOST_CODES = 1 << 24  # beyond which float32 would not hold them
MOST_CODERS = 1 << 12  # more do not get faster
MOST_TURNS = 1 << 10  # of a coder in a frame, where there could be more coders; more take long
LEVEL_OF_ZLIB = 9

SECTIONS_HEADER = np.dtype(
    [
        ("frames", "<u4"),
        ("height", "<u4"),
        ("width", "<u4"),
        ("top", "<u4"),
        ("start", "<f4"),
        ("levels", "<u2"),
        ("tables", "<u2"),
        ("escapes", "<u4"),
        ("values", "<u4"),
        ("coders", "<u4"),
        ("model", "<u4"),
    ]
)


class Model(NamedTuple):
    """What the symbols of a chunk stand for.

    Attributes
    ----------
    weights : ndarray of int32, shape (frames, FEATURES)
        For the prediction of each frame.
    levels : Levels
        Of brightness.
    escapes : ndarray of uint32
        Codes that are out of reach, less their bases, modulo 2**32.
    values : ndarray of unsigned integers
        What the codes are numbers of, in ascending order, if anything.
    """

    weights: NDArray[np.int32]
    levels: Levels
    escapes: NDArray[np.uint32]
    values: NDArray[Any]


class Sections(NamedTuple):
    """A dense chunk.

    Attributes
    ----------
    top : int
        The largest code.
    start : float
        The brightness that is expected in the first frame.
    model : Model
        What the symbols stand for.
    coders, stream : ndarray of unsigned integers
        For a `SymbolReader`.
    """

    top: int
    start: float
    model: Model
    coders: NDArray[np.uint32]
    stream: NDArray[np.uint16]


def fewest_coders(pixels: int) -> int:
    """Return how few coders may take turns at the pixels of a frame.

    Examples
    --------
    >>> [fewest_coders(side * side) for side in (1, 32, 512, 4096)]
    [1, 1, 256, 4096]
    """
    return max(1, min(MOST_CODERS, pixels // MOST_TURNS))


def join_sections(sections: Sections, shape: tuple[int, ...]) -> bytes:
    """Return the bytes of a chunk.

    Parameters
    ----------
    sections : Sections
        Of the chunk.
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


def split_sections(packed: NDArray[np.uint8], shape: tuple[int, int, int]) -> Sections:
    """Return the sections of a chunk.

    Parameters
    ----------
    packed : ndarray of uint8
        What `join_sections` returned.
    shape : tuple of int
        Frames, height and width.

    Raises
    ------
    ValueError
        If it is not what `join_sections` returned for this shape.
    """
    header = _header(packed, shape)
    sizes = int(header["model"]), 4 * int(header["coders"])
    left = packed.size - SECTIONS_HEADER.itemsize - sum(sizes)
    if left < 0 or left % 2:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes are not what its header says")
    model, coders, stream = _cut(packed[SECTIONS_HEADER.itemsize :], (*sizes, left))
    return Sections(
        int(header["top"]),
        float(header["start"]),
        _model(header, model),
        coders.view("<u4").astype(np.uint32),
        stream.view("<u2").astype(np.uint16),
    )


def _header(packed: NDArray[np.uint8], shape: tuple[int, int, int]) -> Any:
    if packed.size < SECTIONS_HEADER.itemsize:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes are too few for its header")
    header = packed[: SECTIONS_HEADER.itemsize].view(SECTIONS_HEADER)[0]
    given = tuple(int(header[name]) for name in ("frames", "height", "width"))
    legal = (
        given == shape
        and fewest_coders(shape[1] * shape[2]) <= header["coders"] <= MOST_CODERS
        and header["top"] < MOST_CODES
        and header["tables"] <= MOST_TABLES
        and header["escapes"] <= math.prod(shape)
        and header["values"] in (0, int(header["top"]) + 1)
        and 0.5 <= header["start"] <= 2 * MOST_CODES
    )
    if not legal:
        raise DamagedChunk(f"damaged chunk: {shape} codes with the header {header}")
    return header


def _joined(model: Model) -> bytes:
    """Join all numbers of a model, as changes where they change little."""
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


def _model(header: Any, stored: NDArray[np.uint8]) -> Model:
    frames, levels, tables, escapes, values = (
        int(header[name]) for name in ("frames", "levels", "tables", "escapes", "values")
    )
    symbols = TABLE["frequencies"].shape[0]
    sizes = [frames] * FEATURES + [levels] * 3 + [tables, tables * symbols, escapes, values]
    parts = _cut(_inflated(stored, 4 * sum(sizes)), [4 * size for size in sizes])
    columns = [_wordwise(part) for part in parts]
    level, table = np.zeros(levels, LEVEL), np.zeros(tables, TABLE)
    for name, column in zip(("key", "table", "base"), columns[FEATURES:], strict=False):
        level[name] = _sums(column)
    low, frequencies, apart, steps = columns[FEATURES + 3 :]
    table["low"], table["frequencies"] = low, frequencies.reshape(tables, symbols)
    weights = np.stack([_sums(column) for column in columns[:FEATURES]], axis=1)
    return Model(weights.view(np.int32), Levels(level, table), apart, _sums(steps))


def _inflated(model: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(model.tobytes(), size + 1)
    except zlib.error as error:
        raise DamagedChunk(f"damaged chunk: {error}") from error
    if len(inflated) != size or not stream.eof or stream.unused_data:
        raise DamagedChunk(f"damaged chunk: a model of {len(inflated)} bytes or more, not {size}")
    return np.frombuffer(inflated, np.uint8)


def _bytewise(numbers: NDArray[Any]) -> NDArray[np.uint8]:
    """The lowest byte of all numbers, in 32 bits, then the next byte of all, and so on."""
    words = numbers.astype("<u4").ravel()
    return np.ascontiguousarray(words.view(np.uint8).reshape(-1, 4).T)


def _wordwise(section: NDArray[np.uint8]) -> NDArray[np.uint32]:
    words = np.ascontiguousarray(section.reshape(4, -1).T).view("<u4")
    return words.ravel().astype(np.uint32)


def _changes(numbers: NDArray[Any]) -> NDArray[np.uint32]:
    """What is to be added to the number before, modulo 2**32."""
    words = numbers.astype(np.uint32)
    return words - np.append(np.uint32(0), words[:-1])[: words.size]


def _sums(changes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return np.cumsum(changes, dtype=np.uint32)


def _cut(packed: NDArray[np.uint8], sizes: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    end = 0
    for size in sizes:
        begin, end = end, end + size
        yield packed[begin:end]
