"""What each tuned constant of the layouts is worth: bytes and encode time at other values.

    python benchmarks/constants.py [MODULE.NAME=VALUE ...] [--movie FILE ...] [--write]

Without constants, all of `VALUES` are tried. Movies are simulated (`simulate.py`), and those of the
files given. A line says how the size of all movies together and the processor time of encoding
(in one thread, best of `TURNS`, taking turns with the present value) change. Constants of
`adaptive` are measured on chunks of `photon.dense`, all others on those of `photon.grouped`. A
constant is set in its own module only. With --write the table goes to
benchmarks/results/constants.md.
"""

from __future__ import annotations

import argparse
import ast
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from simulate import camera, photomultiplier, simulate_rates

from dj_photon_codecs import set_threads
from dj_photon_codecs.layouts.choice import GROUPED, Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TURNS = 2
FRAMES, SIDE = 100, 128  # of the smaller simulated movies
RESULTS = Path(__file__).parent / "results" / "constants.md"
INTRODUCTION = """# Constants of the layouts

`python benchmarks/constants.py --movie FILE ... --write`, one thread. The first line of a
constant is its present value; the others say how much larger all movies together become, and how
much longer encoding takes. A size that does not change says that the constant is safe in its
range; it may still bound the time or the memory of other movies. Times are within about 12 %
where other programs share the processors.

"""
HEAD = "| constant | value | size, % | time, % |\n|---|---|--:|--:|"
VALUES: dict[str, tuple[Any, ...]] = {
    "numbering.FEW": (64, 1024),
    "numbering.SAMPLED": (1 << 12, 1 << 16),
    "numbering.CODES_PER_VALUE": (2, 16),
    "numbering.FILLED": (0.5, 0.9),
    "plain.STRETCH": (1 << 9, 1 << 12),
    "plain.SMALL": (1 << 14, 1 << 18),
    "plain.PROBE": ((1 << 11, 512), (1 << 14, 64)),
    "plain.ROUNDS": (((1 << 17, 16, 0.97),), ((1 << 14, 128, 0.8), (1 << 19, 4, 1.0))),
    "plain.FEW": ((1 << 17, 16), (1 << 21, 4)),
    "plain.SPARSE": (64, 1024),
    "plain.INDEPENDENT": (0.85, 1.0),
    "plain.DEPENDENT": (0.5, 0.72),
    "repeats.PATCHES": (4, 32),
    "plain.CORRELATED": (0.15, 0.6),
    "repeats.FEW": (4, 12),
    "static.bins.RESOLUTION": (4, 16),
    "static.rows.PRICES": (((5, 0), (2000, 1)), ((80, 0), (2000, 1))),
    "static.levels.STEP": (2.0, 4.0),
    "static.levels.MOST_LEVELS": (256, 4096),
    "static.levels.FINE": (1 / 2, 1 / 32),
    "static.levels.SAMPLE": ((1 << 14, 128), (1 << 18, 8)),
    "static.levels.SEGMENT": (16, 256),
    "static.levels.SAME": (0.0, 0.02),
    "static.levels.CLASS_STEP": (0.08, 0.3),
    "static.levels.CLASS_NUMBERS": (1 << 14, 1 << 18),
    "static.levels.MOST_CLASSES": (8, 64),
    "static.levels.MOST_ROWS": (1 << 10, 1 << 14),
    "static.levels.FEWEST_FRAMES": (8, 32),
    "static.levels.EXCESS": ((0.5, 1, 2.5), (2, 4, 10)),
    "static.levels.WORTH": (0, 1, 4),
    "static.levels.DOUBT": (1.5, 4.0),
    "static.levels.SKEWNESS": (8.0, 48.0),
    "static.levels.MEASURED": (12, 50),
    "static.levels.SMOOTHED": (0, 32),
    "static.noise.KNOTS": (12, 48),
    "static.plan.BAND": (1 << 13, 1 << 15),
    "static.plan.STREAM": (10_000, 60_000),
    "static.rows.COUNTED": (1 << 18, 1 << 22),
    "static.rows.EVERY": (4, 16),
    "static.rows.BINNED": (1 << 14, 1 << 17),
    "static.rows.MOST_TABLES": (24, 96),
    "static.rows.SYMBOL_PRICE": (2, 8),
    "static.rows.TABLE_PRICE": (8, 64),
    "static.rows.BELOW": (3.5, 6.0),
    "static.rows.ABOVE": (4.5, 7.0),
    "static.tables.RARE": (200_000, 10_000),
    "adaptive.bins.SHARE": (0.25, 0.8),
    "adaptive.bins.COUNTED": (1 << 16, 1 << 20),
    "adaptive.bins.COMPARED": (1 << 12, 1 << 16),
    "adaptive.bins.REACHED": (5, 8),
    "adaptive.bins.WINDOW": (120, 220),
    "adaptive.levels.FINEST_STEP": (0.05, 0.2),
    "adaptive.levels.LEVEL_COST": (14, 56),
    "adaptive.levels.MOST_LEVELS": (450, 1 << 13),
    "adaptive.levels.MOST_TABLES": (60, 120),
    "adaptive.levels.REACH": (8, 16),
    "adaptive.levels.LEAST_SIGMA": (0.05, 0.2),
    "adaptive.levels.FEWEST": (50, 1000),
    "adaptive.levels.SYMBOL_BITS": (5, 10),
    "adaptive.levels.TABLE_BITS": (0, 48),
    "adaptive.levels.COUNTED": (1 << 19, 1 << 25),
    "adaptive.packing.FEWEST_ROWS": (1, 16),
    "adaptive.packing.PREDICTED": (1 << 17, 1 << 21),
    "adaptive.prediction.KNOTS": (16, 64),
    "adaptive.prediction.SAMPLED": (1 << 10, 1 << 14),
    "adaptive.prediction.PAIRS": (8, 99),
    "adaptive.prediction.LEAST_VARIANCE": (0.005, 0.1),
    "adaptive.prediction.FINEST": (0.125, 0.5),
    "adaptive.prediction.GATED": (1 / 7, 4 / 7),
    "adaptive.prediction.WEIGHT_BITS": (5, 20),
    "adaptive.prediction.FEW": (7.5e3, 3e4),
    "adaptive.prediction.SHARE": (0.01, 0.2),
    "adaptive.prediction.MOST": (3e4, 2.4e5),
}


def simulated(side: int) -> Iterator[NDArray[Any]]:
    """Yield movies of all kinds: dim to bright, of a camera, in steps, averaged, and repeated."""
    for mean in (0.1, 3, 200):
        scene = simulate_rates(FRAMES, side, side, mean=mean, seed=1)
        yield np.random.default_rng(2).poisson(scene).astype("u2")
    scene = simulate_rates(FRAMES, 2 * side, 2 * side, mean=10, seed=3, motion=0.5)
    counts = np.random.default_rng(4).poisson(scene)
    yield counts.astype("u2")
    yield np.rint(2 * np.sqrt(counts + 3 / 8) / 0.5).astype("u1")
    yield camera(scene, gain=30, offset=100, read_noise=0.3, dtype="i2", seed=5)
    yield photomultiplier(scene, gain=100, offset=-200, bandwidth=0.3, seed=6)
    yield (1000 + 10 * np.cumsum(counts - scene, axis=0) / FRAMES).astype("u2")
    yield np.repeat(counts[::2], 2, axis=0).astype("u2")
    yield counts[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2).astype("u2")


def stored_size(movies: list[NDArray[Any]], *, dense: bool) -> int:
    """Return how many bytes a chunk of each of the movies takes, all together."""
    compression = Compression(None, DenseLayout()) if dense else GROUPED
    return sum(len(compression.encode(np.ascontiguousarray(movie))) for movie in movies)


def is_dense(name: str) -> bool:
    """Return whether a constant is one of dense chunks."""
    return name.startswith("adaptive")


def measure(
    name: str, values: tuple[Any, ...], movies: list[NDArray[Any]]
) -> Iterator[tuple[Any, float, float]]:
    """Yield for each value of a constant the change of size and of time, in per cent."""
    module_name, _, constant = name.rpartition(".")
    module = import_module(f"dj_photon_codecs.layouts.{module_name}")
    present = getattr(module, constant)
    sizes, times = [0.0] * (len(values) + 1), [float("inf")] * (len(values) + 1)
    for _ in range(TURNS):
        for number, value in enumerate((present, *values)):
            setattr(module, constant, value)
            start = time.process_time()
            sizes[number] = stored_size(movies, dense=is_dense(name))
            times[number] = min(times[number], time.process_time() - start)
    setattr(module, constant, present)
    for value, size, seconds in zip((present, *values), sizes, times, strict=True):
        yield value, 100 * (size / sizes[0] - 1), 100 * (seconds / times[0] - 1)


def main() -> None:
    """Try the constants that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("constants", nargs="*", metavar="MODULE.NAME=VALUE")
    parser.add_argument("--movie", nargs="*", type=Path, default=[])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    given: dict[str, tuple[Any, ...]] = {}
    for text in options.constants:
        name, _, value = text.partition("=")
        more = (ast.literal_eval(value),) if value else VALUES[name]
        given[name] = (*given.get(name, ()), *more)
    files = [np.load(path) for path in options.movie]
    real = [file["movie"] if hasattr(file, "files") else file for file in files]
    movies = [*simulated(SIDE), *real]
    set_threads(1)
    lines = [HEAD]
    print(HEAD)
    for name, values in (given or VALUES).items():
        for value, size, seconds in measure(name, values, movies):
            change = f"{size:+.2f} | {seconds:+.0f}" if size or seconds else "|"
            lines.append(f"| `{name}` | {value} | {change} |")
            print(lines[-1], flush=True)
    if options.write:
        RESULTS.write_text(INTRODUCTION + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
