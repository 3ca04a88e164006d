"""The sections of a static body: its header, its model, and where its streams are."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.columns import bytewise, changes, cut
from dj_photon_codecs.layouts.kernels.reference_maps import MAP_CONTEXTS
from dj_photon_codecs.layouts.kernels.reference_static import LANES
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.static.rows import Rows

__all__ = ["BODY_HEADER", "Model", "Sections", "join_model", "model_size", "split_body"]

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
    # of tables, matches of one byte are about all there are: they take a third of the time
    stream = zlib.compressobj(strategy=zlib.Z_RLE)
    return stream.compress(b"".join(column.tobytes() for column in columns)) + stream.flush()


def split_body(
    body: NDArray[np.uint8], shape: tuple[int, int], *, itemsize: int
) -> tuple[dict[str, int], Sections]:
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
    fields = body[: BODY_HEADER.itemsize].view(BODY_HEADER)[0].item()
    number = dict(zip(BODY_HEADER.names or (), fields, strict=True))
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
        raise DamagedChunk(f"damaged chunk: {shape} codes with the static header {number}")
    streams = -(-number["varying"] // number["frames_per_stream"])
    streams *= -(-shape[1] // number["pixels_per_stream"])
    sizes = number["model"], number["map"], number["family_map"], 4 * streams
    _, model, level, family, lengths, payload = cut(body, (BODY_HEADER.itemsize, *sizes))
    numbers = np.frombuffer(lengths.tobytes(), "<u4").astype(np.uint32)
    return number, Sections(model, level, family, numbers, payload)


def model_size(header: dict[str, int]) -> int:
    """Return the bytes of the model of a body before they were compressed."""
    rows = header["classes"] * header["families"] * header["brightnesses"]
    roots = header["tables"] + MAP_CONTEXTS * (1 + (header["families"] > 1))
    return header["varying"] + 3 * rows + 256 * roots + header["bins"] + 2 * header["values"]
