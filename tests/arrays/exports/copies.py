"""Exports of every kind, and what the library of each format reads of them."""

import sys
from datetime import UTC, datetime

import h5py  # type: ignore[import-untyped]
import ome_zarr_models.v05
import pynwb
import pytest
import tifffile
import zarr

from dj_photon_codecs import export

SESSION = {"session_start_time": datetime(2024, 5, 1, tzinfo=UTC)}
NAMES = {
    "tiff": "movie.tif",
    "hdf5": "movie.h5",
    "ome-zarr": "movie.ome.zarr",
    "nwb": "movie.nwb",
    "nwb-zarr": "movie.nwb.zarr",
}
# On Python 3.11 there is no hdmf-zarr for Zarr 3.
ZARR_3 = pytest.mark.skipif(sys.version_info < (3, 12), reason="hdmf-zarr needs Python 3.12")
HDMF_ZARR = [
    ZARR_3,
    pytest.mark.filterwarnings("ignore:Consolidated metadata"),  # of Zarr, of hdmf-zarr's way
    pytest.mark.filterwarnings("ignore:Inferred dtype from zarr type"),
    # not given by pynwb, which hdmf-zarr asks for it
    pytest.mark.filterwarnings("ignore:No path given"),
]
KINDS = [*(kind for kind in NAMES if kind != "nwb-zarr"), pytest.param("nwb-zarr", marks=HDMF_ZARR)]


def exported(movie, folder, kind, **options):
    """Export a movie with what the format asks for."""
    if kind.startswith("nwb"):
        options = {"frame_rate": 30.0, "session": SESSION} | options
    return export(movie, folder / NAMES[kind], **options)


def read_tiff(path):
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
        assert file.is_ome
        return file.series[0].asarray()


def read_hdf5(path):
    with h5py.File(path) as file:
        return file["data"][:]


def read_ome_zarr(path):
    group = zarr.open_group(path, mode="r")
    (scales,) = ome_zarr_models.v05.Image.from_zarr(group).ome_attributes.multiscales
    return group[scales.datasets[0].path][:]  # type: ignore[index]


def read_nwb(path):
    with pynwb.NWBHDF5IO(path, "r") as io:
        return in_rows(io.read().acquisition["TwoPhotonSeries"].data[:])


def read_nwb_zarr(path):
    from hdmf_zarr import NWBZarrIO  # noqa: PLC0415 - not on Python 3.11

    with NWBZarrIO(str(path), "r") as io:
        return in_rows(io.read().acquisition["TwoPhotonSeries"].data[:])


def in_rows(data):
    """Turn (time, width, height, ...) as in NWB into (time, ..., height, width)."""
    return data.transpose(0, *range(data.ndim - 1, 0, -1))


READERS = {
    "tiff": read_tiff,
    "hdf5": read_hdf5,
    "ome-zarr": read_ome_zarr,
    "nwb": read_nwb,
    "nwb-zarr": read_nwb_zarr,
}
