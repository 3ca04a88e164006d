"""`export`: a stored movie becomes a file that other programs read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dj_photon_codecs.arrays.exports.exported import Exported
from dj_photon_codecs.arrays.exports.hdf5 import write_hdf5
from dj_photon_codecs.arrays.exports.interrupts import Interrupts
from dj_photon_codecs.arrays.exports.nwb import write_nwb, write_nwb_zarr
from dj_photon_codecs.arrays.exports.ome_zarr import write_ome_zarr
from dj_photon_codecs.arrays.exports.publishing import published
from dj_photon_codecs.arrays.exports.tiff import write_tiff
from dj_photon_codecs.arrays.photon_array import PhotonArray
from dj_photon_codecs.movies.progress import Task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

__all__ = ["export"]

WRITERS = {
    "tiff": write_tiff,
    "hdf5": write_hdf5,
    "ome-zarr": write_ome_zarr,
    "nwb": write_nwb,
    "nwb-zarr": write_nwb_zarr,
}
KINDS = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".btf": "tiff",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".nwb.zarr": "nwb-zarr",
    ".nwb": "nwb",
    ".zarr": "ome-zarr",
}
AXES = {3: ["tyx"], 4: ["tzyx", "tcyx"], 5: ["tczyx", "tzcyx"]}

Values = Literal["raw", "photons"]


def export(  # noqa: PLR0913 - what a file must say that the movie does not know
    movie: PhotonArray,
    path: str | PathLike[str],
    *,
    values: Values = "raw",
    kind: str | None = None,
    overwrite: bool = False,
    axes: str | None = None,
    frame_rate: float | None = None,
    session: Mapping[str, Any] | None = None,
) -> Path:
    """Copy a stored movie to a file of another format, whole or not at all.

    It is read and written chunk by chunk, so that a few chunks of it are in memory at a time. The
    file says the calibration, the step, the units, the dtype of what was inserted, where it came
    from and what wrote it, each in the way of its format.

    Parameters
    ----------
    movie : PhotonArray
        What fetch1 returned.
    path : path-like
        Where to write, on a local disk. A directory, if the format is one of Zarr.
    values : {"raw", "photons"}
        ``movie.raw``, the values as they were inserted, or ``movie.photons``, float32.
    kind : {"tiff", "hdf5", "ome-zarr", "nwb", "nwb-zarr"}, optional
        The format, if the end of `path` does not say it: BigTIFF (``.tif``, ``.tiff``, ``.btf``)
        with the metadata of OME; HDF5 (``.h5``, ``.hdf5``) with the dataset ``data``, also called
        ``mov``, as suite2p and CaImAn look for it; OME-Zarr 0.5 (``.zarr``); NWB in HDF5 (``.nwb``)
        or in Zarr (``.nwb.zarr``, Python 3.12 or later), with a ``TwoPhotonSeries``.
    overwrite : bool
        Whether to replace what is at `path`, once the copy is whole.
    axes : str, optional
        A letter for each axis of a movie with more than three: ``"tzyx"`` for planes, ``"tcyx"``
        for channels.
    frame_rate : float, optional
        Frames (volumes, if the movie has planes) per second. NWB needs it.
    session : mapping, optional
        For NWB, which needs ``session_start_time``: arguments of `pynwb.NWBFile`.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, or if the format needs what is not given, or does not hold
        the dtype or the axes; before anything is written.
    FileExistsError
        If there is something at `path`, unless `overwrite`. A directory that is no Zarr group is
        never replaced.
    ImportError
        If a library is missing; it names the extra to install.
    ChunkError, OSError
        If a chunk is damaged, or the disk is full. Whatever the error, KeyboardInterrupt included,
        nothing new is left, and what was at `path` stays.

    Examples
    --------
    ``export(movie, "movie.tif", values="photons", frame_rate=30)``, of what fetch1 returned:

    >>> export("movie.zarr", "movie.tif")
    Traceback (most recent call last):
    ...
    TypeError: movie is a str; give what fetch1 returned, and values='raw' or values='photons' ...
    """
    view = _view(movie, values)
    place = Path(path)
    if "://" in str(path):
        raise ValueError(f"path is {str(path)!r}; give a path on a local disk, and copy from there")
    write = WRITERS[_kind(place, kind)]
    interrupts = Interrupts()
    exported = Exported(
        view, _axes(view.ndim, axes), _rate(frame_rate), dict(session or {}), interrupts
    )
    task = Task("export", view.shape, itemsize=view.dtype.itemsize)
    with interrupts.waiting(), published(place, overwrite=overwrite) as part, task:
        write(exported, part)
        interrupts.check()
    return place


def _view(movie: Any, values: str) -> Any:
    if not isinstance(movie, PhotonArray):
        raise TypeError(
            f"movie is a {type(movie).__name__}; give what fetch1 returned, and values='raw' or "
            "values='photons' for one of its views"
        )
    if values not in ("raw", "photons"):
        raise ValueError(f"values is {values!r}; it must be 'raw' or 'photons'")
    return movie.raw if values == "raw" else movie.photons


def _kind(path: Path, kind: str | None) -> str:
    if kind is None:
        kind = next((KINDS[end] for end in KINDS if path.name.lower().endswith(end)), None)
    if kind not in WRITERS:
        asked = f"{path.name!r} says no format" if kind is None else f"kind is {kind!r}"
        raise ValueError(
            f"{asked}; give a path that ends in {', '.join(KINDS)}, or kind= one of {list(WRITERS)}"
        )
    return kind


def _axes(number: int, axes: str | None) -> str:
    known = AXES.get(number, [])
    if axes is None and len(known) == 1:
        return known[0]
    if axes not in known:
        raise ValueError(
            f"axes is {axes!r}, and the movie has {number} axes; say what they are: "
            + (f"axes= one of {known}" if known else "no format has a name for so many")
        )
    return axes


def _rate(frame_rate: float | None) -> float | None:
    if frame_rate is None:
        return None
    if not (math.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(f"frame_rate is {frame_rate}; it must be positive, in frames per second")
    return float(frame_rate)
