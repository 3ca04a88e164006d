"""The sections of a static body: its header, its model, and where its streams are."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.columns import bytewise, changes, cut, inflated, numbers_of
from dj_photon_codecs.layouts.kernels.reference_maps import MAP_CONTEXTS
from dj_photon_codecs.layouts.kernels.reference_static import LANES
from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.layouts.numbering import Numbering
from dj_photon_codecs.layouts.static.rows import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BODY_HEADER", "Model", "Sections", "join_model", "split_body", "split_model"]

BODY_HEADER = np.dtype(
    [
        *((name, "<u4") for name in ("varying", "width", "values", "bins")),
        *((name, "<u2") for name in ("classes", "families", "brightnesses", "tables")),
        *((name, "<u4") for name in ("frames_per_stream", "pixels_per_stream")),
        *((name, "<u4") for name in ("model", "map", "family_map")),
        ("lowest", "<u8"),
        ("unit", "<u8"),
    ]
)
MOST_ROWS = MOST_BINS = MOST_VALUES = 1 << 16
MOST_TABLES, MOST_CLASSES = 256, 256
LEVEL_OF_ZLIB = 6


class Model(NamedTuple):
    """What is known of a chunk beside its symbols, and the levels of its pixels.

    Attributes
    ----------
    frame_class : ndarray of uint8, shape (frames,)
        The class of each frame.
    rows : Rows
        Bases, tables and low bits.
    map_roots : ndarray of uint8, shape (maps, contexts, 256)
        The roots of the frequencies of the map of brightnesses, and of that of families.
    values : ndarray of uint16
        See `Numbering`.
    """

    frame_class: NDArray[np.uint8]
    rows: Rows
    map_roots: NDArray[np.uint8]
    values: NDArray[np.uint16]


class Sections(NamedTuple):
    """The parts of a body behind its header, as bytes; `lengths` as numbers."""

    model: NDArray[np.uint8]
    map: NDArray[np.uint8]
    family_map: NDArray[np.uint8]
    lengths: NDArray[np.uint32]
    payload: NDArray[np.uint8]


def join_model(model: Model) -> bytes:
    """Return a model as bytes: all columns in one stream of zlib."""
    rows = model.rows
    columns = (
        model.frame_class,
        bytewise(changes(rows.base)),
        changes(rows.table),
        rows.roots,
        model.map_roots,
        rows.low,
        bytewise(changes(model.values)),
    )
    return zlib.compress(b"".join(column.tobytes() for column in columns), LEVEL_OF_ZLIB)


def split_body(
    body: NDArray[np.uint8], shape: tuple[int, int], *, itemsize: int
) -> tuple[Any, Sections]:
    """Return the header and the sections of a body.

    Parameters
    ----------
    body : ndarray of uint8
        What follows the header of the chunk.
    shape : tuple of int
        Frames and pixels of the chunk.
    itemsize : int
        Bytes of a code.

    Raises
    ------
    DamagedChunk
        If it is no body of such a chunk.
    """
    if body.size < BODY_HEADER.itemsize:
        raise DamagedChunk(f"damaged chunk: {body.size} bytes are too few for its static header")
    header = body[: BODY_HEADER.itemsize].view(BODY_HEADER)[0]
    number = {name: int(header[name]) for name in BODY_HEADER.names or ()}
    legal = (
        0 < number["varying"] <= shape[0]
        and number["width"] > 0
        and shape[1] % number["width"] == 0
        and number["values"] <= MOST_VALUES
        and number["bins"] <= MOST_BINS
        and 0 < number["classes"] <= min(MOST_CLASSES, number["varying"])
        and 0 < number["classes"] * number["families"] * number["brightnesses"] <= MOST_ROWS
        and 0 < number["tables"] <= MOST_TABLES
        and 0 < number["frames_per_stream"] <= number["varying"]
        and 0 < number["pixels_per_stream"] < shape[1] + LANES
        and 0 < number["unit"] < 1 << 8 * itemsize
    )
    if not legal:
        raise DamagedChunk(f"damaged chunk: {shape} codes with the static header {header}")
    streams = -(-number["varying"] // number["frames_per_stream"])
    streams *= -(-shape[1] // number["pixels_per_stream"])
    sizes = number["model"], number["map"], number["family_map"], 4 * streams
    _, model, level, family, lengths, payload = cut(body, (BODY_HEADER.itemsize, *sizes))
    numbers = np.frombuffer(lengths.tobytes(), "<u4").astype(np.uint32)
    return header, Sections(model, level, family, numbers, payload)


def split_model(header: Any, stored: NDArray[np.uint8]) -> Model:
    """Return the model of a body.

    Raises
    ------
    DamagedChunk
        If the bytes are no model of such a body.
    """
    classes, tables, values, bins, frames = (
        int(header[name]) for name in ("classes", "tables", "values", "bins", "varying")
    )
    levels = int(header["families"]) * int(header["brightnesses"])
    maps = 1 + (int(header["families"]) > 1)
    shapes = (classes, levels), (tables, 256), (maps, MAP_CONTEXTS, 256)
    sizes = [int(np.prod(shape)) for shape in shapes]
    columns = [frames, 2 * sizes[0], *sizes, bins, 2 * values]
    frame_class, base, table, roots, map_roots, low, differences = cut(
        inflated(stored, sum(columns)), columns, all_of_it=True
    )
    rows = Rows(
        np.cumsum(numbers_of(base, "u2").reshape(shapes[0]), axis=1, dtype=np.uint16),
        np.cumsum(table.reshape(shapes[0]), axis=1, dtype=np.uint8),
        roots.reshape(shapes[1]),
        low,
    )
    if frame_class.max() >= classes or rows.table.max() >= tables:
        raise DamagedChunk(f"damaged chunk: a class or a table is beyond the last of {classes}")
    if low.max(initial=0) > 15 or np.left_shift(1, low, dtype=np.int64).sum() > MOST_BINS:
        raise DamagedChunk("damaged chunk: its bins hold more than 65536 numbers")
    numbers = np.cumsum(numbers_of(differences, "u2"), dtype=np.uint16)
    return Model(frame_class, rows, map_roots.reshape(shapes[2]), numbers)


def numbering_of(header: Any, values: NDArray[np.uint16]) -> Numbering:
    """Return how the numbers of a body become codes."""
    return Numbering(int(header["lowest"]), int(header["unit"]), values)
