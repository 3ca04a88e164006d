"""Size and speed of stored movies, against Shannon's limit and against other ways to store them.

    pip install -e ".[benchmarks]"
    python benchmarks/storage.py --write [--movie FILE.npz ...]

For each movie the ways take turns in one process. Movies are simulated, with known photon rates,
so that the limit can be computed; small frames, few frames and sparse counts have rows of their
own, and detectors whose limit is not known (`subjects.py`); --movie adds files of yours. With
--write the tables and two plots go to benchmarks/results/. It takes about half an hour on two
cores; fewer --frames or --rates, or --only, take less. With --renew, some ways are measured again,
in turns with plain Zarr, and the other ways in benchmarks/results/ stay as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measurement import PLAIN, Result, measure
from plots import plot
from subjects import counted, detected, from_files, in_steps, is_wanted, shaped
from tables import document, machine, table
from ways import available

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from subjects import Movie

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    subjects = chain(
        counted(options.rates, frames=options.frames),
        in_steps(options.steps, frames=options.frames),
        shaped(),
        detected(),
        from_files(options.movie),
    )
    wanted = (movie for movie in subjects if is_wanted(movie.name, options.only))
    if options.renew:
        renew(options.renew, wanted, options)
        return
    ways, missing = available()
    for each in missing:
        print(f'Left out: {each}. pip install -e ".[benchmarks]"', file=sys.stderr)
    movies = []
    for movie in wanted:
        movies.append(measure(movie, ways, turns=options.turns))
        print(table(movies[-1]), end="\n\n", flush=True)
    if options.write:
        write(movies, missing, folder=options.write)


def write(movies: Sequence[Sequence[Result]], missing: Sequence[str], *, folder: Path) -> None:
    """Write tables and plots."""
    folder.mkdir(exist_ok=True)
    command = " ".join(["python benchmarks/storage.py", *map(_without_folder, sys.argv[1:])])
    results = [asdict(each) for found in movies for each in found]
    _write({"command": command, **machine(), "missing": missing, "results": results}, folder)


def renew(names: Sequence[str], movies: Iterable[Movie], options: argparse.Namespace) -> None:
    """Put new results of some ways among those that are there, and draw all of them again."""
    folder = options.write or RESULTS
    run = json.loads((folder / "storage.json").read_text())
    ways = [way for way in available()[0] if way.name in (*names, PLAIN)]
    renewed: dict[tuple[str, str], dict[str, Any]] = {}
    for movie in movies:
        found = {each.way: each for each in measure(movie, ways, turns=options.turns)}
        for name in set(names) & set(found):
            beside = replace(found[name], beside=found[PLAIN].seconds)
            renewed[movie.name, name] = asdict(beside)
    run["results"] = [renewed.get((each["movie"], each["way"]), each) for each in run["results"]]
    later = {name: version("dj-photon-codecs") for name in names}
    _write(run | {"renewed": run.get("renewed", {}) | later}, folder)


def _write(run: dict[str, Any], folder: Path) -> None:
    results = [Result(**each) for each in run["results"]]
    (folder / "storage.json").write_text(json.dumps(run, indent=1) + "\n")
    (folder / "storage.md").write_text(document(run, results))
    plot(results, folder=folder)


def _without_folder(argument: str) -> str:
    return Path(argument).name if Path(argument).is_file() else argument


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", type=float, nargs="*", default=[0.1, 0.3, 1, 3, 10, 50, 200])
    parser.add_argument("--steps", type=float, nargs="*", default=[0.5, 1])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--only", nargs="*", help="movies whose names contain a text")
    parser.add_argument("--renew", nargs="*", help="ways that alone are measured again")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--movie", type=Path, nargs="*", default=[], help=".npy or .npz")
    parser.add_argument("--write", type=Path, nargs="?", const=RESULTS, metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
