"""Time and memory of inserting the same movie from sources of other kinds and chunks.

    python benchmarks/insert_sources.py [--frames 2000]

Each insert runs in a process of its own, into a local store without a database. The memory is what
the insert adds to the process at its peak.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import dask.array
import h5py
import numpy as np
import psutil
import zarr

SIDE = 512
FRAMES, TILES = (7, SIDE, SIDE), (None, 64, 64)  # chunks: None stands for all frames
SOURCES = {
    "numpy.memmap": ("memmap", None),
    "h5py, frames": ("h5py", FRAMES),
    "h5py, all of time": ("h5py", TILES),
    "Zarr, frames": ("zarr", FRAMES),
    "Zarr, all of time": ("zarr", TILES),
    "dask, frames": ("dask", FRAMES),
    "dask, all of time": ("dask", TILES),
}


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    if options.child:
        _child(options.folder, options.child)
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    size = options.frames * SIDE * SIDE * 2 / 1e6
    print(f"{options.frames} frames of {SIDE} x {SIDE}, uint16, {size:.0f} MB\n")
    print("| source | seconds | memory of the insert, MB |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in SOURCES:
            write(Path(folder), name, options.frames)
            command = [sys.executable, __file__, "--child", name, "--folder", folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds, peak = map(float, done.stdout.split()[-2:])
            print(f"| {name} | {seconds:.1f} | {peak / 1e6:.0f} |", flush=True)


def write(folder: Path, name: str, frames: int) -> None:
    """Write a movie of Poisson counts, a block at a time, unless it is there already."""
    kind, chunks = SOURCES[name]
    block = np.random.default_rng(0).poisson(10, (100, SIDE, SIDE)).astype("u2")
    shape = (frames, SIDE, SIDE)
    chunks = chunks and (chunks[0] or frames, *chunks[1:])
    if kind in ("memmap", "dask"):
        if (folder / "movie.npy").exists():
            return
        movie: Any = np.lib.format.open_memmap(folder / "movie.npy", "w+", "u2", shape)
    elif kind == "zarr":
        movie = zarr.create_array(folder / name, shape=shape, dtype="u2", chunks=chunks)
    else:
        file = h5py.File(folder / name, "w")
        movie = file.create_dataset("movie", shape, "u2", chunks=chunks)
    if chunks and chunks[0] == frames:
        whole = np.tile(block, (-(-frames // 100), 1, 1))[:frames]
        for y in range(0, SIDE, 64):
            movie[:, y : y + 64] = whole[:, y : y + 64]
        return
    for start in range(0, frames, 100):
        movie[start : start + 100] = block[: frames - start]


def open_source(folder: Path, name: str) -> Any:
    """Open what `write` wrote."""
    kind, chunks = SOURCES[name]
    if kind == "zarr":
        return zarr.open_array(folder / name, mode="r")
    if kind == "h5py":
        return h5py.File(folder / name)["movie"]
    movie = np.load(folder / "movie.npy", mmap_mode="r")
    if kind == "memmap" or chunks is None:
        return movie
    return dask.array.from_array(movie, chunks=(chunks[0] or len(movie), *chunks[1:]))


def _child(folder: Path, name: str) -> None:
    os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"
    import datajoint as dj  # noqa: PLC0415

    from dj_photon_codecs import PhotonCodec  # noqa: PLC0415

    movie = open_source(folder, name)
    (folder / "store").mkdir(exist_ok=True)
    stores = {"imaging": {"protocol": "file", "location": str(folder / "store")}}
    context = {"schema": "lab", "table": "movie", "field": "movie", "config": dj.config}
    with dj.config.override(stores=stores):
        PhotonCodec().encode(np.ones((2, 8, 8), "u2"), context=context, store_name="imaging")
        peak = _Peak()
        started = time.perf_counter()
        PhotonCodec().encode(movie, context=context, store_name="imaging")
        print(time.perf_counter() - started, peak.stop())


class _Peak:
    """The private memory of this process at its peak, above that at the start.

    Pages of mapped files are left out: the system takes them back when it needs them.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._start = self._most = self._now()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        self._stopped.set()
        self._thread.join()
        return self._most - self._start

    def _watch(self) -> None:
        while not self._stopped.wait(0.005):
            self._most = max(self._most, self._now())

    def _now(self) -> int:
        memory = self._process.memory_info()
        return int(memory.rss - getattr(memory, "shared", 0))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
