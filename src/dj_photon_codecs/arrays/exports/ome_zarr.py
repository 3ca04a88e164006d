"""OME-Zarr 0.5: a Zarr group of format 3, as napari and other viewers of images open it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zarr
from zarr.codecs import BloscCodec

from dj_photon_codecs.movies.files.libraries import library

if TYPE_CHECKING:
    from pathlib import Path

    from dj_photon_codecs.arrays.exports.exported import Exported

__all__ = ["BLOSC", "write_ome_zarr"]

BLOSC = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")
LEVEL = "0"  # the name of the array of full resolution, and the only one
TYPES = {"t": "time", "c": "channel"}  # of axes; all others are those of space


def write_ome_zarr(exported: Exported, path: Path) -> None:
    """Write one level of resolution, in chunks of few frames."""
    described = _described(exported)
    group = zarr.create_group(path, zarr_format=3, attributes={"ome": described})
    array = group.create_array(
        LEVEL,
        shape=exported.shape,
        dtype=exported.dtype,
        chunks=(exported.chunk_length(), *exported.shape[1:]),
        compressors=BLOSC,
        dimension_names=list(exported.axes),
        attributes=dict(exported.attributes),
        config={"write_empty_chunks": True},
    )
    for place, values in exported.slabs():
        array[place] = values


def _described(exported: Exported) -> dict[str, Any]:
    """Return the metadata of OME, as its models check it."""
    v05 = library("ome_zarr_models.v05.multiscales")
    image = library("ome_zarr_models.v05.image")
    rate = exported.frame_rate
    axes = [{"name": axis, "type": TYPES.get(axis, "space")} for axis in exported.axes]
    if rate is not None:
        axes[0]["unit"] = "second"
    scale = [1.0 if rate is None else 1 / rate, *[1.0] * (len(axes) - 1)]
    level = v05.Dataset.build(path=LEVEL, scale=scale, translation=None)
    scales = v05.Multiscale(axes=axes, datasets=[level], name="movie")
    described = image.ImageAttrs(multiscales=[scales], version="0.5")
    plain: dict[str, Any] = described.model_dump(mode="json", exclude_none=True)
    return plain
