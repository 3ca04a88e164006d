"""How the codes of a movie are compressed: a layout and a compressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numcodecs import Blosc

from dj_photon_codecs.layouts.grouped.layout import COMPRESSOR, GroupedLayout

if TYPE_CHECKING:
    from numcodecs.abc import Codec
    from numpy.typing import NDArray

__all__ = ["GROUPED", "PLAIN", "Compression"]


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
    >>> import numpy as np
    >>> codes = np.random.default_rng(0).poisson(3, (100, 32, 32)).astype("u1")
    >>> len(GROUPED.encode(codes)) < codes.nbytes / 2
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


GROUPED = Compression(COMPRESSOR, GroupedLayout())  # decides for each chunk
PLAIN = Compression(Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE))
