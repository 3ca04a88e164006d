"""Sizes and times of a movie in all ways, which take turns."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from ways.zarr_arrays import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from subjects import Movie
    from ways import Way

__all__ = ["PATHS", "PLAIN", "Result", "measure"]

PATHS = ("write", "read_counts", "read_transformed")
PATIENCE = 5.0  # seconds; a way that takes longer has one turn
MEMORY = 9  # times the movie: what the transform in NumPy holds at most
PAGE = 4096  # bytes
SMALL = 50.0  # megabytes; smaller movies have more turns


@dataclass
class Result:
    """What one way of storing makes of one movie.

    `seconds` holds the times of each turn, under `PATHS`; `error` and `bias` are the root mean
    square and the mean of what came back less what was stored, in photons. `beside` are the seconds
    of the plain array in the same turns, of a way that was measured later than the others.
    """

    movie: str
    rate: float | None
    step: float | None
    way: str
    megabytes: float
    bits_per_pixel: float = math.nan
    limit: float | None = None
    error: float = math.nan
    bias: float = math.nan
    seconds: dict[str, list[float]] = field(default_factory=lambda: {path: [] for path in PATHS})
    beside: dict[str, list[float]] | None = None

    @property
    def over_limit(self) -> float | None:
        """Return the size as a multiple of Shannon's limit, where that is known."""
        return self.bits_per_pixel / self.limit if self.limit else None

    @property
    def is_wrong(self) -> bool:
        """Return whether values came back changed that were to come back exactly."""
        return self.step is None and self.error > 0

    def speed(self, path: str) -> float:
        """Return the best speed, in megabytes of the raw movie per second."""
        return self.megabytes / min(self.seconds[path])

    def times_plain(self, path: str, plain: Result) -> float:
        """Return the speed as a multiple of the plain array's, the median over common turns."""
        turns = zip((self.beside or plain.seconds)[path], self.seconds[path], strict=False)
        return median(theirs / ours for theirs, ours in turns)


def measure(movie: Movie, ways: Iterable[Way], *, turns: int) -> list[Result]:
    """Store a movie in each way, in turns, and compare once what comes back."""
    takers = {way.name: way for way in ways if way.takes(movie)}
    results = {
        name: Result(movie.name, movie.rate, movie.step, name, movie.megabytes) for name in takers
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "movie")
        for turn in range(turns if movie.megabytes > SMALL else 3 * turns):
            for name, way in takers.items():
                if turn == 0 or _is_quick(results[name]):
                    _take_turn(way, movie, path, results[name])
    return list(results.values())


def _take_turn(way: Way, movie: Movie, path: Path, result: Result) -> None:
    stored = _timed(result, "write", lambda: way.write(movie, path))
    values = _timed(result, "read_counts", lambda: way.read(stored, path))
    if math.isnan(result.error):
        _compare(movie, values, result)
        result.bits_per_pixel = 8 * _size(path) / movie.values.size
    del values
    _timed(result, "read_transformed", lambda: way.transformed(movie, stored, path))
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _timed(result: Result, path: str, action: Callable[[], Any]) -> Any:
    _touch(int(MEMORY * result.megabytes * 1e6))
    start = time.perf_counter()
    outcome = action()
    result.seconds[path].append(round(time.perf_counter() - start, 5))
    return outcome


def _touch(size: int) -> None:
    """Use memory and free it, as a virtual machine hands out fresh pages ten times as slowly."""
    np.empty(size, "u1")[::PAGE] = 0


def _compare(movie: Movie, values: NDArray[Any], result: Result) -> None:
    """Note how far off the values are that came back, and the limit that holds for them."""
    if np.array_equal(values, movie.values):
        result.error = result.bias = 0.0
        result.limit = movie.limit
        return
    photons = (values.astype(float) - movie.values) / movie.calibration.gain
    result.error, result.bias = float(np.sqrt(np.mean(photons**2))), float(photons.mean())
    result.limit = movie.limit_in_steps


def _is_quick(result: Result) -> bool:
    return sum(result.seconds[path][0] for path in PATHS) < PATIENCE


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file())
