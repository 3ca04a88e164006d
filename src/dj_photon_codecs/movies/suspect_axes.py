"""Axes that look like something else than (frames, height, width)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

__all__ = ["check_picture"]

SMALLEST = 16  # pixels along the side of what is taken for a picture


def check_picture(values: Any) -> None:
    """Warn of an array whose axes look like others than time, height, width.

    Raises
    ------
    ValueError
        If they are those of colour pictures.

    Warns
    -----
    UserWarning
        If frames seem to be last, to be stacks of frames, or to be masks.

    Examples
    --------
    >>> check_picture(np.zeros((20, 32, 32, 3), "u1"))
    Traceback (most recent call last):
    ...
    ValueError: movie has shape (20, 32, 32, 3) and dtype uint8, as colour pictures have; ...
    """
    shape = tuple(values.shape)
    if len(shape) == 4 and shape[-1] in (3, 4) and min(shape[1:3]) >= SMALLEST:
        text = f"movie has shape {shape} and dtype {values.dtype}, as colour pictures have"
        if values.dtype == np.uint8:
            raise ValueError(
                f"{text}; colours are no counts of photons. Give one of them, such as movie[..., 1]"
            )
        _warn(f"{text}. If the last axis is colour, give one, such as movie[..., 1]")
    elif len(shape) == 4 and shape[0] < shape[1] and min(shape[2:]) >= SMALLEST:
        _warn(
            f"movie has shape {shape}, as {shape[0]} stacks of {shape[1]} frames. If they are "
            "such, give movie.reshape(-1, *movie.shape[2:])"
        )
    elif min(shape) < SMALLEST:
        return
    elif len(shape) == 3 and _has_frames_last(values):
        _warn(
            f"movie has shape {shape}, as if frames were last. If they are, give "
            "numpy.moveaxis(movie, -1, 0)"
        )
    elif values.dtype == np.bool_:
        _warn("movie has dtype bool, as masks have. If it holds photons, give movie.view('uint8')")


def _has_frames_last(values: Any) -> bool:
    height, width, frames = values.shape
    turned = isinstance(values, np.ndarray) and values.flags.fnc  # as arrays of MATLAB are
    return height == width != frames or (turned and frames > max(height, width))


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=5)
