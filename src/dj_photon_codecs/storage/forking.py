"""Filesystems across a fork: a child must not close the connections that it shares.

After a fork, fsspec forgets its filesystems in the child, where the garbage collector then
finalizes them. The finalizer of an S3 filesystem closes its connections, and with them their
entries in the operating system's poll, which child and parent share: the parent's next request
would hang, and the child print "attached to a different loop". Whoever holds a filesystem across
the fork keeps it from being finalized.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["keep_across_forks"]

_in_use: WeakSet[Any] = WeakSet()  # weak: no filesystem lives longer for it, but across a fork
_held: list[Any] = []


def keep_across_forks(fs: AbstractFileSystem) -> None:
    """Keep a filesystem from being finalized in processes that are forked while it is in use.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        A filesystem that has made, or will make, connections.
    """
    _in_use.add(fs)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lambda: _held.extend(_in_use), after_in_parent=_held.clear)
