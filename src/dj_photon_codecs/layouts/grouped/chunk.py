"""An open chunk of the layout `photon.grouped`: its header, and its codes by frame and pixel."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.blosc_chunks import plain_chunk
from dj_photon_codecs.layouts.buffers import is_little_endian_integer
from dj_photon_codecs.layouts.grouped.unpacking import PackedChunk
from dj_photon_codecs.layouts.headers import (
    FIRST_FIELDS,
    new_header,
    read_code,
    read_dtype,
    split_header,
)
from dj_photon_codecs.layouts.layout import DamagedChunk, WholeChunk
from dj_photon_codecs.layouts.static.body import StaticBody

__all__ = ["CHUNK_HEADER", "Form", "GroupedChunk", "join_chunk", "open_grouped"]

CHUNK_HEADER = np.dtype([*FIRST_FIELDS, ("frames", "<u8"), ("pixels", "<u8"), ("last", "V8")])


class Form(IntEnum):
    """How the codes of a chunk are stored: what its first byte says."""

    PLAIN = 0  # in the order of frames, compressed by Blosc
    GROUPED = 1  # by class, for the compressor that follows
    CONSTANT = 2  # only the last code, since all are the same
    STATIC = 3  # by rANS, with a brightness for each pixel


class GroupedChunk:
    """An open chunk, of which frames and pixels are decoded alone; frames of one value end it.

    Any number of threads may read it at a time.
    """

    divisible = True

    def __init__(
        self, packed: PackedChunk | StaticBody | None, *, shape: tuple[int, int], last: Any
    ) -> None:
        self.shape, self.dtype = shape, last.dtype
        self._packed, self._last = packed, last

    def frames(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of consecutive frames; see `OpenChunk`."""
        codes = np.empty((stop - start, self.shape[1]), self.dtype) if out is None else out
        packed, varying = self._packed, self._varying(start, stop)
        if packed is not None and varying:
            packed.read(start, start + varying, out=codes[:varying].view(packed.dtype))
        codes[varying:] = self._last
        return codes

    def pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels in consecutive frames; see `OpenChunk`."""
        codes = np.empty((len(frames), pixels.size), self.dtype)
        packed, varying = self._packed, self._varying(frames.start, frames.stop)
        if packed is not None and varying:
            codes[:varying] = packed.read_pixels(pixels, frames[:varying]).view(self.dtype)
        codes[varying:] = self._last
        return codes

    def _varying(self, start: int, stop: int) -> int:
        """Return how many of these frames come before those of one value at the end."""
        return 0 if self._packed is None else max(0, min(stop, self._packed.shape[0]) - start)


def open_grouped(buf: Any) -> GroupedChunk | WholeChunk:
    """Open a chunk, which refers to the buffer.

    What is not a chunk of this layout, as far as its header shows, is a `DamagedChunk`.
    """
    header, body = split_header(buf, CHUNK_HEADER, forms=Form)
    form, shape = int(header["form"]), (int(header["frames"]), int(header["pixels"]))
    dtype = read_dtype(header, lengths=shape)
    if form == Form.PLAIN:
        return plain_chunk(body, shape, dtype)
    packed: PackedChunk | StaticBody | None = None
    if form == Form.GROUPED:
        packed = _packed(body, shape, dtype=dtype)
    elif form == Form.STATIC:
        packed = StaticBody(body, shape, dtype)
    elif body.size:
        raise DamagedChunk(f"damaged chunk: {body.size} bytes after a chunk of one value")
    return GroupedChunk(packed, shape=shape, last=read_code(header, "last", dtype=dtype))


def join_chunk(
    form: Form, codes: NDArray[Any], *, body: Sequence[NDArray[np.uint8]] = ()
) -> NDArray[np.uint8]:
    """Return the bytes of a chunk of codes, (frames, ...): its header, and what follows it."""
    header = new_header(CHUNK_HEADER, codes, form=form)
    header["frames"], header["pixels"] = len(codes), codes.size // max(len(codes), 1)
    return np.concatenate([header.view(np.uint8), *body])


def _packed(
    body: NDArray[np.uint8], shape: tuple[int, int], *, dtype: np.dtype[Any]
) -> PackedChunk:
    packed = PackedChunk(body)
    frames, pixels = packed.shape
    same = pixels == shape[1] and packed.dtype.itemsize == dtype.itemsize
    if frames > shape[0] or not same or not is_little_endian_integer(dtype):
        raise DamagedChunk(
            f"damaged chunk: {frames} x {pixels} codes of {packed.dtype}, for {shape} of {dtype}"
        )
    return packed
