"""An open chunk of the layout `photon.grouped`: its header, and its codes by frame and pixel."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.blosc_chunks import decompress, decompressed_size
from dj_photon_codecs.layouts.buffers import is_little_endian_integer
from dj_photon_codecs.layouts.grouped.unpacking import PackedChunk
from dj_photon_codecs.layouts.headers import (
    FIRST_FIELDS,
    new_header,
    read_code,
    read_dtype,
    split_header,
)
from dj_photon_codecs.layouts.layout import DamagedChunk, DecodedChunk
from dj_photon_codecs.layouts.static.body import StaticBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["CHUNK_HEADER", "Form", "GroupedChunk", "join_chunk"]

CHUNK_HEADER = np.dtype([*FIRST_FIELDS, ("frames", "<u8"), ("pixels", "<u8"), ("last", "V8")])


class Form(IntEnum):
    """How the codes of a chunk are stored: what its first byte says."""

    PLAIN = 0  # in the order of frames, compressed by Blosc
    GROUPED = 1  # by class, for the compressor that follows
    CONSTANT = 2  # only the last code, since all are the same
    STATIC = 3  # by rANS, with a brightness for each pixel


class GroupedChunk:
    """An open chunk, of which frames and pixels are decoded alone unless it is plain.

    Any number of threads may read it at a time.

    Parameters
    ----------
    buf : buffer
        What `GroupedLayout.encode` returned; the chunk refers to it.

    Attributes
    ----------
    shape : tuple of int
        Frames, and pixels of a frame.
    dtype : numpy.dtype
        Of the codes.

    Raises
    ------
    DamagedChunk
        If `buf` is not what `encode` returned.

    Examples
    --------
    >>> from dj_photon_codecs.layouts.grouped.layout import GroupedLayout
    >>> counts = np.random.default_rng(0).poisson(3, (100, 64, 64)).astype("u2")
    >>> chunk = GroupedLayout().open(GroupedLayout().encode(counts))
    >>> bool((chunk.frames(7, 8).reshape(64, 64) == counts[7]).all())
    True
    """

    def __init__(self, buf: Any) -> None:
        header, body = split_header(buf, CHUNK_HEADER, forms=Form)
        self.shape: tuple[int, int] = int(header["frames"]), int(header["pixels"])
        self.dtype = read_dtype(header, lengths=self.shape)
        self._last = read_code(header, "last", dtype=self.dtype)
        self._plain: NDArray[np.uint8] | None = None
        self._packed: PackedChunk | StaticBody | None = None
        self._decoded: DecodedChunk | None = None
        if header["form"] == Form.PLAIN:
            size = self.shape[0] * self.shape[1] * self.dtype.itemsize
            decompressed_size(body, least=size, most=size)
            self._plain = body
        elif header["form"] == Form.GROUPED:
            self._packed = _packed(body, self.shape, dtype=self.dtype)
        elif header["form"] == Form.STATIC:
            self._packed = StaticBody(body, self.shape, self.dtype)
        elif body.size:
            raise DamagedChunk(f"damaged chunk: {body.size} bytes after a chunk of one value")

    @property
    def divisible(self) -> bool:
        """Whether a part of the frames takes less time to decode than all of them."""
        return self._plain is None

    def frames(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of consecutive frames; see `OpenChunk`."""
        shape = stop - start, self.shape[1]
        if self._plain is not None and shape != self.shape:
            return self._plain_codes(self._plain).frames(start, stop, out=out)
        codes = np.empty(shape, self.dtype) if out is None else out
        if self._plain is not None:
            decompress(self._plain, out=codes)
        else:
            varying = self._read_packed(start, stop, codes=codes)
            codes[varying:] = self._last
        return codes

    def pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels in consecutive frames; see `OpenChunk`."""
        if self._plain is not None:
            return self._plain_codes(self._plain).pixels(pixels, frames)
        codes = np.empty((len(frames), pixels.size), self.dtype)
        varying = self._varying(frames.start, frames.stop)
        if self._packed is not None and varying:
            codes[:varying] = self._packed.read_pixels(pixels, frames[:varying]).view(self.dtype)
        codes[varying:] = self._last
        return codes

    def _varying(self, start: int, stop: int) -> int:
        """Return how many of these frames come before those of one value at the end."""
        return 0 if self._packed is None else max(0, min(stop, self._packed.shape[0]) - start)

    def _read_packed(self, start: int, stop: int, *, codes: NDArray[Any]) -> int:
        """Decode the frames before those of one value, and return how many they are."""
        packed, varying = self._packed, self._varying(start, stop)
        if packed is not None and varying:
            packed.read(start, start + varying, out=codes[:varying].view(packed.dtype))
        return varying

    def _plain_codes(self, plain: NDArray[np.uint8]) -> DecodedChunk:
        """Return all codes, which are decompressed once.

        Several threads may do so at a time: a lock would hang a process that is forked meanwhile.
        """
        decoded = self._decoded
        if decoded is None:
            codes = np.empty(self.shape, self.dtype)
            decompress(plain, out=codes)
            codes.setflags(write=False)
            self._decoded = decoded = DecodedChunk(codes)
        return decoded


def join_chunk(
    form: Form, codes: NDArray[Any], *, body: Sequence[NDArray[np.uint8]] = ()
) -> NDArray[np.uint8]:
    """Return the bytes of a chunk.

    Parameters
    ----------
    form : Form
        How the codes are stored.
    codes : numpy.ndarray, shape (frames, ...)
        Codes, of a dtype in `DTYPES`.
    body : sequence of ndarrays of uint8
        What follows the header; nothing for `Form.CONSTANT`.
    """
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
