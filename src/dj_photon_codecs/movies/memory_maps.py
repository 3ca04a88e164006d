"""Memory maps, whose pages would fill the memory as they are read."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

__all__ = ["release_pages"]


def release_pages(values: Any) -> None:
    """Drop a memory map's pages from this process; they stay in the system's cache of the file.

    Parameters
    ----------
    values : object
        A memory map or a view of one; anything else is left alone.
    """
    changeable = False
    while isinstance(values, np.ndarray):
        # a private mapping (mode "c") may hold changes that are nowhere else
        changeable = changeable or getattr(values, "mode", None) == "c"
        values = values.base
    if isinstance(values, mmap.mmap) and not changeable and hasattr(mmap, "MADV_DONTNEED"):
        values.madvise(mmap.MADV_DONTNEED)
