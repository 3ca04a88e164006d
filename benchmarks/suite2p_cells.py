"""Whether suite2p finds the same cells in a stored movie, against what photon noise changes anyway.

    pip install suite2p getframes calab
    python benchmarks/suite2p_cells.py [--write] [--folder FOLDER]
    python benchmarks/suite2p_cells.py --draw

Scenes whose cells, calcium and spikes are known (known_cells.py) are recorded by detectors that
others wrote (detectors.py), at three brightnesses. suite2p registers, detects, extracts and
deconvolves each movie as it was recorded, stored exactly, and stored in steps. The yardstick is
what suite2p makes of two more recordings of the same scene, which differ by their noise alone.

`--write` keeps results/suite2p_cells.json, .md and .png; `--draw` makes the last two again from the
first. `--folder` keeps what suite2p found, and another run goes on from there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from detectors import PULSES, Detector
from fsspec.implementations.local import LocalFileSystem
from known_cells import DECAY, FRAME_RATE, Scene, scene
from plots import DENSE, GENERAL, GRID, OURS, STYLE
from regions import NEUROPIL, Agreement, Regions, agreement

from dj_photon_codecs import Calibration, CameraMovie, calibrate
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.writing import write_movie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FRAMES, SIDE, CELLS = 1000, 192, 32
DETECTORS = [
    Detector(
        "Dim: 0.3 photons, multiplied, 50 ADU each",
        "generic_eapd",
        mean=0.3,
        changes=PULSES,
        size=SIDE,
    ),
    Detector(
        "Medium: 3 photons, multiplied, 30 ADU each",
        "generic_eapd",
        mean=3.0,
        changes=PULSES | {"em_gain": 60.0},
        size=SIDE,
    ),
    Detector("Bright: 20 photons, sCMOS, 2 ADU each", "generic_scmos", mean=20.0, size=SIDE),
]
STEPS = (0.25, 0.5, 1.0)
REDRAWS = (1, 2)
RESULTS = Path(__file__).parent / "results" / "suite2p_cells.json"
RAW = "as recorded"
FINER = np.float32(100)  # as suite2p rounds its reference image to whole numbers
TICKS = [2, 4, 8, 16]  # bits per pixel
INTRODUCTION = """# The cells that suite2p finds in stored movies

`python benchmarks/suite2p_cells.py --write`: {frames} frames of {side} x {side}, int16, of {cells}
cells that move by a pixel or two; suite2p {suite2p} with its default settings, on the CPU; calcium
by calab {calab}, detectors by getframes {getframes}. Of the regions that it finds:

- *registered*: frames that lie within a pixel of where they lay in the movie as it was recorded;
- *cells*: the share of all cells that it finds, with an intersection over union above .5;
- *again*: the share of the regions of the movie as recorded that it finds again, and, median, their
  intersection over union;
- *traces* (less .7 of the surround) and *deconvolved* activity: the median of correlations with
  those of the movie as recorded, and with the truth;
- *events*: their number in the regions found again, relative to the movie as recorded.
"""
HEAD = """
## {scene}

Calibrated by its noise alone: gain {gain:.1f} ADU, zero at {offset:.0f} ADU.

| movie | bits per pixel | registered | cells | again | overlap | traces, as recorded \
| traces, truth | deconvolved, as recorded | deconvolved, truth | events |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""
PANELS = [
    ("retained", "raw", "regions found again"),
    ("traces", "raw", "traces: correlation\nwith the recording"),
    ("traces", "truth", "traces: correlation\nwith the truth"),
    ("events", "raw", "events, relative to\nthe recording"),
]


@dataclass(frozen=True)
class Outcome:
    """What suite2p made of a movie, compared with the movie as recorded, and with the truth."""

    movie: str
    step: float | None
    bits: float | None
    regions: int
    raw: Agreement
    truth: Agreement

    def row(self) -> str:
        """Return a row of the table."""
        raw, truth = self.raw, self.truth
        bits = "" if self.bits is None else f"{self.bits:.2f}"
        return (
            f"| {self.movie} | {bits} | {raw.registered:.0%} | {truth.retained:.0%} "
            f"| {raw.retained:.0%} | {raw.overlap:.3f} | {raw.traces:.3f} | {truth.traces:.3f} "
            f"| {raw.activity:.3f} | {truth.activity:.3f} | {raw.events:.3f} |\n"
        )


@dataclass(frozen=True)
class Outcomes:
    """All movies of a scene, the first as it was recorded."""

    scene: str
    calibration: dict[str, float]
    movies: list[Outcome]


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.draw:
        scenes, versions = load()
    else:
        versions = {name: version(name) for name in ("suite2p", "calab", "getframes")}
        with tempfile.TemporaryDirectory() as scratch:
            folder = options.folder or Path(scratch)
            scenes = [run(detector, folder / str(n)) for n, detector in enumerate(DETECTORS)]
    text = report(scenes, versions)
    print(text)
    if options.write:
        stored = {"versions": versions, "scenes": [asdict(each) for each in scenes]}
        RESULTS.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    if options.write or options.draw:
        RESULTS.with_suffix(".md").write_text(text, encoding="utf-8")
        draw(scenes, RESULTS.with_suffix(".png"))


def load() -> tuple[list[Outcomes], dict[str, str]]:
    """Read the results of an earlier run."""
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    scenes = []
    for each in stored["scenes"]:
        movies = [
            Outcome(**movie | {key: Agreement(**movie[key]) for key in ("raw", "truth")})
            for movie in each["movies"]
        ]
        scenes.append(Outcomes(each["scene"], each["calibration"], movies))
    return scenes, stored["versions"]


def run(detector: Detector, folder: Path) -> Outcomes:
    """Record a scene, and have suite2p find its cells in each movie of it."""
    truth = scene(FRAMES, SIDE, cells=CELLS, mean=detector.mean, seed=1)
    values = recorded(detector, truth, draw=0)
    calibration = calibrate(values)
    known = Regions(truth.masks, truth.calcium, truth.spikes, truth.shifts)
    movies: list[Outcome] = []
    raw = None
    for name, step, bits, movie in stored_movies(values, calibration, folder):
        found = raw if raw and movie is values else find_cells(movie, folder / name)
        raw = raw or found
        movies.append(outcome(name, step, bits, found, raw, known))
    for number in REDRAWS:
        name = f"recorded again, {number}"
        found = find_cells(recorded(detector, truth, draw=number), folder / name)
        movies.append(outcome(name, None, None, found, raw, known))
    numbers = {key: float(getattr(calibration, key)) for key in ("gain", "offset", "variance")}
    return Outcomes(detector.name, numbers, movies)


def recorded(detector: Detector, truth: Scene, *, draw: int) -> NDArray[np.int16]:
    """Record a scene; draws differ in the noise alone."""
    values = detector.record(truth.rates, seed=draw * 10**6)
    if values.max() > np.iinfo(np.int16).max:
        raise ValueError(f"{detector.name} gives {values.max()}, which int16 does not hold")
    return values.astype(np.int16)


def stored_movies(
    values: NDArray[np.int16], calibration: Calibration, folder: Path
) -> Iterator[tuple[str, float | None, float, Any]]:
    """Yield the movie as recorded, exact, and in steps: name, step, bits per pixel, values."""
    folder.mkdir(parents=True, exist_ok=True)
    yield RAW, None, 8.0 * values.itemsize, values
    exact, bits = store(CameraMovie(values, calibration), folder / "exact.zarr")
    np.testing.assert_array_equal(exact.raw[:], values)
    yield "raw, stored exactly", None, bits, values
    yield "photons, stored exactly", None, bits, exact.photons
    yield "hundredths of photons", None, bits, exact.photons[:] * FINER
    for step in STEPS:
        movie, bits = store(CameraMovie(values, calibration, step), folder / f"{step}.zarr")
        yield f"raw, in steps of {step:g}", step, bits, movie.raw


def store(movie: CameraMovie, path: Path) -> tuple[Any, float]:
    """Store a movie as `<photon@>` does, and open it; return its bits per pixel, too."""
    shutil.rmtree(path, ignore_errors=True)  # that of an earlier run
    files = LocalFileSystem(auto_mkdir=True)
    plan = plan_movie(movie, Policy())
    opened = open_movie(
        files, str(path), write_movie(movie, plan, folder=MovieFolder(files, str(path)))
    )
    size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return opened, 8 * size / np.prod(opened.shape)


def find_cells(values: Any, folder: Path) -> Regions:
    """Run suite2p on a movie, unless it has done so in this folder, and read what it found."""
    folder.mkdir(exist_ok=True)
    if not (folder / "iscell.npy").exists():
        run_suite2p(values, folder)
    names = ("stat", "F", "Fneu", "spks", "reg_outputs")
    stat, light, surround, activity, registered = (
        np.load(folder / f"{name}.npy", allow_pickle=True) for name in names
    )
    masks = np.zeros((len(stat), SIDE, SIDE), bool)
    for mask, region in zip(masks, stat, strict=True):
        mask[region["ypix"], region["xpix"]] = True
    offsets = registered.item()
    return Regions(
        masks,
        light - NEUROPIL * surround,
        activity,
        np.stack([offsets["yoff"], offsets["xoff"]], axis=1),
    )


def run_suite2p(values: Any, folder: Path) -> None:
    """Register, detect, extract and deconvolve, as suite2p does it with its default settings."""
    import suite2p  # noqa: PLC0415, as --draw needs none
    import torch  # noqa: PLC0415

    place = folder / "registered.npy"
    registered = np.lib.format.open_memmap(place, "w+", dtype=values.dtype, shape=values.shape)
    if in_memory := isinstance(values, np.ndarray):
        registered[:] = values  # suite2p takes no array as what is not written to
    suite2p.pipeline(
        str(folder),
        registered,
        f_raw=None if in_memory else values,
        settings=suite2p.default_settings() | {"fs": FRAME_RATE, "tau": DECAY},
        device=torch.device("cpu"),
    )
    place.unlink()


def outcome(
    name: str, step: float | None, bits: float | None, found: Regions, raw: Regions, known: Regions
) -> Outcome:
    """Compare what was found in a movie."""
    print(name, len(found.masks), flush=True)
    return Outcome(
        name, step, bits, len(found.masks), agreement(found, raw), agreement(found, known)
    )


def report(scenes: list[Outcomes], versions: dict[str, str]) -> str:
    """Return the tables, as Markdown."""
    text = INTRODUCTION.format(frames=FRAMES, side=SIDE, cells=CELLS, **versions)
    for each in scenes:
        text += HEAD.format(scene=each.scene, **each.calibration)
        text += "".join(movie.row() for movie in each.movies)
    return text


def draw(scenes: list[Outcomes], file: Path) -> None:
    """Draw what becomes of cells against the bits that a pixel takes."""
    import matplotlib as mpl  # noqa: PLC0415, as the tables do without it
    import matplotlib.pyplot as plt  # noqa: PLC0415

    mpl.use("Agg")
    with mpl.rc_context(STYLE):
        shape = len(PANELS), len(scenes)
        figure, grid = plt.subplots(
            *shape, figsize=(10, 10), sharex=True, sharey="row", layout="constrained"
        )
        for column, each in zip(grid.T, scenes, strict=True):
            column[0].set_title(each.scene.replace(", ", "\n", 1))
            for axes, (measure, other, _) in zip(column, PANELS, strict=True):
                draw_panel(axes, each.movies, measure=measure, other=other)
            column[-1].set_xlabel("bits per pixel")
        for axes, (_, _, label) in zip(grid[:, 0], PANELS, strict=True):
            axes.set_ylabel(label)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(file, dpi=110)
        plt.close(figure)


def draw_panel(axes: Any, movies: list[Outcome], *, measure: str, other: str) -> None:
    """Draw a measure of all movies of a scene, and between which values noise alone moves it."""
    stored = [(each.bits, getattr(getattr(each, other), measure), each) for each in movies]
    again = [value for bits, value, _ in stored if bits is None]
    exact = [(bits, value) for bits, value, each in stored if bits and each.step is None]
    steps = [(bits, value, each.step) for bits, value, each in stored if bits and each.step]
    axes.axhspan(min(again), max(again), color="#e3e6ea", zorder=0)
    for number, value in enumerate(again):
        name = None if number else "the same scene, recorded again"
        axes.axhline(value, color=GENERAL, linewidth=1.2, linestyle="--", label=name)
    looks = [("o", "full"), ("o", "full"), ("D", "none"), ("s", "none")]
    names = "as recorded", "stored exactly", "the same, photons", "the same, hundredths of photons"
    colours = "black", DENSE, DENSE, DENSE
    for point, (marker, fill), name, colour in zip(exact, looks, names, colours, strict=True):
        axes.plot(*point, marker, fillstyle=fill, color=colour, markersize=7, label=name)
    axes.plot(*np.transpose([step[:2] for step in steps]), "o-", color=OURS, label="in steps")
    for bits, value, step in steps:
        look = {"ha": "center", "fontsize": 9, "color": OURS}
        name = f"{step:g}".lstrip("0")
        axes.annotate(name, (bits, value), (0, 6), textcoords="offset points", **look)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.update_datalim([(TICKS[0], 0.8), (TICKS[0], 1.03)])
    axes.autoscale_view()
    axes.set_xscale("log")
    axes.set_xticks(TICKS, map(str, TICKS))
    axes.minorticks_off()


if __name__ == "__main__":
    main()
