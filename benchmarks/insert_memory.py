"""Peak memory of inserting a memory-mapped movie, against its length.

    python benchmarks/insert_memory.py [--frames 1000 4000] [--dtype uint16]

Each length runs in a process of its own, which validates and encodes a movie of 512 x 512 frames
as an insert does, into a local store; the database, which sees a kilobyte of it, is left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SIDE = 512
LIMIT = 700  # MB, the promise


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    if options.child:
        insert(options.child, options.dtype)
        # the kernel counts in kilobytes, and macOS in bytes
        unit = 1 if sys.platform == "darwin" else 1024
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| frames | movie, MB | peak memory of the process, MB |\n|---|---|---|")
    peaks = [measure(frames, options.dtype) for frames in options.frames]
    if max(peaks) > LIMIT:
        raise SystemExit(f"more than {LIMIT} MB")


def measure(frames: int, dtype: str) -> float:
    """Insert a movie of that many frames in a process of its own, and print its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "movie.npy")
        write_movie_file(file, frames, dtype)
        command = [sys.executable, __file__, "--child", str(file), "--dtype", dtype]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        size = file.stat().st_size / 1e6
    peak = int(done.stdout.split()[-1]) / 1e6
    print(f"| {frames} | {size:.0f} | {peak:.0f} |")
    return peak


def write_movie_file(file: Path, frames: int, dtype: str) -> None:
    """Write Poisson counts, a block at a time."""
    block = np.random.default_rng(0).poisson(10, (100, SIDE, SIDE)).astype(dtype)
    # by plain writes: what this process maps would count as the peak of the ones it starts
    with file.open("wb") as opened:
        header = {"descr": block.dtype.str, "fortran_order": False, "shape": (frames, SIDE, SIDE)}
        np.lib.format.write_array_header_1_0(opened, header)
        for start in range(0, frames, 100):
            opened.write(block[: frames - start].tobytes())


def insert(file: Path, dtype: str) -> None:
    """Validate and encode, as DataJoint does for a row."""
    os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"
    import datajoint as dj  # noqa: PLC0415

    from dj_photon_codecs import PhotonCodec  # noqa: PLC0415

    movie = np.load(file, mmap_mode="r")
    stores = {"imaging": {"protocol": "file", "location": str(file.parent)}}
    with dj.config.override(stores=stores):
        codec = PhotonCodec()
        codec.validate(movie)
        context = {"schema": "lab", "table": "movie", "field": "movie", "config": dj.config}
        codec.encode(movie, key={"dtype": dtype}, context=context, store_name="imaging")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--dtype", default="uint16")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
