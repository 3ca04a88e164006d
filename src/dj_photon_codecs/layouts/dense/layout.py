"""`DenseLayout`, the filter that makes movies nearly as small as their noise allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numcodecs.abc import Codec

from dj_photon_codecs.layouts.buffers import (
    as_bytes,
    check_codes,
    is_little_endian_integer,
    room_for,
)
from dj_photon_codecs.layouts.dense.chunk import DenseChunk, Form, chunk_header, frame_shape
from dj_photon_codecs.layouts.dense.numbering import number_codes
from dj_photon_codecs.layouts.dense.packing import pack_dense
from dj_photon_codecs.layouts.dense.unpacking import MOST_CODES
from dj_photon_codecs.layouts.grouped.layout import COMPRESSOR, GroupedLayout
from dj_photon_codecs.layouts.plain import count_varying

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DenseLayout"]

# Of a frame. With fewer, its weights take more bytes than its codes; and a buffer of one dimension,
# each code a frame, would take very long.
FEWEST_PIXELS = 16


class DenseLayout(Codec):  # type: ignore[misc]
    """Numcodecs filter between codes and entropy-coded bytes, which need no compressor.

    The fewer codes are likely at the brightness that the frames before predict, the fewer bits a
    code takes. A chunk that is smaller with one brightness for each pixel, or in the order of
    frames, such as one of floating-point numbers, is stored so. The stored bytes say all that
    decoding needs; there are no parameters.

    Examples
    --------
    >>> layout = DenseLayout()
    >>> counts = np.random.default_rng(0).poisson(3, (100, 64, 64)).astype("u2")
    >>> stored = layout.encode(counts)
    >>> bool((layout.decode(stored) == counts.ravel()).all())
    True
    >>> 8 * len(stored) / counts.size < 1.02 * 2.83  # bits; the entropy of 3 photons
    True
    >>> layout.get_config()
    {'id': 'photon.dense'}
    """

    codec_id: ClassVar[str] = "photon.dense"

    def encode(self, buf: Any) -> NDArray[np.uint8]:
        """Return a chunk in the form that takes the fewest bytes.

        Parameters
        ----------
        buf : buffer, shape (frames, ..., height, width)
            Codes: numbers of at most 8 bytes. Frames at the end in which all codes are the same,
            such as those with which Zarr fills the last chunk, take no space. An array in F order
            is stored as its transpose: exactly, but not well predicted.
        """
        codes = check_codes(buf)
        dense = _dense(codes)
        other = _other(codes)
        smaller = other if dense is None or len(other) < len(dense) else dense
        return np.frombuffer(smaller, np.uint8)

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Return the codes of a chunk; see `Layout`."""
        chunk = DenseChunk(as_bytes(buf, apart_from=out))
        codes = room_for(math.prod(chunk.shape), chunk.dtype, out)
        chunk.decode(out=codes)
        return codes

    def open(self, buf: Any) -> DenseChunk:
        """Return a chunk whose header was read; see `Layout`."""
        return DenseChunk(buf)


def _dense(codes: NDArray[Any]) -> bytes | None:
    """Return a dense chunk; None if codes are no integers, span too much, or frames are tiny."""
    frames = codes.reshape(frame_shape(codes))
    varying = frames[: count_varying(frames)]
    if not varying.size:
        return chunk_header(Form.DENSE, codes, varying=0)
    if not is_little_endian_integer(codes.dtype) or codes[0].size < FEWEST_PIXELS:
        return None
    numbered = number_codes(varying, most=MOST_CODES)
    if numbered is None:
        return None
    numbers, numbering = numbered
    header = chunk_header(Form.DENSE, codes, varying=len(varying), numbering=numbering)
    return header + pack_dense(numbers, values=numbering.values)


def _other(codes: NDArray[Any]) -> bytes:
    """Return a chunk as `photon.grouped` stores it."""
    header = chunk_header(Form.GROUPED, codes, varying=frame_shape(codes)[0])
    return header + bytes(COMPRESSOR.encode(GroupedLayout().encode(codes)))
