"""`DenseLayout`, the filter that makes movies as small as their noise allows, for archives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray

from dj_photon_codecs.layouts.blosc_chunks import decompress, decompressed_size
from dj_photon_codecs.layouts.choice import Compression, choose_compression
from dj_photon_codecs.layouts.chunks import (
    DTYPES,
    MAX_BYTES,
    check_chunk,
    count_varying,
    room_for,
)
from dj_photon_codecs.layouts.dense.numbering import Numbering, number_codes
from dj_photon_codecs.layouts.dense.packing import pack_dense, unpack_dense
from dj_photon_codecs.layouts.dense.sections import MOST_CODES
from dj_photon_codecs.layouts.grouped.layout import PLAIN_COMPRESSOR, GroupedLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DenseLayout"]

PLAIN, GROUPED, DENSE = range(3)
HEADER = np.dtype(
    [
        ("layout", "u1"),
        ("dtype", "S7"),
        ("frames", "<u8"),
        ("height", "<u8"),
        ("width", "<u8"),
        ("known", "<u8"),
        ("last", "V8"),
        ("lowest", "V8"),
        ("unit", "<u8"),
    ]
)
SQUARES = 1 << 16


class DenseLayout(Codec):  # type: ignore[misc]
    """Numcodecs filter between codes and bytes that need no compressor any more.

    Each code takes as many bits as it is surprising, given the frames before it. A chunk that
    would be smaller in another way, such as one of floating-point numbers, is stored in that:
    by `GroupedLayout`, or as Blosc compresses it. The stored bytes say all that decoding needs;
    there are no parameters.

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
        """Return the codes of a chunk, in the way that takes the fewest bytes.

        Parameters
        ----------
        buf : array_like, shape (frames, ..., height, width)
            Codes: numbers of at most 8 bytes. Frames at the end that all hold one and the same
            value, such as Zarr pads the last chunk with, take no space.

        Returns
        -------
        ndarray of uint8
            Bytes, flat.

        Raises
        ------
        ValueError
            If the codes are not numbers of at most 8 bytes, or are 2 GiB or more.
        """
        chunk = check_chunk(buf)
        dense = _dense(chunk)
        other = _other(chunk)
        smaller = other if dense is None or len(other) < len(dense) else dense
        return np.frombuffer(smaller, np.uint8)

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Return the codes of a chunk.

        Parameters
        ----------
        buf : buffer
            What `encode` returned.
        out : writeable buffer, optional
            Where to put the codes: of their size.

        Returns
        -------
        numpy.ndarray
            Codes in the order of frames, flat; they lie in `out` if that was given.

        Raises
        ------
        ValueError
            If `buf` is not what `encode` returned, or `out` is of another size.
        """
        stored = ensure_contiguous_ndarray(buf).view(np.uint8)
        chunk = _described(stored)
        codes = room_for(math.prod(chunk.shape), chunk.dtype, out)
        body = stored[HEADER.itemsize :]
        if chunk.layout == DENSE:
            _read_dense(chunk, body, codes=codes)
        elif chunk.layout == GROUPED:
            _read_grouped(chunk, body, codes=codes)
        else:
            decompress(body, out=codes)
        return codes


class _Chunk(NamedTuple):
    """What the header of a chunk says."""

    layout: int
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]
    known: int  # frames before those that are constant
    last: NDArray[Any]
    lowest: NDArray[Any]
    unit: int


def _dense(chunk: NDArray[Any]) -> bytes | None:
    """Store codes densely, unless they are no integers, or vary too much."""
    frames = chunk.reshape(_shape(chunk))
    known = frames[: count_varying(frames)]
    if not known.size:
        return _header(DENSE, chunk, known=0)
    if chunk.dtype.kind not in "iu" or not chunk.dtype.isnative:
        return None
    numbered = number_codes(known, most=MOST_CODES)
    if numbered is None:
        return None
    numbers, numbering = numbered
    header = _header(DENSE, chunk, known=len(known), numbering=numbering)
    return header + pack_dense(numbers, values=numbering.values)


def _other(chunk: NDArray[Any]) -> bytes:
    """Store codes as a movie that is not dense would."""
    choice = Compression(PLAIN_COMPRESSOR)
    if chunk.ndim > 1 and chunk.size:
        choice = choose_compression(chunk)
    layout = PLAIN if choice.layout is None else GROUPED
    return _header(layout, chunk, known=len(chunk) if chunk.ndim else 1) + choice.encode(chunk)


def _shape(chunk: NDArray[Any]) -> tuple[int, int, int]:
    """Frames, height and width; what is between frames and width is one height."""
    if chunk.ndim < 2:
        return chunk.size, 1, 1
    height = int(np.prod(chunk.shape[1:-1], dtype=np.int64))
    return len(chunk), height, chunk.shape[-1]


def _header(
    layout: int, chunk: NDArray[Any], *, known: int, numbering: Numbering | None = None
) -> bytes:
    header = np.zeros(1, HEADER)
    header["layout"], header["dtype"], header["known"] = layout, chunk.dtype.str, known
    header["frames"], header["height"], header["width"] = _shape(chunk)
    if chunk.size:
        header["last"] = chunk.reshape(-1)[-1:].tobytes()
    if numbering is not None:
        header["lowest"] = np.array([numbering.lowest], chunk.dtype).tobytes()
        header["unit"] = numbering.unit
    return header.tobytes()


def _described(stored: NDArray[np.uint8]) -> _Chunk:
    if stored.size < HEADER.itemsize:
        raise ValueError(f"damaged chunk: {stored.size} bytes are too few for its header")
    header = stored[: HEADER.itemsize].view(HEADER)[0]
    if header["layout"] not in (PLAIN, GROUPED, DENSE):
        raise ValueError(
            f"a chunk of layout {header['layout']}, which this version of dj-photon-codecs does "
            "not know: upgrade it, or restore the chunk if it is damaged"
        )
    dtype = DTYPES.get(header["dtype"])
    frames, height, width, known = (
        int(header[name]) for name in ("frames", "height", "width", "known")
    )
    size = math.prod(max(length, 1) for length in (frames, height, width))
    if dtype is None or size * dtype.itemsize >= MAX_BYTES or known > frames:
        raise ValueError(f"damaged chunk: its header is {header}")
    last, lowest = (
        np.frombuffer(header[name].tobytes(), dtype, count=1) for name in ("last", "lowest")
    )
    return _Chunk(
        int(header["layout"]),
        dtype,
        (frames, height, width),
        known,
        last,
        lowest,
        int(header["unit"]),
    )


def _read_dense(chunk: _Chunk, body: NDArray[np.uint8], *, codes: NDArray[Any]) -> None:
    frames = codes.reshape(chunk.shape)
    frames[chunk.known :] = chunk.last
    known = frames[: chunk.known].view(f"u{chunk.dtype.itemsize}")
    if not known.size:
        if body.size:
            raise ValueError(f"damaged chunk: {body.size} bytes where there should be none")
        return
    if chunk.dtype.kind not in "iu" or not 0 < chunk.unit < 1 << 8 * chunk.dtype.itemsize:
        raise ValueError(f"damaged chunk: {chunk.dtype} in units of {chunk.unit}")
    values = unpack_dense(body, known.shape, out=known)
    Numbering(int(chunk.lowest[0]), chunk.unit, values).apply(known)


def _read_grouped(chunk: _Chunk, body: NDArray[np.uint8], *, codes: NDArray[Any]) -> None:
    size = decompressed_size(body, least=0, most=2 * codes.nbytes + SQUARES)
    decompressed = np.empty(size, np.uint8)
    decompress(body, out=decompressed)
    grouped = GroupedLayout().open(decompressed)
    shape = chunk.shape[0], chunk.shape[1] * chunk.shape[2]
    if grouped.shape != shape or grouped.dtype != chunk.dtype:
        raise ValueError(
            f"damaged chunk: {grouped.shape} codes of {grouped.dtype} in groups, for {shape} of "
            f"{chunk.dtype}"
        )
    grouped.frames(0, shape[0], out=codes.reshape(shape))
