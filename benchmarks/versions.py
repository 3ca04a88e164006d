"""Speed, size and memory of two versions of this package, side by side.

    python benchmarks/versions.py --base OTHER_TREE [--only TEXT ...] [--movie FILE.npz ...]

OTHER_TREE is a work tree of another version (``git worktree add OTHER_TREE COMMIT``). Each version
runs in a process of its own, from its source; the two take turns, job by job, so that what else the
machine does hits both alike. The table gives the median of the base, and the ratios base/here of
the medians of wall time and of processor time: above 1, this version is faster. Sizes are given as
here/base, and so is, with --memory, the peak memory of an insert.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from simulate import simulate_rates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

HERE = Path(__file__).resolve().parents[1]
SHORTEST = 0.03  # seconds that a job takes at least; shorter ones are repeated
SIDES = ("base", "here")
SIMULATED = {  # name: frames, side, photons per pixel
    "small": (100, 128, 3.0),
    "few frames": (20, 256, 3.0),
    "narrow": (500, 64, 3.0),
    "large": (400, 512, 3.0),
    "bright": (200, 512, 50.0),
}
GAIN, OFFSET, NOISE = 30.0, 100.0, 5.0
numbers = count()


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    if options.side:
        serve(Path(options.side), Path(options.folder))
        return
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        names = write_movies(folder, options)
        trees = dict(zip(SIDES, (options.base.resolve(), HERE), strict=True))
        sides = {name: running.enter_context(Side(tree, folder)) for name, tree in trees.items()}
        print("| movie | job | base, ms | wall, base/here | processor, base/here |")
        print("|---|---|--:|--:|--:|")
        for name in names:
            compare(name, sides, options)
        if options.memory:
            compare_memory(names, trees, folder)


def compare(name: str, sides: dict[str, Side], options: argparse.Namespace) -> None:
    """Do all jobs with one movie, in turns, and print a row for each."""
    found = {side: sides[side].ask("load", name) for side in sides}
    jobs = [job for job in found["base"]["jobs"] if not options.job or job in options.job]
    for job in jobs:
        times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
        repeats = max(1, round(SHORTEST / max(1e-5, sides["base"].ask("run", job, 1)[0])))
        sides["here"].ask("run", job, 1)
        for turn in range(options.turns):
            for side in SIDES if turn % 2 else SIDES[::-1]:
                times[side].append(sides[side].ask("run", job, repeats))
        (base, base_cpu), (here, here_cpu) = (
            map(statistics.median, zip(*times[side], strict=True)) for side in SIDES
        )
        ratios = f"{base / here:.2f} | {base_cpu / here_cpu:.2f}"
        print(f"| {name} | {job} | {1e3 * base:.2f} | {ratios} |", flush=True)
    base_size, here_size = (sides[side].ask("sizes") for side in SIDES)
    for what, size in base_size.items():
        print(f"| {name} | bytes of the {what} | {size} | {here_size[what] / size:.4f} | |")


def compare_memory(names: list[str], trees: dict[str, Path], folder: Path) -> None:
    """Insert each movie once in a new process of each version, and print the peaks."""
    print("\n| movie | peak beyond the movie, base, MB | here/base |\n|---|--:|--:|")
    for name in names:
        peaks = {}
        for side, tree in trees.items():
            with Side(tree, folder) as process:
                process.ask("load", name)
                peaks[side] = process.ask("peak")
        print(
            f"| {name} | {peaks['base'] / 1e6:.0f} | {peaks['here'] / peaks['base']:.2f} |",
            flush=True,
        )


class Side:
    """A process that runs one version from its source."""

    def __init__(self, tree: Path, folder: Path) -> None:
        command = [sys.executable, __file__, "--side", str(tree), "--folder", str(folder)]
        environment = {
            **os.environ,
            "PYTHONPATH": str(tree / "src"),
            "DJ_IGNORE_CONFIG_FILE": "true",
        }
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def ask(self, *request: Any) -> Any:
        """Send a request, and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"one side ended at {request}")
        return json.loads(answer)


# ---------------------------------------------------------------------------- movies


def write_movies(folder: Path, options: argparse.Namespace) -> list[str]:
    """Write all movies where both sides find them; return their names."""
    names = []
    for name, movie, kind in movies(options):
        if options.only and not any(text in name for text in options.only):
            continue
        np.save(folder / f"{name}.npy", movie)
        (folder / f"{name}.kind").write_text(kind, encoding="utf-8")
        names.append(name)
    return names


def movies(options: argparse.Namespace) -> Iterator[tuple[str, NDArray[Any], str]]:
    """Yield the name and values of each movie, and what they are."""
    for name, (frames, side, rate) in SIMULATED.items():
        rng = np.random.default_rng(8)
        counts = rng.poisson(simulate_rates(frames, side, side, mean=rate, seed=7))
        yield f"{name} u2", counts.astype("u2"), "counts"
        if name in ("small", "large"):
            yield f"{name} i8", counts, "counts"
            yield f"{name} f8", counts.astype("f8"), "counts"
        camera = np.rint(GAIN * counts + OFFSET + NOISE * rng.standard_normal(counts.shape, "f4"))
        yield f"{name} camera", camera.clip(0).astype("u2"), "camera"
        yield f"{name} step .5", camera.clip(0).astype("u2"), "step"
        if name in ("small", "bright", "narrow", "few frames"):
            yield f"{name} dense", counts.astype("u2"), "dense"
    for file in options.movie:
        yield file.stem, np.load(file)["movie"], "camera"
        yield f"{file.stem} dense", np.load(file)["movie"], "dense camera"
        yield f"{file.stem} step .5", np.load(file)["movie"], "step"


# ---------------------------------------------------------------------------- one side


def serve(tree: Path, folder: Path) -> None:
    """Answer requests from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    register(tree)
    import datajoint as dj  # noqa: PLC0415

    store = Path(tempfile.mkdtemp(dir=folder))
    with dj.config.override(stores={"local": {"protocol": "file", "location": str(store)}}):
        bench: Any = None
        for line in sys.stdin:
            request, *given = json.loads(line)
            if request == "load":
                bench = Bench(given[0], folder, store)
                answer: Any = {"jobs": list(bench.jobs)}
            else:
                answer = getattr(bench, request)(*given)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def register(tree: Path) -> None:
    """Register the numcodecs codecs of a version, whose entry points may not be installed."""
    from importlib import import_module  # noqa: PLC0415

    from numcodecs import register_codec  # noqa: PLC0415

    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, place in project["entry-points"]["numcodecs.codecs"].items():
        module, _, attribute = place.partition(":")
        register_codec(getattr(import_module(module), attribute), name)


class Bench:
    """The jobs with one movie."""

    def __init__(self, name: str, folder: Path, store: Path) -> None:
        import datajoint as dj  # noqa: PLC0415

        from dj_photon_codecs import Calibration, CameraMovie, PhotonCodec, PhotonDenseCodec, report  # noqa: PLC0415

        kind = (folder / f"{name}.kind").read_text(encoding="utf-8")
        self.store = store
        self.context = {"schema": "lab", "table": "movie", "field": "movie", "config": dj.config}
        self.values = np.load(folder / f"{name}.npy")
        self.codec = PhotonDenseCodec() if "dense" in kind else PhotonCodec()
        self.movie: Any = self.values
        calibration = Calibration(GAIN, OFFSET, NOISE**2)
        if "camera" in kind:
            self.movie = CameraMovie(self.values, calibration)
        elif kind == "step":
            self.movie = CameraMovie(self.values, calibration, step=0.5)
        self.rng = np.random.default_rng(0)
        self.rows: dict[bool, Any] = {}
        self.row = self.insert(durable=False)
        self.opened = self.fetch()
        self.loop = 0
        middle = [slice(side // 2, side // 2 + 20) for side in self.values.shape[1:]]
        self.jobs: dict[str, Callable[[], Any]] = {
            "insert": self.insert,
            "insert, not durable": lambda: self.insert(durable=False),
            "float64": lambda: self.opened[:],
            "raw": lambda: self.opened.raw[:],
            "photons": lambda: self.opened.photons[:],
            "a frame": lambda: self.fetch()[int(self.rng.integers(len(self.values)))],
            "second frame": self.second_frame,
            "patch": lambda: self.fetch()[(slice(None), *middle)],
            "every frame": self.every_frame,
            "fetch": self.fetch,
        }
        if "dense" not in kind and self.values.dtype.kind == "u":
            self.jobs["report"] = lambda: report(self.movie)

    def insert(self, *, durable: bool = True) -> Any:
        """Validate and encode, as DataJoint does for a row."""
        self.codec.durable = durable
        self.codec.validate(self.movie)
        row = self.codec.encode(
            self.movie, key={"id": next(numbers)}, context=self.context, store_name="local"
        )
        if durable in self.rows:
            self.remove(self.rows[durable])
        self.rows[durable] = row
        return row

    def remove(self, row: Any) -> None:
        """Remove the files of a movie that is not the one that is read."""
        if row is getattr(self, "row", row):
            return
        for file in Path(self.store, row["path"]).iterdir():
            file.unlink()

    def fetch(self) -> Any:
        """Open the movie, as DataJoint does for a row."""
        return self.codec.decode(self.row, context=self.context)

    def second_frame(self) -> None:
        """Read a frame of the chunk that was read last."""
        self.loop = (self.loop - 3) % min(100, len(self.values))
        self.opened[self.loop]

    def every_frame(self) -> None:
        """Look at each frame."""
        for frame in self.opened:
            frame[0, 0]

    def run(self, job: str, repeats: int) -> tuple[float, float]:
        """Do a job; return seconds of wall and of processor time for each repeat."""
        start, busy = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            self.jobs[job]()
        return (time.perf_counter() - start) / repeats, max(
            1e-6, time.process_time() - busy
        ) / repeats

    def sizes(self) -> dict[str, int]:
        """Return bytes of the chunks, of the documents beside them, and of the row."""
        files = [*Path(self.store, self.row["path"]).iterdir()]
        documents = [file for file in files if file.name.startswith(".")]
        return {
            "chunks": sum(file.stat().st_size for file in files if file not in documents),
            "documents": sum(file.stat().st_size for file in documents),
            "row": len(json.dumps(self.row)),
        }

    def peak(self) -> int:
        """Insert, and return how far the peak memory of the process rose meanwhile."""
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        before = _status("VmRSS")
        self.insert()
        return _status("VmHWM") - before


def _status(name: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(text.split(f"{name}:")[1].split()[0])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path)
    parser.add_argument("--movie", type=Path, nargs="*", default=[], help=".npz with 'movie'")
    parser.add_argument("--only", nargs="*", help="movies whose names hold one of these")
    parser.add_argument("--job", nargs="*", help="jobs; all by default")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--memory", action="store_true", help="peak memory of an insert, too")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
