"""An open chunk of the layout `photon.dense`: its header, and its codes."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.adaptive.packing import unpack_adaptive
from dj_photon_codecs.layouts.blosc_chunks import decompress, decompressed_size
from dj_photon_codecs.layouts.buffers import is_little_endian_integer
from dj_photon_codecs.layouts.dense.unpacking import unpack_dense
from dj_photon_codecs.layouts.grouped.chunk import GroupedChunk
from dj_photon_codecs.layouts.headers import (
    FIRST_FIELDS,
    new_header,
    read_code,
    read_dtype,
    split_header,
)
from dj_photon_codecs.layouts.layout import DamagedChunk, DecodedChunk
from dj_photon_codecs.layouts.numbering import Numbering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.layout import OpenChunk

__all__ = ["CHUNK_HEADER", "DenseChunk", "Form", "chunk_header", "frame_shape"]

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


class DenseChunk:
    """An open chunk, which is decoded when codes are first asked for: up to a frame, or in full.

    Any number of threads may read it at a time.

    Parameters
    ----------
    buf : buffer
        What `DenseLayout.encode` returned; the chunk refers to it.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the codes.

    Raises
    ------
    DamagedChunk
        If `buf` is not what `encode` returned, as far as its header shows.
    """

    def __init__(self, buf: Any) -> None:
        self._header, self._body = split_header(buf, CHUNK_HEADER, forms=Form)
        lengths = (int(self._header[name]) for name in ("frames", "height", "width"))
        self._shape: tuple[int, int, int] = tuple(lengths)  # type: ignore[assignment]
        self.dtype = read_dtype(self._header, lengths=self._shape)
        self._varying = int(self._header["varying"])  # before the frames of one value
        if self._varying > self._shape[0]:
            raise DamagedChunk(
                f"damaged chunk: {self._varying} of {self._shape[0]} frames are not of one value"
            )
        self._opened: OpenChunk | None = None
        if self._header["form"] == Form.PLAIN:
            size = math.prod(self._shape) * self.dtype.itemsize
            decompressed_size(self._body, least=size, most=size)

    @property
    def shape(self) -> tuple[int, int]:
        """Frames, and pixels of a frame."""
        return self._shape[0], self._shape[1] * self._shape[2]

    @property
    def divisible(self) -> bool:
        """Whether a part of the frames takes less time to decode than all of them."""
        return self._opened is not None and self._opened.divisible

    def decode(self, *, out: NDArray[Any]) -> None:
        """Decode all codes into an array: flat, contiguous, of the dtype and size of the chunk.

        Raises
        ------
        DamagedChunk
            If the chunk cannot be decoded.
        """
        if self._header["form"] in (Form.DENSE, Form.ADAPTIVE):
            self._decode_frames(out.reshape(self._shape))
        elif self._header["form"] == Form.GROUPED:
            self._grouped().frames(0, self.shape[0], out=out.reshape(self.shape))
        else:
            decompress(self._body, out=out)

    def frames(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of consecutive frames; see `OpenChunk`."""
        if out is not None and out.shape == self.shape and self._opened is None:
            self.decode(out=out.reshape(-1))
            return out
        return self._codes(stop).frames(start, stop, out=out)

    def pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels in consecutive frames; see `OpenChunk`."""
        return self._codes(frames.stop).pixels(pixels, frames)

    def _codes(self, stop: int) -> OpenChunk:
        """Return the codes of the frames before `stop`, at least.

        An adaptive chunk is decoded up to there at first, and then in full; of grouped ones only
        the compressor's part is undone. Several threads may do so at a time: a lock would hang a
        process that is forked meanwhile.
        """
        opened = self._opened
        if opened is not None and opened.shape[0] >= stop:
            return opened
        if self._header["form"] == Form.GROUPED:
            self._opened = opened = self._grouped()
            return opened
        part = self._header["form"] == Form.ADAPTIVE and opened is None
        codes = np.empty((stop if part else self._shape[0], *self._shape[1:]), self.dtype)
        if part:
            self._decode_frames(codes)
        else:
            self.decode(out=codes.reshape(-1))
        codes.setflags(write=False)
        self._opened = opened = DecodedChunk(codes.reshape(len(codes), self.shape[1]))
        return opened

    def _decode_frames(self, codes: NDArray[Any]) -> None:
        """Decode the first frames of a dense or adaptive chunk."""
        codes[self._varying :] = read_code(self._header, "last", dtype=self.dtype)
        varying = codes[: self._varying].view(f"u{self.dtype.itemsize}")
        if not varying.size:
            if self._body.size and len(codes) == self._shape[0]:
                raise DamagedChunk(
                    f"damaged chunk: {self._body.size} bytes where there should be none"
                )
            return
        unit = int(self._header["unit"])
        if not is_little_endian_integer(self.dtype) or not 0 < unit < 1 << 8 * self.dtype.itemsize:
            raise DamagedChunk(f"damaged chunk: {self.dtype} in units of {unit}")
        numbers = varying
        if self._header["form"] == Form.DENSE:
            values: Any = unpack_dense(self._body, varying.shape, out=varying)
        else:
            numbers = varying if self.dtype.itemsize == 2 else np.empty(varying.shape, np.uint16)
            values = unpack_adaptive(self._body, (self._varying, *self._shape[1:]), numbers)
        lowest = int(read_code(self._header, "lowest", dtype=self.dtype)[0])
        Numbering(lowest, unit, values).apply(varying, numbers)

    def _grouped(self) -> GroupedChunk:
        room = 2 * math.prod(self.shape) * self.dtype.itemsize + GROUPED_ROOM
        size = decompressed_size(self._body, least=0, most=room)
        decompressed = np.empty(size, np.uint8)
        decompress(self._body, out=decompressed)
        grouped = GroupedChunk(decompressed)
        if grouped.shape != self.shape or grouped.dtype != self.dtype:
            raise DamagedChunk(
                f"damaged chunk: {grouped.shape} codes of {grouped.dtype}, grouped, for "
                f"{self.shape} of {self.dtype}"
            )
        return grouped


def frame_shape(codes: NDArray[Any]) -> tuple[int, int, int]:
    """Return frames, height and width; dimensions between time and the last count as height."""
    if codes.ndim < 2:
        return codes.size, 1, 1
    return len(codes), math.prod(codes.shape[1:-1]), codes.shape[-1]


def chunk_header(
    form: Form, codes: NDArray[Any], *, varying: int, numbering: Numbering | None = None
) -> bytes:
    """Return the header of a chunk.

    Parameters
    ----------
    form : Form
        How the codes are stored.
    codes : numpy.ndarray, shape (frames, ..., height, width)
        Codes, of a dtype in `DTYPES`.
    varying : int
        Frames before those at the end that have one value.
    numbering : Numbering, optional
        How the numbers of a dense chunk become codes.
    """
    header = new_header(CHUNK_HEADER, codes, form=form)
    header["varying"] = varying
    header["frames"], header["height"], header["width"] = frame_shape(codes)
    if numbering is not None:
        header["lowest"] = np.array([numbering.lowest], codes.dtype).tobytes()
        header["unit"] = numbering.unit
    return header.tobytes()
