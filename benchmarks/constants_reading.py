"""What each tuned constant of reading and of blocks is worth: milliseconds at other values.

    python benchmarks/constants_reading.py [MODULE.NAME[=VALUE] ...] [--write]

Times are of all processors together, the best of `TURNS`, with nothing in the cache of chunks. With
``--write`` the table goes to benchmarks/results/constants_reading.md.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
from simulate import simulate_rates
from trials import run_trials

from dj_photon_codecs import Calibration, CameraMovie
from dj_photon_codecs.arrays.chunk_cache import CACHE
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.writing import write_movie

if TYPE_CHECKING:
    from collections.abc import Callable

    from dj_photon_codecs.arrays.photon_array import PhotonArray

TURNS = 5
INTRODUCTION = """# Constants of reading

`python benchmarks/constants_reading.py --write`: milliseconds to read a movie of 200 x 256 x 256
counts in several ways (its frames in a loop; 20 x 20 pixels of all frames; ten pixels of every
sixth frame), and one of 500 x 64 x 64; then to plan a movie in steps. Times are of all processors
together, the best of five, with no chunk in the cache; differences below a tenth are chance.
`SHARED` changes only how work is divided among processors: what one waits for, speed.py
measures. Constants that bound memory (`OPEN`, `SLAB_BYTES`, `BAND_LIMIT`, `BUDGET`, `COPIES`,
`PIXEL_BYTES`, `CHUNK_BYTES`) are measured by insert_memory.py and insert_sources.py.

"""
VALUES: dict[str, tuple[Any, ...]] = {
    "arrays.movie_reader.SMALL": (0, 1 << 18),
    "arrays.movie_reader.TILE": (1 << 19, 1 << 23),
    "arrays.movie_reader.SHARED": (1 << 21, 1 << 25),
    "arrays.movie_reader.GAP": (1, 32),
    "photons.table_lookup.BLOCK": (1 << 13, 1 << 17),
    "photons.elementwise.BLOCK": (1 << 13, 1 << 17),
    "photons.decode_table.BLOCK": (1 << 16, 1 << 20),
    "photons.brightness_groups.BLOCK": (1 << 14, 1 << 18),
    "movies.sources.SLAB_BYTES": (1 << 22, 1 << 26),
}
WAYS: dict[str, Callable[[PhotonArray], Any]] = {
    "transformed": lambda movie: movie[:],
    "raw": lambda movie: movie.raw[:],
    "a frame": lambda movie: movie.raw[137],
    "a loop": lambda movie: [frame[0, 0] for frame in movie],
    "raw loop": lambda movie: [frame[0, 0] for frame in movie.raw],
    "20 x 20": lambda movie: movie.raw[:, 30:50, 30:50],
    "every sixth": lambda movie: movie.raw[::6, 3, 5:15],
}
LARGE, SMALL = (200, 256, 256), (500, 64, 64)
FOLDER = tempfile.TemporaryDirectory()


def stored(shape: tuple[int, int, int]) -> Callable[[], PhotonArray]:
    """Store a movie, and return what opens it anew."""
    counts = np.random.default_rng(0).poisson(simulate_rates(*shape, mean=3, seed=1)).astype("u2")
    fs, path = fsspec.filesystem("file"), f"{FOLDER.name}/{shape[0]}.zarr"
    movie = CameraMovie(counts, Calibration())
    documents = write_movie(movie, plan_movie(movie, Policy()), folder=MovieFolder(fs, path))
    return lambda: open_movie(fs, path, documents)


MOVIES = {"": stored(LARGE), "small, ": stored(SMALL)}


def inserted() -> Any:
    """Plan a movie in steps: all of its values are surveyed, and a decode table is fitted."""
    counts = np.random.default_rng(2).poisson(3, LARGE).astype("u2")
    return plan_movie(CameraMovie(counts, Calibration(), 0.5), Policy())


def measure() -> list[str]:
    """Return the cells of a row of the table."""
    times = [
        min(timed(lambda: way(opened())) for _ in range(TURNS))  # noqa: B023 - called at once
        for opened in MOVIES.values()
        for way in WAYS.values()
    ]
    times.append(min(timed(inserted) for _ in range(2)))
    return [f"{1000 * each:.1f}" for each in times]


def timed(action: Callable[[], Any]) -> float:
    """Return the seconds that an action takes, with an empty cache."""
    CACHE.clear()
    start = time.process_time()
    action()
    return time.process_time() - start


if __name__ == "__main__":
    run_trials(
        measure,
        VALUES,
        heads=[
            *(f"{kind}{way}" for kind in MOVIES for way in WAYS),
            "plan in steps",
            "raw, elapsed",
        ],
        introduction=INTRODUCTION,
        results=Path(__file__).parent / "results" / "constants_reading.md",
    )
