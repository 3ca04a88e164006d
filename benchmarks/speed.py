"""Speed of inserts, reads and fetches beside plain Zarr, and what the choice of a layout costs.

    python benchmarks/speed.py [--rates 0.3 3 50] [--movie FILE.npz ...] [--services] [--write]

Both sides of a comparison take turns in one process, and the ratio of their best times counts:
it holds on a machine that is busy with other things, which times do not. --services adds a local
S3 server and a database, which the tests bring along. With --write the tables go to
benchmarks/results/speed.md and .json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import count, cycle, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"  # no one's own configuration may reach a benchmark

import datajoint as dj
import numpy as np
import zarr
from numcodecs import Blosc
from simulate import simulate_rates
from zarr.storage import FsspecStore, LocalStore

from dj_photon_codecs import Calibration, CameraMovie, PhotonCodec
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.plan import plan_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from dj_photon_codecs import PhotonArray

FRAMES, SIDE, CHUNK = 400, 512, 100
TURNS = 4
PLAIN = Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE)
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("dj-photon-codecs", "zarr", "numcodecs", "numpy", "datajoint", "s3fs")
HEAD = "| movie | what | ours, ms | beside, ms | ratio | bar |\n|---|---|--:|--:|--:|---|"
INSERT = {"local": "1", "s3": ".8"}  # the bar
numbers = count()


@dataclass(frozen=True)
class Result:
    """The best times of two sides, in seconds, and what their ratio is to be."""

    movie: str
    what: str
    ours: float
    beside: float
    bar: str

    @property
    def row(self) -> str:
        """Return a row of the table; the ratio says how many times as fast ours is."""
        times = f"{1e3 * self.ours:.1f} | {1e3 * self.beside:.1f}"
        return (
            f"| {self.movie} | {self.what} | {times} | {self.beside / self.ours:.2f} | {self.bar} |"
        )


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    if options.iterate:
        iterate(options.iterate)
        return
    results: list[Result] = []
    print(machine(), "", HEAD, sep="\n")
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory())
        stores = {"local": {"protocol": "file", "location": folder}}
        if options.services:
            stores["s3"] = running.enter_context(services().seaweedfs()).spec("benchmark")
        running.enter_context(dj.config.override(stores=stores))
        for name, movie in movies(options):
            for place in stores:
                for result in compare(name, movie, place):
                    results.append(result)
                    print(result.row, flush=True)
        lines = [
            bandwidth(),
            lock(),
            f"Peak memory of iterating over 1000 frames: {memory(folder):.0f} MB.",
        ]
        if options.services:
            lines.append(fetched(options.rows, stores))
    print("", *lines, sep="\n")
    if options.write:
        write(results, lines)


def machine() -> str:
    """Say what was run, and on what."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    cores = f"{platform.machine()}, {os.cpu_count()} cores"
    return f"`python benchmarks/speed.py`: {cores}, Python {platform.python_version()}, {packages}"


def movies(options: argparse.Namespace) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield name and counts of each movie."""
    for rate in options.rates:
        rates = simulate_rates(FRAMES, SIDE, SIDE, mean=rate, seed=7)
        counts = np.random.default_rng(8).poisson(rates).astype("uint16")
        yield f"{rate:g} photons", counts
    for side, frames in product(options.small, (CHUNK, 5 * CHUNK)):
        rates = simulate_rates(frames, side, side, mean=3, seed=7)
        counts = np.random.default_rng(8).poisson(rates).astype("uint16")
        yield f"3 photons, {frames} x {side} x {side}", counts
    for file in options.movie:
        yield file.stem, np.load(file)["movie"]


# ---------------------------------------------------------------------------- two sides


def compare(name: str, movie: NDArray[Any], place: str) -> Iterator[Result]:
    """Write and read a movie, in turns with a plain Zarr array of it."""
    row, array = insert(movie, place), plain(movie, place)
    stored = fetch(row)
    pixels = movie.shape[1] // 2, movie.shape[2] // 2
    patch = (slice(None), *(slice(each, each + 20) for each in pixels))
    frames = np.random.default_rng(0).integers(0, len(movie), 1000).tolist()
    sides: list[tuple[str, Callable[[], Any], Callable[[], Any], str]] = [
        ("insert", lambda: insert(movie, place), lambda: plain(movie, place), INSERT[place]),
        ("read float64", lambda: stored[:], lambda: transform(array[:]), "1"),
        ("raw", lambda: stored.raw[:], lambda: array[:], "1"),
        (
            "20 x 20 pixels of all frames",
            lambda: fetch(row)[patch],
            lambda: transform(array[patch]),
            "",
        ),
        (
            "a frame",
            lambda: fetch(row)[frames.pop()],
            lambda: transform(array[frames.pop()]),
            "1.7",
        ),
    ]
    if place == "local":
        sides += [
            (
                "iterating, beside a bulk read",
                lambda: every_frame(stored),
                lambda: stored[:],
                ".83",
            ),
            ("second frame, beside 2 ms", second_frame(stored), lambda: time.sleep(0.002), "1"),
            ("choice, beside 5 % of insert", choice(movie), lambda: insert(movie, place), "1"),
        ]
    else:
        sides.append(("insert, beside writing its bytes", *same_bytes(movie, row, place), ""))
    for what, ours, beside, bar in sides:
        share = 0.05 if what.startswith("choice") else 1.0
        times = take_turns(ours, beside)
        yield Result(f"{name}, {place}", what, times[0], share * times[1], bar)


def take_turns(ours: Callable[[], Any], beside: Callable[[], Any]) -> tuple[float, float]:
    """Return the best time of each side."""
    best = [math.inf, math.inf]
    for _ in range(TURNS):
        for side, action in enumerate((ours, beside)):
            start = time.perf_counter()
            action()
            best[side] = min(best[side], time.perf_counter() - start)
    return best[0], best[1]


def insert(movie: NDArray[Any], place: str) -> dict[str, Any]:
    """Validate and encode, as DataJoint does for a row; the row takes a millisecond more."""
    codec = PhotonCodec()
    codec.validate(movie)
    return codec.encode(movie, key={"id": next(numbers)}, context=CONTEXT, store_name=place)


CONTEXT = {"schema": "lab", "table": "movie", "field": "movie", "config": dj.config}


def fetch(row: dict[str, Any]) -> PhotonArray:
    """Open a movie, as DataJoint does for a row."""
    return PhotonCodec().decode(row, context=CONTEXT)


def plain(movie: NDArray[Any], place: str, compressor: Blosc | None = PLAIN) -> zarr.Array[Any]:
    """Store an array as it is, in Zarr, and return it."""
    chunks = (min(CHUNK, len(movie)), *movie.shape[1:])
    array = zarr.create_array(
        plain_store(place, f"plain/{next(numbers)}"),
        shape=movie.shape,
        chunks=chunks,
        dtype=movie.dtype,
        zarr_format=2,
        compressors=compressor,
        config={"write_empty_chunks": True},
    )
    array[:] = movie
    return array


def plain_store(place: str, path: str) -> Any:
    """Return a Zarr store in a place, with Zarr's own concurrency."""
    backend = dj.storage.StorageBackend(dj.config.stores[place])
    full = backend._full_path(path)  # noqa: SLF001 - DataJoint offers no other way
    if place == "local":
        return LocalStore(full)
    return FsspecStore.from_mapper(backend.fs.get_mapper(full))


def same_bytes(
    movie: NDArray[Any], row: dict[str, Any], place: str
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return an insert, and a write of as many bytes in as many chunks, as they are."""
    store = fetch(row).movie_store
    chunks = [store.read_chunk(number) for number in range(-(-len(movie) // CHUNK))]
    size = max(map(len, chunks))
    each = np.stack([np.resize(np.frombuffer(chunk, np.uint8), size) for chunk in chunks])

    def write() -> None:
        array = zarr.create_array(
            plain_store(place, f"bytes/{next(numbers)}"),
            shape=each.shape,
            chunks=(1, size),
            dtype="u1",
            zarr_format=2,
            compressors=None,
        )
        array[:] = each

    return lambda: insert(movie, place), write


def transform(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Compute what a user of a plain array has to."""
    transformed: NDArray[np.float64] = 2 * np.sqrt(counts + 3 / 8)
    return transformed


def every_frame(movie: PhotonArray) -> None:
    """Look at each frame."""
    for frame in movie:
        frame[0, 0]


def second_frame(movie: PhotonArray) -> Callable[[], Any]:
    """Return what reads a further frame of the chunk that was read last."""
    movie[0]
    frames = cycle(range(min(CHUNK, len(movie)) - 1, 0, -3))  # in no order that could be foreseen
    return lambda: movie[next(frames)]


def choice(movie: NDArray[Any]) -> Callable[[], Any]:
    """Return what chooses the compression of a movie."""
    from dj_photon_codecs.layouts.choice import choose_compression  # noqa: PLC0415

    plan = plan_movie(CameraMovie(movie, Calibration()), Policy(compressor=None))
    chunk = movie[: min(CHUNK, len(movie))]
    return lambda: choose_compression(chunk, codes=plan.encode_values)


# ---------------------------------------------------------------------------- memory, rows


def bandwidth() -> str:
    """Measure how fast NumPy copies memory, which no path can exceed."""
    source, target = np.ones(1 << 25), np.zeros(1 << 25)
    known, fresh = take_turns(lambda: np.copyto(target, source), source.copy)
    speeds = [source.nbytes / seconds / 1e9 for seconds in (known, fresh)]
    return (
        f"One processor copies {speeds[0]:.1f} GB/s of float64 to memory in use, and "
        f"{speeds[1]:.1f} GB/s to fresh memory."
    )


def lock() -> str:
    """Measure what a second thread gains where calls of NumPy are short, for want of the lock."""
    sizes = [1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22]
    gains = ", ".join(f"{gain(size):.2f} ({size >> 10} kB)" for size in sizes)
    return f"Two threads call NumPy so many times as fast as one, by the bytes of a call: {gains}."


def gain(size: int) -> float:
    """Return how many times as fast two threads call NumPy on so many bytes as one does."""
    sides = [(np.ones(size, np.uint8), np.empty(size, np.uint8)) for _ in range(2)]

    def work(side: tuple[NDArray[Any], NDArray[Any]]) -> None:
        for _ in range((1 << 26) // size):
            np.bitwise_and(side[0], np.uint8(15), out=side[1])

    with ThreadPoolExecutor(2) as pool:
        one, two = take_turns(
            lambda: [work(side) for side in sides], lambda: list(pool.map(work, sides))
        )
    return one / two


def memory(folder: str) -> float:
    """Iterate over a movie of 1000 frames in a process of its own; return its peak, in MB."""
    counts = np.random.default_rng(0).poisson(10, (CHUNK, SIDE, SIDE)).astype("uint16")
    row = insert(np.concatenate([counts] * 10), "local")
    file = Path(folder, "row.json")
    file.write_text(json.dumps({"row": row, "location": folder}), encoding="utf-8")
    command = [sys.executable, __file__, "--iterate", str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1]) / 1e6


def iterate(file: Path) -> None:
    """Iterate over a movie, and print the peak memory of this process, in bytes."""
    known = json.loads(file.read_text(encoding="utf-8"))
    with dj.config.override(stores={"local": {"protocol": "file", "location": known["location"]}}):
        every_frame(fetch(known["row"]))
    print(peak_memory())


def peak_memory() -> int:
    """Return the peak memory of this process, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says of a process includes the one that started it
        return 1024 * int(status.read_text(encoding="utf-8").split("VmHWM:")[1].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def fetched(rows: int, stores: dict[str, Any]) -> str:
    """Fetch rows of tiny movies from a database, and say how long it took."""
    with services().postgresql() as found:
        known = {f"database__{name}": value for name, value in asdict(found).items()}
        with dj.config.override(**known, database__use_tls=False, stores=stores, safemode=False):
            schema = dj.Schema("speed")
            table = schema(type("Recording", (dj.Manual,), {"definition": DEFINITION}))
            tiny = np.random.default_rng(0).poisson(3, (100, 4, 4))
            row = insert(tiny, "local")
            texts = ((number, json.dumps(row)) for number in range(rows))
            fill(table, texts)
            start = time.perf_counter()
            found_rows = table.to_dicts()
            seconds = time.perf_counter() - start
            schema.drop(prompt=False)
    return f"Fetching {len(found_rows)} rows: {seconds:.1f} s (bar: 10,000 in 10 s)."


DEFINITION = """
recording_id : int32
---
movie : <photon@local>
"""


def fill(table: Any, rows: Iterator[tuple[int, str]]) -> None:
    """Put rows into a table, past the codec, which would write a movie for each."""
    quote = table.connection.adapter.quote_identifier
    names = f"{quote('recording_id')}, {quote('movie')}"
    query = f"INSERT INTO {table.full_table_name} ({names}) VALUES (%s, %s)"  # noqa: S608
    with table.connection.transaction:
        for row in rows:
            table.connection.query(query, args=row)


def services() -> Any:
    """Return the module of the tests that starts a database and an S3 server."""
    sys.path.append(str(Path(__file__).parents[1]))
    from tests import services as found  # noqa: PLC0415

    return found


def write(results: list[Result], lines: list[str]) -> None:
    """Write the tables where the documentation finds them."""
    text = [machine(), "", HEAD, *(each.row for each in results), "", *lines]
    (RESULTS / "speed.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    document = {"machine": machine(), "results": [asdict(each) for each in results], "also": lines}
    (RESULTS / "speed.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="*", default=[0.3, 3, 50, 200])
    parser.add_argument("--small", type=int, nargs="*", default=[128, 256])
    parser.add_argument("--movie", type=Path, nargs="*", default=[], help=".npz with 'movie'")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--services", action="store_true", help="add S3 and a database")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--iterate", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
