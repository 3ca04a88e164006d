"""Maps of the levels of pixels, in NumPy: a diagonal at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.kernels.reference_rans import (
    ESCAPE,
    SLOTS,
    Cells,
    Reader,
    Writer,
    code_index,
    codes_of,
    damaged,
    refuse,
)

__all__ = ["MAP_CONTEXTS", "count_map", "decode_map", "encode_map"]

MAP_CONTEXTS = 6
SLOPES = (1, 2, 4, 7, 14)  # of levels around a pixel, at which the next context begins
BLOCK = 32  # rows whose words are neighbours


def count_map(level: NDArray[np.uint16], width: int, counts: NDArray[np.uint32]) -> None:
    """Add to `counts`, (MAP_CONTEXTS, 256), how levels differ from those of their neighbours."""
    image = _image(level, width)
    cells = _map_cells(image, *np.indices(image.shape))
    at = code_index(image.astype(np.uint16), cells)
    counts += np.bincount(at.ravel(), minlength=counts.size).reshape(counts.shape).astype("u4")


def encode_map(
    level: NDArray[np.uint16],
    width: int,
    frequencies: NDArray[np.uint16],
    payload: NDArray[np.uint8],
) -> int:
    """Encode levels, with a lane for each row; return as `encode_streams` does."""
    image, codes = _image(level, width), codes_of(frequencies)
    writer = Writer((1, len(image)), image.size)
    for rows, columns in reversed(list(_diagonals(*image.shape))):
        cells = _map_cells(image, rows, columns)
        numbers = image[rows, columns].astype(np.uint16)
        escapes = codes[code_index(numbers, cells)] >> 31
        for block in reversed(_blocks(escapes)):
            state = writer.state[:, rows[0] : rows[-1] + 1][:, block]
            writer.write(state, numbers[block], cells.part(block), codes)
    return writer.store(np.zeros(1, np.uint32), payload)


def decode_map(
    payload: NDArray[np.uint8], width: int, slots: NDArray[np.uint32], level: NDArray[np.uint16]
) -> None:
    """Decode levels."""
    image, slots = _image(level, width), slots.ravel()
    if payload.size % 2 or payload.size < 4 * len(image):
        raise damaged()
    nothing, end = np.zeros(1, np.intp), np.array([payload.size // 2])
    reader = Reader(payload.view("<u2"), nothing, end, len(image))
    for rows, columns in _diagonals(*image.shape):
        cells, states = _map_cells(image, rows, columns, 12), reader.state[:, rows]
        entries = slots[cells.table | states[0] & (SLOTS - 1)]
        for block in _blocks((entries & 255) == ESCAPE):
            state = reader.state[:, rows[0] : rows[-1] + 1][:, block]
            image[rows[block], columns[block]] = reader.read(state, cells.part(block), slots)[0]
    reader.finish()
    level[...] = image.ravel()


def _image(level: NDArray[np.uint16], width: int) -> NDArray[np.int32]:
    refuse(not level.size or not width or level.size % width != 0)
    return level.reshape(-1, width).astype(np.int32)


def _map_cells(
    image: NDArray[np.int32], y: NDArray[np.intp], x: NDArray[np.intp], bits: int = 8
) -> Cells:
    """Return the cells of pixels of a map, from their neighbours to the left and above.

    A missing neighbour has the level of another one.
    """
    above, before, after = np.maximum(y - 1, 0), np.maximum(x - 1, 0), (x + 1) % image.shape[1]
    up = image[above, x]
    left = np.where(x > 0, image[y, before], np.where(y > 0, up, 0))
    up = np.where(y > 0, up, left)
    up_left = np.where((y > 0) & (x > 0), image[above, before], up)
    up_right = np.where((y > 0) & (after > x), image[above, after], up)
    slope = np.abs(left - up_left) + np.abs(up - up_left) + np.abs(up - up_right)
    context = np.searchsorted(SLOPES, slope, "right").astype(np.uint32)
    predicted = (4 * left + 3 * up + 2 * up_right - up_left + 4) >> 3
    return Cells(context << bits, (predicted - 127).astype(np.uint16))


def _diagonals(height: int, width: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the rows and columns of pixels where column + 2 * row is 0, 1, 2 and so on.

    Their neighbours are in earlier ones, so that they are coded at a time.
    """
    for place in range(width + 2 * (height - 1)):
        rows = np.arange(max(0, (place - width) // 2 + 1), min(height, place // 2 + 1))
        if rows.size:
            yield rows, place - 2 * rows


def _blocks(escapes: NDArray[Any]) -> list[slice]:
    """Return the parts of a diagonal whose words are neighbours: one if there is no escape."""
    step = BLOCK if escapes.any() else escapes.size
    return [slice(start, start + step) for start in range(0, escapes.size, step)]
