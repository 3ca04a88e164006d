"""Peak memory and time of inserting and reading movies of frames of several sizes; cost of fsync.

    python benchmarks/insert_memory.py [--sides 512 2048 4096] [--megabytes 800]

A movie of uint16 photon counts, of about so many megabytes, is inserted from a memory map into a
local store as DataJoint does for a row; the database, which sees a few kilobytes, is left out. Then
one raw frame, a patch of 16 x 16 pixels in all frames, and every frame in turn are read. Each job
runs in a process of its own. What it took at its peak, beyond what its imports took, is compared
with the bound that docs/how-to/operations.md states, and the script fails if that is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs import PhotonArray

ITEMSIZE = 2
JOBS = ("insert", "one raw frame", "a patch", "every frame")
HEADINGS = ("frame", "frames", "job", "seconds", "imports, MB", "peak, MB", "bound, MB")


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    if options.child:
        print(json.dumps(run(options.child, Path(options.folder))))
        return
    if options.write:
        write_movie_file(Path(options.write, "movie.npy"), options.frames, options.side)
        return
    os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    within = [measure(side, options.megabytes) for side in options.sides]
    print()
    for shape in ((100, 64, 64), (400, 512, 512)):
        print(fsync_cost(shape), flush=True)
    if not all(within):
        raise SystemExit("more than the bound")


def fsync_cost(shape: tuple[int, ...], *, times: int = 7) -> str:
    """Insert a movie with fsync and without, in turn, and say how long each takes."""
    import datajoint as dj  # noqa: PLC0415

    movie = np.random.default_rng(0).poisson(10, shape).astype("uint16")
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        spec = {"protocol": "file", "location": folder}
        with dj.config.override(stores={"imaging": spec}):
            context = {"schema": "lab", "table": "movie", "field": "movie", "config": dj.config}
            warm_up(Path(folder), context)
            for _ in range(times):
                for durable, taken in seconds.items():
                    start = time.perf_counter()
                    insert(movie, context, durable=durable)
                    taken.append(time.perf_counter() - start)
    with_it, without = (1000 * statistics.median(taken) for taken in seconds.values())
    return (
        f"{movie.nbytes / 1e6:.1f} MB {shape}: {with_it:.0f} ms with fsync, {without:.0f} ms "
        f"without (medians of {times} inserts each, in turn)."
    )


def bound(side: int) -> int:
    """Return what operations.md promises beyond the imports, in bytes."""
    frame = side * side * ITEMSIZE
    chunk = min(100, max(1, (1 << 28) // frame)) * frame
    return max(448 << 20, 3 * chunk + 64 * side * side) + (64 << 20)


def measure(side: int, megabytes: int) -> bool:
    """Do all jobs with a movie; return whether none exceeded the bound."""
    frames = max(2, int(megabytes * 1e6 / (side * side * ITEMSIZE)))
    within = True
    with tempfile.TemporaryDirectory() as folder:
        _start("--write", folder, "--frames", frames, "--side", side)
        for job in JOBS:
            seconds, imports, peak = json.loads(_start("--child", job, "--folder", folder))
            numbers = [f"{size / 1e6:.0f}" for size in (imports, peak, imports + bound(side))]
            cells = [f"{side} x {side}", str(frames), job, f"{seconds:.2f}", *numbers]
            print(f"| {' | '.join(cells)} |", flush=True)
            within = within and peak <= imports + bound(side)
    return within


def _start(*options: object) -> str:
    """Run this script in a process of its own, and return the last line that it prints."""
    # Linux counts what the process that starts another one has in memory as a peak of the other
    command = [sys.executable, __file__, *map(str, options)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip().rpartition("\n")[2]


def write_movie_file(file: Path, frames: int, side: int) -> None:
    """Write Poisson counts, a frame at a time."""
    rng = np.random.default_rng(0)
    block = rng.poisson(10, (8, side, side)).astype("uint16")
    with file.open("wb") as opened:
        header = {"descr": block.dtype.str, "fortran_order": False, "shape": (frames, side, side)}
        np.lib.format.write_array_header_1_0(opened, header)
        for _ in range(frames):
            opened.write(np.roll(block[rng.integers(8)], rng.integers(side), axis=0).tobytes())


# ---------------------------------------------------------------------------- in a process


def run(job: str, folder: Path) -> tuple[float, float, float]:
    """Do one job; return seconds, and the peak memory before it and after it, in bytes."""
    os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"
    import datajoint as dj  # noqa: PLC0415

    store = folder / "store"
    store.mkdir(exist_ok=True)
    with dj.config.override(stores={"imaging": {"protocol": "file", "location": str(store)}}):
        context = {"schema": "lab", "table": "movie", "field": "movie", "config": dj.config}
        warm_up(folder, context)
        imports, start = peak(), time.perf_counter()
        if job == "insert":
            row = insert(np.load(folder / "movie.npy", mmap_mode="r"), context)
            Path(folder, "row.json").write_text(json.dumps(row), encoding="utf-8")
        else:
            row = json.loads(Path(folder, "row.json").read_text(encoding="utf-8"))
            read(job, _codec().decode(row, context=context))
    return time.perf_counter() - start, imports, peak()


def warm_up(folder: Path, context: dict[str, Any]) -> None:
    """Import all that an insert and a fetch import, by doing both with a small movie."""
    small = np.random.default_rng(0).poisson(10, (20, 64, 64)).astype("uint16")
    row = _codec().encode(small, key={"warm": folder.name}, context=context, store_name="imaging")
    movie = _codec().decode(row, context=context)
    movie.raw[:], movie[0], movie[:, :2, :2]


def insert(movie: NDArray[Any], context: dict[str, Any], *, durable: bool = True) -> dict[str, Any]:
    """Validate and encode, as DataJoint does for a row."""
    codec = _codec(durable=durable)
    codec.validate(movie)
    row: dict[str, Any] = codec.encode(movie, key={"id": 1}, context=context, store_name="imaging")
    return row


def read(job: str, movie: PhotonArray) -> None:
    """Read a part of a movie, or all of it."""
    if job == "one raw frame":
        movie.raw[len(movie) // 2]
    elif job == "a patch":
        movie[:, 100:116, 100:116]
    else:
        for frame in movie:
            frame[0, 0]


def peak() -> float:
    """Return the peak memory of this process so far, in bytes."""
    # the kernel counts in kilobytes, and macOS in bytes
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _codec(*, durable: bool = True) -> Any:
    from dj_photon_codecs import PhotonCodec  # noqa: PLC0415

    codec = PhotonCodec()
    codec.durable = durable  # of this object only
    return codec


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 2048, 4096])
    parser.add_argument("--megabytes", type=int, default=800)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    parser.add_argument("--frames", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
