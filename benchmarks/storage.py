"""Size and speed of stored movies, against Shannon's limit and against other ways to store them.

    pip install -e ".[benchmarks]"
    python benchmarks/storage.py --write [--movie FILE.npz ...]

For each movie the ways take turns in one process. Movies are simulated, with known photon rates,
so that the limit can be computed; small frames, few frames and sparse counts have rows of their
own, and detectors whose limit is not known (`subjects.py`); --movie adds files of yours. With
--write the tables and two plots go to benchmarks/results/. It takes about half an hour on two
cores; fewer --frames or --rates, or --only, take less.
"""

from __future__ import annotations

import argparse
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from measurement import measure
from plots import plot
from subjects import counted, detected, from_files, in_steps, is_wanted, shaped
from tables import as_json, document, table
from ways import available

if TYPE_CHECKING:
    from collections.abc import Sequence

    from measurement import Result

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    ways, missing = available()
    for each in missing:
        print(f'Left out: {each}. pip install -e ".[benchmarks]"', file=sys.stderr)
    movies = []
    for movie in chain(
        counted(options.rates, frames=options.frames),
        in_steps(options.steps, frames=options.frames),
        shaped(),
        detected(),
        from_files(options.movie),
    ):
        if not is_wanted(movie.name, options.only):
            continue
        movies.append(measure(movie, ways, turns=options.turns))
        print(table(movies[-1]), end="\n\n", flush=True)
    if options.write:
        write(movies, missing, folder=options.write)


def write(movies: Sequence[Sequence[Result]], missing: Sequence[str], *, folder: Path) -> None:
    """Write tables and plots."""
    folder.mkdir(exist_ok=True)
    command = " ".join(["python benchmarks/storage.py", *map(_without_folder, sys.argv[1:])])
    (folder / "storage.md").write_text(document(movies, missing, command=command))
    (folder / "storage.json").write_text(as_json(movies, missing, command=command))
    plot([each for results in movies for each in results], folder=folder)


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
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--movie", type=Path, nargs="*", default=[], help=".npy or .npz")
    parser.add_argument("--write", type=Path, nargs="?", const=RESULTS, metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
