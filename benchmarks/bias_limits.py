"""How right the means of photons can be where steps merge much: the best of all decode tables.

    python benchmarks/bias_limits.py [--write]

The codes of a movie in steps are those nearest to its transformed values, so that only what they
decode to can be chosen. For movies of few frames, whose pixels are sorted by their own mean and so
by their noise, linear programming (SciPy) finds the least that the worst mean of 12 groups can be
off: with a table that never falls, as is stored, and with any table. `--write` keeps the Markdown
table in results/bias_limits.md.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from biases import Groups, kinds
from scipy.optimize import linprog

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAMES = (4, 6, 9, 16, 32)
STEPS = (0.5, 1.0)
RESULTS = Path(__file__).parent / "results" / "bias_limits.md"
INTRODUCTION = """# Where steps merge too much

`python benchmarks/bias_limits.py --write`. The bias of the mean of photons, over what is promised
(.005 photon, or .5 % where that is more), of the worst of 12 groups of pixels that are sorted by
their own mean over few frames. Before the stroke of the table that is stored with the movie,
after it of the best table of all that never fall; in brackets of the best of any, rising or not.
Where these exceed 1, no choice of photons for the codes keeps the promise: finer steps do.

"""


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    write, lines = parser.parse_args().write, []
    for line in rows():
        lines.append(line)
        print(line, flush=True)
    if write:
        RESULTS.write_text(INTRODUCTION + "\n".join(lines) + "\n", encoding="utf-8")


def rows() -> Iterator[str]:
    """Yield the rows of a Markdown table."""
    heads = [f"step {step:g}, {frames} frames" for step in STEPS for frames in FRAMES]
    yield "| movie | " + " | ".join(heads) + " |"
    yield "|---" + "|--:" * len(heads) + "|"
    for kind in kinds([]):
        cells = [
            cell(Groups.of(replace(kind, values=kind.values[:frames]), step))
            for step in STEPS
            for frames in FRAMES
        ]
        yield f"| {kind.name} | " + " | ".join(cells) + " |"


def cell(groups: Groups) -> str:
    """Return the worst bias over what is allowed: as it is, and at the least."""
    worst = np.max(np.abs(groups.biases) / groups.allowed)
    rising, any_table = (least_bias(groups, rising=rising) for rising in (True, False))
    return f"{worst:.1f} / {rising:.1f} ({any_table:.1f})"


def least_bias(groups: Groups, *, rising: bool) -> float:
    """Return the least that the worst bias can be, over what is allowed, by linear programming."""
    codes = groups.photons.size
    shares = groups.shares / groups.allowed[:, None]
    given, ones = groups.given / groups.allowed, np.ones((len(shares), 1))
    bounds = [np.hstack([shares, -ones]), np.hstack([-shares, -ones])]
    limits = [given, -given]
    if rising:
        falls = np.eye(codes)[:-1] - np.eye(codes, k=1)[:-1]
        bounds.append(np.pad(falls, ((0, 0), (0, 1))))
        limits.append(np.zeros(codes - 1))
    cost = np.append(np.zeros(codes), 1)
    within = [(-1e4, 1e4)] * codes + [(0, None)]
    found = linprog(cost, np.vstack(bounds), np.concatenate(limits), bounds=within)
    return float(found.x[-1])


if __name__ == "__main__":
    main()
