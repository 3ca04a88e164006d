"""What storing a movie in steps costs and changes, on simulated cells whose truth is known.

    python benchmarks/steps.py [--figure docs/how-to/steps.png] [--frames 500]
    python benchmarks/steps.py --bias [--movie FILE.npz GAIN OFFSET VARIANCE]...

Prints a Markdown table: size; error of single values; and what happens to fluorescence traces of
cells and to the mean image, exactly stored and at each step. The figure shows the same. With
`--bias` it prints how right the means of photons are by brightness, on simulated movies of many
kinds of noise, and on real ones that are given with their calibration.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
from biases import bias_table
from simulate import camera, simulate_rates

from dj_photon_codecs import Calibration, CameraMovie
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.writing import write_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
SIDE = 256
MEAN = 3.0  # photons
CAMERA = {"gain": 30.0, "offset": 100.0, "read_noise": 0.3}
STEPS = (None, 0.25, 0.5, 1.0)
ROIS = 40
ROI = 7  # pixels, the side of a region of interest


@dataclass(frozen=True)
class Outcome:
    """What became of a movie that was stored in one way."""

    step: float | None
    bits: float
    error: float
    bias: float
    trace: NDArray[np.float64]
    trace_error: float

    def row(self, exact: Outcome) -> str:
        """Return a row of the table; traces are compared with those of the exact movie."""
        name = "exact" if self.step is None else f"{self.step:g}"
        worse = self.trace_error / exact.trace_error - 1
        return f"| {name} | {self.bits:.2f} | {self.error:.3f} | {self.bias:+.4f} | {worse:+.2%} |"


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    if options.bias:
        for row in bias_table([_real(*words) for words in options.movie]):
            print(row, flush=True)
        return
    rates = simulate_rates(options.frames, SIDE, SIDE, mean=MEAN, seed=1, bleaching=0.1)
    values = camera(rates, **CAMERA, dtype="int16", seed=2)
    regions = brightest_regions(rates)
    outcomes = [outcome(values, rates, regions, step=step) for step in STEPS]
    print(f"{platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores; ")
    print(f"{values.shape} int16, mean {MEAN:g} photons, {CAMERA}\n")
    print("| step | bits per pixel | error of a value, sigma | bias of the mean, photons ", end="")
    print("| rms error of traces against the truth, more than exact |\n|---|---|---|---|---|")
    for stored_movie in outcomes:
        print(stored_movie.row(outcomes[0]))
    if options.figure:
        draw(options.figure, outcomes, truth=traces(rates, regions)[0])


def outcome(
    values: NDArray[Any], rates: NDArray[Any], regions: list[Any], *, step: float | None
) -> Outcome:
    """Store a movie in one way, and compare what comes back with what was there."""
    gain, offset, noise = CAMERA["gain"], CAMERA["offset"], CAMERA["read_noise"]
    movie = CameraMovie(values, Calibration(gain, offset, (noise * gain) ** 2), step)
    exact = CameraMovie(values, movie.calibration)
    photons, y, size = stored(movie)
    _, y_exact, _ = stored(exact) if step is not None else (None, y, 0)
    truth = traces(rates, regions)
    found = traces(photons, regions)
    return Outcome(
        step=step,
        bits=8 * size / values.size,
        error=float(np.sqrt(((y - y_exact) ** 2).mean())),
        bias=float(photons.mean(dtype=np.float64) - ((values - offset) / gain).mean()),
        trace=found[0],
        trace_error=float(np.sqrt(((found - truth) ** 2).mean())),
    )


def stored(movie: CameraMovie) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Return a movie's photons and transformed values from a store, and its size there."""
    fs = fsspec.filesystem("file")
    plan = plan_movie(movie, Policy())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "movie.zarr").as_posix()
        documents = write_movie(movie, plan, folder=MovieFolder(fs, path))
        fetched = open_movie(fs, path, documents)
        return (
            fetched.photons[:],
            fetched[:],
            sum(file["size"] for file in fs.ls(path, detail=True)),
        )


def brightest_regions(rates: NDArray[Any]) -> list[Any]:
    """Choose regions of interest where the movie changes most: on its active cells."""
    activity = rates.std(axis=0)
    regions = []
    for _ in range(ROIS):
        y, x = np.unravel_index(np.argmax(activity[ROI:-ROI, ROI:-ROI]), (SIDE - 2 * ROI,) * 2)
        region = np.s_[:, y + ROI - ROI // 2 :, x + ROI - ROI // 2 :]
        region = (region[0], slice(region[1].start, region[1].start + ROI), region[2])
        region = (*region[:2], slice(region[2].start, region[2].start + ROI))
        activity[region[1:]] = 0
        regions.append(region)
    return regions


def traces(movie: NDArray[Any], regions: list[Any]) -> NDArray[np.float64]:
    """Return the mean over each region, frame by frame: shape (regions, frames)."""
    return np.array([movie[region].mean(axis=(1, 2), dtype=np.float64) for region in regions])


def draw(file: Path, outcomes: list[Outcome], *, truth: NDArray[np.float64]) -> None:
    """Draw size and error against the step, and one cell's trace at each."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    mpl.rc_file(ROOT / "docs" / "matplotlibrc")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    names = ["exact" if each.step is None else f"{each.step:g}" for each in outcomes]
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9, 3), width_ratios=(1, 1, 2))
    left.bar(names, [each.bits for each in outcomes], color="tab:blue")
    left.set(xlabel="step, sigma", ylabel="bits per pixel", title="size")
    noise = [100 * (np.sqrt(1 + each.error**2) - 1) for each in outcomes]
    middle.bar(names, noise, color="tab:red")
    middle.set(xlabel="step, sigma", ylabel="per cent", title="noise added to a value")
    for each, name, style in zip(outcomes, names, ("-", "-", "-", "--"), strict=True):
        right.plot(each.trace[:200], style, linewidth=1, label=name)
    right.plot(truth[:200], color="0.5", linewidth=1.5, label="truth")
    right.set(xlabel="frame", ylabel="photons per pixel", title="trace of one cell")
    right.legend(ncols=2)
    figure.savefig(file, dpi=150)
    plt.close(figure)


def _real(file: str, gain: str, offset: str, variance: str) -> tuple[Path, Calibration]:
    return Path(file), Calibration(float(gain), float(offset), float(variance))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--bias", action="store_true")
    parser.add_argument("--movie", nargs=4, action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
