"""What can be a movie, and what cannot, told without reading any of it."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["check_frames"]


def check_frames(values: Any) -> None:
    """Refuse what cannot be a movie, without reading its values.

    Parameters
    ----------
    values : object
        What a user gave.

    Raises
    ------
    TypeError
        If it is no array, a masked array, or an array of another kind than bool, integers and
        floats of 16, 32 or 64 bits.
    ValueError
        If it has fewer than 3 dimensions, no frames, or empty frames.

    Examples
    --------
    >>> check_frames(np.zeros((512, 512)))
    Traceback (most recent call last):
    ...
    ValueError: movie has shape (512, 512); it must be ...
    """
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(
            "movie is a masked array, whose mask would be lost; fill it (movie.filled(0)) and "
            "keep the mask in a column of its own"
        )
    if not _is_array(values):
        raise TypeError(
            f"movie is a {type(values).__name__}; it must be a NumPy array (or memory map) of "
            "shape (frames, height, width, ...). Convert it with numpy.asarray"
        )
    if values.dtype.kind not in "buif" or values.dtype.itemsize > 8:
        raise TypeError(
            f"movie has dtype {values.dtype}; it must be bool, an integer, or a float of 16, 32 "
            "or 64 bits. Convert it with movie.astype"
        )
    if len(values.shape) < 3 or 0 in values.shape:
        raise ValueError(
            f"movie has shape {values.shape}; it must be (frames, height, width, ...), with "
            "nothing empty. A single image is image[numpy.newaxis]"
        )


def _is_array(values: Any) -> bool:
    attributes = ("shape", "__array__", "__getitem__")
    return isinstance(getattr(values, "dtype", None), np.dtype) and all(
        hasattr(values, name) for name in attributes
    )
