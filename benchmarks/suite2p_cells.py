"""Whether suite2p finds the same cells in a stored movie as in the array that was inserted.

    pip install suite2p
    python benchmarks/suite2p_cells.py [--write]

A simulated two-photon movie of moving cells goes through registration, detection and extraction as
an array in memory, and as `movie.raw` and `movie.photons`, exact and in steps. `--write` keeps the
Markdown table in results/suite2p_cells.md.
"""

from __future__ import annotations

import argparse
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import suite2p
import torch
from fsspec.implementations.local import LocalFileSystem
from simulate import camera, simulate_rates

from dj_photon_codecs import Calibration, CameraMovie
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.writing import write_movie

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE = (1000, 160, 160)
CALIBRATION = Calibration(gain=30, offset=100, variance=81)
STEPS = (0.25, 0.5, 1.0)
RESULTS = Path(__file__).parent / "results" / "suite2p_cells.md"
INTRODUCTION = """# The cells that suite2p finds in stored movies

`python benchmarks/suite2p_cells.py --write`: {frames} frames of {height} x {width}, int16, of a
two-photon camera (gain 30, read noise .3 photon), 3 photons on average, cells with transients and
motion of a pixel; suite2p {version}, rigid and nonrigid registration. Of each movie: the regions
that suite2p finds; the share of frames that it moves exactly as those of the array in memory, and
the largest difference, in pixels; how the traces of the array's regions correlate with that which
is most alike.

| movie | regions | frames moved alike | largest difference | correlation: median | least |
|---|--:|--:|--:|--:|--:|
"""


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    frames, height, width = SHAPE
    text = INTRODUCTION.format(
        frames=frames, height=height, width=width, version=version("suite2p")
    )
    print(text, end="")
    for row in rows():
        print(row, flush=True)
        text += f"{row}\n"
    if write:
        RESULTS.write_text(text, encoding="utf-8")


def rows() -> Iterator[str]:
    """Yield the rows of the table."""
    rates = simulate_rates(*SHAPE, mean=3.0, seed=1, transients=3.0, motion=1.0)
    values = camera(rates, gain=30, offset=100, read_noise=0.3, dtype=np.int16, seed=2)
    with tempfile.TemporaryDirectory() as folder:
        expected = find_cells(values, Path(folder, "array"))
        yield row("the array in memory", expected, expected)
        for step in (None, *STEPS):
            movie = store(values, Path(folder, f"{step}.zarr"), step)
            kept = "exact" if step is None else f"step {step:g}"
            for name in ("raw", "photons"):
                found = find_cells(getattr(movie, name), Path(folder, f"{name} {kept}"))
                yield row(f"`movie.{name}`, {kept}", found, expected)


def store(values: np.ndarray, path: Path, step: float | None) -> Any:
    """Store a movie, and open it."""
    movie, files = CameraMovie(values, CALIBRATION, step), LocalFileSystem(auto_mkdir=True)
    folder = MovieFolder(files, str(path))
    return open_movie(
        files, str(path), write_movie(movie, plan_movie(movie, Policy()), folder=folder)
    )


def find_cells(values: Any, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return how suite2p moves frames, shape (2, frames), and the traces that it finds."""
    folder.mkdir()
    place = folder / "registered.npy"
    registered = np.lib.format.open_memmap(place, "w+", dtype=values.dtype, shape=values.shape)
    if in_memory := isinstance(values, np.ndarray):
        registered[:] = values  # suite2p takes no array as what is not written to
    moved, _, _, traces, *_ = suite2p.pipeline(
        str(folder),
        registered,
        f_raw=None if in_memory else values,
        settings=suite2p.default_settings() | {"fs": 30.0, "tau": 0.4},
        device=torch.device("cpu"),
    )
    return np.stack([moved["yoff"], moved["xoff"]]), traces


def row(name: str, found: Any, expected: Any) -> str:
    """Compare what was found in a movie with what was found in the array."""
    apart = np.abs(found[0] - expected[0]).max(axis=0)
    number = len(expected[1])
    alike = np.corrcoef(expected[1], found[1])[:number, number:].max(axis=1)
    return (
        f"| {name} | {len(found[1])} | {np.mean(apart == 0):.0%} | {apart.max()} | "
        f"{np.median(alike):.3f} | {alike.min():.3f} |"
    )


if __name__ == "__main__":
    main()
