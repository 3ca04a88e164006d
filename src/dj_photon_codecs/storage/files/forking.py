"""Filesystems in forked processes: each process uses connections of its own.

A fork copies a filesystem together with its sockets. Two things would then break the parent:

* The child sends a request over the copied socket, and one process reads the other's answer. So a
  child opens a filesystem of its own: `own_filesystem`.
* The child's garbage collector finalizes the copy. The finalizer of an S3 filesystem closes its
  connections, and with them their entries in the poll of the operating system, which child and
  parent share: the parent's next request would hang. So a child keeps the copy for as long as it
  lives: `keep_across_forks`.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakSet

from fsspec import AbstractFileSystem

__all__ = ["keep_across_forks", "own_filesystem"]

_in_use: WeakSet[Any] = WeakSet()
_inherited: list[Any] = []  # in a child: what its parent used. In a parent: filled during a fork
_changing = threading.RLock()  # held during a fork, so that no thread changes the set meanwhile


def keep_across_forks(fs: AbstractFileSystem) -> None:
    """Keep a filesystem, which makes connections, from being finalized in forked processes."""
    with _changing:
        _in_use.add(fs)


def own_filesystem(fs: AbstractFileSystem) -> AbstractFileSystem:
    """Return a filesystem like one of before a fork, for the process that calls.

    fsspec makes it once for each thread and set of options, and never returns one that was made in
    another process. The one that is given is not used.
    """
    own: AbstractFileSystem = type(fs)(*fs.storage_args, **fs.storage_options)
    keep_across_forks(own)
    return own


def _before() -> None:
    _changing.acquire()
    _inherited.extend(_in_use)


def _after_in_parent() -> None:
    _inherited.clear()
    _changing.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_changing.release
    )
