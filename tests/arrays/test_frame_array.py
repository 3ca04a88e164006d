"""What other libraries take a stored movie, or a view of it, for: xarray, hdmf and pynwb."""

import sys
from datetime import UTC, datetime

import h5py  # type: ignore[import-untyped]
import numpy as np
import pynwb
import pytest
from hdmf.backends.hdf5 import H5DataIO
from hdmf.data_utils import DataChunkIterator

from dj_photon_codecs import CameraMovie
from dj_photon_codecs.movies.checks import check_frames
from dj_photon_codecs.storage.files.movie_files import MovieFiles
from tests.movies_at_hand import CAMERA, camera_values, local_files, photon_counts, store_movie

VIEWS = ["raw", "photons"]


@pytest.fixture
def values():
    return camera_values(dtype="i2")


@pytest.fixture
def movie(values, tmp_path):
    return store_movie(CameraMovie(values, CAMERA), local_files(), tmp_path / "movie.zarr")


# ---------------------------------------------------------------------------- xarray


@pytest.mark.parametrize("name", ["movie", *VIEWS])
def test_xarray_names_axes_and_calibration_and_reads_nothing(name, movie, noted):
    reads = noted(MovieFiles, "read", lambda _files, name: name)
    array = movie if name == "movie" else getattr(movie, name)

    labelled = array.to_xarray()

    assert labelled.dims == ("time", "y", "x")
    assert (labelled.shape, labelled.dtype) == (array.shape, array.dtype)
    assert labelled.attrs["anscombe_gain"] == CAMERA.gain
    assert labelled.attrs["anscombe_offset"] == CAMERA.offset
    assert labelled.attrs["anscombe_variance"] == CAMERA.variance
    assert labelled.attrs.get("units") == {"raw": "ADU", "photons": "photon"}.get(name)
    assert "quantization_step" not in labelled.attrs
    assert reads == []
    brightest = labelled.mean("time").max(("y", "x"))
    np.testing.assert_allclose(brightest, array[:].mean(axis=0).max(), rtol=1e-6)


def test_xarray_says_the_step_and_can_be_written_to_netcdf(values, tmp_path):
    stepped = CameraMovie(values, CAMERA, step=0.5)
    movie = store_movie(stepped, local_files(), tmp_path / "movie.zarr")

    movie.raw.to_xarray().to_netcdf(tmp_path / "movie.nc", engine="netcdf4")

    with h5py.File(tmp_path / "movie.nc") as file:
        (copied,) = [each for each in file.values() if each.ndim == 3]
        assert copied.attrs["quantization_step"] == 0.5
        np.testing.assert_array_equal(copied[:], movie.raw[:], strict=True)


def test_the_axes_between_time_and_the_frame_are_numbered(tmp_path):
    volume = store_movie(photon_counts((9, 2, 6, 7)), local_files(), tmp_path / "movie.zarr")

    assert volume.to_xarray().dims == ("time", "axis_1", "y", "x")


def test_without_xarray_the_extra_is_named(movie, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)

    with pytest.raises(ImportError, match=r"pip install 'dj-photon-codecs\[xarray\]'"):
        movie.to_xarray()


def test_what_xarray_holds_in_memory_is_known_for_what_it_is(values, tmp_path):
    stepped = CameraMovie(values, CAMERA, step=0.5)
    movie = store_movie(stepped, local_files(), tmp_path / "movie.zarr")

    with pytest.raises(TypeError, match="would be transformed twice"):
        check_frames(movie.to_xarray().compute())
    with pytest.raises(TypeError, match=r"\.raw of a stored movie of camera values, 50 ADU"):
        check_frames(movie.raw.to_xarray().compute(), counts=True)
    check_frames(movie.photons.to_xarray().compute(), counts=True)
    with pytest.raises(TypeError, match=r"values are the \.photons of a stored movie"):
        CameraMovie(movie.photons.to_xarray().compute(), CAMERA)


# ---------------------------------------------------------------------------- hdmf

GIVEN = {
    "itself": lambda view: view,
    "H5DataIO": lambda view: H5DataIO(view, compression="gzip"),
    "DataChunkIterator": lambda view: DataChunkIterator(view, buffer_size=50),
    "DataChunkIterator with dtype": lambda view: DataChunkIterator(view, dtype=view.dtype),
    "H5DataIO of DataChunkIterator": lambda view: H5DataIO(DataChunkIterator(view)),
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("name", VIEWS)
def test_pynwb_writes_views(name, given, movie, tmp_path):
    view = getattr(movie, name)
    with pynwb.NWBHDF5IO(tmp_path / "movie.nwb", "w") as io:
        io.write(nwb_of(given(view)))

    with h5py.File(tmp_path / "movie.nwb") as file:
        np.testing.assert_array_equal(file["acquisition/movie/data"][:], view[:], strict=True)


# hdmf-zarr names the filters that it leaves out, and Zarr the metadata that hdmf-zarr consolidates
@pytest.mark.filterwarnings("ignore:Could not map codec 'photon", "ignore:Consolidated metadata")
@pytest.mark.filterwarnings("ignore:Inferred dtype from zarr type")
@pytest.mark.parametrize("name", VIEWS)
def test_hdmf_zarr_writes_views(name, movie, tmp_path):
    # on Python 3.11 there is no hdmf-zarr for Zarr 3
    hdmf_zarr = pytest.importorskip("hdmf_zarr")
    view = getattr(movie, name)
    with hdmf_zarr.NWBZarrIO(str(tmp_path / "movie.nwb.zarr"), "w") as io:
        io.write(nwb_of(hdmf_zarr.ZarrDataIO(view)))

    with hdmf_zarr.NWBZarrIO(str(tmp_path / "movie.nwb.zarr"), "r") as io:
        copied = io.read().acquisition["movie"].data[:]
    np.testing.assert_array_equal(copied, view[:], strict=True)


def nwb_of(values):
    file = pynwb.NWBFile("a session", "1", datetime(2024, 5, 1, tzinfo=UTC))
    file.add_acquisition(pynwb.TimeSeries(name="movie", data=values, rate=30.0, unit="n.a."))
    return file
