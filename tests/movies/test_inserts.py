"""Inserts from sources of all kinds: what is stored is what they hold, and they are read twice."""

from dataclasses import dataclass
from typing import Any

import dask.array
import datajoint as dj
import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest
import xarray
import zarr

from dj_photon_codecs import report
from dj_photon_codecs.codecs import PhotonCodec, PhotonDenseCodec
from dj_photon_codecs.movies import sources
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.calibration import Calibration
from tests.movies.counted_blocks import CountedBlocks
from tests.movies_at_hand import CAMERA, SlicedFile, camera_values, photon_counts, tree

SHAPE = (230, 16, 16)
FRAME = 16 * 16 * 2  # bytes


@pytest.fixture(autouse=True)
def short_slabs(monkeypatch):
    """Slabs of eleven frames, so that small movies are read in many of them."""
    monkeypatch.setattr(sources, "SLAB_BYTES", 11 * FRAME)


@pytest.fixture
def folder(tmp_path):
    """The folder of a local store that is the default one; no database is asked."""
    (tmp_path / "store").mkdir()
    store = {"protocol": "file", "location": str(tmp_path / "store")}
    with dj.config.override(stores={"default": "imaging", "imaging": store}):
        yield tmp_path / "store"


def inserted(movie, codec=PhotonCodec):
    """Do what `insert1` and `fetch1` do with a movie."""
    codec().validate(movie)
    return codec().decode(codec().encode(movie))


# ---------------------------------------------------------------------------- how often

MOVIES = {
    "counts": (photon_counts(SHAPE), lambda lazy: lazy),
    "counts, float": (photon_counts(SHAPE, dtype="f4"), lambda lazy: lazy),
    "camera": (camera_values(SHAPE), lambda lazy: CameraMovie(lazy, CAMERA)),
    "steps": (camera_values(SHAPE), lambda lazy: CameraMovie(lazy, CAMERA, step=0.5)),
    "floats": (camera_values(SHAPE, dtype="f8"), lambda lazy: CameraMovie(lazy, CAMERA)),
    "xarray": (photon_counts(SHAPE), lambda lazy: xarray.DataArray(lazy, dims=("t", "y", "x"))),
}


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [(7, 16, 16), (130, 8, 8)], ids=str)
@pytest.mark.parametrize(("values", "movie_of"), MOVIES.values(), ids=MOVIES)
def test_an_insert_computes_each_block_at_most_twice(folder, values, movie_of, chunks):
    blocks = CountedBlocks(values, chunks)

    movie = inserted(movie_of(blocks.array()))

    if movie.step is None:
        np.testing.assert_array_equal(movie.raw[:], values, strict=True)
    once = movie.step is None and values.dtype == np.uint16
    assert blocks.most() == (1 if once else 2)


@pytest.mark.parametrize("codec", [PhotonCodec, PhotonDenseCodec])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("chunks", [(7, 16, 16), (130, 8, 8), (1, 16, 16), (230, 4, 16)], ids=str)
def test_an_insert_computes_each_block_of_small_integers_once(folder, chunks, dtype, codec):
    blocks = CountedBlocks(photon_counts(SHAPE, dtype=dtype), chunks)

    movie = inserted(blocks.array(), codec)

    np.testing.assert_array_equal(movie.raw[:], blocks.values, strict=True)
    assert blocks.most() == 1


def test_a_graph_that_fails_in_its_middle_leaves_nothing(folder):
    def fail(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 15:
            raise RuntimeError("registration failed")
        return block

    lazy = dask.array.from_array(photon_counts(SHAPE), chunks=(10, 16, 16))

    with pytest.raises(RuntimeError, match="registration failed"):
        inserted(lazy.map_blocks(fail, dtype="u2"))

    assert not tree(folder)


def test_a_report_computes_each_block_once():
    blocks = CountedBlocks(camera_values(SHAPE), (7, 16, 16))

    costs = report(CameraMovie(blocks.array(), CAMERA)).costs

    assert len(costs) == 4
    assert blocks.most() == 1


@pytest.mark.parametrize("dtype", ["u2", "f8"])
def test_an_insert_reads_a_file_at_most_twice(folder, dtype):
    values = photon_counts(SHAPE, dtype=dtype)
    reader = SlicedFile(values, chunks=(30, 16, 16))

    np.testing.assert_array_equal(inserted(reader).raw[:], values)

    read = [n for each in reader.slices for n in range(each.start, each.stop)]
    assert all(read.count(n) == 2 for n in range(SHAPE[0]))


STORES = {
    "zarr": lambda values, folder: zarr.create_array(
        folder / "movie.zarr", data=values, chunks=(150, 8, 8)
    ),
    "h5py": lambda values, folder: h5py.File(folder / "m.h5", "w").create_dataset(
        "m", data=values, chunks=(150, 8, 8), compression="gzip"
    ),
    "dask": lambda values, _: dask.array.from_array(values, chunks=(150, 8, 8)),
}


@pytest.mark.parametrize("limit", [1 << 28, 60 * FRAME], ids=["bands", "temporary file"])
@pytest.mark.parametrize("make", STORES.values(), ids=STORES)
def test_chunks_of_every_store_are_read(folder, tmp_path, make, limit, monkeypatch):
    monkeypatch.setattr(sources, "BAND_LIMIT", limit)
    values = photon_counts(SHAPE)

    np.testing.assert_array_equal(inserted(make(values, tmp_path)).raw[:], values, strict=True)


# ---------------------------------------------------------------------------- what changes


@dataclass(frozen=True)
class Changing(SlicedFile):
    """A reader that calls a function at each of its reads, with the number of the read."""

    at_read: Any = None

    def __getitem__(self, frames):
        self.at_read(len(self.slices))
        self.slices.append(frames)
        return self.values[frames]


READS = 21  # of each pass, eleven frames each


@pytest.mark.parametrize("number", [READS, READS + 9, 2 * READS - 1])
@pytest.mark.parametrize("step", [None, 0.5])
def test_values_that_change_leave_nothing(folder, number, step):
    values = photon_counts(SHAPE)

    def change(read):
        if read == number:
            values[10:] = 2

    movie = CameraMovie(Changing(values, at_read=change), Calibration(), step=step)
    with pytest.raises(ValueError, match=r"movie has changed since it was first read: frame \d+"):
        inserted(movie)

    assert not tree(folder)


@pytest.mark.parametrize("number", [0, READS - 1, READS + 3, 2 * READS - 1])
def test_a_data_set_that_grows_leaves_nothing(folder, tmp_path, number):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        movie = file.create_dataset(
            "m", data=photon_counts(SHAPE), chunks=(11, 16, 16), maxshape=(None, 16, 16)
        )

        def grow(read):
            if read == number:
                movie.resize(SHAPE[0] + 20, axis=0)

        with pytest.raises(ValueError, match=r"promised shape \(230, .* now has shape \(250, "):
            inserted(Changing(movie, at_read=grow))

    assert not tree(folder)


def test_a_small_data_set_that_grows_at_the_end_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SLAB_BYTES", 1 << 24)  # it is read at once
    with h5py.File(tmp_path / "m.h5", "w") as file:
        movie = file.create_dataset(
            "m", data=photon_counts(SHAPE), chunks=(10, 16, 16), maxshape=(None, 16, 16)
        )
        monkeypatch.setattr(
            sources.Source, "_compare", lambda *_: movie.resize(SHAPE[0] + 20, axis=0)
        )

        with pytest.raises(ValueError, match=r"now has shape \(250, 16, 16\)"):
            inserted(movie)

    assert not tree(folder)
