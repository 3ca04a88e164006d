"""The decoder of dense chunks: from their bytes to the numbers that the kernel decodes.

A *level* is a range of predicted brightness: its first key, its table of symbol frequencies, and
its base.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.columns import cut, inflated, numbers_of
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_dense import FEATURES, KEYS
from dj_photon_codecs.layouts.layout import DamagedChunk

__all__ = ["LEVEL", "MOST_CODES", "SECTIONS_HEADER", "TABLE", "Sections", "fewest_coders"]
__all__ += ["split_sections", "unpack_dense"]

Array = NDArray[Any]

# All of these are parts of the stored format.
MOST_CODES = 1 << 24  # above, float32 does not hold every whole number
MOST_CODERS = 1 << 12
MOST_TURNS = 1 << 10  # of a coder in a frame, unless there are `MOST_CODERS`; they bound the time
MOST_BITS, MOST_TABLES = 16, 256
SLOTS = 1 << 12  # of a table; what its frequencies add up to
LEVEL = np.dtype([("key", "<u2"), ("table", "u1"), ("base", "<u4")])
TABLE = np.dtype([("low", "u1"), ("frequencies", "<u2", (256,))])
SECTIONS_HEADER = np.dtype(
    [(name, "<u4") for name in ("frames", "height", "width", "top")]
    + [("start", "<f4"), ("levels", "<u2"), ("tables", "<u2")]
    + [(name, "<u4") for name in ("escapes", "values", "coders", "model")]
)


class Sections(NamedTuple):
    """A dense chunk: what `decode_dense` takes, and the values, if numbers are indices of some."""

    top: int
    start: float
    weights: NDArray[np.int32]
    level: NDArray[Any]
    table: NDArray[Any]
    escapes: NDArray[np.uint32]
    values: NDArray[np.uint32]
    coders: NDArray[np.uint32]
    words: NDArray[np.uint16]


def fewest_coders(pixels: int) -> int:
    """Return the least number of coders for frames of so many pixels."""
    return max(1, min(MOST_CODERS, pixels // MOST_TURNS))


def unpack_dense(
    packed: NDArray[np.uint8], shape: tuple[int, int, int], *, out: NDArray[Any]
) -> NDArray[np.uint32]:
    """Put the numbers of a chunk into `out`, unsigned, and return the values of which, if any.

    Bytes that are no dense chunk of this shape, (frames, height, width), are a `DamagedChunk`.
    """
    found = split_sections(packed, shape)
    if found.top > np.iinfo(out.dtype).max:
        raise DamagedChunk(f"damaged chunk: {out.dtype} codes up to {found.top}")
    last = np.searchsorted(found.level["key"], np.arange(KEYS), "right") - 1
    level = found.level[np.maximum(last, 0)]  # of each key; below the first level, that
    frequencies = found.table["frequencies"].astype(np.uint16)
    slots = np.empty((len(frequencies), SLOTS), np.uint32)
    kernel().decoding_slots(frequencies, slots)
    kernel().decode_dense(
        *shape,
        found.top,
        found.start,
        found.weights,
        level["table"] * np.uint32(SLOTS),
        level["base"].astype(np.uint32),
        found.table["low"][level["table"]],
        slots,
        found.coders,
        found.words,
        found.escapes,
        out,
    )
    return found.values


def split_sections(packed: NDArray[np.uint8], shape: tuple[int, int, int]) -> Sections:
    """Return the sections of a chunk of this shape, checked."""
    header = _header(packed, shape)
    sizes = int(header["model"]), 4 * int(header["coders"])
    left = packed.size - SECTIONS_HEADER.itemsize - sum(sizes)
    if left < 0 or left % 2:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes are not what its header says")
    model, coders, words = cut(packed[SECTIONS_HEADER.itemsize :], (*sizes, left), all_of_it=True)
    return Sections(
        int(header["top"]),
        float(header["start"]),
        *_model(header, model),
        coders.view("<u4").astype(np.uint32),
        words.view("<u2").astype(np.uint16),
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
        and header["levels"] > 0
        and header["tables"] <= MOST_TABLES
        and header["escapes"] <= math.prod(shape)
        and header["values"] in (0, int(header["top"]) + 1)
        and 0.5 <= header["start"] <= 2 * MOST_CODES
    )
    if not legal:
        raise DamagedChunk(f"damaged chunk: {shape} codes with the header {header}")
    return header


def _model(header: Any, stored: NDArray[np.uint8]) -> tuple[Array, Array, Array, Array, Array]:
    """Return weights, levels, tables, escapes and values."""
    frames, levels, tables, escapes, values = (
        int(header[name]) for name in ("frames", "levels", "tables", "escapes", "values")
    )
    sizes = [frames] * FEATURES + [levels] * 3 + [tables, tables * 256, escapes, values]
    sizes = [4 * size for size in sizes]
    parts = cut(inflated(stored, sum(sizes)), sizes, all_of_it=True)
    *changing, low, frequencies, escaped, changes = (numbers_of(part, "u4") for part in parts)
    *weights, key, of_level, base, values_in_use = (
        np.cumsum(each, dtype=np.uint32) for each in (*changing, changes)
    )
    level, table = np.empty(levels, LEVEL), np.empty(tables, TABLE)
    level["key"], level["table"], level["base"] = key, of_level, base
    table["low"], table["frequencies"] = low, frequencies.reshape(tables, 256)
    _check_levels(level, table)
    return np.stack(weights, axis=1).view(np.int32), level, table, escaped, values_in_use


def _check_levels(level: NDArray[Any], table: NDArray[Any]) -> None:
    """Refuse what cannot be levels and tables."""
    if (
        int(level["table"].max()) >= table.size
        or (table["low"] > MOST_BITS).any()
        or (table["frequencies"].sum(axis=1, dtype=np.int64) != SLOTS).any()
        or (np.diff(level["key"].astype(int)) <= 0).any()
        or int(level["base"].max()) >= MOST_CODES
    ):
        raise DamagedChunk(f"damaged chunk: {level.size} levels with {table.size} tables")
