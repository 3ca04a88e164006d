"""Arrays of other libraries, and what holds one, as arrays with slices of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.files.extractors import frames_of
from dj_photon_codecs.movies.kinds import is_a, time_axis

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["as_array"]


def as_array(values: Any) -> Any:
    """Return the array that an object holds or stands for, and any other object as it is.

    No values are copied, and none are read but the first frame of an extractor: tensors share their
    memory, xarray turns axes when it is read.

    Examples
    --------
    >>> as_array([1, 2])
    [1, 2]
    """
    if isinstance(values, np.ndarray):
        return values
    for (library, name), adapt in ADAPTED.items():
        if is_a(values, library, name):
            return adapt(values)
    if hasattr(values, "get_series") and not isinstance(values, type):
        return frames_of(values)
    if hasattr(values, "__dlpack__") and not isinstance(getattr(values, "dtype", None), np.dtype):
        return _of_tensor(values)
    return values


def _of_tensor(tensor: Any) -> Any:
    """Return the memory of a tensor as an array; the tensor itself if it is on another device."""
    try:
        detached = tensor.detach() if hasattr(tensor, "detach") else tensor
        return np.from_dlpack(detached)
    except (BufferError, RuntimeError, TypeError):
        return tensor


def _time_first(array: Any) -> Any:
    """Return an xarray.DataArray with the axis first that is called time."""
    time = time_axis(array.dims)
    return array.transpose(array.dims[time], ...) if time else array


def _inside(holder: Any) -> Any:
    return holder if getattr(holder, "external_file", None) is not None else as_array(holder.data)


ADAPTED: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("xarray", "DataArray"): _time_first,
    ("roiextractors", "ImagingExtractor"): frames_of,
    ("pynwb", "TimeSeries"): _inside,
    ("hdmf", "DataIO"): _inside,
    ("hdmf", "Data"): _inside,
    ("suite2p", "BinaryFile"): lambda file: file.file,
}
