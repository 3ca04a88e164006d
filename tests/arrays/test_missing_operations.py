"""What a stored movie does not do, it refuses with the name of what does it."""

import copy
import operator
import pickle
import sys

import dask
import dask.array
import numpy as np
import pytest

from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.transform import anscombe
from dj_photon_codecs.storage.files.movie_files import MovieFiles
from tests.movies_at_hand import CAMERA, camera_values, local_files, photon_counts, store_movie


@pytest.fixture(scope="module")
def counts():
    return photon_counts()


@pytest.fixture
def movie(counts, tmp_path):
    return store_movie(counts, local_files(), tmp_path / "movie.zarr")


@pytest.fixture(params=["movie", "raw", "photons"])
def array(request, movie):
    return movie if request.param == "movie" else getattr(movie, request.param)


@pytest.mark.parametrize("name", ["mean", "sum", "std", "max", "reshape", "astype", "transpose"])
def test_methods_of_numpy_are_named_with_the_way(name, array):
    with pytest.raises(
        AttributeError,
        match=rf"no attribute '{name}'; .*movie\.dask\(\)\.{name}\(\.\.\.\).*movie\[:\]\.{name}",
    ):
        getattr(array, name)
    assert not hasattr(array, name)


def test_attributes_of_numpy_are_named_with_the_way(array):
    with pytest.raises(AttributeError, match=r"no attribute 'T'; .*movie\.dask\(\)\.T works"):
        _ = array.T


def test_other_names_are_no_more_than_missing(array):
    with pytest.raises(AttributeError, match=r"object has no attribute 'frames_per_second'$"):
        _ = array.frames_per_second
    with pytest.raises(AttributeError, match=r"__array_interface__"):
        _ = array.__array_interface__


BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.gt]


@pytest.mark.parametrize("operation", BINARY)
def test_operators_are_refused_with_the_way(operation, array):
    for operands in [(array, 2), (2.5, array), (array, array)]:
        with pytest.raises(TypeError, match=r"does not work on a .*movie\.dask\(\)"):
            operation(*operands)


def test_signs_are_refused_with_the_way(array):
    for operation in (operator.neg, operator.pos, abs):
        with pytest.raises(TypeError, match=r"does not work on a .*movie\.dask\(\)"):
            operation(array)


def test_arrays_of_numpy_may_still_be_computed_with(movie, counts):
    frame = np.ones((6, 7))
    np.testing.assert_array_equal(movie.raw + frame, counts + frame)
    np.testing.assert_array_equal(frame - movie.raw, frame - counts)
    np.testing.assert_array_equal(np.mean(movie, axis=0), anscombe(counts).mean(axis=0))


# ---------------------------------------------------------------------------- dask


def test_dask_computes_block_by_block(array):
    lazy = array.dask()

    assert isinstance(lazy, dask.array.Array)
    assert (lazy.shape, lazy.dtype) == (array.shape, array.dtype)
    assert lazy.chunksize == array.chunks
    whole = array[:]
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            np.testing.assert_array_equal(lazy.compute(), whole, strict=True)
            np.testing.assert_array_equal(lazy[::-1, 2].compute(), whole[::-1, 2])
            np.testing.assert_allclose(lazy.mean(axis=0).compute(), whole.mean(axis=0), rtol=1e-5)


def test_dask_reads_nothing_before_it_computes(movie, noted):
    reads = noted(MovieFiles, "read", lambda _files, name: name)

    lazy = (movie.dask() * 2).mean(axis=0)
    assert reads == []
    lazy.compute(scheduler="synchronous")
    assert sorted(reads) == ["0.0.0", "1.0.0", "2.0.0"]


def test_the_name_of_a_dask_array_depends_on_place_and_contents(movie, counts, tmp_path):
    names = [view.dask().name for view in (movie, movie.raw, movie.photons)]
    other = store_movie(counts, local_files(), tmp_path / "other.zarr")

    assert len({*names, other.dask().name}) == 4
    for same in (copy.deepcopy(movie), pickle.loads(pickle.dumps(movie))):
        assert same.dask().name == names[0]


def test_the_graph_of_a_dask_array_can_be_pickled(tmp_path):
    values = camera_values()
    movie = store_movie(CameraMovie(values, CAMERA), local_files(), tmp_path / "movie.zarr")

    lazy = pickle.loads(pickle.dumps(movie.raw.dask().sum(axis=0)))

    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), values.sum(axis=0))


def test_without_dask_the_extra_is_named(movie, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.array", None)

    with pytest.raises(ImportError, match=r"pip install 'dj-photon-codecs\[dask\]'"):
        movie.dask()
