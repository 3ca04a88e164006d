"""How many chunks to work on at once."""

from __future__ import annotations

import os

__all__ = ["processors_for", "usable_processors"]

SMALL = 1 << 20  # bytes of codes of a chunk


def usable_processors() -> int:
    """Return how many processors this process may use, as a cluster's job often may not use all.

    Examples
    --------
    >>> usable_processors() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processors_for(chunk_bytes: int) -> int:
    """Return how many chunks of so many bytes of codes to encode or decode at once.

    Small ones take NumPy calls so short that threads would only wait for each other.

    Examples
    --------
    >>> processors_for(1000)
    1
    """
    return usable_processors() if chunk_bytes >= SMALL else 1
