"""Time and memory of inserting a dask array by the workers of a cluster, and by threads.

    python benchmarks/insert_cluster.py [--frames 4000] [--repeats 3] [--write]

A movie of uint16 photon counts, whose blocks of 64 frames are read from a file where they are
computed, is inserted into a local store without a database: exactly, and in steps of half the
noise. Each insert runs in a process of its own. The cluster has two workers, processes with one
thread each; its scheduler is in the process that inserts, the client. With threads, there are as
many as processors. Of some inserts, in turn: the shortest; the time for which processors worked,
which depends less on what else they do; and the most memory, what a process has at its peak beyond
what it had after a small insert, and what it had then. The script fails if the client takes 200 MB
more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import psutil
from peaks import Peaks

SIDE, BLOCK = 512, 64
WORKERS = 2
BOUND = 200e6  # bytes
RESULTS = Path(__file__).parent / "results" / "insert_cluster.md"
STEPS = {"exactly": None, "in steps": 0.5}
WAYS = ("cluster", "threads")
HEADINGS = (
    "stored",
    "by",
    "seconds",
    "of processors",
    "client before, MB",
    "client, MB more",
    "of these private",
    "a worker, MB more",
)


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    if options.child:
        print(json.dumps(_insert(options.child, options.stored, options.folder, options.frames)))
        return
    lines, most = measured(options.frames, repeats=options.repeats)
    print("\n".join(lines))
    if options.write:
        RESULTS.write_text("\n".join(["# Inserts by a cluster", "", *lines, ""]), encoding="utf-8")
    if most > BOUND:
        raise SystemExit(f"the client took {most / 1e6:.0f} MB more")


def measured(frames: int, *, repeats: int) -> tuple[list[str], float]:
    """Return the lines of the report, and the most memory that a client took, in bytes."""
    size = frames * SIDE * SIDE * 2 / 1e6
    what = (
        f"`python benchmarks/insert_cluster.py --write`: {frames} frames of {SIDE} x {SIDE} "
        f"uint16, {size:.0f} MB, in blocks of {BLOCK} frames; {WORKERS} workers with a thread "
        f"each. Of {repeats} inserts, the shortest time and the most memory."
    )
    where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        what,
        f"{where}, dask {dask.__version__}.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|---|---|{'--:|' * (len(HEADINGS) - 2)}",
    ]
    most = 0.0
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), frames)
        for stored in STEPS:
            runs = [
                {way: _start(way, stored, folder, frames) for way in WAYS} for _ in range(repeats)
            ]
            for way in WAYS:
                seconds = [min(run[way][i] for run in runs) for i in range(2)]
                memory = [max(run[way][i] for run in runs) for i in range(2, 6)]
                cells = [stored, way, *(f"{each:.1f}" for each in seconds)]
                cells += [f"{each / 1e6:.0f}" for each in memory]
                lines.append(f"| {' | '.join(cells if way == 'cluster' else [*cells[:-1], ''])} |")
                most = max(most, memory[1] if way == "cluster" else 0)
    return lines, most


def write(folder: Path, frames: int) -> None:
    """Write a movie of Poisson counts, a block at a time."""
    block = np.random.default_rng(0).poisson(10, (100, SIDE, SIDE)).astype("u2")
    movie = np.lib.format.open_memmap(folder / "movie.npy", "w+", "u2", (frames, SIDE, SIDE))
    for start in range(0, frames, 100):
        movie[start : start + 100] = np.roll(block, start, axis=2)[: frames - start]


def _start(way: str, stored: str, folder: str, frames: int) -> list[float]:
    """Insert in a process of its own; return seconds, and bytes as in `HEADINGS`."""
    options = ["--child", way, "--stored", stored, "--folder", folder, "--frames", str(frames)]
    done = subprocess.run(
        [sys.executable, __file__, *options], check=True, capture_output=True, text=True
    )
    numbers: list[float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


# ---------------------------------------------------------------------------- in a process


def _insert(way: str, stored: str, folder: Path, frames: int) -> list[float]:
    os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"
    import datajoint as dj  # noqa: PLC0415

    from dj_photon_codecs import Calibration, CameraMovie, PhotonCodec  # noqa: PLC0415

    movie = _lazy(folder / "movie.npy", frames)
    with ExitStack() as opened:
        store = opened.enter_context(tempfile.TemporaryDirectory(dir=folder))
        spec = {"imaging": {"protocol": "file", "location": store}}
        opened.enter_context(dj.config.override(stores=spec))
        workers = _workers(opened) if way == "cluster" else []
        context = {"schema": "lab", "table": "movie", "field": "movie", "config": dj.config}

        def insert(values: Any) -> None:
            camera = CameraMovie(values, Calibration(), step=STEPS[stored])
            PhotonCodec().encode(camera, context=context, store_name="imaging")

        insert(movie[: 8 * BLOCK, :64, :64])  # long enough for both workers
        before, peaks = psutil.Process().memory_info().rss, Peaks(workers)
        started, worked = time.perf_counter(), _worked(workers)
        insert(movie)
        seconds, worked = time.perf_counter() - started, _worked(workers) - worked
        client, *others = peaks.stop()
    worker = max((other.resident for other in others), default=0)
    return [seconds, worked, before, client.resident, client.private, worker]


def _worked(workers: list[int]) -> float:
    """Return how long processors have worked for this process and for others, in seconds."""
    times = [psutil.Process(process).cpu_times() for process in (os.getpid(), *workers)]
    return float(sum(each.user + each.system for each in times))


def _lazy(file: Path, frames: int) -> Any:
    lengths = [min(BLOCK, frames - start) for start in range(0, frames, BLOCK)]
    chunks = (tuple(lengths), (SIDE,), (SIDE,))
    return dask.array.map_blocks(
        _read, chunks=chunks, dtype="u2", meta=np.empty((0, 0, 0), "u2"), file=file
    )


def _read(block_info: Any = None, file: Any = None) -> Any:
    (start, stop), *_ = block_info[None]["array-location"]
    return np.array(np.load(file, mmap_mode="r")[start:stop])


def _workers(opened: ExitStack) -> list[int]:
    """Let dask compute with a cluster of this machine, and return its processes."""
    from distributed import Client, LocalCluster  # noqa: PLC0415

    cluster = opened.enter_context(
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        )
    )
    client = opened.enter_context(Client(cluster))
    return [*client.run(os.getpid).values()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}, too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--stored", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
