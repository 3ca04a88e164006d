"""Movies in Zarr, formats 2 and 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from dj_photon_codecs.movies.files.choices import choose_array, refuse_choices
from dj_photon_codecs.movies.files.libraries import library

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_zarr", "read_zarr"]


def is_zarr(path: Path) -> bool:
    """Return whether a folder, or the name of a ZIP file, is one of Zarr."""
    markers = (".zarray", ".zgroup", "zarr.json")
    return path.name.lower().endswith(".zarr.zip") or any(
        (path / name).exists() for name in markers
    )


def read_zarr(path: Path, *, dataset: int | str | None) -> Any:
    """Open an array, or the only one in a group that has three dimensions or more.

    Threads may share a `zarr.Array`, and it can be pickled: there is no need of a class.
    """
    zarr = library("zarr")
    try:
        store = zarr.storage.ZipStore(path, mode="r") if path.suffix.lower() == ".zip" else path
        opened = zarr.open(store, mode="r")
    except (ValueError, KeyError, TypeError, BadZipFile) as error:  # whatever its metadata lack
        raise ValueError(
            f"{path} cannot be opened as Zarr ({error}): it is damaged, or was not copied whole"
        ) from error
    if isinstance(opened, zarr.Array):
        refuse_choices(path, dataset=dataset)
        return opened
    arrays = {
        name: item
        for name, item in sorted(opened.members(max_depth=None))
        if isinstance(item, zarr.Array) and item.ndim >= 3 and item.dtype.kind in "buif"
    }
    return list(arrays.values())[choose_array(list(arrays), dataset, of=str(path))]
