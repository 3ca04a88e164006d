"""What codes go through on their way to the store, and which way is the smallest for a movie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import Blosc

from dj_photon_codecs.layout import COMPRESSOR, PLAIN_COMPRESSOR, GroupedLayout

if TYPE_CHECKING:
    from numcodecs.abc import Codec
    from numpy.typing import NDArray

__all__ = ["Compression", "choose_compression"]

SAMPLE = 1 << 22  # codes of a chunk that are compressed to choose by; a small chunk is taken whole


@dataclass(frozen=True)
class Compression:
    """A compressor, and the layout that prepares codes for it.

    Parameters
    ----------
    compressor : numcodecs.abc.Codec or None
        None stores codes as they are.
    layout : numcodecs.abc.Codec, optional
        A filter that the codes of a chunk go through before.

    Examples
    --------
    >>> grouped = Compression(COMPRESSOR, GroupedLayout())
    >>> codes = np.random.default_rng(0).poisson(3, (100, 32, 32)).astype("u1")
    >>> len(grouped.encode(codes)) < codes.nbytes / 2
    True
    """

    compressor: Codec | None
    layout: Codec | None = None

    def encode(self, codes: NDArray[Any]) -> bytes:
        """Return the bytes of a chunk, as a Zarr array with these codecs stores it."""
        stored = codes if self.layout is None else self.layout.encode(codes)
        return (
            stored.tobytes() if self.compressor is None else bytes(self.compressor.encode(stored))
        )


CANDIDATES = (
    # the first of equals is chosen, so the simplest comes first
    Compression(PLAIN_COMPRESSOR),
    # blocks of many frames, for movies whose frames repeat
    Compression(Blosc(cname="zstd", clevel=3, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 24)),
    Compression(Blosc(cname="zstd", clevel=5, shuffle=Blosc.SHUFFLE)),
    Compression(COMPRESSOR, GroupedLayout()),
)


def choose_compression(codes: NDArray[Any]) -> Compression:
    """Return the way in which a sample of a movie's codes is the smallest.

    Parameters
    ----------
    codes : numpy.ndarray
        Codes of one chunk, shape (frames, height, width, ...). A band of rows in its middle is
        compressed.

    Returns
    -------
    Compression
        One of `CANDIDATES`; the same for the same codes.
    """
    rows = codes.shape[1]
    height = min(rows, -(-SAMPLE * rows // codes.size))
    first = (rows - height) // 2
    band = np.ascontiguousarray(codes[:, first : first + height])
    return min(CANDIDATES, key=lambda candidate: len(candidate.encode(band)))
