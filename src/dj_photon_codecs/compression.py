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

BAND = 8  # one in so many rows of a chunk is compressed to choose by
FEWEST_ROWS = 16  # of a band; in fewer, a movie's smooth parts could not be told from its noise


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
    Compression(Blosc(cname="zstd", clevel=1, shuffle=Blosc.NOSHUFFLE)),
    Compression(Blosc(cname="zstd", clevel=5, shuffle=Blosc.SHUFFLE)),
    Compression(COMPRESSOR, GroupedLayout()),
)


def choose_compression(codes: NDArray[Any]) -> Compression:
    """Return the way in which a sample of a movie's codes is the smallest.

    Parameters
    ----------
    codes : numpy.ndarray
        Codes of one chunk, shape (frames, height, width, ...). A band of one in `BAND` of its
        rows is compressed, in its middle.

    Returns
    -------
    Compression
        One of `CANDIDATES`; the same for the same codes.
    """
    rows = codes.shape[1]
    height = min(rows, max(FEWEST_ROWS, rows // BAND))
    first = (rows - height) // 2
    band = np.ascontiguousarray(codes[:, first : first + height])
    return min(CANDIDATES, key=lambda candidate: len(candidate.encode(band)))
