"""The code of the project's original description runs as it stands."""

import datajoint as dj
import numpy as np
import pytest

from tests.conftest import new_schema_name
from tests.tables import contents, photons, root, row_of, size, transformed


@pytest.fixture
def calcium_imaging(connection):
    schema = dj.Schema(new_schema_name())

    @schema
    class Recording(dj.Manual):
        definition = """
        recording_id : int
        ---
        movie : <photon@imaging>  # Photon-limited movie (compressed)
        """

    return schema, Recording


def check_original_code(Recording, movie):  # noqa: N803
    frames, *frame_shape = movie.shape

    Recording.insert1({"recording_id": 1, "movie": movie})
    zarr_array = (Recording & {"recording_id": 1}).fetch1("movie")

    assert zarr_array.shape == movie.shape
    assert zarr_array.chunks == (100, *frame_shape)
    assert zarr_array.dtype == np.float64
    np.testing.assert_array_equal(zarr_array[100], transformed(movie[100]))
    np.testing.assert_array_equal(zarr_array[100:200], transformed(movie[100:200]))
    for first in (0, frames // 2, frames - 50):
        block = slice(first, first + 100)
        np.testing.assert_array_equal(zarr_array[block], transformed(movie[block]))
    return zarr_array


@pytest.mark.parametrize("size", [(1000, 24, 24), (230, 16, 20)], ids=str)
def test_insert_and_fetch(calcium_imaging, size):
    _, recording = calcium_imaging
    movie = np.random.default_rng(0).poisson(lam=10, size=size)

    zarr_array = check_original_code(recording, movie)

    from anscombe import generalized_inverse_anscombe  # noqa: PLC0415

    all_frames = zarr_array[:]
    original = generalized_inverse_anscombe(zarr_array[:])
    np.testing.assert_array_equal(all_frames, transformed(movie))
    np.testing.assert_array_equal(original, movie)
    assert zarr_array.attrs["codec_name"] == "photon"
    assert zarr_array.attrs["codec_version"] == "1.1"
    assert zarr_array.attrs["original_dtype"] == "int64"


@pytest.mark.parametrize("new_store", ["local"], indirect=True)
def test_insert_and_fetch_at_full_size(calcium_imaging, store):
    _, recording = calcium_imaging
    tile = np.random.default_rng(0).poisson(lam=10, size=(1000, 128, 128))
    movie = np.tile(tile, (1, 4, 4))

    zarr_array = check_original_code(recording, movie)

    assert movie.dtype == np.int64
    np.testing.assert_array_equal(zarr_array.raw[-100:], movie[-100:])
    assert zarr_array.raw.dtype == np.int64
    assert size(store, row_of(recording)["path"]) < movie.size


def test_store_holds_a_zarr_array_under_the_path_of_the_row(calcium_imaging, store):
    schema, recording = calcium_imaging
    recording.insert1({"recording_id": 7, "movie": photons(250)})

    path = row_of(recording)["path"]

    assert path.startswith(f"_schema/{schema.database}/recording/recording_id=7/movie_")
    assert path.endswith(".zarr")
    files = {name for name in contents(store) if name.startswith(f"{path}/")}
    names = [".zarray", ".zattrs", "0.0.0", "1.0.0", "2.0.0", "preview.png"]
    assert files == {f"{path}/{name}" for name in names}


def test_frames_are_enumerated(calcium_imaging):
    schema, _ = calcium_imaging

    @schema
    class Snippet(dj.Manual):
        definition = """
        snippet_id : int
        ---
        movie : <photon@>
        """

    counts = photons(201)
    Snippet.insert1({"snippet_id": 1, "movie": counts})
    movie = (Snippet() & {"snippet_id": 1}).fetch1("movie")
    said = []

    for i, frame in enumerate(movie):
        if i % 100 == 0:
            said.append(f"Processing frame {i}/{len(movie)}")
        np.testing.assert_array_equal(frame, transformed(counts[i]))

    assert said == [f"Processing frame {i}/201" for i in (0, 100, 200)]
    assert i == 200


def test_anscombe_module_has_the_names_of_the_literature():
    import anscombe  # noqa: PLC0415

    counts = photons(3)
    np.testing.assert_array_equal(anscombe.anscombe(counts), transformed(counts))
    np.testing.assert_array_equal(anscombe.generalized_anscombe(counts), transformed(counts))
    np.testing.assert_array_equal(anscombe.inverse_anscombe(transformed(counts)), counts)


def test_inverse_inserted_again_is_stored_as_integers(calcium_imaging, store):
    schema, Recording = calcium_imaging  # noqa: N806
    from anscombe import generalized_inverse_anscombe  # noqa: PLC0415

    @schema
    class MotionCorrected(dj.Computed):
        definition = """
        -> Recording
        ---
        corrected : <photon@>
        """

        def make(self, key):
            movie = (Recording & key).fetch1("movie")
            corrected = generalized_inverse_anscombe(movie[:])
            self.insert1({**key, "corrected": corrected})

    counts = photons(120, rate=0.5)
    Recording.insert1({"recording_id": 1, "movie": counts})
    MotionCorrected.populate()

    corrected = MotionCorrected.fetch1("corrected")
    np.testing.assert_array_equal(corrected[:], transformed(counts))
    row = row_of(MotionCorrected, "corrected")
    assert row[".zarray"]["filters"][0]["codes"] == "|u1"
    assert corrected.raw.dtype == np.float64
    assert not np.signbit(corrected.raw[:]).any()
    assert size(store, row["path"]) == size(store, row_of(Recording)["path"])
    assert root(store) in str(corrected.store_path)
