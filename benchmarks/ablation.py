"""What each part of the models gives: how much larger movies become without it, in per cent.

    python benchmarks/ablation.py [--types photon dense] [--movie FILE.npz ...] [--write]

A part is switched off by constants of the layouts (`benchmarks/constants.py` tries other values of
them). Chunks are encoded, decoded and compared, without store and database. With --write the table
goes to benchmarks/results/ablation.md.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bars import DENSE_POLICY, encode
from subjects import from_files, photons

from dj_photon_codecs.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from subjects import Movie

RESULTS = Path(__file__).parent / "results" / "ablation.md"
SIMULATED = (*((rate, 100, 256, 256) for rate in (0.3, 3, 50)), (3, 500, 64, 64), (3, 10, 256, 256))
NEVER = 1e9
PARTS: dict[str, dict[str, dict[str, Any]]] = {
    "photon": {
        "levels of pixels": {"static.levels.STEP": NEVER},
        "families of pixels that vary": {"static.levels.EXCESS": (NEVER,) * 3},
        "classes of frames": {"static.levels.SAME": NEVER},
        "bins": {"static.bins.RESOLUTION": NEVER},
    },
    "dense": {},
}


def switched(constants: dict[str, Any]) -> dict[str, Any]:
    """Set constants of the layouts, and return what they were."""
    before = {}
    for name, value in constants.items():
        module_name, _, constant = name.rpartition(".")
        module = import_module(f"dj_photon_codecs.layouts.{module_name}")
        before[name] = getattr(module, constant)
        setattr(module, constant, value)
    return before


def sizes(movies: Sequence[Movie], kind: str, constants: dict[str, Any]) -> list[float]:
    """Return the bits per pixel of movies, with other constants."""
    policy = Policy() if kind == "photon" else DENSE_POLICY
    before = switched(constants)
    try:
        return [encode(movie, policy)[0] for movie in movies]
    finally:
        switched(before)


def table(movies: Sequence[Movie], kind: str) -> Iterator[str]:
    """Yield the lines of a table: bits per pixel, and what each part gives of them."""
    yield (
        f"| `<{'photon' if kind == 'photon' else 'photon_dense'}@>` | "
        + " | ".join(movie.name for movie in movies)
        + " |"
    )
    yield f"|---|{'--:|' * len(movies)}"
    whole = sizes(movies, kind, {})
    yield f"| bits per pixel | {' | '.join(f'{each:.3f}' for each in whole)} |"
    for part, constants in PARTS[kind].items():
        without = sizes(movies, kind, constants)
        more = [f"{100 * (a / b - 1):+.1f} %" for a, b in zip(without, whole, strict=True)]
        yield f"| without {part} | {' | '.join(more)} |"


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--types", nargs="*", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--movie", type=Path, nargs="*", default=[], help=".npy or .npz")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    movies = [*(photons(*each) for each in SIMULATED), *from_files(options.movie)]
    lines = []
    for kind in options.types:
        for line in table(movies, kind):
            lines.append(line)
            print(line, flush=True)
        lines.append("")
    if options.write:
        RESULTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
