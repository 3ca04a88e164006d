"""What each tuned constant of the layouts is worth: bytes and encode time at other values.

    python benchmarks/constants.py [MODULE.NAME=VALUE ...] [--movie FILE ...] [--write]

Without constants, all of `VALUES` are tried. Movies are simulated (`simulate.py`), and those of the
files given. A line says how the size of all movies together and the processor time of encoding
(in one thread, best of `TURNS`, taking turns with the present value) change. Constants of `dense`
are measured on dense chunks, all others on chunks stored in the way that `choose_compression`
finds. A constant is set in its own module only. With --write the table goes to
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
from dj_photon_codecs.layouts.choice import choose_compression
from dj_photon_codecs.layouts.dense.numbering import number_codes
from dj_photon_codecs.layouts.dense.packing import pack_dense
from dj_photon_codecs.layouts.dense.unpacking import MOST_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TURNS = 2
FRAMES, SIDE, DENSE_SIDE = 100, 128, 64  # of the smaller simulated movies; dense chunks take long
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
    "choice.GROUPED_SIZE": (1.0, 1.12),
    "choice.CORRELATED": (0.0, 0.75, 0.95),
    "sampling.PATCHES": (4, 16),
    "sampling.ROWS": (1, 8),
    "grouped.entropy.CLASSES": (8, 32),
    "grouped.entropy.HISTOGRAM_BITS": (9, 12),
    "grouped.entropy.COMMON": (0.95, 0.995),
    "grouped.entropy.SAMPLED": (1, 31),
    "grouped.layout.FEWEST_FRAMES": (4, 16),
    "grouped.layout.STRETCH": (1 << 11, 1 << 13),
    "grouped.layout.SAMPLE": (1 << 18, 1 << 20),
    "grouped.layout.PLAIN_SHARE": (3, 10),
    "grouped.layout.TRIAL": (1 << 17, 1 << 19),
    "grouped.layout.FEW_PIXELS": (300, 3000),
    "grouped.layout.FEWEST_STRETCHES": (8, 32),
    "grouped.layout.CLEAR": (0.9, 1.0),
    "grouped.grouping.GROUPS_PER_CLASS": (16, 64),
    "grouped.grouping.STEP": (0.2, 0.45),
    "grouped.grouping.BINS": (16, 64),
    "grouped.grouping.RUNS": (3, 8),
    "grouped.grouping.FEWEST_KIND": (32, 128, 1 << 30),
    "grouped.grouping.FEWEST_BYTES": (1 << 18, 1 << 20),
    "grouped.grouping.INDEPENDENT": (0.85, 0.97),
    "grouped.grouping.UNSTEADY": (5.0, 20.0),
    "grouped.grouping.COARSER": (6, 12),  # divisors of 204
    "grouped.grouping.FINEST": (1.5, 6.0),
    "grouped.grouping.SAMPLED_FRAMES": (3, 10),
    "grouped.grouping.SAMPLED_GROUPS": (64, 256),
    "grouped.grouping.SAMPLED_PAIRS": (8, 32),
    "grouped.grouping.SAMPLED_PIXELS": (1 << 11, 1 << 13),
    "grouped.fields.HISTOGRAM_BITS": (10, 14),
    "grouped.fields.OUTSIDE": (
        {0: 0.04, 1: 0.015, 2: 0.0075, 4: 0.004},
        {0: 0.16, 1: 0.06, 2: 0.03, 4: 0.016},
    ),
    "grouped.renumbering.SAMPLED": (8, 64),
    "grouped.renumbering.COMMON": ((0.0, 1.0), (0.05, 0.8)),
    "grouped.renumbering.FILLED": (0.7, 1.0),
    "grouped.packing.TILE": (1 << 20, 1 << 22),
    "dense.numbering.CODES_PER_VALUE": (4, 64),
    "dense.packing.CODERS_SHARE": (1 << 12, 1 << 14),
    "dense.packing.NOISE_SAMPLED": (1, 15),
    "dense.level_fitting.FINEST_STEP": (0.05, 0.2),
    "dense.level_fitting.LEVEL_COST": (14, 56),
    "dense.level_fitting.MOST_LEVELS": (1 << 13, 1 << 15),
    "dense.level_fitting.REACH": (4.0, 7.0),
    "dense.level_fitting.LEAST_SIGMA": (0.05, 0.2),
    "dense.level_fitting.FINEST": (8.0, 24.0),
    "dense.level_fitting.FEWEST": (1000, 16000),
    "dense.level_fitting.FREQUENCY_BITS": (5, 10),
    "dense.level_fitting.TABLE_BITS": (0, 48),
    "dense.level_fitting.ESCAPE_BITS": (6, 16),
    "dense.weighting.SAMPLE": (1 << 14, 1 << 16),
    "dense.weighting.BINS": (16, 64),
    "dense.weighting.EAGER": (4, 16),
    "dense.weighting.EVERY": (2, 8),
    "dense.weighting.RIDGE": (1e-6, 1e-4),
    "dense.weighting.LEAST_VARIANCE": (0.005, 0.1),
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
    if not dense:
        return sum(len(choose_compression(movie).encode(movie)) for movie in movies)
    numbered = (number_codes(movie, most=MOST_CODES) for movie in movies)
    return sum(len(pack_dense(each[0], values=each[1].values)) for each in numbered if each)


def is_dense(name: str) -> bool:
    """Return whether a constant is one of dense chunks."""
    return name.startswith("dense")


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
    movies = {
        dense: [*simulated(DENSE_SIDE if dense else SIDE), *real]
        for dense in set(map(is_dense, given or VALUES))
    }
    set_threads(1)
    lines = [HEAD]
    print(HEAD)
    for name, values in (given or VALUES).items():
        for value, size, seconds in measure(name, values, movies[is_dense(name)]):
            change = f"{size:+.2f} | {seconds:+.0f}" if size or seconds else "|"
            lines.append(f"| `{name}` | {value} | {change} |")
            print(lines[-1], flush=True)
    if options.write:
        RESULTS.write_text(INTRODUCTION + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
