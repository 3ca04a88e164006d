"""The order in which codes are stored: pixels of like brightness together, where that is smaller.

`GroupedLayout` is a filter that stands before a compressor such as `COMPRESSOR`: it puts the codes
of a chunk into an order, and packs them, so that the compressor's tables fit their statistics.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numcodecs import Blosc
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray
from numpy.typing import NDArray

from dj_photon_codecs.grouping import group_pixels
from dj_photon_codecs.packing import MAX_BYTES, pack, unpack

__all__ = ["COMPRESSOR", "PLAIN_COMPRESSOR", "GroupedLayout"]

# In blocks longer than Blosc's own zstd looks for longer matches only: in noise the short ones
# are accidents, and cost more than they save.
COMPRESSOR = Blosc(cname="zstd", clevel=1, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 20)
PLAIN_COMPRESSOR = Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE)

BLOSC_HEADER = 16  # bytes

PLAIN, GROUPED, CONSTANT = range(3)
HEADER = np.dtype(
    [("layout", "u1"), ("dtype", "S7"), ("frames", "<u8"), ("pixels", "<u8"), ("last", "V8")]
)
DTYPES = {
    dtype.str.encode(): dtype
    for code in "?bhilqBHILQefd"
    for dtype in (np.dtype(code), np.dtype(code).newbyteorder())
}
FEWEST_FRAMES = 8  # in fewer, the classes of the pixels would cost more than they save
STRETCH = 1 << 17  # bytes, of which some are compressed to see which layout is smaller
SAMPLED, PLAIN_SAMPLED = 8, 32  # one in so many; the plain layout is the same everywhere
MARGIN = 0.95  # where the samples differ by less, both layouts are compressed in full


class GroupedLayout(Codec):  # type: ignore[misc]
    """Numcodecs filter between codes in the order of frames and codes grouped by their noise.

    A chunk that would be smaller in plain order is left in it, compressed by Blosc (Zstd, level
    5, bit shuffle). The choice is made for each chunk, from a sample of it unless it is close.
    The stored bytes say all that decoding needs; there are no parameters.

    Examples
    --------
    >>> layout = GroupedLayout()
    >>> counts = np.random.default_rng(0).poisson(3, (100, 64, 64)).astype("u2")
    >>> stored = layout.encode(counts)
    >>> bool((layout.decode(stored) == counts.ravel()).all())
    True
    >>> len(COMPRESSOR.encode(stored)) < 0.92 * len(PLAIN_COMPRESSOR.encode(counts))
    True
    >>> layout.get_config()
    {'id': 'photon.grouped'}
    """

    codec_id: ClassVar[str] = "photon.grouped"

    def encode(self, buf: Any) -> NDArray[np.uint8]:
        """Return the codes of a chunk, in the layout that compresses best.

        Parameters
        ----------
        buf : array_like, shape (frames, ...)
            Codes: numbers of at most 8 bytes. Integers are grouped if there are at least
            `FEWEST_FRAMES` frames of them. Frames at the end that all hold one and the same
            value, such as Zarr pads the last chunk with, take no space.

        Returns
        -------
        ndarray of uint8
            Bytes, flat, for a compressor such as `COMPRESSOR`.

        Raises
        ------
        ValueError
            If the codes are not numbers of at most 8 bytes, or are 2 GiB or more.
        """
        chunk = _checked(buf)
        frames = _until_constant(chunk)
        if not len(frames):
            return _joined(CONSTANT, chunk)
        if _groupable(frames):
            pixels = frames.reshape(len(frames), -1)
            packed = pack(pixels, group_pixels(pixels), width=frames.shape[-1])
            if _is_smaller(packed, chunk):
                return _joined(GROUPED, chunk, body=packed)
        return _joined(PLAIN, chunk, body=_compressed(chunk))

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
        header, body = _split(buf)
        codes = _room(header, out)
        if header["layout"] == PLAIN:
            return _decompress(body, codes)
        known = _ungrouped(body, codes)
        codes[known:] = np.frombuffer(header["last"], codes.dtype, count=1)
        return codes

    def decode_frames(self, buf: Any, start: int, stop: int) -> NDArray[Any]:
        """Return the codes of some frames of a chunk; of grouped ones, nothing else is decoded.

        Parameters
        ----------
        buf : buffer
            What `encode` returned.
        start, stop : int
            The first frame, and the one after the last.

        Returns
        -------
        numpy.ndarray, shape (frames, pixels)
            Codes.

        Raises
        ------
        ValueError
            If `buf` is not what `encode` returned.
        """
        header, body = _split(buf)
        frames = range(int(header["frames"]))[start:stop]
        if header["layout"] == GROUPED:
            codes = unpack(body, start=frames.start, stop=frames.stop)
            if len(codes) == len(frames):  # else some are among the constant ones at the end
                return codes.view(header["dtype"].decode())
        return self.decode(buf).reshape(int(header["frames"]), -1)[start:stop]


def _checked(buf: Any) -> NDArray[Any]:
    chunk = np.ascontiguousarray(ensure_ndarray(buf))
    if chunk.dtype.str.encode() not in DTYPES:
        raise ValueError(f"codes are of dtype {chunk.dtype}; they must be numbers of 1 to 8 bytes")
    if chunk.nbytes >= MAX_BYTES:
        raise ValueError(
            f"a chunk of {chunk.nbytes} bytes is too large, the limit is {MAX_BYTES - 1}: "
            "put fewer frames in a chunk"
        )
    return chunk if chunk.ndim else chunk.reshape(1)


def _until_constant(chunk: NDArray[Any]) -> NDArray[Any]:
    """Leave out the frames at the end that are of one value, bit for bit the same in all."""
    bits = chunk.view(f"u{chunk.itemsize}")
    frames = len(chunk) if chunk.size else 0
    while frames and (bits[frames - 1] == bits.flat[-1]).all():
        frames -= 1
    return chunk[:frames]


def _groupable(frames: NDArray[Any]) -> bool:
    integers = frames.dtype.kind in "iu" and frames.dtype.isnative
    return integers and len(frames) >= FEWEST_FRAMES and frames.ndim > 1


def _is_smaller(packed: NDArray[np.uint8], chunk: NDArray[Any]) -> bool:
    """Whether packed codes compress better than the chunk in plain order."""
    if packed.size > SAMPLED * STRETCH and chunk.nbytes > PLAIN_SAMPLED * STRETCH:
        ratio = _sampled_size(packed, COMPRESSOR, every=SAMPLED) / _sampled_size(
            chunk, PLAIN_COMPRESSOR, every=PLAIN_SAMPLED
        )
        if abs(np.log(ratio)) > -np.log(MARGIN):
            return bool(ratio < 1)
    return len(COMPRESSOR.encode(packed)) < len(PLAIN_COMPRESSOR.encode(chunk))


def _sampled_size(values: NDArray[Any], compressor: Blosc, *, every: int) -> float:
    """The compressed size of an array, from one in so many of its stretches."""
    length = STRETCH // values.itemsize
    flat = values.reshape(-1)
    whole = flat[: flat.size // length * length].reshape(-1, length)
    sample = np.ascontiguousarray(whole[every // 2 :: every])
    return len(compressor.encode(sample)) * flat.size / sample.size


def _compressed(chunk: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(PLAIN_COMPRESSOR.encode(chunk), np.uint8)


def _decompress(body: NDArray[np.uint8], codes: NDArray[Any]) -> NDArray[Any]:
    # Blosc believes its header: a size that is too large would be read beyond the buffer.
    sizes = body[4:16].view("<u4").tolist() if body.size >= BLOSC_HEADER else []
    if sizes[0::2] != [codes.nbytes, body.size]:
        raise ValueError(f"damaged chunk: {body.size} bytes for {codes.nbytes} bytes of codes")
    try:
        PLAIN_COMPRESSOR.decode(body, out=codes)
    except RuntimeError as error:
        raise ValueError(f"damaged chunk: {error}") from error
    return codes


def _ungrouped(body: NDArray[np.uint8], codes: NDArray[Any]) -> int:
    """Put grouped codes in their order, and return how many there are."""
    if not body.size:
        return 0
    return unpack(body, out=codes.view(f"u{codes.itemsize}")).size


def _joined(
    layout: int, chunk: NDArray[Any], *, body: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    header = np.zeros(1, HEADER)
    header["layout"], header["dtype"] = layout, chunk.dtype.str
    header["frames"], header["pixels"] = len(chunk), chunk.size // max(len(chunk), 1)
    if chunk.size:
        header["last"] = chunk.reshape(-1)[-1:].tobytes()
    start = header.view(np.uint8)
    return start if body is None else np.concatenate([start, body])


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


def _room(header: Any, out: Any) -> NDArray[Any]:
    """An array for all codes of a chunk: `out`, or a new one."""
    dtype = DTYPES.get(header["dtype"])
    size = int(header["frames"]) * int(header["pixels"])
    if dtype is None or size * dtype.itemsize >= MAX_BYTES:
        raise ValueError(f"damaged chunk: {size} codes of dtype {header['dtype']!r}")
    if out is None:
        return np.empty(size, dtype)
    room: NDArray[Any] = ensure_contiguous_ndarray(out).view(np.uint8)
    if room.size != size * dtype.itemsize:
        raise ValueError(f"out holds {room.size} bytes; the chunk has {size * dtype.itemsize}")
    return room.view(dtype)
