"""Other values of the constants of a package, and what each of them changes: a Markdown table.

A constant is set in its own module only, so that one which others import by name keeps its value
there. Used by constants_fit.py, constants_calibration.py and constants_reading.py.
"""

from __future__ import annotations

import argparse
import ast
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["run_trials"]

Values = dict[str, tuple[Any, ...]]


def run_trials(
    measure: Callable[[], Sequence[str]],
    values: Values,
    *,
    heads: Sequence[str],
    introduction: str,
    results: Path,
) -> None:
    """Try the constants that the command line names, or all; print the table, and keep it.

    Parameters
    ----------
    measure : callable
        Returns the cells of a row.
    values : dict
        Values to try by ``module.NAME``, the module within dj_photon_codecs.
    heads : sequence of str
        Of the columns that `measure` fills.
    introduction : str
        What stands above the table.
    results : pathlib.Path
        Where ``--write`` puts it.
    """
    parser = argparse.ArgumentParser(description=introduction.splitlines()[0])
    parser.add_argument("constants", nargs="*", metavar="MODULE.NAME[=VALUE]")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    lines = [f"| constant | value | {' | '.join(heads)} |", "|---|---" + "|--:" * len(heads) + "|"]
    print("\n".join(lines))
    for row in _rows(measure, _chosen(options.constants, values)):
        lines.append(row)
        print(row, flush=True)
    if options.write:
        results.write_text(introduction + "\n".join(lines) + "\n", encoding="utf-8")


def _chosen(words: list[str], values: Values) -> Values:
    chosen: Values = {}
    for word in words:
        name, _, value = word.partition("=")
        chosen[name] = chosen.get(name, ()) + (
            (ast.literal_eval(value),) if value else values[name]
        )
    return chosen or values


def _rows(measure: Callable[[], Sequence[str]], values: Values) -> Iterator[str]:
    measure()  # once, so that nothing is imported or compiled in a row
    yield f"| as they are | | {' | '.join(measure())} |"
    for name, others in values.items():
        module_name, _, constant = name.rpartition(".")
        module = import_module(f"dj_photon_codecs.{module_name}")
        present = getattr(module, constant)
        for value in others:
            setattr(module, constant, value)
            yield f"| `{name}` = {_short(present)} | {_short(value)} | {' | '.join(measure())} |"
        setattr(module, constant, present)


def _short(value: Any) -> str:
    return str(value.tolist() if hasattr(value, "tolist") else value)
