"""Ways to store a movie. Each module is one kind of file, and holds its `WAYS`.

A module imports at its top what it needs, so that one whose package is missing is left out.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ways.way import Way

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MODULES", "Way", "available"]

MODULES = (
    "photon_movies",
    "photon_dense",
    "zarr_arrays",
    "datajoint_files",
    "hdf5_files",
    "tiff_files",
    "image_frames",
    "pcodec_chunks",
    "general_files",
    "blosc2_arrays",
    "anscombe_filter",
)


def available(modules: Sequence[str] = MODULES) -> tuple[list[Way], list[str]]:
    """Return the ways whose packages are installed, and in words which are missing."""
    found: list[Way] = []
    missing = []
    for name in modules:
        try:
            found += import_module(f"ways.{name}").WAYS
        except ModuleNotFoundError as error:
            missing.append(f"{name.replace('_', ' ')} (there is no {error.name})")
    return found, missing
