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
    while isinstance(values, np.ndarray):
        if isinstance(values, np.memmap):
            # a private mapping (mode "c") may hold changes that are nowhere else
            if values.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
                values._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # noqa: SLF001
            return
        values = values.base
