"""Memory maps: their pages would fill the memory, and a file that was cut ends the process."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

__all__ = ["check_length", "release_pages"]


def check_length(values: Any) -> None:
    """Refuse a memory map whose file became shorter: to read it would end the process (SIGBUS).

    A view of a map is one, too; anything else is left alone.

    Raises
    ------
    ValueError
        If the file ends before the map does.
    """
    mapped = None
    while isinstance(values, np.ndarray):
        mapped = values if isinstance(values, np.memmap) else mapped
        values = values.base
    if mapped is None or not isinstance(values, mmap.mmap):
        return
    end = mapped.offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY + len(values)
    if values.size() < end:
        raise ValueError(
            f"movie is a memory map of {mapped.filename}, which became shorter: it has "
            f"{values.size()} bytes, and had {end}. Open it again when nothing writes to it"
        )


def release_pages(values: Any) -> None:
    """Drop a memory map's pages from this process; they stay in the system's cache of the file."""
    changeable = False
    while isinstance(values, np.ndarray):
        # a private mapping (mode "c") may hold changes that are nowhere else
        changeable = changeable or getattr(values, "mode", None) == "c"
        values = values.base
    if isinstance(values, mmap.mmap) and not changeable and hasattr(mmap, "MADV_DONTNEED"):
        values.madvise(mmap.MADV_DONTNEED)
