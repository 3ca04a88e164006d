"""`ChecksumFilter`, the last filter of a stored movie: damage within a chunk raises.

Neither Zarr nor Blosc notices a changed byte. The database row holds a checksum for each chunk,
but a plain Zarr reader does not know it; with this filter it checks what was decompressed.
"""

from __future__ import annotations

from typing import Any, ClassVar

import google_crc32c
import numpy as np
from numcodecs.abc import Codec
from numpy.typing import NDArray

from dj_photon_codecs.layouts.buffers import as_bytes, room_for
from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.storage.filters.buffers import flatten

__all__ = ["ChecksumFilter"]

NUMBERS = 8  # bytes of the two numbers at the end
MULTIPLE = 8  # elements; Blosc's bit shuffle leaves a block of another number as it is


class ChecksumFilter(Codec):  # type: ignore[misc]
    """Numcodecs filter that appends a CRC-32C to a chunk, and checks it when the chunk is read.

    The trailer is zeros, its size in bytes and the masked CRC-32C of all bytes before it (both
    uint32, little-endian); with it the chunk is a multiple of 8 elements of the dtype that it had,
    so that a compressor shuffles it as it would without.

    Examples
    --------
    >>> checked = ChecksumFilter()
    >>> stored = checked.encode(np.array([3, 1, 4], "uint16"))
    >>> stored.dtype, stored.size
    (dtype('uint16'), 8)
    >>> checked.decode(stored).view("uint16")
    array([3, 1, 4], dtype=uint16)
    >>> stored[1] = 2
    >>> checked.decode(stored)
    Traceback (most recent call last):
    ...
    dj_photon_codecs.layouts.layout.DamagedChunk: damaged chunk: its checksum is ...
    """

    codec_id: ClassVar[str] = "photon.crc32c"

    def encode(self, buf: Any) -> NDArray[Any]:
        """Return a chunk with its checksum behind it; Python objects are refused.

        Flat, of the dtype of `buf` (uint8 for bytes), in the order in which it lies in memory.
        """
        chunk = flatten(buf)
        room = -(-NUMBERS // max(1, chunk.itemsize))
        length = -(-(chunk.size + room) // MULTIPLE) * MULTIPLE
        stored = np.empty(length * max(1, chunk.itemsize), np.uint8)
        stored[: chunk.nbytes] = chunk.view(np.uint8)
        stored[chunk.nbytes : -8] = 0
        stored[-8:-4] = _uint32(stored.size - chunk.nbytes)
        stored[-4:] = _uint32(_masked_crc32c(stored[:-4]))
        return stored.view(chunk.dtype)

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Return the bytes of a chunk that is as it was written: a view of `buf`, or in `out`.

        A damaged one is a `DamagedChunk`, an `out` of another size a `ValueError`.
        """
        stored = as_bytes(buf)
        payload = self.payload(stored)
        if (found := _masked_crc32c(stored[:-4])) != (written := _number(stored[-4:])):
            raise DamagedChunk(
                f"damaged chunk: its checksum is {found:08x}, and {written:08x} was written. "
                "Restore it from a backup of the store, or insert the movie again"
            )
        if out is None:
            return payload
        room = room_for(payload.size, payload.dtype, out)
        room[...] = payload
        return room

    def payload(self, buf: Any) -> NDArray[np.uint8]:
        """Return the bytes of a chunk, a view of `buf`, without its checksum, unchecked.

        For readers that have checked the stored bytes already. One that is too short is a
        `DamagedChunk`.
        """
        stored = as_bytes(buf)
        size = _number(stored[-8:-4])
        if not NUMBERS <= size <= stored.size:
            raise DamagedChunk(
                f"damaged chunk: {stored.size} bytes, of which {size} hold its checksum. Restore "
                "it from a backup of the store, or insert the movie again"
            )
        return stored[: stored.size - size]


def _masked_crc32c(stored: NDArray[np.uint8]) -> int:
    """Return the CRC-32C of bytes, rotated right by 15 bits, plus 0xA282EAD8.

    Bytes that end in their own CRC-32C all have the same CRC-32C. Where no compressor follows, the
    checksums of the chunks in ``.zattrs`` would then be equal, and exchanged chunks go unnoticed.
    Snappy's framing format masks its checksums so, for that reason.
    """
    crc = int(google_crc32c.value(stored))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _number(four: NDArray[np.uint8]) -> int:
    return int.from_bytes(four.tobytes(), "little")


def _uint32(number: int) -> NDArray[np.uint8]:
    return np.frombuffer(number.to_bytes(4, "little"), np.uint8)
