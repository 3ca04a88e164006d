"""The decoder of dense chunks: from their bytes to the numbers that the kernel decodes."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.dense.brightness import FEATURES
from dj_photon_codecs.layouts.dense.levels import LEVEL, MOST_TABLES, TABLE, Levels
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "MOST_CODERS",
    "MOST_CODES",
    "SECTIONS_HEADER",
    "Model",
    "Sections",
    "fewest_coders",
    "split_sections",
    "unpack_dense",
]

# All of these are parts of the stored format.
MOST_CODES = 1 << 24  # above, float32 does not hold every whole number
MOST_CODERS = 1 << 12
SLOTS = 1 << 12  # of a table; what its frequencies add up to
MOST_TURNS = 1 << 10  # of a coder in a frame, unless there are `MOST_CODERS`; they bound the time

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
    """All that decoding needs besides the symbols.

    Attributes
    ----------
    weights : ndarray of int32, shape (frames, FEATURES)
        The weights with which each frame is predicted.
    levels : Levels
        The levels and their tables.
    escapes : ndarray of uint32
        The escapes in their order, less the bases of their levels, modulo 2**32.
    values : ndarray of unsigned integers
        If there are any, codes are indices into them; in ascending order.
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
        The prediction for the first frame.
    model : Model
        Weights, levels, escapes and values.
    coders, stream : ndarray of unsigned integers
        For a `SymbolReader`.
    """

    top: int
    start: float
    model: Model
    coders: NDArray[np.uint32]
    stream: NDArray[np.uint16]


def fewest_coders(pixels: int) -> int:
    """Return the least number of coders for frames of so many pixels.

    Examples
    --------
    >>> [fewest_coders(side * side) for side in (1, 32, 512, 4096)]
    [1, 1, 256, 4096]
    """
    return max(1, min(MOST_CODERS, pixels // MOST_TURNS))


def unpack_dense(
    packed: NDArray[np.uint8], shape: tuple[int, int, int], *, out: NDArray[Any]
) -> NDArray[np.uint32]:
    """Unpack codes, and return the values into which they are indices, if there are any.

    Parameters
    ----------
    packed : ndarray of uint8
        A dense chunk without its header.
    shape : tuple of int
        Frames, height and width.
    out : ndarray of unsigned integers, shape (frames, height, width)
        Where to put the codes.

    Raises
    ------
    ValueError
        If it is none of this shape.
    """
    top, start, model, coders, stream = split_sections(packed, shape)
    weights, levels, escapes, values = model
    if top > np.iinfo(out.dtype).max:
        raise DamagedChunk(f"damaged chunk: {out.dtype} codes up to {top}")
    table, low = levels.by_key("table"), levels.low_by_key().astype(np.uint8)
    frequencies = levels.table["frequencies"].astype(np.uint16)
    slots = np.empty((len(frequencies), SLOTS), np.uint32)
    kernel().decoding_slots(frequencies, slots)
    kernel().decode_dense(
        *shape,
        top,
        start,
        weights,
        table * np.uint32(SLOTS),
        levels.by_key("base"),
        low,
        slots,
        coders,
        stream,
        escapes,
        out,
    )
    return values


def split_sections(packed: NDArray[np.uint8], shape: tuple[int, int, int]) -> Sections:
    """Return the sections of a chunk.

    Parameters
    ----------
    packed : ndarray of uint8
        A dense chunk without its header.
    shape : tuple of int
        Frames, height and width.

    Raises
    ------
    ValueError
        If it is none of this shape.
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
    low, frequencies, escaped, changes = columns[FEATURES + 3 :]
    table["low"], table["frequencies"] = low, frequencies.reshape(tables, symbols)
    weights = np.stack([_sums(column) for column in columns[:FEATURES]], axis=1)
    return Model(weights.view(np.int32), Levels(level, table), escaped, _sums(changes))


def _inflated(model: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(model.tobytes(), size + 1)
    except zlib.error as error:
        raise DamagedChunk(f"damaged chunk: {error}") from error
    if len(inflated) != size or not stream.eof or stream.unused_data:
        raise DamagedChunk(f"damaged chunk: a model of {len(inflated)} bytes or more, not {size}")
    return np.frombuffer(inflated, np.uint8)


def _wordwise(section: NDArray[np.uint8]) -> NDArray[np.uint32]:
    words = np.ascontiguousarray(section.reshape(4, -1).T).view("<u4")
    return words.ravel().astype(np.uint32)


def _sums(changes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return np.cumsum(changes, dtype=np.uint32)


def _cut(packed: NDArray[np.uint8], sizes: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    end = 0
    for size in sizes:
        begin, end = end, end + size
        yield packed[begin:end]
