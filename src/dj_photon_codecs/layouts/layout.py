"""The interface of layouts, `Layout` and `OpenChunk`, and an adapter for other codecs.

*Codes* are the numbers that a movie is stored as; a *chunk* has those of consecutive frames. A
*layout* is a numcodecs codec, used as a Zarr filter, between the codes of a chunk, frame by frame,
and bytes. A chunk of a layout can be opened: then its shape and dtype are known before anything is
decoded, and single frames or pixels are decoded alone if the layout can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray
from numpy.typing import NDArray

__all__ = ["DamagedChunk", "Layout", "OpenChunk", "WholeChunk", "open_chunk"]


class DamagedChunk(ValueError):  # noqa: N818 - the name says what happened
    """The bytes of a chunk are not what a layout or a compressor has written."""


class OpenChunk(Protocol):
    """A stored chunk whose header was read. Any number of threads may read it at a time."""

    @property
    def shape(self) -> tuple[int, int]:
        """Frames, and pixels of a frame; from the header, before anything is decoded."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the codes; from the header, before anything is decoded."""

    @property
    def divisible(self) -> bool:
        """Whether a part of the frames takes less time to decode than all of them."""

    def frames(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of consecutive frames, (stop - start, pixels), or raise `DamagedChunk`.

        ``0 <= start <= stop <= shape[0]``. They are put into `out`, contiguous and of the dtype of
        the chunk, if it is given; else they may refer to the chunk: do not write to them.
        """

    def pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of pixels, in ascending order, of consecutive frames: (frames, pixels).

        Raises `DamagedChunk` if the chunk cannot be decoded.
        """


@runtime_checkable
class Layout(Protocol):
    """A numcodecs codec for the codes of a chunk, whose stored bytes can be opened."""

    codec_id: str

    def encode(self, buf: Any) -> Any:
        """Return the bytes of a chunk of codes, (frames, ...): numbers of at most 8 bytes.

        Others are a `TypeError`, 2 GiB of them or more a `ValueError`.
        """

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the codes of a chunk, flat, in the order of memory in which they were encoded.

        They are put into `out`, writeable, of their size and contiguous, if it is given; another
        one is a `ValueError`. What `encode` did not return is a `DamagedChunk`.
        """

    def open(self, buf: Any) -> OpenChunk:
        """Return a chunk whose header was read and checked; it refers to `buf`.

        What `encode` did not return, as far as its header shows, is a `DamagedChunk`.
        """


class WholeChunk:
    """An `OpenChunk` whose codes are decoded together, when some are first asked for.

    `decode` puts the codes of frames from one on into an array of so many, (frames, pixels): those
    that are first asked for if it can do `some`, else and later all. Several threads may do so at a
    time: a lock would hang a process that is forked meanwhile.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        decode: Callable[[NDArray[Any], int], object],
        *,
        some: bool = False,
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._decode, self._some = decode, some
        self._known: tuple[int, NDArray[Any]] | None = None  # the first of the frames, and these

    @classmethod
    def of(cls, codes: NDArray[Any]) -> WholeChunk:
        """Return a chunk of codes that are decoded already, (frames, pixels)."""
        frames, pixels = codes.shape
        chunk = cls((frames, pixels), codes.dtype, lambda room, _start: np.copyto(room, codes))
        chunk._known = 0, codes
        return chunk

    @property
    def divisible(self) -> bool:
        """Whether a part of the frames takes less time to decode than all of them."""
        return self._known is not None and len(self._known[1]) == self.shape[0]

    def frames(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of consecutive frames; see `OpenChunk`."""
        if out is None:
            return self._decoded(start, stop)
        if out.shape == self.shape and self._known is None:
            self._decode(out, 0)
        else:
            out[...] = self._decoded(start, stop)
        return out

    def pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels in consecutive frames; see `OpenChunk`."""
        codes: NDArray[Any] = self._decoded(frames.start, frames.stop)[:, pixels]
        return codes

    def _decoded(self, start: int, stop: int) -> NDArray[Any]:
        known = self._known
        if known is None or start < known[0] or known[0] + len(known[1]) < stop:
            first, last = (start, stop) if self._some and known is None else (0, self.shape[0])
            codes = np.empty((last - first, self.shape[1]), self.dtype)
            self._decode(codes, first)
            codes.setflags(write=False)
            self._known = known = first, codes
        first, codes = known
        return codes[start - first : stop - first]


def open_chunk(
    stored: Any, filters: Sequence[Codec], *, shape: tuple[int, int], dtype: np.dtype[Any]
) -> OpenChunk:
    """Open a chunk that was decompressed, and undo the filters, given in the order of encoding.

    All filters but the first one decode the whole chunk; so does the first one unless it is a
    `Layout`. A chunk that has not this shape, (frames, pixels), and dtype is a `DamagedChunk`,
    which is known before a layout decodes it.
    """
    for codec in reversed(filters[1:]):
        stored = codec.decode(stored)
    if filters and hasattr(filters[0], "open"):
        chunk = filters[0].open(stored)
        if chunk.shape != shape or chunk.dtype != dtype:
            raise DamagedChunk(
                f"damaged chunk: it holds {chunk.shape} codes of {chunk.dtype} (frames, pixels), "
                f"where {shape} of {dtype} belong"
            )
        return chunk
    codes = ensure_contiguous_ndarray(filters[0].decode(stored) if filters else stored)
    if codes.nbytes != math.prod(shape) * dtype.itemsize:
        raise DamagedChunk(
            f"damaged chunk: {codes.nbytes} bytes of codes, where {shape} codes of {dtype} "
            "(frames, pixels) belong"
        )
    return WholeChunk.of(codes.reshape(-1, order="A").view(np.uint8).view(dtype).reshape(shape))
