"""What each part of the models gives: how much larger movies become without it, in per cent.

    python benchmarks/ablation.py [--types photon dense] [--movie FILE.npz ...] [--write]

A part is switched off by constants of the layouts (`benchmarks/constants.py` tries other values of
them), or by hiding features of the prediction where its weights are fitted. Chunks are encoded,
decoded and compared, without store and database. With --write the table goes to
benchmarks/results/ablation.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bars import DENSE_POLICY, encode
from subjects import from_files, photons

from dj_photon_codecs.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from subjects import Movie

RESULTS = Path(__file__).parent / "results" / "ablation.md"
SIMULATED = (*((rate, 100, 256, 256) for rate in (0.3, 3, 50)), (3, 500, 64, 64), (3, 10, 256, 256))
NEVER = 1e9


@dataclass(frozen=True)
class Hidden:
    """Features that a sampler leaves out, so that they have no weights."""

    features: Sequence[int]

    def __call__(self, sample: Callable[..., Any]) -> Callable[..., Any]:
        """Return the sampler without them."""

        def without(*given: Any) -> Any:
            products, pixels = sample(*given)
            features = list(self.features)
            products[:, features] = products[:, :, features] = 0
            return products, pixels

        return without


SAMPLE = "adaptive.prediction._sample"
# Features, as format.md numbers them
NEIGHBOURS = (2, 3, 5, 6, *range(7, 11), *range(12, 24), 25, 27)
GATE, ABOVE, LEFT = range(24, 29), range(29, 42), range(42, 45)
PARTS: dict[str, dict[str, dict[str, Any]]] = {
    "photon": {
        "levels of pixels": {"static.levels.STEP": NEVER},
        "families of pixels that vary": {"static.levels.EXCESS": (NEVER,) * 3},
        "classes of frames": {"static.levels.SAME": NEVER},
        "bins": {"static.bins.RESOLUTION": NEVER},
    },
    "dense": {
        "the gate": {SAMPLE: Hidden(GATE)},
        "the pixels to the left": {SAMPLE: Hidden(LEFT)},
        "the current frame": {SAMPLE: Hidden([*ABOVE, *LEFT])},
        "neighbours in former frames": {SAMPLE: Hidden(NEIGHBOURS)},
        "the short mean and the last frame": {SAMPLE: Hidden([4, 5, 6, *range(7, 16), *GATE])},
        "bins": {"adaptive.bins.SHARE": 0.0},
    },
}


def switched(constants: dict[str, Any]) -> dict[str, Any]:
    """Set constants of the layouts, and return what they were."""
    before = {}
    for name, value in constants.items():
        module_name, _, constant = name.rpartition(".")
        module = import_module(f"dj_photon_codecs.layouts.{module_name}")
        before[name] = getattr(module, constant)
        setattr(module, constant, value(before[name]) if isinstance(value, Hidden) else value)
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
