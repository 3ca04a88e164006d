"""The order in which codes are stored: pixels of like brightness together, where that is smaller.

`GroupedLayout` is a filter that stands before a compressor such as `COMPRESSOR`: it puts the codes
of a chunk into an order, and packs them, so that the compressor's tables fit their statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numcodecs import Blosc
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray
from numpy.typing import NDArray

from dj_photon_codecs.grouping import group_pixels
from dj_photon_codecs.packing import MAX_BYTES, PackedChunk, pack
from dj_photon_codecs.renumbering import renumber, values_in_use

__all__ = ["COMPRESSOR", "PLAIN_COMPRESSOR", "GroupedChunk", "GroupedLayout"]

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
STRETCH = 1 << 14  # bytes, of which some are compressed to see which layout is smaller
SAMPLED, PLAIN_SAMPLED = 3, 13  # one in so many; odd, so that they are not of the same rows
FEWEST_STRETCHES = 16  # of a sample; in fewer, a movie's frames could differ too much
MARGIN = 0.93  # where the samples differ by less, both layouts are compressed in full


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
            stored = _joined(GROUPED, chunk, body=_packed(frames))
            if _is_smaller(stored[HEADER.itemsize :], chunk):
                return stored
        return _joined(PLAIN, chunk, body=[_compressed(chunk)])

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
        chunk = GroupedChunk(buf)
        return chunk.frames(0, chunk.shape[0], out=_room(chunk, out)).reshape(-1)

    def open(self, buf: Any) -> GroupedChunk:
        """Return a chunk of which single frames are to be decoded.

        Parameters
        ----------
        buf : buffer
            What `encode` returned; the chunk refers to it.

        Raises
        ------
        ValueError
            If `buf` is not what `encode` returned.
        """
        return GroupedChunk(buf)


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
            _decompress(self._plain, codes)
        else:
            codes[...] = self._codes[start:stop]
        return codes

    def _read_packed(self, start: int, stop: int, *, codes: NDArray[Any]) -> int:
        """Decode those frames that are not constant, and return how many they are."""
        packed = self._packed
        known = 0 if packed is None else max(0, min(stop, packed.shape[0]) - start)
        if packed is not None and known:
            packed.read(start, start + known, out=codes[:known].view(packed.dtype))
        return known

    @cached_property
    def _codes(self) -> NDArray[Any]:
        """All codes of a chunk in plain order, which is compressed as a whole."""
        return self.frames(0, self.shape[0])


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


def _packed(frames: NDArray[Any]) -> list[NDArray[np.uint8]]:
    pixels = frames.reshape(len(frames), -1)
    codes = pixels.view(f"u{frames.itemsize}")
    values = values_in_use(codes)
    if values is None:
        return pack(codes, group_pixels(pixels))
    numbers = renumber(codes, values)
    return pack(numbers, group_pixels(numbers), values=values)


def _is_smaller(packed: NDArray[np.uint8], chunk: NDArray[Any]) -> bool:
    """Whether packed codes compress better than the chunk in plain order."""
    sampled = min(packed.size / SAMPLED, chunk.nbytes / PLAIN_SAMPLED)
    if sampled >= FEWEST_STRETCHES * STRETCH:
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


def _decompress(body: NDArray[np.uint8], codes: NDArray[Any]) -> None:
    # Blosc believes its header: a size that is too large would be read beyond the buffer.
    sizes = body[4:16].view("<u4").tolist() if body.size >= BLOSC_HEADER else []
    if sizes[0::2] != [codes.nbytes, body.size]:
        raise ValueError(f"damaged chunk: {body.size} bytes for {codes.nbytes} bytes of codes")
    try:
        PLAIN_COMPRESSOR.decode(body, out=codes)
    except RuntimeError as error:
        raise ValueError(f"damaged chunk: {error}") from error


def _grouped(body: NDArray[np.uint8], shape: tuple[int, int], *, itemsize: int) -> PackedChunk:
    packed = PackedChunk(body)
    frames, pixels = packed.shape
    if frames > shape[0] or pixels != shape[1] or packed.dtype.itemsize != itemsize:
        raise ValueError(
            f"damaged chunk: {frames} x {pixels} codes of {packed.dtype}, for {shape} of "
            f"{itemsize} bytes"
        )
    return packed


def _joined(
    layout: int, chunk: NDArray[Any], *, body: Sequence[NDArray[np.uint8]] = ()
) -> NDArray[np.uint8]:
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


def _room(chunk: GroupedChunk, out: Any) -> NDArray[Any] | None:
    """View `out` as the codes of a chunk."""
    if out is None:
        return None
    room: NDArray[Any] = ensure_contiguous_ndarray(out).view(np.uint8)
    size = chunk.shape[0] * chunk.shape[1] * chunk.dtype.itemsize
    if room.size != size:
        raise ValueError(f"out holds {room.size} bytes; the chunk has {size}")
    return room.view(chunk.dtype).reshape(chunk.shape)
