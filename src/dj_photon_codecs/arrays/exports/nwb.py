"""NWB: a `TwoPhotonSeries`, through pynwb, in HDF5 or in Zarr."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from dj_photon_codecs.arrays.exports.hdf5 import HDF5File
from dj_photon_codecs.arrays.exports.ome_zarr import BLOSC
from dj_photon_codecs.movies.files.libraries import library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from dj_photon_codecs.arrays.exports.exported import Exported

__all__ = ["write_nwb", "write_nwb_zarr"]

GZIP = {"compression": "gzip", "compression_opts": 1, "shuffle": True}  # noise gains no more


def write_nwb(exported: Exported, path: Path) -> None:
    """Write an NWB file in HDF5, compressed by gzip.

    Raises
    ------
    ValueError
        If the frame rate or the start of the session is not given, or an axis is that of channels.
    """
    file = _file(exported)
    hdf5 = library("hdmf.backends.hdf5")
    with HDF5File(path) as disk, disk.opened() as opened:
        frames = _frames(exported, check=disk.check)
        data = hdf5.H5DataIO(frames, chunks=_chunks(exported), **GZIP)
        _add_series(file, exported, data=data)
        with library("pynwb").NWBHDF5IO(file=opened, mode="w") as io:
            io.write(file)


def write_nwb_zarr(exported: Exported, path: Path) -> None:
    """Write the same in Zarr; on Python 3.11 there is no hdmf-zarr for Zarr 3."""
    file = _file(exported)
    hdmf_zarr = library("hdmf_zarr")
    data = hdmf_zarr.ZarrDataIO(_frames(exported), chunks=_chunks(exported), compressors=[BLOSC])
    _add_series(file, exported, data=data)
    with hdmf_zarr.NWBZarrIO(str(path), "w") as io:
        io.write(file)


def _file(exported: Exported) -> Any:
    pynwb = library("pynwb")
    missing = [] if exported.frame_rate else ["frame_rate=30.0"]
    if "session_start_time" not in exported.session:
        missing.append("session={'session_start_time': datetime(...), ...}")
    if missing:
        raise ValueError(f"NWB asks for what the movie does not know; give {' and '.join(missing)}")
    if "c" in exported.axes:
        raise ValueError(
            f"axes is {exported.axes!r}, and a TwoPhotonSeries has one channel; choose "
            "another format"
        )
    named = {"session_description": "a movie", "identifier": str(uuid4())}
    return pynwb.NWBFile(**named | dict(exported.session))


def _add_series(file: Any, exported: Exported, *, data: Any) -> None:
    """Add the movie: ``data * conversion + offset`` are photons."""
    attributes = exported.attributes
    gain, offset = float(attributes["anscombe_gain"]), float(attributes["anscombe_offset"])
    adu = attributes["units"] == "ADU"
    series = library("pynwb.ophys").TwoPhotonSeries(
        name="TwoPhotonSeries",
        data=data,
        imaging_plane=_plane(file, exported.frame_rate),
        rate=exported.frame_rate,
        unit="photons",
        conversion=1 / gain if adu else 1.0,
        offset=(0.0 - offset) / gain if adu else 0.0,
        comments=json.dumps(attributes),
    )
    file.add_acquisition(series)


def _plane(file: Any, rate: float | None) -> Any:
    """Add an imaging plane that says what it must, and that nothing else of it is known."""
    unknown = "unknown"
    channel = library("pynwb.ophys").OpticalChannel(
        name="channel", description=unknown, emission_lambda=math.nan
    )
    return file.create_imaging_plane(
        name="ImagingPlane",
        optical_channel=channel,
        description=unknown,
        device=file.create_device(name="Microscope"),
        excitation_lambda=math.nan,
        imaging_rate=rate,
        indicator=unknown,
        location=unknown,
    )


def _frames(exported: Exported, *, check: Callable[[], None] = lambda: None) -> Any:
    """Return what hdmf writes slab by slab, of frames (width, height) or (width, height, depth)."""

    def frames() -> Iterator[NDArray[Any]]:
        for _, values in exported.slabs():
            check()
            yield from (frame.T.astype(dtype, copy=False) for frame in values)

    iterator = library("hdmf.data_utils").DataChunkIterator
    dtype = exported.dtype if exported.dtype != bool else np.dtype("u1")  # no number, for NWB
    length = exported.view.chunks[0]
    return iterator(frames(), maxshape=_shape(exported), dtype=dtype, buffer_size=length)


def _shape(exported: Exported) -> tuple[int, ...]:
    return (exported.shape[0], *exported.shape[:0:-1])


def _chunks(exported: Exported) -> tuple[int, ...]:
    return (exported.chunk_length(), *_shape(exported)[1:])
