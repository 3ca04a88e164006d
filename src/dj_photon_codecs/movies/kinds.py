"""Kinds of objects that people insert, recognised without importing their libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from os import PathLike
from typing import Any, NamedTuple

__all__ = ["advice_for", "is_a", "time_axis"]

TIME = ("time", "frame")  # beginnings of the names of the axis of time, in lower case


def is_a(value: Any, library: str, name: str) -> bool:
    """Return whether an object is of a class of a library, or of one derived from it.

    By the name of the class, and the first part of that of its module, such as ``"zarr"``: also
    where the library is not installed.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> is_a(OrderedDict(), "collections", "OrderedDict"), is_a({}, "collections", "OrderedDict")
    (True, False)
    """
    return any(cls.__name__ == name and _library(cls) == library for cls in type(value).__mro__)


def time_axis(names: Sequence[Any]) -> int | None:
    """Return which one of named axes is time, or None.

    Examples
    --------
    >>> time_axis(("y", "x", "Time_s")), time_axis(("y", "x"))
    (2, None)
    """
    lower = [str(name).lower() for name in names]
    return next((i for i, n in enumerate(lower) if n == "t" or n.startswith(TIME)), None)


def advice_for(value: Any) -> str:
    """Say how what a user gave becomes an array of frames: a sentence without a full stop, or "".

    Examples
    --------
    >>> advice_for("movie.npy")
    'Give dj_photon_codecs.read_movie(path), which opens TIFF, HDF5, NWB, Zarr and .npy'
    """
    if isinstance(value, str | PathLike):
        return OPEN_FILE
    for kind in KINDS:
        if any(_library(cls) == kind.package for cls in type(value).__mro__) and (
            kind.name is None or is_a(value, kind.package, kind.name)
        ):
            return kind.advise(value)
    return STACK_FRAMES if isinstance(value, Iterator) else ""


class Kind(NamedTuple):
    """A kind of object: the library and the class (None: any), and what to do with it.

    Where `names` lists the arrays of a collection, they are named, the first one in the advice.
    """

    package: str
    name: str | None
    advice: str
    names: Callable[[Any], Any] | None = None

    def advise(self, value: Any) -> str:
        """Return the advice for an object of this kind."""
        if self.names is None:
            return self.advice
        listed: list[str] = []
        with suppress(OSError, ValueError, KeyError):  # a file that is closed, or a store away
            listed = sorted(map(str, self.names(value)))
        more = f", of {', '.join(map(repr, listed[:NAMED]))}" if listed else ""
        more += ", ..." if len(listed) > NAMED else ""
        return self.advice.format(name=listed[0] if listed else "name") + more


def _library(cls: type) -> str:
    return cls.__module__.partition(".")[0]


NAMED = 10  # arrays of a collection that a message lists at most

OPEN_FILE = "Give dj_photon_codecs.read_movie(path), which opens TIFF, HDF5, NWB, Zarr and .npy"
STACK_FRAMES = (
    "Give an array of all frames: numpy.stack(list(frames)) if they fit into memory, else write "
    "them one by one into numpy.lib.format.open_memmap(path, 'w+', dtype, shape)"
)
STACK = "Make one array of the frames with numpy.stack(movie)"
FETCH = "Fetch the movie first, such as with table.fetch1('movie')"
TIFF = "Give read_movie(path) of its path, which reads the frames of one channel and plane"
TENSOR = "Give movie.detach().cpu().numpy(); of bfloat16, movie.float() first"

KINDS = (
    Kind("tifffile", None, TIFF),
    Kind("zarr", "Group", "Choose an array, movie[{name!r}]", lambda g: g.array_keys()),
    Kind("h5py", "Group", "Choose a data set, movie[{name!r}]", lambda g: g.keys()),
    Kind("netCDF4", "Dataset", "Choose movie[{name!r}]", lambda d: d.variables),
    Kind("xarray", "Dataset", "Choose a variable, movie[{name!r}]", lambda d: d.data_vars),
    Kind("numpy", "NpzFile", "Choose an array, movie[{name!r}]", lambda f: f.files),
    Kind("torch", "Tensor", TENSOR),
    Kind("tensorflow", None, "Give movie.numpy()"),
    Kind("cupy", None, "Give movie.get()"),
    Kind("roiextractors", None, "Give an imaging extractor"),
    Kind("pynwb", "ImageSeries", "Its frames are in other files; give these to read_movie"),
    Kind("pynwb", "NWBFile", "Choose movie.acquisition[{name!r}]", lambda f: f.acquisition),
    Kind("pynwb", None, "Give an image series of the file, such as movie.acquisition[name]"),
    Kind("nd2", None, "Give movie.to_dask(), or movie.asarray()"),
    Kind("pims", None, STACK),
    Kind("imageio", None, STACK),
    Kind(
        "PIL",
        None,
        "Give an array: numpy.stack([numpy.asarray(frame) for frame in "
        "PIL.ImageSequence.Iterator(movie)])",
    ),
    Kind("cv2", None, STACK_FRAMES),
    Kind("pandas", None, "Give an array: numpy.stack(series) if each row holds a frame"),
    Kind("polars", None, "Give an array: numpy.stack(series) if each row holds a frame"),
    Kind("scipy", "sparray", "Give an array of all values, movie.toarray()"),
    Kind("scipy", "spmatrix", "Give an array of all values, movie.toarray()"),
    Kind("sparse", None, "Give an array of all values, movie.todense()"),
    Kind("datajoint", "QueryExpression", FETCH),
    Kind("builtins", "list", STACK),
    Kind("builtins", "tuple", STACK),
    Kind("builtins", "dict", "Choose one of its values, movie[{name!r}]", list),
    Kind("builtins", "generator", STACK_FRAMES),
    Kind("builtins", "bytes", "Give numpy.frombuffer(movie, dtype).reshape(shape)"),
    Kind("builtins", "bytearray", "Give numpy.frombuffer(movie, dtype).reshape(shape)"),
    Kind("builtins", "memoryview", "Give numpy.asarray(movie)"),
    Kind("builtins", "function", "Give what it returns"),
)
