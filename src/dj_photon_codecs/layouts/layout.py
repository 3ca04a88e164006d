"""The interface of layouts, `Layout` and `OpenChunk`, and an adapter for other codecs.

*Codes* are the numbers that a movie is stored as; a *chunk* has those of consecutive frames. A
*layout* is a numcodecs codec, used as a Zarr filter, between the codes of a chunk, frame by frame,
and bytes. A chunk of a layout can be opened: then its shape and dtype are known before anything is
decoded, and single frames or pixels are decoded alone if the layout can.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numcodecs.compat import ensure_contiguous_ndarray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numcodecs.abc import Codec
    from numpy.typing import NDArray

__all__ = ["DamagedChunk", "DecodedChunk", "Layout", "OpenChunk", "open_chunk"]


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
        """Return the codes of consecutive frames.

        Parameters
        ----------
        start, stop : int
            The first frame, and the one after the last; ``0 <= start <= stop <= shape[0]``.
        out : numpy.ndarray, shape (stop - start, pixels), optional
            Where to put the codes: contiguous, of the dtype of the chunk.

        Returns
        -------
        numpy.ndarray, shape (stop - start, pixels)
            Codes. It may refer to the chunk: do not write to it.

        Raises
        ------
        DamagedChunk
            If the chunk cannot be decoded.
        """

    def pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels in consecutive frames.

        Parameters
        ----------
        pixels : ndarray of intp, shape (pixels,)
            Indices of pixels in a frame; each once.
        frames : range
            Consecutive frames.

        Returns
        -------
        numpy.ndarray, shape (frames, pixels)
            Codes.

        Raises
        ------
        DamagedChunk
            If the chunk cannot be decoded.
        """


@runtime_checkable
class Layout(Protocol):
    """A numcodecs codec for the codes of a chunk, whose stored bytes can be opened."""

    codec_id: str

    def encode(self, buf: Any) -> Any:
        """Return the bytes of a chunk.

        Parameters
        ----------
        buf : buffer, shape (frames, ...)
            Codes: numbers of at most 8 bytes.

        Raises
        ------
        TypeError
            If the codes are not such numbers.
        ValueError
            If they take 2 GiB or more.
        """

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the codes of a chunk, flat, in the order of memory in which they were encoded.

        Parameters
        ----------
        buf : buffer
            What `encode` returned.
        out : writeable buffer, optional
            Where to put the codes: of their size, contiguous.

        Raises
        ------
        DamagedChunk
            If `buf` is not what `encode` returned.
        ValueError
            If `out` is of another size, read-only, or not contiguous.
        """

    def open(self, buf: Any) -> OpenChunk:
        """Return a chunk whose header was read and checked; it refers to `buf`.

        Raises
        ------
        DamagedChunk
            If `buf` is not what `encode` returned, as far as its header shows.
        """


class DecodedChunk:
    """An `OpenChunk` of codes that are decoded already.

    Parameters
    ----------
    codes : numpy.ndarray, shape (frames, pixels)
        The codes of a chunk.

    Examples
    --------
    >>> chunk = DecodedChunk(np.arange(12).reshape(3, 4))
    >>> chunk.frames(1, 2).tolist(), chunk.pixels(np.array([0, 3]), range(2)).tolist()
    ([[4, 5, 6, 7]], [[0, 3], [4, 7]])
    """

    divisible = True

    def __init__(self, codes: NDArray[Any]) -> None:
        self._codes = codes

    @property
    def shape(self) -> tuple[int, int]:
        """Frames, and pixels of a frame."""
        frames, pixels = self._codes.shape
        return frames, pixels

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the codes."""
        return self._codes.dtype

    def frames(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of consecutive frames; see `OpenChunk`."""
        if out is None:
            return self._codes[start:stop]
        out[...] = self._codes[start:stop]
        return out

    def pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels in consecutive frames; see `OpenChunk`."""
        codes: NDArray[Any] = self._codes[frames.start : frames.stop, pixels]
        return codes


def open_chunk(
    stored: Any, filters: Sequence[Codec], *, shape: tuple[int, int], dtype: np.dtype[Any]
) -> OpenChunk:
    """Open a chunk that was decompressed; the filters are undone here.

    Parameters
    ----------
    stored : buffer
        The decompressed chunk.
    filters : sequence of numcodecs.abc.Codec
        The filters between codes and these bytes, in the order in which they encode. All but the
        first one decode the whole chunk; so does the first one unless it is a `Layout`.
    shape : tuple of int
        Frames and pixels that the chunk must have.
    dtype : numpy.dtype
        The dtype that its codes must have.

    Returns
    -------
    OpenChunk
        Of that shape and dtype.

    Raises
    ------
    DamagedChunk
        If the chunk is of another shape or dtype, which is known before a layout decodes it.
    """
    for codec in reversed(filters[1:]):
        stored = codec.decode(stored)
    if filters and isinstance(filters[0], Layout):
        chunk = filters[0].open(stored)
        if chunk.shape != shape or chunk.dtype != dtype:
            raise DamagedChunk(
                f"damaged chunk: it holds {chunk.shape} codes of {chunk.dtype} (frames, pixels), "
                f"where {shape} of {dtype} belong"
            )
        return chunk
    codes = _flat(filters[0].decode(stored) if filters else stored)
    if codes.nbytes != math.prod(shape) * dtype.itemsize:
        raise DamagedChunk(
            f"damaged chunk: {codes.nbytes} bytes of codes, where {shape} codes of {dtype} "
            "(frames, pixels) belong"
        )
    return DecodedChunk(codes.view(dtype).reshape(shape))


def _flat(buf: Any) -> NDArray[np.uint8]:
    flat: NDArray[np.uint8] = ensure_contiguous_ndarray(buf).reshape(-1, order="A").view(np.uint8)
    return flat
