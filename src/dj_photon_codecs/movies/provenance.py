"""Whether an array is a stored movie, or one of its views, told by what Zarr and dask say of it.

A stored movie holds transformed values. Inserted as counts or as camera values, it would be
transformed twice, and calibrated, its gain would be that of noise with a variance of one. An
array in memory (``movie[:]``) no longer says where it came from, and cannot be recognised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import numpy as np

from dj_photon_codecs.movies.kinds import is_a

__all__ = ["StoredMovie", "stored_movie"]

TRANSFORM = "photon.anscombe"  # ids of the filters in the `.zarray` of a stored movie
LINEAR = "photon.linear"  # ... and in that of `movie.raw` and `movie.photons`
COUNTS = {"gain": 1.0, "offset": 0.0, "variance": 0.0}  # the calibration of photon counts


@dataclass(frozen=True)
class StoredMovie:
    """What is known of an array that is a stored movie, or a view of one.

    Attributes
    ----------
    unit : {"transformed", "ADU", "photon"}
        Unit of its values: transformed, as they were inserted (`raw`), or `photons`.
    gain : float
        ADU per photon, of the calibration that was stored with the movie.
    calibrated : bool
        Whether that calibration is another than that of photon counts.
    through_dask : bool
        Whether the movie was found in the graph of a dask array, which may compute anything.
    """

    unit: Literal["transformed", "ADU", "photon"]
    gain: float
    calibrated: bool
    through_dask: bool = False


def stored_movie(values: Any) -> StoredMovie | None:
    """Return what is known of a stored movie, or None if the array is none; nothing is read.

    Parameters
    ----------
    values : object
        What a user gave: anything. The graphs of dask arrays are searched, also inside an
        xarray.DataArray.

    Returns
    -------
    StoredMovie or None
        For a dask array only where transformed values go into its graph: it may have turned
        those of the views into any unit.

    Examples
    --------
    >>> stored_movie([[[1, 2], [3, 4]]]) is None
    True
    """
    if is_a(values, "zarr", "Array"):
        return _of_zarr(values)
    graph = values.__dask_graph__() if hasattr(values, "__dask_graph__") else None
    inputs = () if graph is None else map(_of_zarr, _zarr_arrays(graph))
    transformed = (movie for movie in inputs if movie and movie.unit == "transformed")
    movie = next(transformed, None)
    return movie and replace(movie, through_dask=True)


def _of_zarr(array: Any) -> StoredMovie | None:
    attributes = array.attrs
    filters = _filters(array)
    if "anscombe_gain" not in attributes and TRANSFORM not in filters:
        return None
    calibration = {name: attributes.get(f"anscombe_{name}", COUNTS[name]) for name in COUNTS}
    gain = calibration["gain"]
    return StoredMovie(
        _unit(array, filters),
        gain=gain if isinstance(gain, int | float) else math.nan,
        calibrated=calibration != COUNTS,
    )


def _unit(array: Any, filters: dict[str, Any]) -> Literal["transformed", "ADU", "photon"]:
    if LINEAR in filters:
        return "photon" if filters[LINEAR]["unit"] == "photon" else "ADU"
    if TRANSFORM in filters or is_a(array, "dj_photon_codecs", "PhotonArray"):
        return "transformed"
    # without a filter: a view of codes, or transformed values as another program writes them
    is_view = is_a(array, "dj_photon_codecs", "FrameArray")
    return "ADU" if is_view or array.dtype != np.float64 else "transformed"


def _filters(array: Any) -> dict[str, dict[str, Any]]:
    """Return the configurations of an array's numcodecs filters by their ids."""
    configured = (f.get_config() for f in array.filters or () if hasattr(f, "get_config"))
    return {config["id"]: config for config in configured}


def _zarr_arrays(graph: Any) -> Iterator[Any]:
    """Yield the Zarr arrays in a dask graph."""
    layers = graph.layers.values() if hasattr(graph, "layers") else [graph]
    waiting: list[Any] = list(chain.from_iterable(_inputs(layer) for layer in layers))
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if is_a(item, "zarr", "Array"):
            yield item
        else:
            waiting.extend(_parts(item))


def _inputs(layer: Any) -> Iterator[Any]:
    # a blockwise layer makes its tasks, one for each block, only when they are asked for
    if hasattr(layer, "indices"):
        return (argument for argument, _ in layer.indices)
    return iter(layer.values())


def _parts(item: Any) -> Iterator[Any]:
    """Return what a node of a dask graph holds, one level deep."""
    if isinstance(item, Mapping):
        return iter(item.values())
    if isinstance(item, list | tuple):
        return iter(item)
    if type(item).__module__.startswith("dask."):
        held = (getattr(item, "value", None), getattr(item, "args", None))
        return iter([*held, getattr(item, "kwargs", None)])
    return iter(())
