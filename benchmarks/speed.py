"""Speed of inserts, reads and fetches beside plain Zarr, with what is promised of it.

    python benchmarks/speed.py [--only TEXT ...] [--types photon dense] [--movie FILE.npz ...]
                               [--services] [--write]

--only takes the movies whose name contains a text, as "3 photons, 500 x 64". Both sides of a
comparison take turns in one process, and the ratio of their best times counts: it holds on a
machine that is busy with other things, which times do not. Rows are fetched anew for each read, so
that nothing is cached. --busy 2 starts two busy processes beside it. --services adds a local S3
server and a database, which the tests bring along. With --write the tables go to
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
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import count, cycle, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"  # no one's own configuration may reach a benchmark

import datajoint as dj
import numpy as np
import zarr
from numcodecs import Blosc
from subjects import Movie, from_files, is_wanted, photons, pulses
from zarr.storage import FsspecStore, LocalStore

from dj_photon_codecs import (
    Calibration,
    CameraMovie,
    PhotonCodec,
    PhotonDenseCodec,
    kernel_in_use,
    set_threads,
)
from dj_photon_codecs.layouts.choice import GROUPED, Compression
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.plan import compression_of, plan_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from dj_photon_codecs import PhotonArray

SIDE, CHUNK = 512, 100
LARGE = 1 << 27  # bytes; what is larger has the bars of large movies
FEWEST_TURNS, MOST_TURNS, PATIENCE = 4, 40, 2.0  # seconds
RATES = (0.3, 3, 50)
SHAPES = ((400, 512, 512), (500, 128, 128), (500, 64, 64), (20, 256, 256), (5, 512, 512))
PLAIN = Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE)
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("dj-photon-codecs", "zarr", "numcodecs", "numpy", "datajoint", "s3fs")
HEAD = "| movie | what | ours, ms | beside, ms | ratio | bar | |\n|---|---|--:|--:|--:|--:|---|"
TYPES = {"photon": PhotonCodec, "dense": PhotonDenseCodec}
PATHS = ("insert", "raw", "float64", "a frame", "20 x 20 pixels of all frames")
BARS = {  # ratios to plain Zarr, for `PATHS`
    ("photon", "large"): (2.5, 1.8, 3.5, 5, 2.5),
    ("photon", "large, bright"): (1.7, 1, 3, 4, 2),
    ("photon", "small"): (0.9, 0.7, 1, 1.5, 0.9),
    ("photon", "few frames"): (0.8, 0.6, 0.9, 0.8, 0.7),
    ("dense", "large"): (0.6, 0.3, 1, 0.5, 0.2),
    ("dense", "small"): (0.2, 0.2, 0.4, 0.3, 0.15),
}
WHEN_BUSY = 0.8  # of the bars, with other processes beside
CHOICE = 0.03  # of an insert, at most
BUSY = "while True: pass"
numbers = count()


@dataclass(frozen=True)
class Result:
    """The best times of two sides, in seconds, and what their ratio is to be."""

    movie: str
    what: str
    ours: float
    beside: float
    bar: float | None = None

    @property
    def ratio(self) -> float:
        """Say how many times as fast ours is."""
        return self.beside / self.ours

    @property
    def fails(self) -> bool:
        """Return whether ours is slower than promised."""
        return self.bar is not None and self.ratio < self.bar

    @property
    def row(self) -> str:
        """Return a row of the table."""
        times = f"{1e3 * self.ours:.1f} | {1e3 * self.beside:.1f} | {self.ratio:.2f}"
        bar = "|" if self.bar is None else f"{self.bar:g} | {'**no**' if self.fails else 'ok'}"
        return f"| {self.movie} | {self.what} | {times} | {bar} |"


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
        for _ in range(options.busy):
            running.callback(subprocess.Popen([sys.executable, "-c", BUSY]).kill)
        running.enter_context(dj.config.override(stores=stores))
        for movie in movies(options):
            for place, kind in ((place, kind) for place in stores for kind in options.types):
                for result in compare(movie, place, kind, busy=options.busy > 0):
                    results.append(result)
                    print(result.row, flush=True)
        slower = sum(each.fails for each in results)
        lines = [f"{slower} of {len(results)} are slower than their bars."]
        if not options.only:
            lines += [
                bandwidth(),
                coders(),
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
    cores = f"{platform.machine()}, {os.cpu_count()} cores, {kernel_in_use()} kernel"
    return f"`python benchmarks/speed.py`: {cores}, Python {platform.python_version()}, {packages}"


def movies(options: argparse.Namespace) -> Iterator[Movie]:
    """Yield the movies that were asked for."""
    for shape, rate in product(SHAPES, RATES):
        name = f"{rate:g} photons, {' x '.join(map(str, shape))}"
        if is_wanted(name, options.only):
            yield replace(photons(rate, *shape), name=name)
    if is_wanted("clipped pulses", options.only):
        yield Movie("clipped pulses", pulses(100, 256, 256))
    yield from from_files(file for file in options.movie if is_wanted(file.stem, options.only))


def bars_of(movie: Movie, kind: str) -> tuple[float, ...]:
    """Return the bars of a movie, for `PATHS`."""
    frames, *sides = movie.values.shape
    if movie.values.nbytes > LARGE:
        bright = kind == "photon" and (movie.rate or 0) > 3
        return BARS[kind, "large, bright" if bright else "large"]
    few = kind == "photon" and frames < 10 and max(sides) > 256
    return BARS[kind, "few frames" if few else "small"]


# ---------------------------------------------------------------------------- two sides


def compare(movie: Movie, place: str, kind: str, *, busy: bool) -> Iterator[Result]:
    """Write and read a movie, in turns with a plain Zarr array of it."""
    values = movie.values
    row, array = insert(values, place, kind), plain(values, place)
    patch = (slice(None), *(slice(side // 2, side // 2 + 20) for side in values.shape[1:]))
    # in the middle of a chunk, as a random one is on the average; the best of random ones is not
    middle = min(CHUNK, len(values)) // 2
    frames = cycle(range(middle, len(values), CHUNK))
    sides: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
        (lambda: insert(values, place, kind), lambda: plain(values, place)),
        (lambda: fetch(row, kind).raw[:], lambda: array[:]),
        (lambda: fetch(row, kind)[:], lambda: transform(array[:])),
        (lambda: fetch(row, kind)[next(frames)], lambda: transform(array[next(frames)])),
        (lambda: fetch(row, kind)[patch], lambda: transform(array[patch])),
    ]
    name = f"{kind}, {movie.name}" + (f", {place}" if place != "local" else "")
    share = WHEN_BUSY if busy else 1.0
    bars = [share * bar if place == "local" else None for bar in bars_of(movie, kind)]
    for what, (ours, beside), bar in zip(PATHS, sides, bars, strict=True):
        yield Result(name, what, *take_turns(ours, beside), bar)
    for what, ours, beside, bar in others(values, row, place, kind):
        share = CHOICE if what.startswith("choice") else 1.0
        times = take_turns(ours, beside)
        yield Result(name, what, times[0], share * times[1], bar)


def others(
    values: NDArray[Any], row: dict[str, Any], place: str, kind: str
) -> Iterator[tuple[str, Callable[[], Any], Callable[[], Any], float]]:
    """Yield comparisons with other things than plain Zarr."""
    if place == "s3":
        what = "insert, beside writing its bytes"
        yield what, *same_bytes(values, row, place, kind), 1 / 1.2
    elif kind == "photon":
        what = f"choice, beside {CHOICE:.0%} of insert"
        yield what, choice(values), lambda: insert(values, place, kind), 1
    if place == "local" and kind == "photon" and values.nbytes > LARGE:
        stored = fetch(row, kind)
        what = "iterating, beside a bulk read"
        yield what, lambda: every_frame(stored), lambda: stored[:], 0.83
        yield "second frame, beside 2 ms", second_frame(stored), lambda: time.sleep(0.002), 1


def take_turns(ours: Callable[[], Any], beside: Callable[[], Any]) -> tuple[float, float]:
    """Return the best time of each side."""
    best = [math.inf, math.inf]
    end = time.perf_counter() + PATIENCE
    for turn in range(MOST_TURNS):
        if turn >= FEWEST_TURNS and time.perf_counter() > end:
            break
        for side, action in enumerate((ours, beside)):
            start = time.perf_counter()
            action()
            best[side] = min(best[side], time.perf_counter() - start)
    return best[0], best[1]


def insert(movie: NDArray[Any], place: str, kind: str = "photon") -> dict[str, Any]:
    """Validate and encode, as DataJoint does for a row; the row takes a millisecond more."""
    codec = TYPES[kind]()
    codec.validate(movie)
    return codec.encode(movie, key={"id": next(numbers)}, context=CONTEXT, store_name=place)


CONTEXT = {"schema": "lab", "table": "movie", "field": "movie", "config": dj.config}


def fetch(row: dict[str, Any], kind: str = "photon") -> PhotonArray:
    """Open a movie, as DataJoint does for a row."""
    return TYPES[kind]().decode(row, context=CONTEXT)


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
    movie: NDArray[Any], row: dict[str, Any], place: str, kind: str
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return an insert, and a write of as many bytes in as many chunks, as they are."""
    store = fetch(row, kind).movie_store
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

    return lambda: insert(movie, place, kind), write


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
    """Return what chooses between plain and static order, for a chunk of a movie."""
    from dj_photon_codecs.layouts.plain import compress_below  # noqa: PLC0415
    from dj_photon_codecs.layouts.static.plan import plan_static  # noqa: PLC0415

    plan = plan_movie(CameraMovie(movie, Calibration()), Policy(compressor=None))
    codes = np.ascontiguousarray(plan.encode_values(movie[: min(CHUNK, len(movie))]))
    static = plan_static(codes)
    return lambda: compress_below(codes, codes.nbytes if static is None else static.size)


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


def coders() -> str:
    """Measure how fast one processor codes a chunk, in the layouts and in Blosc."""
    codes = photons(3, CHUNK, SIDE, SIDE).values.astype(np.uint8)
    compressions = {name: compression_of(Policy.of(codec)) for name, codec in TYPES.items()}
    set_threads(1)
    speeds = []
    for name, found in {**compressions, "Blosc": Compression(PLAIN)}.items():
        compression = found or GROUPED
        codec = compression.layout or PLAIN
        stored = codec.encode(codes)
        times = take_turns(partial(codec.encode, codes), partial(codec.decode, stored))
        written, read = (round(codes.size / seconds / 1e6) for seconds in times)
        speeds.append(f"{name} {written} and {read}")
    set_threads(None)
    return (
        "One processor codes and decodes so many million pixels of 3 photons in a second, "
        f"as bytes: {', '.join(speeds)}."
    )


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
    parser.add_argument("--only", nargs="*", help="movies whose names contain a text")
    parser.add_argument("--types", nargs="*", choices=[*TYPES], default=[*TYPES])
    parser.add_argument("--movie", type=Path, nargs="*", default=[], help=".npz with 'movie'")
    parser.add_argument("--busy", type=int, default=0, help="busy processes beside it")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--services", action="store_true", help="add S3 and a database")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--iterate", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
