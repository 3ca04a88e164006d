"""The first eight bytes of a chunk, the same in all of our layouts: its form and dtype."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES
from dj_photon_codecs.layouts.buffers import DTYPES, as_bytes
from dj_photon_codecs.layouts.layout import DamagedChunk

__all__ = ["FIRST_FIELDS", "new_header", "read_code", "read_dtype", "split_header"]

FIRST_FIELDS = [("form", "u1"), ("dtype", "S7")]  # of the header of every layout


def new_header(fields: np.dtype[Any], codes: NDArray[Any], *, form: IntEnum) -> NDArray[Any]:
    """Return the header of a chunk of these codes, (1,), with its form, dtype and last code.

    Its `fields` are `FIRST_FIELDS`, "last" of 8 bytes, and others.
    """
    header = np.zeros(1, fields)
    header["form"], header["dtype"] = form, codes.dtype.str
    if codes.size:
        header["last"] = codes.reshape(-1)[-1:].tobytes()
    return header


def split_header(
    stored: Any, fields: np.dtype[Any], *, forms: type[IntEnum]
) -> tuple[Any, NDArray[np.uint8]]:
    """Return the header of a stored chunk, and the bytes that follow it.

    What is shorter, or of none of these forms, is a `DamagedChunk`.
    """
    chunk = as_bytes(stored)
    if chunk.size < fields.itemsize:
        raise DamagedChunk(f"damaged chunk: {chunk.size} bytes are too few for its header")
    header = chunk[: fields.itemsize].view(fields)[0]
    if header["form"] not in [int(form) for form in forms]:
        raise DamagedChunk(
            f"a chunk of form {header['form']}, which this version of dj-photon-codecs does not "
            "know: upgrade it, or restore the chunk if it is damaged"
        )
    return header, chunk[fields.itemsize :]


def read_dtype(header: Any, *, lengths: tuple[int, ...]) -> np.dtype[Any]:
    """Return the dtype in a header, which also says the `lengths` of all dimensions.

    Where no chunk has such a dtype, or such lengths, it is a `DamagedChunk`.
    """
    dtype = DTYPES.get(header["dtype"])
    size = math.prod(max(length, 1) for length in lengths)
    if dtype is None or size * dtype.itemsize >= MAX_BYTES:
        raise DamagedChunk(
            f"damaged chunk: its header says {lengths} codes of dtype {header['dtype']!r}"
        )
    return dtype


def read_code(header: Any, name: str, *, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the code in a field of a header, as an array of shape (1,)."""
    return np.frombuffer(header[name].tobytes(), dtype, count=1)
