"""Least squares for the entries of a decode table, which must never fall."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.photons.decode_table import DecodeTable

__all__ = ["rising_solution", "with_entries"]

Floats = NDArray[np.float64]

GRAIN = 8192  # entries are multiples of 1 / GRAIN photon, so that whole photons are exact


def rising_solution(matrix: Floats, vector: Floats) -> Floats:
    """Solve a positive definite linear system with no unknown less than the one before it.

    Neighbours that would fall are made one unknown, until none falls.
    """
    groups = np.arange(vector.size)
    solution: Floats = np.linalg.solve(matrix, vector).astype(np.float64, copy=False)
    while (falls := np.diff(solution) < 0).any():
        groups = np.append(0, np.cumsum((np.diff(groups) > 0) & ~falls))
        joined = np.eye(groups[-1] + 1)[groups]
        solution = joined @ np.linalg.solve(joined.T @ matrix @ joined, joined.T @ vector)
    return solution


def with_entries(table: DecodeTable, photons: Floats, *, first: int) -> DecodeTable:
    """Return a decode table with other entries: photons of the codes from `first` on, rising.

    They are rounded to 1/8192 photon and lie between what the closed form gives for the codes
    before and after them. There are none where that leaves no room, at steps so fine that all these
    codes are less than 1/8192 photon apart.
    """
    closed = replace(table, first=0, table="")
    below, above = closed.photons([first - 1, first + photons.size]) * GRAIN
    if np.ceil(below) > np.floor(above):
        return closed
    grains = np.clip(np.rint(photons * GRAIN), np.ceil(below), np.floor(above))
    entries = base64.b64encode((grains / GRAIN).astype("<f4").tobytes()).decode("ascii")
    return replace(closed, first=first, table=entries)
