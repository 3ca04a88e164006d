"""What may be inserted, and what is refused with which advice, before any of it is read."""

import datetime as dt
import io
import math
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import dask.array
import dask.base
import h5py  # type: ignore[import-untyped]
import netCDF4
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import PIL.Image
import pytest
import roiextractors
import tifffile
import xarray
import zarr
from pynwb.ophys import TwoPhotonSeries
from pynwb.testing.mock.file import mock_NWBFile
from pynwb.testing.mock.ophys import mock_ImagingPlane

from dj_photon_codecs import calibrate, report
from dj_photon_codecs.codecs import PhotonCodec
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.movies.checks import check_array, check_frames
from dj_photon_codecs.movies.sources import Source
from dj_photon_codecs.movies.survey import survey
from dj_photon_codecs.photons.calibration import Calibration
from tests.movies_at_hand import (
    CAMERA,
    DTYPES,
    SlicedFile,
    camera_values,
    local_files,
    photon_counts,
    store_movie,
)

SHAPE = (12, 5, 6)

# ---------------------------------------------------------------------------- refused unread

NO_ARRAYS = {
    "bytes": (b"movie", r"movie is a bytes; it must be an array of shape .* numpy\.frombuffer"),
    "dict": ({"movie": 1}, "movie is a dict"),
    "number": (7, "movie is a int"),
    "none": (None, "movie is a NoneType"),
    "named like one": (SimpleNamespace(dtype="u1", shape=(1, 1, 1)), "movie is a SimpleNamespace"),
    "dtype without values": (
        SimpleNamespace(dtype=np.dtype("u1"), shape=(1, 1, 1)),
        "movie is a SimpleNamespace",
    ),
    "masked array": (
        np.ma.masked_less(photon_counts(SHAPE), 1),
        r"movie is a masked array, whose mask would be lost; fill it \(movie\.filled\(0\)\)",
    ),
}

WRONG_DTYPES = {
    "object": np.full(SHAPE, None),
    "complex64": np.zeros(SHAPE, "c8"),
    "complex128": np.zeros(SHAPE, "c16"),
    "text": np.full(SHAPE, "photon"),
    "bytes": np.full(SHAPE, b"photon"),
    "datetime": np.full(SHAPE, np.datetime64(dt.date(2026, 1, 1))),
    "timedelta": np.zeros(SHAPE, "m8[s]"),
    "structured": np.zeros(SHAPE, [("x", "u1"), ("y", "f4")]),
    "void": np.zeros(SHAPE, "V4"),
}
if np.dtype("longdouble").itemsize > 8:
    WRONG_DTYPES["longdouble"] = np.zeros(SHAPE, "longdouble")

WRONG_SHAPES = [(), (7,), (512, 512), (0, 5, 6), (3, 0, 6), (3, 5, 0), (3, 5, 6, 0)]


@pytest.mark.parametrize(("value", "message"), NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_what_is_no_array_is_refused(value, message):
    with pytest.raises(TypeError, match=message):
        check_frames(value)


@pytest.mark.parametrize("value", WRONG_DTYPES.values(), ids=WRONG_DTYPES)
def test_other_dtypes_are_refused(value):
    with pytest.raises(TypeError, match=r"movie has dtype .*; it must be bool, .* movie\.astype"):
        check_frames(value)


@pytest.mark.parametrize("shape", WRONG_SHAPES, ids=str)
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"movie has shape \(.*\); it must be \(frames, height, "):
        check_frames(np.zeros(shape))


def test_a_negative_length_is_refused():
    with pytest.raises(ValueError, match=r"shape \(-3, 5, 6\); it must be"):
        check_frames(SimpleNamespace(shape=(-3, 5, 6), dtype=np.dtype("u1"), __getitem__=None))


def test_a_scalar_with_a_dtype_is_refused():
    with pytest.raises((TypeError, ValueError), match=r"movie (is a|has shape)"):
        check_frames(np.float64(3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), SHAPE, (2, 1, 3, 1, 2)], ids=str)
def test_movies_of_every_dtype_and_shape_are_accepted_unread(shape, dtype):
    source = SlicedFile(np.zeros(shape, dtype))

    check_frames(source)

    assert not source.slices


# ---------------------------------------------------------------------------- advice by kind

USES = {
    "insert": PhotonCodec().validate,
    "CameraMovie": lambda value: CameraMovie(value, Calibration()),
    "calibrate": calibrate,
    "report": report,
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


@pytest.fixture
def folder(tmp_path):
    """Path of a folder, with the files that are open in it."""
    with ExitStack() as files:
        yield SimpleNamespace(path=tmp_path, opened=files.enter_context)


def tiff_file(folder):
    tifffile.imwrite(folder.path / "movie.tif", photon_counts((9, 16, 16)))
    return folder.opened(tifffile.TiffFile(folder.path / "movie.tif"))


def zarr_group(folder):
    group = zarr.create_group(folder.path / "group.zarr")
    for name in ("motion", "green"):
        group.create_array(name, data=photon_counts(SHAPE))
    return group


def h5_file(folder):
    file = folder.opened(h5py.File(folder.path / "movie.h5", "w"))
    file["green"] = photon_counts(SHAPE)
    return file


def closed_dataset(folder):
    with h5_file(folder) as file:
        return file["green"]


def nc_file(folder):
    file = folder.opened(netCDF4.Dataset(folder.path / "movie.nc", "w"))
    for axis, length in zip("tyx", SHAPE, strict=True):
        file.createDimension(axis, length)
    file.createVariable("green", "u2", tuple("tyx"))[:] = photon_counts(SHAPE)
    return file


def nwb_file(folder):
    file = mock_NWBFile(session_start_time=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    series = {"external_file": ["a.tif"], "starting_frame": [0], "format": "external"}
    plane = mock_ImagingPlane(nwbfile=file)
    file.add_acquisition(
        TwoPhotonSeries(name="green", imaging_plane=plane, unit="n.a.", timestamps=[0.0], **series)
    )
    return file


def of_class(library, name, **attributes):
    """Make an object of a class of a library that is not installed."""
    return type(name, (), {"__module__": library, **attributes})()


ARRAY_LIKE = {"shape": SHAPE, "dtype": np.dtype("u2"), "__getitem__": None, "__array__": None}

ADVICE = {
    "path": (
        lambda _: Path("movie.npy"),
        r"Path; .*Give dj_photon_codecs\.read_movie\(path\)",
    ),
    "text": (lambda _: "movie.tif", r"movie is a str; .*Give dj_photon_codecs\.read_movie\(path\)"),
    "list": (lambda _: [[[1, 2], [3, 4]]], r"movie is a list; .* numpy\.stack\(movie\)"),
    "tuple": (lambda _: ((1, 2),), r"movie is a tuple; .* numpy\.stack\(movie\)"),
    "dict": (lambda _: {"green": 1}, r"movie is a dict; .* movie\['green'\]"),
    "generator": (lambda _: (n for n in [1]), r"generator; .*numpy\.stack\(list\(frames\)\)"),
    "iterator": (lambda _: iter([1]), r"list_iterator; .*open_memmap"),
    "TiffFile": (tiff_file, r"movie is a TiffFile; .*Give read_movie\(path\) of its path"),
    "TiffPageSeries": (
        lambda folder: tiff_file(folder).series[0],
        r"TiffPageSeries; .*Give read_movie\(path\)",
    ),
    "TiffPages": (
        lambda folder: tiff_file(folder).pages,
        r"movie is a TiffPages; .*read_movie\(path\)",
    ),
    "zarr.Group": (zarr_group, r"movie\['green'\], of 'green', 'motion'"),
    "h5py.File": (h5_file, r"movie is a File; .*movie\['green'\]"),
    "netCDF4.Dataset": (nc_file, r"movie is a Dataset; .*movie\['green'\]"),
    "xarray.Dataset": (
        lambda _: xarray.Dataset({"green": (("t", "y", "x"), photon_counts(SHAPE))}),
        r"movie is a Dataset; .*movie\['green'\]",
    ),
    "pandas.Series": (lambda _: pd.Series([1, 2]), r"movie is a Series; .*numpy\.stack\(series\)"),
    "PIL.Image": (lambda _: PIL.Image.new("L", (8, 8)), r"movie is a Image; .*ImageSequence"),
    "torch.Tensor": (
        lambda _: of_class("torch", "Tensor", shape=SHAPE, dtype="torch.int16", __array__=None),
        r"movie is a Tensor; .*movie\.detach\(\)\.cpu\(\)\.numpy\(\)",
    ),
    "cupy.ndarray": (
        lambda _: of_class("cupy", "ndarray", **ARRAY_LIKE),
        r"movie is a ndarray; .*movie\.get\(\)",
    ),
    "roiextractors": (
        lambda _: roiextractors.NumpySegmentationExtractor(
            image_masks=np.zeros((5, 6, 2)), sampling_frequency=30.0
        ),
        "movie is a NumpySegmentationExtractor; .*Give an imaging extractor",
    ),
    "NWB file": (nwb_file, r"movie is a NWBFile; .*movie\.acquisition\['green'\]"),
    "NWB series of other files": (
        lambda folder: nwb_file(folder).acquisition["green"],
        "movie is a TwoPhotonSeries; .*in other files; give these to read_movie",
    ),
}


@every_use
@pytest.mark.parametrize(("make", "message"), ADVICE.values(), ids=ADVICE)
def test_advice_fits_what_was_given(use, make, message, folder):
    value = make(folder)

    with pytest.raises(TypeError, match=message):
        use(value)


@every_use
def test_a_closed_file_is_named(use, folder):
    with pytest.raises(ValueError, match=r"the movie, a Dataset, cannot be read .* closed"):
        use(closed_dataset(folder))


def test_a_group_that_cannot_be_listed_is_refused_all_the_same(folder):
    file = h5_file(folder)
    file.close()

    with pytest.raises(TypeError, match=r"movie is a File; .*movie\['name'\]$"):
        check_array(file)


def test_subclasses_of_numpy_arrays_are_movies_whichever_library_they_are_of():
    array = type("Array", (np.ndarray,), {"__module__": "imageio.core.util"})

    check_frames(photon_counts(SHAPE).view(array))


@every_use
def test_a_dask_array_of_unknown_length_is_refused(use):
    lazy = dask.array.from_array(photon_counts((9, 16, 16)))
    bright = lazy[lazy.sum(axis=(1, 2)) > 0]

    with pytest.raises(ValueError, match=r"shape \(nan, .*movie\.compute_chunk_sizes\(\)"):
        use(bright)
    check_frames(bright.compute_chunk_sizes())


# ---------------------------------------------------------------------------- axes


@pytest.mark.parametrize("inside", [np.asarray, dask.array.from_array], ids=["NumPy", "dask"])
def test_axes_of_xarray_are_turned_so_that_time_is_first(inside):
    values = photon_counts((16, 17, 9))
    movie = check_frames(xarray.DataArray(inside(values), dims=("y", "x", "time")))

    assert movie.dims == ("time", "y", "x")
    survey(movie, counts=True)
    np.testing.assert_array_equal(Source(movie)[2:5], values.transpose(2, 0, 1)[2:5])


def named_in_hdf5(axes):
    file = h5py.File(io.BytesIO(), "w")
    file["movie"] = photon_counts(SHAPE)
    for axis, name in zip(file["movie"].dims, axes, strict=True):
        axis.label = name
    return file["movie"]


def named_in_zarr(axes, **how):
    return zarr.create_array(zarr.storage.MemoryStore(), data=photon_counts(SHAPE), **how)


NAMED = {
    "HDF5": named_in_hdf5,
    "Zarr 2": lambda axes: named_in_zarr(
        axes, zarr_format=2, attributes={"_ARRAY_DIMENSIONS": axes}
    ),
    "Zarr 3": lambda axes: named_in_zarr(axes, dimension_names=axes),
}


@every_use
@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_time_must_be_the_first_axis_that_a_file_names(use, named):
    with pytest.raises(ValueError, match=r"time must be the first .*from_array\(movie\), 2, 0\)"):
        use(named(["y", "x", "frame_number"]))
    check_frames(named(["time", "y", "x"]))


@every_use
def test_space_must_not_be_the_first_of_named_axes(use):
    with pytest.raises(ValueError, match=r"Give movie.transpose\('z', ...\), if 'z' is time"):
        use(xarray.DataArray(photon_counts(SHAPE), dims=("Y", "X", "z")))


@pytest.mark.parametrize("axes", [("T", "Y", "X"), ("frame", "y", "x"), ("a", "b", "c")], ids=str)
def test_other_named_axes_are_accepted(axes):
    check_frames(xarray.DataArray(photon_counts(SHAPE), dims=axes))


# ---------------------------------------------------------------------------- stored movies


@pytest.fixture
def stored(tmp_path):
    """A movie of camera values, as fetch returns it."""
    movie = CameraMovie(camera_values((20, 16, 16)), CAMERA)
    return store_movie(movie, local_files(), tmp_path / "movie.zarr")


def opened_plainly(movie):
    return zarr.open_array(str(movie.store_path).removeprefix("file://"), mode="r")


def in_xarray(lazy):
    return xarray.DataArray(lazy, dims=("time", "y", "x"))


def lazily(movie, **how):
    return dask.array.from_zarr(movie, **how)


def read_block(movie, block_info=None):
    return movie[:]


def in_hdf5(values, attributes):
    file = h5py.File(io.BytesIO(), "w")
    file["movie"] = values
    for name in ("anscombe_gain", "anscombe_offset", "original_dtype", "units"):
        if name in attributes:
            file["movie"].attrs[name] = attributes[name]
    return file["movie"]


TRANSFORMED = {
    "opened as a plain array": opened_plainly,
    "in dask": lazily,
    "in dask, inline": lambda movie: lazily(movie, inline_array=True),
    "in dask, cut and joined": lambda m: dask.array.concatenate([lazily(m)[3:9], lazily(m)])[2:],
    "in dask, computed with": lambda movie: lazily(movie) * 2 + 1,
    "in dask, optimised": lambda movie: dask.base.optimize(lazily(movie)[1:] * 2)[0],
    "in dask, through from_array": lambda movie: dask.array.from_array(movie, chunks=(5, 16, 16)),
    "in dask, opened as a plain array": lambda movie: lazily(opened_plainly(movie)),
    "in xarray": lambda movie: in_xarray(lazily(movie)),
    "in dask, through functools.partial": lambda movie: dask.array.map_blocks(
        partial(read_block, movie), chunks=movie.shape, dtype="f8", meta=np.empty((0, 0, 0))
    ),
    "copied to HDF5 with attributes": lambda movie: in_hdf5(movie[:], movie.attrs),
    "in dask, copied to HDF5": lambda movie: dask.array.from_array(in_hdf5(movie[:], movie.attrs)),
    "copied to xarray with attributes": lambda movie: in_xarray(movie[:]).assign_attrs(movie.attrs),
    "copied to float32 with attributes": lambda movie: zarr.create_array(
        zarr.storage.MemoryStore(), data=movie[:].astype("f4"), attributes=dict(movie.attrs)
    ),
}


@every_use
@pytest.mark.parametrize("view", TRANSFORMED.values(), ids=TRANSFORMED)
def test_transformed_values_are_refused(use, view, stored):
    with pytest.raises(TypeError, match=r"would be transformed twice\. .*\.raw"):
        use(view(stored))


def test_a_fetched_movie_is_refused_where_its_values_are_meant(stored):
    for use in (lambda movie: CameraMovie(movie, CAMERA), calibrate):
        with pytest.raises(TypeError, match=r"transformed twice\. Give the \.raw of what fetch1"):
            use(stored)


def test_plain_transformed_values_of_another_program_are_refused(tmp_path):
    plain = zarr.create_array(tmp_path / "plain.zarr", data=np.ones(SHAPE), zarr_format=2)
    plain.attrs["anscombe_gain"] = 2.0

    with pytest.raises(TypeError, match="would be transformed twice"):
        check_frames(plain)


def test_an_attribute_that_is_no_number_is_none_of_ours(tmp_path):
    plain = zarr.create_array(tmp_path / "plain.zarr", data=photon_counts(SHAPE), zarr_format=2)
    plain.attrs["anscombe_gain"] = "high"

    with pytest.raises(TypeError, match=f"movie of camera values, {math.nan} ADU per photon"):
        check_frames(plain, counts=True)


VIEWS = {
    "raw": lambda movie: movie.raw,
    "raw in dask": lambda movie: lazily(movie.raw),
    "photons in dask": lambda movie: lazily(movie.photons).clip(0, None),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views_of_stored_movies_are_movies_again(view, stored):
    check_frames(view(stored))
    CameraMovie(view(stored), CAMERA)


def test_camera_values_of_a_stored_movie_are_not_taken_for_counts(stored):
    for use in (PhotonCodec().validate, report):
        with pytest.raises(TypeError, match=r"\.raw of a stored movie of camera values, 50 ADU"):
            use(stored.raw)
    report(stored.raw, CAMERA)


def test_copies_of_camera_values_are_not_taken_for_counts(stored):
    copied = in_hdf5(stored.raw[:].astype("f8"), stored.raw.attrs)  # its attributes say that
    for copy in (lazily(stored.raw), in_hdf5(stored.raw[:], stored.attrs), copied):
        with pytest.raises(TypeError, match=r"of camera values, 50 ADU .*, Calibration\(\)\)"):
            check_frames(copy, counts=True)
        CameraMovie(copy, CAMERA)
    check_frames(lazily(stored.raw) / 50, counts=True)


def test_photons_of_a_stored_movie_have_no_gain(stored):
    with pytest.raises(TypeError, match=r"\.photons of a stored movie, .*\(50 ADU per photon"):
        CameraMovie(stored.photons, CAMERA)
    CameraMovie(stored.photons, Calibration(variance=0.16))


def test_counts_of_a_stored_movie_are_counts_again(tmp_path):
    stored = store_movie(photon_counts((20, 16, 16)), local_files(), tmp_path / "movie.zarr")

    for view in (stored.raw, stored.photons):
        check_frames(view, counts=True)
    CameraMovie(stored.photons, CAMERA)
