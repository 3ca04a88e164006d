"""BigTIFF with OME's metadata, which ImageJ opens through Bio-Formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.files.libraries import library

if TYPE_CHECKING:
    from pathlib import Path

    from dj_photon_codecs.arrays.exports.exported import Exported

__all__ = ["write_tiff"]

PIXELS = ["b1", "u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]  # the types of OME


def write_tiff(exported: Exported, path: Path) -> None:
    """Write uncompressed pages in the order of time.

    Raises
    ------
    TypeError
        If the values fit none of OME's types, which are of 32 bits at most, and floats.
    """
    tifffile = library("tifffile")
    dtype = _dtype(exported)
    metadata: dict[str, Any] = {
        "axes": exported.axes.upper(),
        "MapAnnotation": [{"Namespace": "dj-photon-codecs", **exported.attributes}],
    }
    if exported.frame_rate is not None:
        metadata |= {"TimeIncrement": 1 / exported.frame_rate, "TimeIncrementUnit": "s"}
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as file:
        file.write(
            (
                page.astype(dtype, copy=False)
                for frame in exported.frames()
                for page in frame.reshape(-1, *frame.shape[-2:])
            ),
            shape=exported.shape,
            dtype=dtype,
            photometric="minisblack",
            metadata=metadata,
        )


def _dtype(exported: Exported) -> np.dtype[Any]:
    """Return the dtype of the pages: another one only where that holds the values exactly."""
    exact = (
        exported.code_dtype if exported.dtype.kind != "f" else np.result_type(exported.dtype, "f4")
    )
    for dtype in (exported.dtype, exact):
        if dtype.str[1:] in PIXELS:
            return dtype
    raise TypeError(
        f"the movie holds {exported.dtype} values that need {exact}, and TIFF holds integers of 32 "
        "bits at most; give values='photons', or a path of another format, such as movie.h5"
    )
