"""Whether an array is a stored movie, or one of its views, by its class, filters and attributes.

A stored movie holds transformed values. Inserted as counts or as camera values, it would be
transformed twice, and calibrated, its gain would be that of noise with a variance of one. An
array in memory (``movie[:]``) no longer says where it came from, and cannot be recognised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
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
    """What is known of an array that is a stored movie, or a view of one."""

    unit: Literal["transformed", "ADU", "photon"]
    gain: float  # ADU per photon, of the calibration that was stored with the movie
    calibrated: bool  # whether that is another than the calibration of photon counts
    through_dask: bool = False  # found in the graph of a dask array, which may compute anything


def stored_movie(values: Any) -> StoredMovie | None:
    """Return what is known of a stored movie, or None if an array is none; nothing is read.

    The graphs of dask arrays are searched, also inside an xarray.DataArray. Of a dask array that is
    no copy of a movie, it is what transformed values, or else values of the same dtype as they were
    inserted, go into its graph; all else it may have computed.

    Examples
    --------
    >>> stored_movie([[[1, 2], [3, 4]]]) is None
    True
    """
    movie = _of_array(values)
    graph = values.__dask_graph__() if hasattr(values, "__dask_graph__") else None
    if movie is not None or graph is None:
        return movie
    inputs = [(_of_array(array), array.dtype) for array in _arrays(graph)]
    for unit in ("transformed", "ADU"):
        for found, dtype in inputs:
            if found and found.unit == unit and (unit == "transformed" or dtype == values.dtype):
                return replace(found, through_dask=True)
    return None


def _of_array(array: Any) -> StoredMovie | None:
    attributes = _attributes(array)
    filters = _filters(array) if is_a(array, "zarr", "Array") else {}
    if "anscombe_gain" not in attributes and TRANSFORM not in filters:
        return None
    calibration = {
        name: _number(attributes.get(f"anscombe_{name}", COUNTS[name])) for name in COUNTS
    }
    return StoredMovie(
        _unit(array, attributes, filters=filters),
        gain=calibration["gain"],
        calibrated=calibration != COUNTS,
    )


def _attributes(array: Any) -> Mapping[str, Any]:
    """Return the attributes of an array of Zarr, HDF5, netCDF or xarray, which copies share."""
    if is_a(array, "netCDF4", "Variable"):
        return {name: array.getncattr(name) for name in array.ncattrs()}
    attributes = getattr(array, "attrs", None)
    return attributes if isinstance(attributes, Mapping) else {}


def _number(value: Any) -> float:
    """Return an attribute as a number, or NaN. HDF5 and netCDF make NumPy's of them."""
    if isinstance(value, np.generic | np.ndarray) and value.size == 1:
        value = value.item()
    return value if isinstance(value, int | float) else math.nan


def _unit(
    array: Any, attributes: Mapping[str, Any], *, filters: dict[str, Any]
) -> Literal["transformed", "ADU", "photon"]:
    if (unit := attributes.get("units")) in ("ADU", "photon"):
        return unit
    if LINEAR in filters:  # read without its documents
        return "photon" if filters[LINEAR]["unit"] == "photon" else "ADU"
    if TRANSFORM in filters or is_a(array, "dj_photon_codecs", "PhotonArray"):
        return "transformed"
    # a copy with the attributes of a movie: transformed values are float64, or made shorter
    inserted = array.dtype.kind != "f" or str(array.dtype) == attributes.get("original_dtype")
    return "ADU" if inserted and array.dtype != np.float64 else "transformed"


def _filters(array: Any) -> dict[str, dict[str, Any]]:
    """Return the configurations of an array's numcodecs filters by their ids."""
    configured = (f.get_config() for f in array.filters or () if hasattr(f, "get_config"))
    return {config["id"]: config for config in configured}


def _arrays(graph: Any) -> Iterator[Any]:
    """Yield the arrays with attributes in a dask graph."""
    layers = graph.layers.values() if hasattr(graph, "layers") else [graph]
    waiting: list[Any] = list(chain.from_iterable(_inputs(layer) for layer in layers))
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if _attributes(item) and hasattr(item, "dtype"):
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
    if isinstance(item, partial):
        return iter((item.func, item.args, item.keywords))
    if type(item).__module__.startswith("dask."):
        return iter([getattr(item, name, None) for name in ("value", "func", "args", "kwargs")])
    return iter(())
