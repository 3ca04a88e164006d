"""Chunks of the layout `photon.dense`: their header, and their codes."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.adaptive.packing import unpack_adaptive
from dj_photon_codecs.layouts.blosc_chunks import decompress, decompressed_size, plain_chunk
from dj_photon_codecs.layouts.buffers import is_little_endian_integer
from dj_photon_codecs.layouts.dense.unpacking import unpack_dense
from dj_photon_codecs.layouts.grouped.chunk import open_grouped
from dj_photon_codecs.layouts.headers import (
    FIRST_FIELDS,
    new_header,
    read_code,
    read_dtype,
    split_header,
)
from dj_photon_codecs.layouts.layout import DamagedChunk, OpenChunk, WholeChunk
from dj_photon_codecs.layouts.numbering import Numbering

__all__ = ["CHUNK_HEADER", "Form", "chunk_header", "frame_shape", "open_dense"]

CHUNK_HEADER = np.dtype(
    [
        *FIRST_FIELDS,
        ("frames", "<u8"),
        ("height", "<u8"),
        ("width", "<u8"),
        ("varying", "<u8"),
        ("last", "V8"),
        ("lowest", "V8"),
        ("unit", "<u8"),
    ]
)
GROUPED_ROOM = 1 << 16  # bytes; a grouped chunk takes at most twice its codes and this


class Form(IntEnum):
    """How the codes of a chunk are stored: what its first byte says."""

    PLAIN = 0  # in the order of frames, compressed by Blosc
    GROUPED = 1  # as `photon.grouped` stores them, compressed by Blosc
    DENSE = 2  # by rANS, with the frequencies of symbols at the predicted brightness; read only
    ADAPTIVE = 3  # the same, predicted from the pixels of the frame too


def open_dense(buf: Any) -> OpenChunk:
    """Open a chunk, which refers to the buffer; adaptive ones are decoded from the first frame on.

    What is not a chunk of this layout, as far as its header shows, is a `DamagedChunk`.
    """
    header, body = split_header(buf, CHUNK_HEADER, forms=Form)
    frames, height, width = (int(header[name]) for name in ("frames", "height", "width"))
    dtype = read_dtype(header, lengths=(frames, height, width))
    if header["varying"] > frames:
        raise DamagedChunk(
            f"damaged chunk: {header['varying']} of {frames} frames are not of one value"
        )
    shape = frames, height * width
    if header["form"] == Form.PLAIN:
        return plain_chunk(body, shape, dtype)
    if header["form"] == Form.GROUPED:
        return _grouped(body, shape, dtype)

    def decode(codes: NDArray[Any], start: int) -> None:
        _decode_frames(header, body, codes.reshape(len(codes), height, width), start)

    return WholeChunk(shape, dtype, decode, some=header["form"] == Form.ADAPTIVE)


def _decode_frames(header: Any, body: NDArray[np.uint8], codes: NDArray[Any], start: int) -> None:
    """Decode frames of a dense or adaptive chunk, from one on, (frames, height, width)."""
    dtype, number = codes.dtype, int(header["varying"])
    codes[max(0, number - start) :] = read_code(header, "last", dtype=dtype)
    varying = codes[: max(0, number - start)].view(f"u{dtype.itemsize}")
    if not varying.size:
        if body.size and len(codes) == header["frames"]:
            raise DamagedChunk(f"damaged chunk: {body.size} bytes where there should be none")
        return
    unit = int(header["unit"])
    if not is_little_endian_integer(dtype) or not 0 < unit < 1 << 8 * dtype.itemsize:
        raise DamagedChunk(f"damaged chunk: {dtype} in units of {unit}")
    numbers: Any = varying
    if header["form"] == Form.DENSE:
        values: Any = unpack_dense(body, varying.shape, out=varying)
    else:
        numbers, values = unpack_adaptive(body, (number, *codes.shape[1:]), varying, start=start)
    lowest = int(read_code(header, "lowest", dtype=dtype)[0])
    Numbering(lowest, unit, values).apply(varying, numbers)


def _grouped(body: NDArray[np.uint8], shape: tuple[int, int], dtype: np.dtype[Any]) -> OpenChunk:
    room = 2 * math.prod(shape) * dtype.itemsize + GROUPED_ROOM
    grouped = np.empty(decompressed_size(body, least=0, most=room), np.uint8)
    decompress(body, out=grouped)
    chunk = open_grouped(grouped)
    if chunk.shape != shape or chunk.dtype != dtype:
        raise DamagedChunk(
            f"damaged chunk: {chunk.shape} codes of {chunk.dtype}, grouped, for {shape} of {dtype}"
        )
    return chunk


def frame_shape(codes: NDArray[Any]) -> tuple[int, int, int]:
    """Return frames, height and width; dimensions between time and the last count as height."""
    if codes.ndim < 2:
        return codes.size, 1, 1
    return len(codes), math.prod(codes.shape[1:-1]), codes.shape[-1]


def chunk_header(
    form: Form, codes: NDArray[Any], *, varying: int, numbering: Numbering | None = None
) -> bytes:
    """Return the header of a chunk of codes, (frames, ..., height, width).

    With the number of frames before those of one value, and how numbers become codes, if they do.
    """
    header = new_header(CHUNK_HEADER, codes, form=form)
    header["varying"] = varying
    header["frames"], header["height"], header["width"] = frame_shape(codes)
    if numbering is not None:
        header["lowest"] = np.array([numbering.lowest], codes.dtype).tobytes()
        header["unit"] = numbering.unit
    return header.tobytes()
