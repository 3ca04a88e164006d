"""Sizes of both layouts beside what is promised of them: over Shannon's limit, or the best peer.

    python benchmarks/bars.py [--movie FILE.npz ...] [--fast] [--only TEXT ...] [--crops N]

Chunks are encoded and decoded without store and database, two movies at a time. Movies whose limit
is known are compared with it; others, `--movie` and six variants of each, with all ways of
`PEERS`, whose sizes are kept in a file. --fast takes a few movies of each kind; --only those whose
name contains a text; --crops instead N random parts of the `--movie`s in 33 ways.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from subjects import DETECTED, detected, from_files, is_wanted, photons, stepped
from variants import EACH, crop, variants
from ways import available
from ways.zarr_arrays import PLAIN

from dj_photon_codecs import Calibration, CameraMovie, kernel_in_use, set_threads
from dj_photon_codecs.layouts.choice import Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.static.plan import plan_static
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.plan import plan_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from subjects import Movie

PHOTON, DENSE = "<photon@>", "<photon_dense@>"
RESULTS = Path(__file__).parent / "results" / "bars.md"
DENSE_POLICY = Policy(compressor=None, layout=DenseLayout())
RATES = (0.1, 0.3, 1, 3, 10, 50, 200)
LARGE, SMALL = (100, 256, 256), (500, 64, 64)
BARS = {  # sizes over the limit
    **{
        (f"{rate:g} photons", LARGE): bars
        for rate, *bars in zip(
            RATES,
            (1.035, 1.025, 1.02, 1.02, 1.03, 1.04, 1.045),
            (1.010, 1.009, 1.008, 1.010, 1.013, 1.019, 1.024),
            strict=True,
        )
    },
    **{
        (f"{rate:g} photons", SMALL): bars
        for rate, *bars in zip(
            RATES,
            (1.047, 1.031, 1.028, 1.03, 1.036, 1.054, 1.064),
            (1.035, 1.024, 1.021, 1.02, 1.025, 1.037, 1.045),
            strict=True,
        )
    },
    ("0.001 photons", LARGE): (math.inf, 1.10),
    ("0.01 photons", LARGE): (math.inf, 1.04),
}
FEW = ((4, 512, 512), (5, 256, 256), (10, 256, 256), (20, 512, 512))
STEP_BARS = {0.5: (1.03, 1.012), 1: (1.05, 1.015)}
REAL_BARS = {  # bits per pixel, of `<photon_dense@>`
    "flim_photon_counts": 0.555,
    "two_photon_downsampled": 5.08,
    "two_photon_raw": 10.40,
    "two_photon_smoothed": 2.56,
    "xray_photon_counting": 0.641,
}
BLOSC = (PLAIN, "Zarr, Blosc Zstd 5 shuffle", "Zarr, Zstd 5", "Zarr, its default")
PEERS = (*BLOSC, "JPEG XL", "JPEG XL, effort 9", "pcodec", "pcodec, by pixel", "bz2", "xz")
STATIC = "static model"  # of all chunks, whether or not plain order is smaller
RIGHT = 1.01  # of the smaller one, to which the choice between them is right
BEFORE = f"{PHOTON} before"  # what the release before the kernel took
SMALLER = 0.95  # of that, in the geometric mean over real movies
HEAD = (
    f"| movie | limit or best peer | `{PHOTON}` | bar | | form | `{DENSE}` | bar | | form |\n"
    "|---|---|--:|--:|---|---|--:|--:|---|---|"
)


@dataclass
class Measured:
    """Sizes of one movie, in bits per pixel, and the first bytes of its chunks."""

    name: str
    key: str
    sizes: dict[str, float]
    forms: dict[str, str]
    limit: float | None = None
    bars: tuple[float, float] = (math.inf, math.inf)
    peers: dict[str, float] = field(default_factory=dict)

    @property
    def all_bars(self) -> dict[str, float]:
        """Return the largest sizes allowed, in bits per pixel."""
        if self.limit:
            return {name: self.limit * bar for name, bar in zip(self.sizes, self.bars, strict=True)}
        best = min(self.peers[name] for name in PEERS if name in self.peers)
        plain = min(self.peers[name] for name in BLOSC)
        return {
            PHOTON: min(plain, RIGHT * self.peers[STATIC]),
            DENSE: min(best, REAL_BARS.get(self.name, math.inf)),
        }

    @property
    def failures(self) -> list[str]:
        """Return the names of the layouts that are larger than allowed."""
        return [name for name, bar in self.all_bars.items() if self.sizes[name] > bar]

    @property
    def row(self) -> str:
        """Return a row of the table: sizes over the limit, or in bits."""
        unit = self.limit or 1.0
        digits = 4 if self.limit else 3
        peers = {name: self.peers[name] for name in PEERS if name in self.peers}
        best = min(peers, key=lambda name: peers[name], default="")
        beside = f"{self.limit:.4f}" if self.limit else f"{best} {peers[best]:.3f}"
        cells = [self.name, beside]
        for name, bar in self.all_bars.items():
            verdict = "**no**" if name in self.failures else "ok"
            numbers = [f"{self.sizes[name] / unit:.{digits}f}", f"{bar / unit:.{digits}f}"]
            cells += [*numbers, verdict, self.forms[name]]
        return f"| {' | '.join(cells)} |"


def measure(
    make: Callable[[], Movie],
    *,
    bars: tuple[float, float] | None,
    known: dict[str, dict[str, float]],
) -> Measured:
    """Encode a movie in both layouts, and in the ways of its peers if those are not known."""
    set_threads(1)
    movie = make()
    key = f"{movie.name} {zlib.crc32(movie.values.tobytes()):08x}"
    sizes, forms = {}, {}
    for name, policy in ((PHOTON, Policy()), (DENSE, DENSE_POLICY)):
        sizes[name], forms[name] = encode(movie, policy)
    found = Measured(movie.name, key, sizes, forms)
    if bars:
        found.limit, found.bars = movie.limit_in_steps or movie.limit, bars
    else:
        found.peers = {**known.get(key, {}), STATIC: static_size(movie)}
        with tempfile.TemporaryDirectory() as folder:
            for number, way in enumerate(available()[0]):
                if way.name in PEERS and way.name not in found.peers and way.takes(movie):
                    way.write(movie, path := Path(folder, str(number)))
                    found.peers[way.name] = 8 * stored_bytes(path) / movie.values.size
    return found


def encode(movie: Movie, policy: Policy) -> tuple[float, str]:
    """Return bits per pixel, and the first bytes of the chunks; what comes back is compared."""
    forms: set[str] = set()
    size = sum(
        len(encode_chunk(codes, compression, forms)) for codes, compression in chunks(movie, policy)
    )
    return 8 * size / movie.values.size, " ".join(sorted(forms))


def static_size(movie: Movie) -> float:
    """Return the bits per pixel of a static model of each chunk."""
    plans = [plan_static(codes) for codes, _ in chunks(movie, Policy())]
    parts = [part for plan in plans if plan for part in plan.encode()]
    return 8 * sum(part.nbytes for part in parts) / movie.values.size if all(plans) else math.inf


def chunks(movie: Movie, policy: Policy) -> Iterator[tuple[NDArray[Any], Compression]]:
    """Yield the codes of each chunk, and how it is to be compressed."""
    counts = movie.calibration == Calibration() and movie.values.dtype.kind == "u"
    described = CameraMovie(movie.values, movie.calibration, movie.step)
    plan = plan_movie(described, policy, counts=counts, with_table=False)
    for start in range(0, len(movie.values), plan.frames_per_chunk):
        codes = np.zeros(plan.chunk_shape, plan.code_dtype)
        part = plan.encode_values(movie.values[start : start + plan.frames_per_chunk])
        codes[: len(part)] = part
        yield codes, plan.compression


def encode_chunk(codes: NDArray[Any], compression: Compression, forms: set[str]) -> bytes:
    """Return the bytes of a chunk, and note their form."""
    if compression.layout is None:
        forms.add("-")
        return compression.encode(codes)
    stored = compression.layout.encode(codes)
    forms.add(str(stored[0]))
    back = compression.layout.decode(stored)
    if not np.array_equal(back, codes.reshape(-1)):
        raise ValueError(f"{compression.layout} gives back other codes, of form {stored[0]}")
    return stored.tobytes() if compression.compressor is None else compression.encode(codes)


def stored_bytes(path: Path) -> int:
    """Return the bytes of a file, or of the chunks in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file() and each.name[:2] != ".z")


def from_file(file: Path, *, variant: int | None = None, place: int = 0) -> Movie:
    """Load a movie, or make a variant of it."""
    movie = next(from_files([file]))
    if variant is None:
        return movie
    return list(variants(movie, place=place))[variant]


def crop_of(file: Path, *, seed: int) -> Movie:
    """Load a random part of a movie, in a way of laboratories."""
    return crop(next(from_files([file])), seed=seed)


def crops(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Movie], Any]]:
    """Yield random parts of the movies as `tasks` yields movies."""
    for seed in range(options.first, options.first + options.crops):
        file = options.movie[seed % len(options.movie)]
        yield file.stem, partial(crop_of, file, seed=seed), None


def tasks(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Movie], Any]]:
    """Yield a name, what makes the movie, and the bars over its limit if that is known."""
    for (name, shape), bars in BARS.items():
        if not options.fast or shape == LARGE or name == "3 photons":
            yield f"{name} {shape}", partial(photons, float(name.split()[0]), *shape), bars
    for step, bars in STEP_BARS.items():
        yield f"step {step}", partial(stepped, step, *LARGE), bars
    for shape, rate in list(product(FEW, (0.3, 3, 50)))[:: 5 if options.fast else 1]:
        yield f"{rate:g} photons {shape}", partial(photons, rate, *shape), None
    for name in list(DETECTED)[:: 4 if options.fast else 1]:
        yield name, partial(_detected, name), None
    for file in options.movie:
        yield file.stem, partial(from_file, file), None
    for number, (place, file) in product(range(EACH), enumerate(options.movie)):
        if not options.fast or number == 0:
            make = partial(from_file, file, variant=number, place=place)
            yield f"{file.stem} variant", make, None


def _detected(name: str) -> Movie:
    return next(detected([name]))


def summary(found: Sequence[Measured]) -> str:
    """Return how many bars fail, and how the default compares with what it was."""
    lines = []
    for name in (PHOTON, DENSE):
        failed = [each.name for each in found if name in each.failures]
        lines.append(f"`{name}`: {len(failed)} of {len(found)} are larger. {'; '.join(failed)}\n")
    ratios = [each.sizes[PHOTON] / each.peers[BEFORE] for each in found if BEFORE in each.peers]
    if ratios:
        mean = math.exp(float(np.mean(np.log(ratios))))
        lines.append(f"`{PHOTON}` takes {mean:.3f} of what it took before (bar {SMALLER}).")
    return "\n".join(lines)


def keep(found: Measured, file: Path) -> None:
    """Keep the sizes of the peers of a movie, so that they need not be measured again."""
    known = json.loads(file.read_text()) if file.exists() else {}
    if found.limit is None and known.get(found.key) != found.peers:
        whole = file.with_suffix(f".{os.getpid()}")  # others may read it meanwhile
        whole.write_text(json.dumps(known | {found.key: found.peers}, indent=1))
        whole.replace(file)


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    known = json.loads(options.peers.read_text()) if options.peers.exists() else {}
    work = partial(measure, known=known)
    found = []
    print(f"{kernel_in_use()} kernel", "", HEAD, sep="\n")
    with ProcessPoolExecutor(options.processes) as pool:
        running = [
            pool.submit(work, make, bars=bars)
            for name, make, bars in (crops if options.crops else tasks)(options)
            if is_wanted(name, options.only)
        ]
        for each in running:
            found.append(each.result())
            print(found[-1].row, flush=True)
            if options.remember:
                found[-1].peers[BEFORE] = found[-1].sizes[PHOTON]
            keep(found[-1], options.peers)
    print("", summary(found), sep="\n")
    if options.write:
        rows = [HEAD, *(each.row for each in found), "", summary(found)]
        RESULTS.write_text("\n".join(rows) + "\n", encoding="utf-8")
    sys.exit(any(each.failures for each in found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--movie", type=Path, nargs="*", default=[], help=".npy or .npz")
    parser.add_argument("--fast", action="store_true", help="a few movies of each kind")
    parser.add_argument("--crops", type=int, default=0, help="how many parts of movies instead")
    parser.add_argument("--first", type=int, default=0, help="seed of the first crop")
    parser.add_argument("--only", nargs="*", help="movies whose names contain a text")
    parser.add_argument("--write", action="store_true", help="the table to results/bars.md")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--remember", action="store_true", help="the sizes as those before")
    peers = Path(tempfile.gettempdir(), "photon-peers.json")
    parser.add_argument("--peers", type=Path, default=peers, help="file that keeps their sizes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
