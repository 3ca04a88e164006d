"""How many processors this process may use: its affinity, and the quota of its container."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["available_processors", "quota_of_container"]


def available_processors() -> int:
    """Return how many processors this process may use.

    That is the number of processors that the operating system lets it run on (a cluster's job often
    may not use all of a machine), or fewer if its container has a quota of processor time.
    """
    quota = _quota_of_this_process()
    allowed = _allowed_processors()
    return allowed if quota is None else min(allowed, quota)


def quota_of_container(*, groups: Path, mounted: Path) -> int | None:
    """Return the quota of processor time of a process's control groups, in processors.

    The smallest of the group and of all groups above it, rounded up, at least 1; None if there is
    none, or if it cannot be read. On Linux, `groups` is the file ``/proc/self/cgroup``, and the
    groups are `mounted` at ``/sys/fs/cgroup``.

    References
    ----------
    The Linux kernel's documentation, "Control Group v2" (``cpu.max``) and "CFS Bandwidth Control"
    (``cpu.cfs_quota_us`` of version 1).
    """
    quotas = [quota for folder in _folders(groups, mounted) for quota in _quotas(folder)]
    return min(quotas, default=None)


def _allowed_processors() -> int:
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache  # a quota is set when a container starts; reading it takes longer than many a small read
def _quota_of_this_process() -> int | None:
    return quota_of_container(groups=Path("/proc/self/cgroup"), mounted=Path("/sys/fs/cgroup"))


def _folders(groups: Path, mounted: Path) -> Iterator[Path]:
    """Yield the folders of the control groups of version 2 and 1, and those above them."""
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in [*lines, "0::/"]:  # in a container the names are often those of the host
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for root in [mounted / controllers, mounted / "cpu"] if controllers else [mounted]:
            parts = [part for part in path.split("/") if part not in ("", ".", "..")]
            yield from (root.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def _quotas(folder: Path) -> Iterator[int]:
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8")
                for name in ("quota", "period")
            )
        # "max", or -1 in version 1, stands for no quota
        if int(quota) > 0 and int(period) > 0:
            yield -(-int(quota) // int(period))
    except (OSError, ValueError):
        return
