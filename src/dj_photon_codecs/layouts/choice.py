"""How the codes of a movie are compressed: a layout and a compressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numcodecs import Blosc
from numcodecs.abc import Codec
from numpy.typing import NDArray

from dj_photon_codecs.layouts.grouped.layout import COMPRESSOR, GroupedLayout

__all__ = ["GROUPED", "PLAIN", "Compression"]


@dataclass(frozen=True)
class Compression:
    """A compressor, if any, and the layout, if any, that codes go through before."""

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
