"""A chunk in the layout `photon.grouped`, as bytes: what they say, and what they decode to."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs.compat import ensure_contiguous_ndarray

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES, decompress
from dj_photon_codecs.layouts.chunks import DTYPES
from dj_photon_codecs.layouts.grouped.packing import PackedChunk
from dj_photon_codecs.layouts.grouped.planes import whole_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["CONSTANT", "GROUPED", "HEADER", "PLAIN", "GroupedChunk", "joined"]

PLAIN, GROUPED, CONSTANT = range(3)
HEADER = np.dtype(
    [("layout", "u1"), ("dtype", "S7"), ("frames", "<u8"), ("pixels", "<u8"), ("last", "V8")]
)


TILE = 1 << 18  # bytes of codes that are unpacked at a time where most pixels are not wanted
SPARSE = 32  # one pixel in so many, or fewer, are unpacked faster one by one


class GroupedChunk:
    """An encoded chunk; a frame of it is decoded alone if the codes are grouped.

    It is read by any number of threads at a time.

    Parameters
    ----------
    buf : buffer
        What `GroupedLayout.encode` returned.

    Attributes
    ----------
    shape : tuple of int
        Frames, and pixels of a frame.
    dtype : numpy.dtype
        Of the codes.

    Raises
    ------
    ValueError
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
        header, body = _split(buf)
        self.dtype, self.shape = _described(header)
        self._last = np.frombuffer(header["last"].tobytes(), self.dtype, count=1)
        self._plain = body if header["layout"] == PLAIN else None
        self._packed = None
        if body.size and self._plain is None:
            self._packed = _grouped(body, self.shape, itemsize=self.dtype.itemsize)

    @property
    def divisible(self) -> bool:
        """Whether some frames are decoded in less time than all of them."""
        return self._plain is None

    def frames(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of some frames.

        Parameters
        ----------
        start, stop : int
            The first frame, and the one after the last, of those there are.
        out : numpy.ndarray, shape (frames, pixels), optional
            Where to put the codes.

        Returns
        -------
        numpy.ndarray, shape (frames, pixels)
            Codes.

        Raises
        ------
        ValueError
            If the chunk is damaged.
        """
        shape = stop - start, self.shape[1]
        codes = np.empty(shape, self.dtype) if out is None else out
        if self._plain is None:
            known = self._read_packed(start, stop, codes=codes)
            codes[known:] = self._last
        elif shape == self.shape:
            decompress(self._plain, out=codes)
        else:
            codes[...] = self._codes[start:stop]
        return codes

    def pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of some pixels; the fewer they are the faster.

        Parameters
        ----------
        pixels : ndarray of intp, shape (pixels,)
            Which pixels of a frame; each once.
        frames : range
            Consecutive frames; at least one.

        Returns
        -------
        numpy.ndarray, shape (frames, pixels)
            Codes.

        Raises
        ------
        ValueError
            If the chunk is damaged.
        """
        if self._plain is not None:
            return self._codes[frames.start : frames.stop, pixels]
        codes = np.empty((len(frames), pixels.size), self.dtype)
        known = self._known(frames.start, frames.stop)
        if self._packed is not None and known and SPARSE * pixels.size <= self.shape[1]:
            codes[:known] = self._packed.read_pixels(pixels, frames[:known]).view(self.dtype)
            codes[known:] = self._last
        else:
            step = whole_rows(TILE, frame=self.shape[1] * self.dtype.itemsize)
            for start in range(0, len(frames), step):
                tile = frames[start : start + step]
                codes[start : start + step] = self.frames(tile.start, tile.stop)[:, pixels]
        return codes

    def _known(self, start: int, stop: int) -> int:
        """How many frames, from one to another, are not constant."""
        return 0 if self._packed is None else max(0, min(stop, self._packed.shape[0]) - start)

    def _read_packed(self, start: int, stop: int, *, codes: NDArray[Any]) -> int:
        """Decode those frames that are not constant, and return how many they are."""
        packed, known = self._packed, self._known(start, stop)
        if packed is not None and known:
            packed.read(start, start + known, out=codes[:known].view(packed.dtype))
        return known

    @cached_property
    def _codes(self) -> NDArray[Any]:
        """All codes of a chunk in plain order, which is compressed as a whole."""
        return self.frames(0, self.shape[0])


def _grouped(body: NDArray[np.uint8], shape: tuple[int, int], *, itemsize: int) -> PackedChunk:
    packed = PackedChunk(body)
    frames, pixels = packed.shape
    if frames > shape[0] or pixels != shape[1] or packed.dtype.itemsize != itemsize:
        raise ValueError(
            f"damaged chunk: {frames} x {pixels} codes of {packed.dtype}, for {shape} of "
            f"{itemsize} bytes"
        )
    return packed


def joined(
    layout: int, chunk: NDArray[Any], *, body: Sequence[NDArray[np.uint8]] = ()
) -> NDArray[np.uint8]:
    """Return the bytes of a chunk.

    Parameters
    ----------
    layout : int
        `PLAIN`, `GROUPED` or `CONSTANT`.
    chunk : numpy.ndarray
        Codes, of a dtype in `DTYPES`.
    body : sequence of ndarrays of uint8
        What follows the header; nothing if all codes are the last one.
    """
    header = np.zeros(1, HEADER)
    header["layout"], header["dtype"] = layout, chunk.dtype.str
    header["frames"], header["pixels"] = len(chunk), chunk.size // max(len(chunk), 1)
    if chunk.size:
        header["last"] = chunk.reshape(-1)[-1:].tobytes()
    return np.concatenate([header.view(np.uint8), *body])


def _split(buf: Any) -> tuple[Any, NDArray[np.uint8]]:
    stored = ensure_contiguous_ndarray(buf).view(np.uint8)
    if stored.size < HEADER.itemsize:
        raise ValueError(f"damaged chunk: {stored.size} bytes are too few for its header")
    header = stored[: HEADER.itemsize].view(HEADER)[0]
    if header["layout"] not in (PLAIN, GROUPED, CONSTANT):
        raise ValueError(
            f"a chunk of layout {header['layout']}, which this version of dj-photon-codecs does "
            "not know: upgrade it, or restore the chunk if it is damaged"
        )
    return header, stored[HEADER.itemsize :]


def _described(header: Any) -> tuple[np.dtype[Any], tuple[int, int]]:
    dtype = DTYPES.get(header["dtype"])
    shape = int(header["frames"]), int(header["pixels"])
    if dtype is None or shape[0] * shape[1] * dtype.itemsize >= MAX_BYTES:
        raise ValueError(f"damaged chunk: {shape} codes of dtype {header['dtype']!r}")
    return dtype, shape
