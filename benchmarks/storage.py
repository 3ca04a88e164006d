"""Size and speed of stored movies, against Shannon's limit and against other ways to store them.

    python benchmarks/storage.py [--rates 0.3 3 50] [--movie FILE.npz ...] [--write]

For each movie the ways take turns in one process, and the best of three runs counts. Movies are
simulated, with known photon rates, so that the limit can be computed; --movie adds files of
yours. With --write the table goes to benchmarks/results/storage.md and .json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import zarr
from numcodecs import Blosc
from simulate import simulate_rates

from dj_photon_codecs import Calibration, CameraMovie
from dj_photon_codecs.array import open_movie
from dj_photon_codecs.movies import survey
from dj_photon_codecs.writing import write_movie

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FRAMES, SIDE, CHUNK = 400, 512, 100
RUNS = 3
RESULTS = Path(__file__).parent / "results"
BLOSC = Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE)
PACKAGES = ("dj-photon-codecs", "zarr", "numcodecs", "numpy")


@dataclass(frozen=True)
class Result:
    """What one way of storing makes of one movie."""

    movie: str
    way: str
    bits_per_pixel: float
    limit: float | None
    write_seconds: float
    read_seconds: float

    def row(self, plain: Result) -> str:
        """Return a row of the table, with speeds as multiples of the plain array's."""
        over = f"{self.bits_per_pixel / self.limit:.2f}" if self.limit else ""
        faster = plain.write_seconds / self.write_seconds, plain.read_seconds / self.read_seconds
        return (
            f"| {self.movie} | {self.way} | {self.bits_per_pixel:.2f} | {over} "
            f"| {faster[0]:.2f} | {faster[1]:.2f} |"
        )


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    lines = [machine(), "", HEAD]
    results: list[Result] = []
    print(*lines, sep="\n")
    for name, movie, limit in movies(options):
        found = compare(name, movie, limit)
        results += found
        plain = next(each for each in found if each.way == PLAIN)
        lines += [each.row(plain) for each in found]
        print(*lines[-len(found) :], sep="\n")
    if options.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "storage.md").write_text("\n".join(lines) + "\n")
        document = {"machine": machine(), "results": [asdict(each) for each in results]}
        (RESULTS / "storage.json").write_text(json.dumps(document, indent=1) + "\n")


HEAD = (
    "| movie | way | bits per pixel | over the limit | write, times plain | read as float64, "
    "times plain |\n|---|---|---|---|---|---|"
)
PLAIN = "Zarr, Blosc Zstd 5 bit shuffle"
OURS = "dj-photon-codecs"


def machine() -> str:
    """Say what was run, and on what."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = platform.python_version()
    cores = f"{platform.machine()}, {os.cpu_count()} cores"
    return f"`python benchmarks/storage.py`: {cores}, Python {python}, {packages}"


def movies(options: argparse.Namespace) -> Any:
    """Yield name, counts and Shannon's limit of each movie."""
    for rate in options.rates:
        rates = simulate_rates(FRAMES, SIDE, SIDE, mean=rate, seed=7)
        counts = np.random.default_rng(8).poisson(rates).astype("uint16")
        yield f"{rate:g} photons", counts, shannon_limit(rates)
    for file in options.movie:
        yield file.stem, np.load(file)["movie"], None


def compare(name: str, movie: NDArray[Any], limit: float | None) -> list[Result]:
    """Store a movie in each way, in turns, and keep the best times."""
    best: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for run in range(RUNS):
            for way, (write, read) in WAYS.items():
                path = Path(folder, f"{way} {run}".replace(" ", "_")).as_posix()
                start = time.perf_counter()
                stored = write(movie, path)
                middle = time.perf_counter()
                read(stored, path)
                times = middle - start, time.perf_counter() - middle
                known = best.setdefault(way, [math.inf, math.inf, size(path)])
                known[:2] = map(min, known[:2], times)
    return [
        Result(name, way, 8 * found[2] / movie.size, limit, found[0], found[1])
        for way, found in best.items()
    ]


def size(path: str) -> int:
    """Add up the chunks of a stored array."""
    files = [each for each in Path(path).rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files if not each.name.startswith((".z", "zarr")))


def shannon_limit(rates: NDArray[Any]) -> float:
    """Return the mean entropy of Poisson counts at the given rates, in bits."""
    roots = np.linspace(0, math.sqrt(float(rates.max())), 2000)
    entropies = np.array([poisson_entropy(root**2) for root in roots])
    return float(np.interp(np.sqrt(rates), roots, entropies).mean())


def poisson_entropy(rate: float) -> float:
    """Return the entropy of a Poisson variable, in bits, by summation."""
    if rate == 0:
        return 0.0
    counts = np.arange(int(rate + 12 * math.sqrt(rate) + 20))
    logarithm = counts * math.log(rate) - rate - np.cumsum(np.log(np.maximum(counts, 1)))
    return float(-(np.exp(logarithm) * logarithm).sum() / math.log(2))


# ---------------------------------------------------------------------------- the ways


def write_ours(movie: NDArray[Any], path: str) -> Any:
    """Do what an insert does."""
    described = CameraMovie(movie, Calibration())
    found = survey(movie, counts=False)
    fs = fsspec.filesystem("file")
    return write_movie(described, fs, path, found=found, frames_per_chunk=CHUNK)


def read_ours(documents: Any, path: str) -> NDArray[Any]:
    """Do what a fetch and a read do."""
    movie: NDArray[Any] = open_movie(fsspec.filesystem("file"), path, documents)[:]
    return movie


def plain_zarr(**codecs: Any) -> Callable[[NDArray[Any], str], None]:
    """Make a function that stores the counts as they are, in Zarr."""

    def write(movie: NDArray[Any], path: str) -> None:
        chunks = (min(CHUNK, len(movie)), *movie.shape[1:])
        array = zarr.create_array(
            path, shape=movie.shape, chunks=chunks, dtype=movie.dtype, zarr_format=2, **codecs
        )
        array[:] = movie

    return write


def read_plain(_stored: None, path: str) -> NDArray[Any]:
    """Read counts and transform them."""
    transformed: NDArray[Any] = 2 * np.sqrt(zarr.open_array(path, mode="r")[:] + 3 / 8)
    return transformed


def write_floats(movie: NDArray[Any], path: str) -> None:
    """Store the transformed values themselves, as float64."""
    plain_zarr(compressors=BLOSC)(2 * np.sqrt(np.maximum(movie, 0) + 3 / 8), path)


def read_floats(_stored: None, path: str) -> NDArray[Any]:
    """Read transformed values."""
    return np.asarray(zarr.open_array(path, mode="r")[:])


def write_npy(movie: NDArray[Any], path: str) -> None:
    """Store the counts uncompressed, as `<npy@>` does."""
    Path(path).mkdir()
    np.save(f"{path}/movie.npy", movie)


def read_npy(_stored: None, path: str) -> NDArray[Any]:
    """Read counts and transform them."""
    transformed: NDArray[Any] = 2 * np.sqrt(np.load(f"{path}/movie.npy") + 3 / 8)
    return transformed


WAYS: dict[str, tuple[Any, Any]] = {
    OURS: (write_ours, read_ours),
    PLAIN: (plain_zarr(compressors=BLOSC), read_plain),
    "Zarr, its default": (plain_zarr(), read_plain),
    "npy": (write_npy, read_npy),
    "Zarr of transformed float64": (write_floats, read_floats),
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="*", default=[0.1, 0.3, 1, 3, 10, 50, 200])
    parser.add_argument("--movie", type=Path, nargs="*", default=[], help=".npz with 'movie'")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
