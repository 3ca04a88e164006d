"""Movies in HDF5, such as files of MATLAB and NWB: read by h5py, series found by pynwb."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dj_photon_codecs.movies.files.choices import choose_array
from dj_photon_codecs.movies.files.libraries import library
from dj_photon_codecs.movies.files.open_files import OpenFiles
from dj_photon_codecs.movies.files.paths import represent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Hdf5Movie", "read_hdf5", "read_nwb"]


def _open(path: Path) -> Any:
    with suppress(ImportError):
        library("hdf5plugin")  # filters of other programs, where they are installed
    return library("h5py").File(path, "r")


@dataclass(frozen=True, eq=False, repr=False)
class Hdf5Movie:
    """A data set of an HDF5 file; from `read_movie`.

    Attributes
    ----------
    path : Path
        The file.
    dataset : str
        The name of the data set in it.
    shape : tuple of int
        Frames, height, width.
    dtype : numpy.dtype
        As the file has it.
    chunks : tuple of int or None
        Of the data set.
    attrs : dict
        Its attributes.
    dims : tuple of str
        The names of its axes, "" without any.
    """

    path: Path
    dataset: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    attrs: dict[str, Any]
    dims: tuple[str, ...]
    _opened: OpenFiles = field(default_factory=lambda: OpenFiles(_open))

    def __repr__(self) -> str:
        return represent(self, [self.path], dataset=self.dataset)

    def __getitem__(self, selection: Any) -> NDArray[Any]:
        """Return what h5py returns for a selection."""
        with _naming(self.path), self._opened.reading(self.path) as file:
            values: NDArray[Any] = file[self.dataset][selection]
        return values


def read_hdf5(path: Path, *, dataset: int | str | None) -> Hdf5Movie:
    """Find the only data set of numbers with three dimensions or more, or that which is chosen."""
    with _naming(path), _open(path) as file:
        if isinstance(dataset, str) and dataset in file and _is_movie(file[dataset]):
            return _movie(file[dataset])
        found: list[Any] = []
        file.visititems(lambda _, item: found.append(item) if _is_movie(item) else None)
        names = [each.name.lstrip("/") for each in found]
        return _movie(found[choose_array(names, dataset, of=str(path))])


def read_nwb(path: Path, *, dataset: int | str | None) -> Hdf5Movie:
    """Find the only image series of an NWB file, or that which is chosen by its name.

    Raises
    ------
    ValueError
        If its frames are in other files, whose names are told.
    """
    pynwb = library("pynwb")
    with _naming(path, TypeError), pynwb.NWBHDF5IO(path, "r") as file:
        objects = file.read().objects.values()
        found = [each for each in objects if isinstance(each, pynwb.image.ImageSeries)]
        names = [each.name for each in found]
        series = found[choose_array(names, dataset, of=str(path))]
        if series.external_file is not None:
            raise ValueError(
                f"the frames of {series.name!r} in {path} are in other files, "
                f"{list(series.external_file)}; give these to read_movie"
            )
        return _movie(series.data)


def _movie(item: Any) -> Hdf5Movie:
    if item.external:  # whoever made the file could name any file that its reader may read
        names = sorted({str(name) for name, *_ in item.external})
        raise ValueError(
            f"the values of {item.name!r} lie outside of {item.file.filename}, as bytes of "
            f"{names}, and are not followed there; if you trust them, open them with numpy.memmap"
        )
    return Hdf5Movie(
        Path(item.file.filename),  # another one, if there is a link to it
        item.name,
        item.shape,
        item.dtype,
        chunks=item.chunks,
        attrs=dict(item.attrs),
        dims=tuple(axis.label for axis in item.dims),
    )


def _is_movie(item: Any) -> bool:
    shape = getattr(item, "shape", None) or ()  # a group has none, and an empty data set no axes
    return len(shape) >= 3 and item.dtype.kind in "buif"


@contextmanager
def _naming(path: Path, *also: type[Exception]) -> Iterator[None]:
    """Name the file that HDF5 cannot read."""
    kinds: tuple[type[Exception], ...] = (OSError, KeyError, RuntimeError, *also)
    try:
        yield
    except kinds as error:
        raise ValueError(
            f"{path} cannot be read as HDF5 ({error}): it is damaged, was cut short, or is being "
            "written. If a filter is missing, install hdf5plugin; a .mat before version 7.3 is "
            "none, scipy.io.loadmat opens it"
        ) from error
