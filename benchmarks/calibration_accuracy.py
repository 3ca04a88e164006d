"""How well `calibrate` finds the gain and the zero level of movies whose truth is known.

    python benchmarks/calibration_accuracy.py [--frames 200] [--size 256] [--seeds 1]
                                              [--movie FILE ...] [--large] [--detectors] [--write]

Prints a Markdown table; ``--write`` also keeps it in results/calibration.md. Errors of the gain
are in percent, of the zero level in photons; the last columns are the estimator of the package
anscombe-transform on the same movies. Movies in files (.npy, .npz, .tif) have no known truth:
their rows tell what was found. ``--detectors`` takes the conditions of detectors.py instead, and
writes results/calibration_detectors.md: detectors of the simulator getframes, which comes with the
extra `benchmarks`. ``--large`` adds a memory map of 1000 x 512 x 512, read from a temporary file.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import textwrap
import time
import tracemalloc
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from detectors import DETECTORS
from simulate import camera, simulate_rates

from dj_photon_codecs import Calibration, calibrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from numpy.typing import NDArray

    class Truth(Protocol):
        """What a movie was recorded with."""

        @property
        def gain(self) -> float: ...  # noqa: D102
        @property
        def zero(self) -> float: ...  # noqa: D102


RESULTS = Path(__file__).parent / "results" / "calibration.md"
HEADER = """\
| condition | gain | error, % | ± | zero error, photons | ± | s | MB | warns \
| package: error, % | zero error | s |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Condition:
    """A scene and a camera; the read noise is in photons."""

    name: str
    mean: float = 5.0
    gain: float = 30.0
    offset: float = 100.0
    read_noise: float = 0.3
    dtype: str = "uint16"
    full_scale: float | None = None
    transients: float = 2.0
    bleaching: float = 0.0
    motion: float = 0.0
    frames: int | None = None

    @property
    def zero(self) -> float:
        """The value at which a line through the noise of unclipped values is zero, in ADU."""
        rounding = 1 / 12 if np.dtype(self.dtype).kind in "iu" and self.read_noise else 0.0
        return self.offset - self.gain * self.read_noise**2 - rounding / self.gain

    def movie(self, frames: int, size: int, seed: int) -> NDArray[Any]:
        """Record the scene."""
        rates = simulate_rates(
            self.frames or frames,
            size,
            size,
            mean=self.mean,
            seed=seed,
            transients=self.transients,
            bleaching=self.bleaching,
            motion=self.motion,
        )
        return camera(
            rates,
            gain=self.gain,
            offset=self.offset,
            read_noise=self.read_noise,
            dtype=self.dtype,
            full_scale=self.full_scale,
            seed=seed + 1000,
        )


COUNTS = Condition("", gain=1, offset=0, read_noise=0)
CONDITIONS = [
    Condition("camera, 5 photons"),
    *(Condition(f"{frames} frames", frames=frames) for frames in (20, 100, 1000)),
    *(replace(COUNTS, name=f"photon counts, {mean}", mean=mean) for mean in (0.1, 0.3, 3, 50)),
    replace(COUNTS, name="photon counts, 50, uint8", mean=50, dtype="uint8"),
    *(Condition(f"{mean} photons", mean=mean) for mean in (0.3, 1, 20, 50)),
    *(Condition(f"gain {gain}", gain=gain) for gain in (1, 3, 10, 100)),
    Condition("gain 100, 12 bits, uint16", gain=100, full_scale=4095, mean=10),
    Condition("gain 4, uint8", gain=4, offset=10, dtype="uint8", mean=15),
    Condition("offset -200, int16", offset=-200, dtype="int16"),
    Condition("offset 1000, int32", offset=1000, dtype="int32"),
    Condition("float32, read noise 1", read_noise=1, dtype="float32"),
    Condition("read noise 1", read_noise=1, offset=300),
    Condition("read noise 4, 10 photons", read_noise=4, offset=1000, mean=10),
    Condition("bleaching 30 %", bleaching=0.3),
    Condition("transients x 5, 50 photons", transients=5, mean=50),
    Condition("motion 0.7 pixel", motion=0.7),
    Condition("motion 0.7 pixel, 50 photons", motion=0.7, mean=50),
    Condition("motion 1 pixel", motion=1),
    Condition("saturated above 15 photons", full_scale=550),
    Condition("all of it, 10 photons", bleaching=0.3, motion=0.5, read_noise=1, mean=10, gain=10),
    Condition("clipped: offset 0, read noise 0.3", offset=0),
    Condition("clipped: offset 0, read noise 1", offset=0, read_noise=1),
    Condition("clipped: offset 0, read noise 1, 1 photon", offset=0, read_noise=1, mean=1),
    Condition("clipped: offset -2 photons, 10 photons", offset=-60, mean=10),
]


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    table = [HEADER]
    print(HEADER)
    for line in rows(options):
        table.append(line)
        print(line, flush=True)
    if options.write:
        results = RESULTS.with_name("calibration_detectors.md") if options.detectors else RESULTS
        results.parent.mkdir(exist_ok=True)
        results.write_text("\n".join([*table, "", circumstances(), ""]))


def rows(options: argparse.Namespace) -> Iterator[str]:
    """Calibrate all that was asked for: rows of the table."""
    for condition in DETECTORS if options.detectors else CONDITIONS:
        for seed in range(options.seeds):
            movie = condition.movie(options.frames, options.size, seed)
            yield row(condition.name, movie, condition)
    for path in options.movie:
        yield row(path.stem, load(path), None)
    if options.large:
        with large_movie() as (condition, mapped):
            yield row(condition.name, mapped, condition)


def circumstances() -> str:
    """Say by what command, on what machine and with what versions the table was made."""
    packages = ("dj-photon-codecs", "anscombe-transform", "getframes", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    command = " ".join(Path(word).name if "/" in word else word for word in sys.argv[1:])
    return (
        f"`python benchmarks/calibration_accuracy.py {command}`, {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}."
    )


def row(name: str, movie: NDArray[Any], truth: Truth | None) -> str:
    """Calibrate a movie both ways: a row of the table."""
    gain = f"{truth.gain:g}" if truth else "?"
    return f"| {name} | {gain} | {ours(movie, truth)} | {theirs(movie, truth)} |"


def ours(movie: NDArray[Any], truth: Truth | None) -> str:
    """Calibrate in the default way, once for the time and once for the memory."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            start = time.perf_counter()
            found = calibrate(movie)
        except ValueError as error:
            return f"refused: {shortened(error, 60)} | | | | | | "
        seconds = time.perf_counter() - start
    megabytes = peak_memory(movie)
    gain_error, zero_error = errors(found, truth)
    stderr = 100 * (found.gain_stderr or 0) / found.gain
    zero_stderr = (found.offset_stderr or 0) / found.gain
    return (
        f"{gain_error} | {stderr:.2f} | {zero_error} | {zero_stderr:.3f} | {seconds:.1f} "
        f"| {megabytes:.0f} | {len(caught) or ''}"
    )


def theirs(movie: NDArray[Any], truth: Truth | None) -> str:
    """Calibrate with the package anscombe-transform."""
    start = time.perf_counter()
    try:
        found = calibrate(movie, method="anscombe-transform")
    except ValueError:
        return "refused | | "
    seconds = time.perf_counter() - start
    gain_error, zero_error = errors(found, truth)
    return f"{gain_error} | {zero_error} | {seconds:.1f}"


def shortened(message: object, width: int) -> str:
    """Cut a message between two words."""
    return textwrap.shorten(str(message), width, placeholder=" ...")


def errors(found: Calibration, truth: Truth | None) -> tuple[str, str]:
    """Compare with the truth, or, where there is none, say what was found."""
    if truth is None:
        return f"found {found.gain:.4g} ADU", f"found {found.offset:.4g} ADU"
    gain = 100 * (found.gain / truth.gain - 1)
    return f"{gain:+.2f}", f"{(found.offset - truth.zero) / truth.gain:+.3f}"


def peak_memory(movie: NDArray[Any]) -> float:
    """Return the memory that a calibration allocates beside the movie, in MB."""
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calibrate(movie)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def load(path: Path) -> NDArray[Any]:
    """Read a movie, (frames, height, width), from a .npy, .npz or .tif file."""
    if path.suffix == ".npy":
        return np.asarray(np.load(path, mmap_mode="r"))
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return np.asarray(archive[archive.files[0]])
    import tifffile  # noqa: PLC0415

    return np.asarray(tifffile.imread(path))


@contextmanager
def large_movie() -> Iterator[tuple[Condition, NDArray[Any]]]:
    """Write 1000 frames of 512 x 512 to a temporary file, and map it."""
    condition = Condition("1000 x 512 x 512, memory map", mean=10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "movie.npy")
        np.save(path, condition.movie(1000, 512, 0))
        yield condition, np.load(path, mmap_mode="r")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--size", type=int, default=256, help="height and width, pixels")
    parser.add_argument("--seeds", type=int, default=1, help="movies of each condition")
    parser.add_argument("--movie", type=Path, nargs="*", default=[], help="movies in files")
    parser.add_argument("--large", action="store_true", help="a movie of half a gigabyte too")
    parser.add_argument("--detectors", action="store_true", help="those of getframes only")
    parser.add_argument("--write", action="store_true", help="keep the table in results/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
