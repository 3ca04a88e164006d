"""The picture of a movie, ``preview.png`` beside its chunks: the mean of some of its frames.

Nothing depends on it: a movie without one, or with one that is no such picture, is as good.
"""

from __future__ import annotations

import math
import struct
import zlib
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.storage.files.movie_files import MovieFiles

__all__ = ["PREVIEW", "Preview", "read_preview"]

PREVIEW = "preview.png"
SIDE = 192  # pixels of its longer side, at most
SUMMED = 64  # frames, or one of each chunk where there are more chunks
PATIENCE = 3.0  # seconds that a picture is waited for, of a store that may be gone
MOST_BYTES = 1 << 17  # of the file; pixels that no compression makes smaller take half of it
EXACT = 256  # frames of 16 bits, whose sum is below 2**24: a float32 holds it
CLIPPED = 0.005  # of the pixels are drawn black, and so many white
SIGNATURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
GREY = b"\x08\0\0\0\0"  # 8 bits of grey, deflated, not interlaced


class Preview:
    """The sum of some frames of a movie, evenly spread, taken from its chunks of codes."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._frames = -(-shape[0] // SUMMED)  # one of so many is summed
        self._pixels = -(-max(shape[-2:]) // SIDE)  # so many rows and columns apart
        self._total = np.zeros([-(-side // self._pixels) for side in shape[-2:]])
        self._lock = Lock()

    def add(self, chunk: NDArray[Any]) -> None:
        """Add a chunk; several threads may do so. Zeros behind the end of the movie add nothing."""
        rows = chunk[:: self._frames, ..., :: self._pixels, :: self._pixels]
        planes = rows.reshape(-1, *self._total.shape)  # as if they were frames
        exact = chunk.dtype.itemsize <= 2 and len(planes) <= EXACT  # in half the time
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.add.reduce(planes, axis=0, dtype=np.float32 if exact else np.float64)
            with self._lock:
                self._total += total

    def png(self) -> bytes | None:
        """Return the picture; None if sums differ by more than a float64 can be."""
        ranked = np.sort(self._total, axis=None)  # faster than percentiles
        k = int(CLIPPED * ranked.size)
        darkest, low, high, brightest = map(float, ranked[[0, k, -1 - k, -1]])
        if not math.isfinite(brightest - darkest):
            return None
        if low == high:  # a few bright pixels in the dark, or nothing
            low, high = darkest, brightest
        with np.errstate(over="ignore", invalid="ignore"):
            shares = (self._total - low) * (255 / ((high - low) or 1.0))
            return _png(np.clip(shares, 0, 255, out=shares).astype(np.uint8))


def read_preview(files: MovieFiles) -> bytes | None:
    """Return the picture of a movie, by one request; None if there is none, or no such picture."""
    try:
        content = files.read(PREVIEW, most=MOST_BYTES, timeout=PATIENCE)
    except OSError:
        return None
    return content if content is not None and _is_preview(content) else None


def _png(grey: NDArray[np.uint8]) -> bytes:
    height, width = grey.shape
    # noise repeats nothing: looking for that takes twice as long, and makes it no smaller
    packing = zlib.compressobj(1, strategy=zlib.Z_HUFFMAN_ONLY)
    rows = np.zeros((height, width + 1), np.uint8)  # each begins with its filter, none
    rows[:, 1:] = grey
    chunks = {
        b"IHDR": struct.pack(">II", width, height) + GREY,
        b"IDAT": packing.compress(rows.tobytes()) + packing.flush(),
        b"IEND": b"",
    }
    return SIGNATURE[:8] + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks.items()
    )


def _is_preview(content: bytes) -> bool:
    """Return whether bytes begin and end as a picture of ours, which a browser may decode."""
    if not content.startswith(SIGNATURE) or content[24:29] != GREY:
        return False
    width, height = struct.unpack(">II", content[16:24])
    whole = content.endswith(b"IEND\xae\x42\x60\x82")
    return 0 < width <= SIDE and 0 < height <= SIDE and whole
