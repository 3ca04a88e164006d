"""What `migrate` refuses before it writes anything: tables and attributes that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import datajoint as dj

from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.steps import check_step
from dj_photon_codecs.tables.queries import is_photon, photon_attributes

__all__ = ["check_copied", "check_tables", "check_way", "named_movies"]


def named_movies(attribute: Any) -> dict[str, str]:
    """Return the old name of each attribute with movies, and the new one."""
    if isinstance(attribute, str):
        return {attribute: attribute}
    if not isinstance(attribute, Mapping):
        raise TypeError(
            f"attribute is {attribute!r}; it must be the name of the attribute with the movie, or "
            "a mapping of old names to new ones, {'movie': 'photons'}"
        )
    if len(set(attribute.values())) < len(attribute):
        raise ValueError(
            f"attribute is {attribute!r}, which puts two movies into one attribute; one of them "
            "would be lost"
        )
    return dict(attribute)


def check_way(calibration: Any, step: Any, convert: Any) -> None:
    """Refuse ways to insert that contradict each other."""
    if convert is not None and not (callable(convert) and calibration is None and step is None):
        raise TypeError(
            "convert must be a function, convert(row, movie), which returns what to insert; a "
            "calibration and a step belong into the CameraMovie that it returns"
        )
    if calibration is not None and not isinstance(calibration, Calibration):
        raise TypeError(
            f"calibration is a {type(calibration).__name__}; it must be a Calibration. If each row "
            "has its own, give convert=lambda row, movie: CameraMovie(movie, ...)"
        )
    if step is not None and calibration is None:
        raise ValueError(
            "step needs the calibration of the movies: calibration=Calibration(gain=...) for a "
            "camera, calibration=Calibration() for photon counts"
        )
    if step is not None:
        check_step(step)


def check_tables(old: Any, new: Any, movies: dict[str, str]) -> None:
    """Refuse tables whose rows do not correspond, and attributes that hold no movies."""
    if not isinstance(new, dj.Table) or new.restriction:
        raise TypeError("new must be a table, without a restriction; restrict the old one instead")
    if new.connection.in_transaction:
        raise ValueError("migrate() opens a transaction for each row; call it outside of any")
    if set(old.primary_key) != set(new.primary_key):
        raise ValueError(
            f"the old rows have the primary key ({', '.join(old.primary_key)}), and the new table "
            f"has ({', '.join(new.primary_key)}); they must be the same. old.proj(...) renames"
        )
    lost = [name for name in movies if name not in old.heading.names or name in old.primary_key]
    if lost or not movies:
        raise ValueError(
            f"{(lost or ['nothing'])[0]!r} is no attribute with movies; the old rows have "
            f"{', '.join(old.heading.secondary_attributes)}"
        )
    photon_attributes(new, list(movies.values()))


def check_copied(old: Any, new: Any, copied: list[str], movies: dict[str, str]) -> None:
    """Refuse rows of which an attribute would be lost, or is missing."""
    there = [name for name in movies.values() if name in old.heading.names and name not in movies]
    hidden = [name for name in there if not is_photon(old.heading[name].codec)]
    if hidden:
        raise ValueError(
            f"the old rows have an attribute {hidden[0]!r}, too, which would be lost; rename it, "
            f"old.proj(..., other={hidden[0]!r}), or leave it out"
        )
    surplus = [name for name in copied if name not in new.heading.names]
    if surplus:
        raise ValueError(
            f"the new table has no attribute {surplus[0]!r}; add it, or leave it out: "
            "old.proj(...) with the attributes to keep, and the movie"
        )
    given = {*copied, *movies.values(), *(movies if there else ())}  # old and new are one table
    required = [
        name
        for name in new.heading.names
        if name not in given and new.heading[name].default is None
    ]
    if required:
        raise ValueError(
            f"the new table needs {required[0]!r}, and the old rows have none; give it a default, "
            "or join the table that has it: old * Other"
        )
