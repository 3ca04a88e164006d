"""What the codes of a chunk go through on their way to the store, after the transform."""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numpy.typing import NDArray

from dj_photon_codecs.layouts.choice import Compression
from dj_photon_codecs.storage.filters.checksum import ChecksumFilter

__all__ = ["encode_chunk", "filters_of"]


def filters_of(compression: Compression) -> list[Codec]:
    """Return the filters between the transform and the compressor: a layout, if any, a checksum."""
    layout = [] if compression.layout is None else [compression.layout]
    return [*layout, ChecksumFilter()]


def encode_chunk(codes: NDArray[Any], *, compression: Compression) -> bytes:
    """Return the bytes of a chunk, all of its codes in C order, as they lie on the store."""
    stored: Any = codes
    for codec in filters_of(compression):
        stored = codec.encode(stored)
    if compression.compressor is None:
        return np.asarray(stored).tobytes()
    return bytes(compression.compressor.encode(stored))
