"""Checks of what a user gives as a movie, without reading any of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dj_photon_codecs.movies.kinds import advice_for, is_a, time_axis
from dj_photon_codecs.movies.other_arrays import as_array
from dj_photon_codecs.movies.provenance import StoredMovie, stored_movie
from dj_photon_codecs.movies.suspect_axes import check_picture

__all__ = ["check_array", "check_frames"]

# Names of axes in lower case that cannot be those of time.
SPACE = ("y", "x", "row", "rows", "column", "columns", "height", "width", "h", "w")


def check_frames(values: Any, *, counts: bool = False) -> Any:
    """Return the array of a movie, or (`counts`) of photon counts; refuse all else, unread.

    Raises
    ------
    TypeError
        If it is no array, a masked array, an array of another kind than bool, integers and
        floats of 16, 32 or 64 bits, or a stored movie, whose values are transformed. If they are
        taken for photon counts: if it is the `raw` of a movie of camera values.
    ValueError
        If it has fewer than 3 dimensions, no frames, or empty frames, or names its axes and time
        is not the first of them.

    Notes
    -----
    Transformed values in memory, such as ``movie[:]`` or ``numpy.asarray(movie)`` of a fetched
    `movie`, cannot be told from other numbers.

    Examples
    --------
    >>> check_frames(np.zeros((512, 512)))
    Traceback (most recent call last):
    ...
    ValueError: movie has shape (512, 512); it must be ...
    """
    values = check_array(values)
    if values.dtype.kind not in "buif" or values.dtype.itemsize > 8:
        raise TypeError(
            f"movie has dtype {values.dtype}; it must be bool, an integer, or a float of 16, 32 "
            "or 64 bits. Convert it with movie.astype"
        )
    if len(values.shape) < 3 or min(values.shape) < 1:
        raise ValueError(
            f"movie has shape {tuple(values.shape)}; it must be (frames, height, width, ...), with "
            "nothing empty. A single image is image[numpy.newaxis]"
        )
    movie = stored_movie(values)
    if counts and movie is not None and movie.unit == "ADU" and movie.calibrated:
        computed = "is computed by dask from" if movie.through_dask else "is"
        raise TypeError(
            f"movie {computed} the .raw of a stored movie of camera values, {movie.gain:g} ADU per "
            "photon, and would be taken for photon counts. Insert the stored movie itself, or "
            "CameraMovie(movie.raw, movie.calibration); of photon counts "
            "CameraMovie(movie, Calibration())"
        )
    check_picture(values)
    return values


def check_array(values: Any) -> Any:
    """Return an array of frames (`as_array`); refuse all else, and stored movies: transformed.

    Raises
    ------
    TypeError
        If it is no array that can be sliced, a masked array, or a stored movie.
    ValueError
        If it names its axes, and time is not the first of them; if its shape cannot be read, or
        is not known to dask.

    Examples
    --------
    >>> check_array([1, 2])
    Traceback (most recent call last):
    ...
    TypeError: movie is a list; it must be an array of shape (frames, height, width, ...). ...
    """
    values = as_array(values)
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(
            "movie is a masked array, whose mask would be lost; fill it (movie.filled(0)) and "
            "keep the mask in a column of its own"
        )
    if is_a(values, "dask", "Array") and any(map(math.isnan, values.shape)):
        raise ValueError(
            f"movie has shape {values.shape}, which dask does not know; have it counted with "
            "movie.compute_chunk_sizes()"
        )
    advice = "" if isinstance(values, np.ndarray) else advice_for(values)
    if advice or not _is_array(values):
        raise TypeError(
            f"movie is a {type(values).__name__}; it must be an array of shape (frames, height, "
            f"width, ...). {advice or OTHER}"
        )
    _refuse_transformed(stored_movie(values))
    _check_axes(values)
    return values


OTHER = (
    "Give a NumPy array or a memory map, or what has a shape, a NumPy dtype and slices of frames, "
    "as h5py, Zarr and dask have; what is small becomes an array with numpy.asarray"
)


def _is_array(values: Any) -> bool:
    try:
        shape, dtype = getattr(values, "shape", None), getattr(values, "dtype", None)
    except (ValueError, OSError, RuntimeError) as error:  # as those of h5py and netCDF4
        raise ValueError(
            f"the shape of the movie, a {type(values).__name__}, cannot be read ({error}). Its "
            "file may be closed: open it again"
        ) from error
    return (
        isinstance(dtype, np.dtype)
        and isinstance(shape, tuple | list)
        and all(isinstance(n, int | np.integer) for n in shape)
        and hasattr(values, "__getitem__")
    )


def _refuse_transformed(movie: StoredMovie | None) -> None:
    if movie is None or movie.unit != "transformed":
        return
    if movie.through_dask:
        raise TypeError(
            "movie is computed by dask from a stored movie, whose values are transformed, and "
            "would be transformed twice. Begin with dask.array.from_zarr(movie.raw) of what fetch1 "
            "returned; if the graph undoes the transform, compute it first (movie.compute())"
        )
    raise TypeError(
        "movie is a stored movie: its values are transformed, and would be transformed twice. Give "
        "the .raw of what fetch1 returned, the values as they were inserted; to insert the movie "
        "as it is, insert what fetch1 returned"
    )


def _check_axes(values: Any) -> None:
    axes = _axes(values)
    names = [str(axis).lower() for axis in axes]
    found = time_axis(axes)
    if not names or found == 0 or not (found or names[0] in SPACE):
        return
    time = found or len(axes) - 1
    turned = f"movie.transpose({axes[time]!r}, ...)"
    if not hasattr(values, "transpose"):
        turned = f"dask.array.moveaxis(dask.array.from_array(movie), {time}, 0)"
    raise ValueError(
        f"movie has the axes {axes}; time must be the first of them. Give {turned}"
        + ("" if found else f", if {axes[time]!r} is time")
    )


def _axes(values: Any) -> tuple[Any, ...]:
    """Return the names of the axes, as xarray, netCDF4, HDF5 and Zarr have them; () without any."""
    if is_a(values, "h5py", "Dataset"):
        return tuple(axis.label for axis in values.dims)
    if is_a(values, "zarr", "Array"):
        named = getattr(values.metadata, "dimension_names", None)  # of Zarr format 3
        return tuple(named or values.attrs.get("_ARRAY_DIMENSIONS") or ())
    axes = getattr(values, "dims", getattr(values, "dimensions", None))
    return axes if isinstance(axes, tuple) else ()
