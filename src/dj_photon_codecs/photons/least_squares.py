"""Least squares for the entries of a decode table, which must never fall."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.photons.decode_table import DecodeTable

    Floats = NDArray[np.float64]

__all__ = ["rising_solution", "with_entries"]

GRAIN = 8192  # entries are multiples of 1 / GRAIN photon, so that whole photons are exact


def rising_solution(matrix: Floats, vector: Floats) -> Floats:
    """Solve a linear system such that no unknown is less than the one before it.

    Neighbours that would fall are made one unknown, until none falls.

    Parameters
    ----------
    matrix : numpy.ndarray, shape (unknowns, unknowns)
        Symmetric and positive definite.
    vector : numpy.ndarray, shape (unknowns,)
        The right-hand side.

    Examples
    --------
    >>> rising_solution(np.eye(3), np.array([1.0, 4.0, 2.0]))
    array([1., 3., 3.])
    """
    groups = np.arange(vector.size)
    while True:
        joined = np.eye(groups[-1] + 1)[groups]
        solution = joined @ np.linalg.solve(joined.T @ matrix @ joined, joined.T @ vector)
        falls = np.diff(solution) < 0
        if not falls.any():
            return np.asarray(solution)
        groups = np.append(0, np.cumsum((np.diff(groups) > 0) & ~falls))


def with_entries(table: DecodeTable, photons: Floats, *, first: int) -> DecodeTable:
    """Return a decode table with other entries.

    Parameters
    ----------
    table : DecodeTable
        The parameters of the transform; its own entries are dropped.
    photons : numpy.ndarray, shape (codes,)
        Photons of the codes from `first` on, rising.
    first : int
        The code of the first entry.

    Returns
    -------
    DecodeTable
        Its entries are rounded to 1/8192 photon and lie between what the closed form gives for
        the codes before and after them. There are none where that leaves no room, at steps so
        fine that all these codes are less than 1/8192 photon apart.
    """
    closed = replace(table, first=0, table="")
    below, above = closed.photons([first - 1, first + photons.size]) * GRAIN
    if np.ceil(below) > np.floor(above):
        return closed
    grains = np.clip(np.rint(photons * GRAIN), np.ceil(below), np.floor(above))
    entries = base64.b64encode((grains / GRAIN).astype("<f4").tobytes()).decode("ascii")
    return replace(closed, first=first, table=entries)
