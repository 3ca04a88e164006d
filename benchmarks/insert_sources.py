"""Time and memory of inserting the same movie from sources of other kinds and chunks.

    python benchmarks/insert_sources.py [--frames 2000] [--sources memmap ScanImage]

Each insert runs in a process of its own, into a local store without a database; the time is the
shortest of three, in turn with inserts from the memory map. The memory is what the insert adds to
the process at its peak. The recording of ScanImage has two channels, of which one is inserted, in
four files: 4000 frames are 4.2 GB of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array
import h5py
import numpy as np
import tifffile
import zarr
from peaks import Peaks
from scanimage_files import write_scanimage

from dj_photon_codecs import read_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 512
FILES, REPEATS = 4, 3
FRAMES, TILES = (7, SIDE, SIDE), (None, 64, 64)  # chunks: None stands for all frames
MEMMAP = "numpy.memmap"
SOURCES = {
    MEMMAP: ("memmap", None),
    "ScanImage, a channel of two": ("scanimage", None),
    "TIFF, Deflate": ("tiff", None),
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
    print("| source | seconds | speed, of the memory map's | memory of the insert, MB |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), MEMMAP, options.frames)
        for name in [name for name in SOURCES if any(part in name for part in options.sources)]:
            write(Path(folder), name, options.frames)
            runs = [(_insert(folder, MEMMAP), _insert(folder, name)) for _ in range(REPEATS)]
            mapped, seconds = (min(run[i][0] for run in runs) for i in range(2))
            peak = max(run[1][1] for run in runs)
            cells = [name, f"{seconds:.1f}", f"{mapped / seconds:.2f}", f"{peak / 1e6:.0f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


def _insert(folder: str, name: str) -> tuple[float, float]:
    """Return how many seconds an insert takes in a process of its own, and its memory."""
    command = [sys.executable, __file__, "--child", name, "--folder", folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak = map(float, done.stdout.split()[-2:])
    return seconds, peak


def write(folder: Path, name: str, frames: int) -> None:
    """Write a movie of Poisson counts, a block at a time, unless it is there already."""
    kind, chunks = SOURCES[name]
    block = np.random.default_rng(0).poisson(10, (100, SIDE, SIDE)).astype("u2")
    shape = (frames, SIDE, SIDE)
    chunks = chunks and (chunks[0] or frames, *chunks[1:])
    if kind == "scanimage":
        _write_scanimage(folder / name, block, frames)
        return
    if kind == "tiff":
        pages = (block[n % 100] for n in range(frames))
        how = {"compression": "zlib", "photometric": "minisblack"}
        tifffile.imwrite(folder / f"{name}.tif", pages, shape=shape, dtype="u2", **how)
        return
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


def _write_scanimage(folder: Path, block: NDArray[Any], frames: int) -> None:
    folder.mkdir()
    for number, part in enumerate(np.array_split(np.arange(frames), FILES), start=1):
        pages = (page for n in part for page in (block[n % 100], block[-1 - n % 100]))
        path = folder / f"scan_{number:05}.tif"
        write_scanimage(path, pages, channels=(1, 2), first=2 * int(part[0]))


def open_source(folder: Path, name: str) -> Any:
    """Open what `write` wrote."""
    kind, chunks = SOURCES[name]
    if kind == "scanimage":
        return read_movie(folder / name, channel=0)
    if kind == "tiff":
        return read_movie(folder / f"{name}.tif")
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

    (folder / "store").mkdir(exist_ok=True)
    stores = {"imaging": {"protocol": "file", "location": str(folder / "store")}}
    context = {"schema": "lab", "table": "movie", "field": "movie", "config": dj.config}
    with dj.config.override(stores=stores):
        PhotonCodec().encode(np.ones((2, 8, 8), "u2"), context=context, store_name="imaging")
        peaks = Peaks()
        started = time.perf_counter()
        movie = open_source(folder, name)
        PhotonCodec().encode(movie, context=context, store_name="imaging")
        print(time.perf_counter() - started, peaks.stop()[0].private)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--sources", nargs="+", default=[""], help="parts of their names")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
