"""What fetch returns: a sequence of frames that reads no more than it must."""

import copy
import pickle
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dask.array
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import zarr
from deepdiff import DeepHash
from zarr.storage import LocalStore, StorePath

from dj_photon_codecs import PhotonArray
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.layouts import threads
from dj_photon_codecs.layouts.choice import GROUPED
from dj_photon_codecs.layouts.grouped.chunk import GroupedChunk
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.transform import anscombe, generalized_anscombe
from dj_photon_codecs.storage.documents.description import Documents
from dj_photon_codecs.storage.files.movie_files import MovieFiles
from dj_photon_codecs.storage.movie_store import ChunkError, MovieNotFoundError, MovieStore
from tests.movies_at_hand import (
    CAMERA,
    PLAIN,
    camera_values,
    local_files,
    photon_counts,
    store_movie,
)

CHUNKS = ["0.0.0", "1.0.0", "2.0.0"]


@pytest.fixture
def counts():
    """Photon counts of 250 frames: three chunks, the last one half empty."""
    return photon_counts()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "movie.zarr"


@pytest.fixture
def movie(counts, folder):
    return store_movie(counts, local_files(), folder)


@pytest.fixture
def reads(noted):
    """The names of the files that are read, one entry for each time."""
    return noted(MovieFiles, "read", lambda _files, name: name)


def opened_again(movie, folder):
    """Open a movie as a second fetch would."""
    return open_movie(local_files(), str(folder), copy.deepcopy(movie.movie_store.documents))


# ---------------------------------------------------------------------------- a zarr.Array


def test_a_movie_is_a_zarr_array_of_transformed_values(movie, counts):
    assert isinstance(movie, zarr.Array)
    assert (movie.shape, movie.ndim, movie.chunks) == ((250, 6, 7), 3, (100, 6, 7))
    assert movie.dtype == np.float64
    assert movie.attrs["codec_name"] == "photon"
    np.testing.assert_array_equal(movie[:], anscombe(counts), strict=True)
    np.testing.assert_array_equal(np.asarray(movie), anscombe(counts), strict=True)


SELECTIONS = {
    "slice": np.s_[100:200],
    "past the end": np.s_[240:400],
    "empty": np.s_[5:5],
    "in a chunk": np.s_[103:131],
    "over chunks": np.s_[97:203],
    "over chunks, and rest": np.s_[-160:-20, ...],
    "all": np.s_[...],
    "all of each": np.s_[:, :, :],
    "all with rest": np.s_[:, ..., :],
    "rest before": np.s_[..., :],
    "steps": np.s_[3:200:7],
    "patch": np.s_[:, 1:4, 2:5],
    "trace": np.s_[:, 2, 3],
    "pixel": np.s_[120, 2, 3],
    "ellipsis": np.s_[..., 4],
    "frame and rest": np.s_[7, ...],
    "frames": np.s_[[0, 99, 100, 249]],
}


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS)
def test_selections_are_those_of_zarr(selection, movie, counts):
    np.testing.assert_array_equal(movie[selection], anscombe(counts)[selection])
    np.testing.assert_array_equal(movie.raw[selection], counts[selection])
    np.testing.assert_array_equal(movie.oindex[10:20, [1, 3]], anscombe(counts)[10:20, [1, 3]])


# ---------------------------------------------------------------------------- frames


@pytest.mark.parametrize(
    "index",
    [0, 99, 100, 249, -1, -250, np.int64(-250), np.int8(99), np.uint8(249), np.uint64(249)],
    ids=repr,
)
def test_an_integer_selects_a_frame(index, movie, counts):
    np.testing.assert_array_equal(movie[index], anscombe(counts[index]), strict=True)


@pytest.mark.parametrize("index", [250, -251, 10**9, np.int64(250)], ids=str)
def test_frames_out_of_range_are_refused(index, movie):
    with pytest.raises(IndexError, match=rf"frame {index} of a movie of 250 frames"):
        movie[index]


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 4, 5), (101, 1, 2)], ids=str)
def test_frames_have_all_other_axes(shape, folder):
    values = photon_counts(shape)

    movie = store_movie(values, local_files(), folder)

    assert len(movie) == shape[0]
    np.testing.assert_array_equal(movie[-1], anscombe(values[-1]), strict=True)


def test_frames_of_cameras_are_transformed_with_their_parameters(folder):
    values = camera_values(dtype="f4")
    movie = store_movie(CameraMovie(values, CAMERA), local_files(), folder)

    expected = generalized_anscombe(values, CAMERA.gain, CAMERA.offset, CAMERA.variance)
    np.testing.assert_array_equal(np.stack(list(movie)), expected, strict=True)


def test_iteration_decodes_each_chunk_once(movie, counts, reads):
    frames = list(movie)

    assert reads == CHUNKS
    assert len(movie) == len(frames) == 250
    np.testing.assert_array_equal(np.stack(frames), anscombe(counts), strict=True)


def test_reversed_iteration_decodes_each_chunk_once(movie, counts, reads):
    frames = list(reversed(movie))

    assert reads == CHUNKS[::-1]
    np.testing.assert_array_equal(np.stack(frames), anscombe(counts)[::-1])


def test_enumerate_and_zip_yield_frames(movie, counts, reads):
    for index, (frame, expected) in enumerate(zip(movie, counts, strict=True)):
        np.testing.assert_array_equal(frame, anscombe(expected))
        if index == 120:
            break

    assert reads == CHUNKS[:2]


@pytest.mark.parametrize("selection", [np.s_[..., ...], np.s_[:, ..., ...], np.s_[:, :, :, :]])
def test_selections_that_zarr_refuses_are_refused(selection, movie):
    with pytest.raises(IndexError, match=r"ellipsis|too many indices"):
        movie[selection]


def test_frames_of_a_chunk_are_read_once(movie, counts, reads):
    for start in range(100, 200, 10):
        frames = movie[start : start + 10]
        np.testing.assert_array_equal(frames, anscombe(counts[start : start + 10]), strict=True)

    assert reads == ["1.0.0"]


def test_a_whole_movie_is_read_once(movie, reads):
    assert movie[:].flags.owndata
    assert sorted(reads) == CHUNKS


@pytest.mark.parametrize(("local", "frames"), [(True, 200), (False, 250)])
def test_chunks_are_fetched_together(local, frames, movie, counts, monkeypatch):
    fetched, meeting = MovieStore.read_chunk, threading.Barrier(-(-frames // 100))

    def meet(self, number):
        meeting.wait(timeout=20)
        return fetched(self, number)

    monkeypatch.setattr(threads, "SMALL", 0)  # local chunks that are small are not
    monkeypatch.setattr(MovieStore, "is_local", local)
    monkeypatch.setattr(MovieStore, "read_chunk", meet)
    np.testing.assert_array_equal(movie[:frames], anscombe(counts[:frames]), strict=True)


@pytest.mark.parametrize("selection", [np.s_[:], np.s_[120:130]], ids=str)
def test_frames_of_a_damaged_chunk_are_refused(selection, movie, folder):
    (folder / "1.0.0").write_bytes(b"damaged")
    with pytest.raises(ChunkError, match=r"chunk 1\.0\.0 of .* is damaged"):
        movie[selection]


@pytest.fixture
def decoded(noted):
    """The frames, within a chunk, that are decoded at a time."""
    return noted(GroupedChunk, "frames", lambda _chunk, start, stop: (start, stop))


@pytest.fixture
def grouped(folder):
    """A movie of three chunks whose pixels are grouped."""
    rates = np.geomspace(0.2, 200, 64 * 64).reshape(64, 64)
    counts = np.random.default_rng(0).poisson(rates, (250, 64, 64)).clip(0, 255)
    return store_movie(counts, local_files(), folder, compression=GROUPED)


@pytest.mark.parametrize("small", [0, 1 << 15])
@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (0, [(0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 100), (0, 64)]),
        (79, [(79, 80), (80, 82), (82, 84), (84, 88), (88, 96), (96, 100), (0, 8), (8, 16)]),
    ],
)
def test_frames_in_order_are_decoded_together(
    start, expected, small, grouped, decoded, monkeypatch
):
    monkeypatch.setattr("dj_photon_codecs.arrays.movie_reader.SMALL", small)
    everything = grouped[:]
    decoded.clear()
    for index in range(start, 116):
        np.testing.assert_array_equal(grouped[index], everything[index], strict=True)
    assert decoded == expected


def test_frames_in_no_order_are_decoded_alone(grouped, decoded):
    for index in (70, 30, 90):
        grouped[index]
    assert decoded == [(70, 71), (30, 31), (90, 91)]


def test_many_frames_are_decoded_a_part_at_a_time(grouped, decoded, monkeypatch):
    monkeypatch.setattr("dj_photon_codecs.arrays.movie_reader.TILE", 32 * 64 * 64)
    assert grouped[10:60].shape == (50, 64, 64)
    assert decoded == [(10, 42), (42, 60)]


def test_frames_are_the_callers_own(movie, counts):
    frame = movie[3]
    frame[:] = 0

    assert frame.flags.owndata
    np.testing.assert_array_equal(movie[3], anscombe(counts[3]))


def test_threads_read_the_frames_they_ask_for(movie, counts):
    expected = anscombe(counts)

    def is_right(index):
        return np.array_equal(movie[index], expected[index])

    with ThreadPoolExecutor(8) as pool:
        frames = np.random.default_rng(5).integers(0, 250, 400).tolist()
        assert all(pool.map(is_right, frames))


def test_a_movie_is_no_list(movie):
    # whatever has __iter__ is taken for a list by pandas, and read by DeepHash
    assert not isinstance(movie, Iterable)
    assert not isinstance(movie, Sequence)
    assert not hasattr(type(movie), "__iter__")
    assert bool(movie)


def test_views_can_be_iterated(movie, counts, reads):
    # writers such as hdmf's DataChunkIterator demand __iter__
    for view in (movie.raw, movie.photons):
        np.testing.assert_array_equal(np.stack(list(iter(view))), counts)
    assert reads == [*CHUNKS, *CHUNKS[:-1]]  # chunks that were passed are dropped


def test_membership_is_as_undecided_as_that_of_arrays(movie):
    with pytest.raises(ValueError, match=r"truth value of an array .* is ambiguous"):
        assert movie[0] in movie


# ---------------------------------------------------------------------------- what reads nothing


def test_comparisons_read_nothing(movie, folder, counts, reads):
    again, other = opened_again(movie, folder), store_movie(counts, local_files(), f"{folder}2")

    assert movie == again
    assert hash(movie) == hash(again)
    assert movie != other
    assert movie != movie.raw
    assert (movie == 3) is False
    assert [other, movie].index(again) == 1
    assert len({movie, again, other}) == 2
    assert reads == []


def test_repr_says_what_it_is_and_reads_nothing(movie, folder, reads):
    stored = sum((folder / key).stat().st_size for key in CHUNKS)
    rest = (
        f"gain 1, lossless, {8 * stored / movie.size:.2f} bits per pixel, "
        f"{stored / movie.size / 2:.1%} of its size as uint16, file://{folder.as_posix()}>"
    )
    assert repr(movie) == f"<(250, 6, 7) PhotonArray of float64, {rest}"
    assert repr(movie.raw) == f"<(250, 6, 7) MovieView of uint16 in ADU, {rest}"
    assert repr(movie.photons) == f"<(250, 6, 7) MovieView of float32 in photons, {rest}"
    assert str(movie) == repr(movie)
    assert "PhotonArray" in f"{[movie]}"
    assert reads == []


def test_pandas_reads_nothing(movie, reads):
    tables = [
        pd.DataFrame([{"recording": 1, "movie": movie}]),  # as to_pandas() does
        pd.DataFrame.from_records([(1, movie)], columns=["recording", "movie"]),
    ]
    if int(pd.__version__.split(".")[0]) > 2:  # before, it made a column by NumPy, which reads
        tables.append(pd.DataFrame({"movie": [movie, movie]}))
        tables.append(pd.DataFrame({"movie": pd.Series([movie], dtype=object)}))

    for table in tables:
        assert table["movie"].iloc[0] is movie
        assert "<(250, 6, 7) PhotonArray of" in repr(table)
    assert reads == []


def test_older_pandas_shall_print_a_movie_and_not_its_values(movie):
    # pandas before 3.1 asks for the attribute, and reads up to a hundred frames of what lacks it
    for array in (movie, movie.raw):
        assert hasattr(array, "__next__")
        assert not isinstance(array, Iterator)
        with pytest.raises(TypeError, match="not an iterator"):
            next(array)
        with pytest.raises(TypeError, match=r"not an iterator; use iter\(movie\)"):
            array.__next__()
    np.testing.assert_array_equal(next(iter(movie)), movie[0])


def deep_hash(fetched):
    """Hash what make_fetch returned, as DataJoint's three-part make does."""
    return DeepHash(fetched, ignore_iterable_order=False)[fetched]


def test_deep_hash_reads_nothing_and_tells_movies_apart(movie, folder, counts, reads):
    counts[17, 3, 4] += 1
    other = store_movie(counts, local_files(), f"{folder}2")

    hashed = deep_hash([movie, 1])

    assert hashed == deep_hash([opened_again(movie, folder), 1])
    assert hashed == deep_hash([pickle.loads(pickle.dumps(movie)), 1])
    assert hashed != deep_hash([other, 1])
    assert reads == []
    assert movie[5].shape == (6, 7)
    assert hashed == deep_hash([movie, 1])


def test_dask_reads_nothing_before_it_computes(movie, counts, reads):
    lazy = dask.array.from_zarr(movie)

    assert (lazy.shape, lazy.chunksize, lazy.dtype) == ((250, 6, 7), (100, 6, 7), np.float64)
    assert reads == []
    mean = lazy.mean(axis=0).compute(scheduler="synchronous")
    np.testing.assert_allclose(mean, anscombe(counts).mean(axis=0), rtol=1e-12)
    assert sorted(reads) == CHUNKS


def test_dask_reads_a_movie_in_threads_and_processes(movie, counts):
    lazy = dask.array.from_zarr(pickle.loads(pickle.dumps(movie)))

    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), anscombe(counts))


def test_numpy_is_refused_an_array_without_a_copy(movie, reads):
    with pytest.raises(ValueError, match="cannot become an array without a copy"):
        np.array(movie, copy=False)
    assert reads == []


def test_numpy_reads_the_whole_movie_into_an_object_array(movie, reads):
    # numpy calls __array__ whatever the dtype; this pins what the documentation warns of
    assert np.array([movie], dtype=object).shape == (1, 250, 6, 7)
    assert sorted(reads) == CHUNKS

    reads.clear()
    row = np.empty(1, object)
    row[0] = movie
    assert row[0] is movie
    assert reads == []


# ---------------------------------------------------------------------------- pickles


def test_a_pickle_holds_no_codes(movie, counts, reads):
    fresh = pickle.dumps(movie)
    assert reads == []
    for read in [movie, movie.raw, movie.photons]:
        assert read[249].shape == (6, 7)
        assert read[:].shape == (250, 6, 7)

    assert len(pickle.dumps(movie)) < len(fresh) + 200
    again = pickle.loads(fresh)
    assert type(again) is PhotonArray
    assert again == movie
    np.testing.assert_array_equal(again[249], anscombe(counts[249]))


def test_copies_are_movies(movie, counts):
    for same in [copy.copy(movie), copy.deepcopy(movie)]:
        assert same == movie
        np.testing.assert_array_equal(same[120], anscombe(counts[120]))


# ---------------------------------------------------------------------------- views


@pytest.mark.parametrize("dtype", ["|b1", "|u1", "<i8", ">u2", "<f2", ">f8"])
def test_views_have_the_dtype_of_what_was_inserted_or_float32(dtype, folder):
    values = photon_counts((30, 4, 5), dtype=dtype)

    movie = store_movie(values, local_files(), folder)

    assert movie.raw.dtype == values.dtype
    assert movie.photons.dtype == np.dtype("f4")
    assert isinstance(movie.raw, zarr.Array)
    assert isinstance(movie.photons, zarr.Array)
    assert movie.raw.chunks == movie.photons.chunks == movie.chunks
    np.testing.assert_array_equal(movie.photons[:], values.astype("f4"), strict=True)


def test_camera_movies_know_their_calibration(folder):
    values = camera_values()

    movie = store_movie(CameraMovie(values, CAMERA), local_files(), folder)

    assert movie.calibration == CAMERA
    assert movie.step is None
    assert ", gain 50, lossless, " in repr(movie)
    photons = (values - CAMERA.offset) / CAMERA.gain
    np.testing.assert_array_equal(movie.photons[:], photons.astype("f4"), strict=True)
    assert movie.photons[:].min() < 0


def test_photon_counts_have_the_calibration_of_counts(movie):
    assert movie.calibration == Calibration(gain=1, offset=0, variance=0)
    assert movie.step is None


def test_views_read_chunks_when_they_are_indexed_only(movie, reads):
    raw, photons = movie.raw, movie.photons
    assert reads == []

    assert raw[100:110].shape == photons[100:110].shape == movie[100:110].shape
    assert reads == ["1.0.0"]  # once for all of them


@pytest.fixture(params=["raw", "photons"])
def view(request):
    return request.param


def test_views_have_a_length_and_decode_each_chunk_once(view, movie, counts, reads):
    frames = list(getattr(movie, view))

    assert len(getattr(movie, view)) == 250
    np.testing.assert_array_equal(np.stack(frames), counts)
    assert {frame.dtype for frame in frames} == {getattr(movie, view).dtype}
    assert reads == CHUNKS


def test_a_view_keeps_its_chunk_from_one_use_to_the_next(view, movie, counts, reads):
    for index in (120, 121, 199):
        np.testing.assert_array_equal(getattr(movie, view)[index], counts[index])
    assert reads == ["1.0.0"]


def test_views_are_read_only(view, movie):
    with pytest.raises(ValueError, match=r"a stored movie is read-only"):
        getattr(movie, view)[0] = 0


WRITES = {
    "basic": lambda array: array.set_basic_selection((0,), 5, fields=None),
    "orthogonal": lambda array: array.oindex.__setitem__(([0, 2],), 5),
    "coordinates": lambda array: array.vindex.__setitem__(([0], [1], [2]), 5),
    "mask": lambda array: array.set_mask_selection(np.ones(array.shape, bool), 5),
    "blocks": lambda array: array.blocks.__setitem__((0,), 5),
    "resize": lambda array: array.resize((10, *array.shape[1:])),
    "append": lambda array: array.append(np.zeros((1, *array.shape[1:]))),
    "attributes": lambda array: array.update_attributes({"animal": 5}),
    "one attribute": lambda array: array.attrs.__setitem__("animal", 5),
    "all attributes": lambda array: array.attrs.put({"animal": 5}),
    "no attribute": lambda array: array.attrs.__delitem__("crc32c"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_no_way_of_writing_that_zarr_has_reads_a_chunk_or_changes_it(view, write, movie, reads):
    for array in (movie, getattr(movie, view)):
        before = copy.deepcopy(array.movie_store.documents)
        with pytest.raises(ValueError, match=r"a stored movie is read-only"):
            write(array)
        assert array.attrs.asdict() == before["zattrs"]
        assert array.shape == (250, 6, 7)
        assert array.movie_store.documents == before
    assert reads == []


def test_a_pickled_view_is_that_view(view, movie, counts):
    again = pickle.loads(pickle.dumps(getattr(movie, view)))

    assert again.dtype == getattr(movie, view).dtype
    np.testing.assert_array_equal(again[90:110], counts[90:110])


def test_frames_of_a_view_are_the_callers_own(view, movie, counts):
    for selection in (7, np.s_[7:9], np.s_[:], np.s_[7, 2:4]):
        values = getattr(movie, view)[selection]
        values[...] = 0
        np.testing.assert_array_equal(getattr(movie, view)[selection], counts[selection])


@pytest.mark.filterwarnings("ignore:movie has dtype bool")
@pytest.mark.parametrize("dtype", ["|b1", "|i1", "<i8", ">u2", "<f2", "<f4", ">f8"])
@pytest.mark.parametrize("compression", [PLAIN, GROUPED], ids=["plain", "grouped"])
def test_views_of_any_dtype_read_in_bulk_and_in_frames(dtype, compression, folder):
    values = photon_counts((130, 40, 50), rate=1, dtype=dtype)

    movie = store_movie(values, local_files(), folder, compression=compression)

    for selection in (np.s_[:], np.s_[20:125], np.s_[3:9], 104, np.s_[:, 3:5]):
        np.testing.assert_array_equal(movie.raw[selection], values[selection], strict=True)


# ---------------------------------------------------------------------------- other arrays


@pytest.fixture
def plain_values(tmp_path, counts):
    """Store transformed values as plain zarr does, without our filter, in chunks of a shape."""

    def store(chunks):
        path = tmp_path / "plain.zarr"
        array = zarr.create_array(
            path,
            shape=counts.shape,
            chunks=chunks,
            dtype="float64",
            zarr_format=2,
            attributes={
                "codec_version": "1.0",
                "anscombe_gain": 1.0,
                "anscombe_offset": 0.0,
                "anscombe_variance": 0.0,
                "quantization_step": None,
            },
        )
        array[:] = anscombe(counts)
        document: dict[str, Any] = dict(array.metadata.to_dict())
        attributes = document.pop("attributes")
        documents = Documents(zarray=document, zattrs=attributes)
        return open_movie(local_files(), str(path), documents)

    return store


@pytest.fixture
def plain(plain_values):
    return plain_values((100, 6, 7))


def test_plain_transformed_values_read_as_they_are(plain, counts):
    np.testing.assert_array_equal(plain[:], anscombe(counts), strict=True)
    np.testing.assert_array_equal(np.stack(list(plain)), anscombe(counts), strict=True)
    assert plain[3].flags.owndata
    assert plain.verify() == []
    assert "PhotonArray" in repr(plain)


def test_plain_values_in_pieces_of_frames_read_as_they_are(counts, plain_values):
    movie = plain_values((100, 3, 4))

    np.testing.assert_array_equal(movie[:], anscombe(counts), strict=True)
    np.testing.assert_array_equal(np.stack(list(movie)), anscombe(counts), strict=True)
    np.testing.assert_array_equal(movie[90:110, 2:5], anscombe(counts)[90:110, 2:5], strict=True)


def test_views_of_plain_transformed_values_say_what_to_do(view, plain):
    with pytest.raises(
        ValueError, match=r"stored as plain transformed values, .* use generalized_inverse_anscombe"
    ):
        getattr(plain, view)


def test_a_movie_over_another_store_explains_itself(movie, folder):
    documents = movie.movie_store.documents
    stray = PhotonArray.from_dict(
        StorePath(LocalStore(folder, read_only=True)),
        {**documents["zarray"], "attributes": documents["zattrs"]},
    )

    with pytest.raises(TypeError, match=r"a PhotonArray lies on a MovieStore, not on .*open_movie"):
        repr(stray)


def test_a_movie_whose_directory_is_gone_asks_where_it_is(movie, folder):
    folder.rename(folder.with_name("elsewhere"))

    for read in [
        lambda: movie[0],
        lambda: movie[0:5],
        lambda: movie.raw[:],
        lambda: list(movie),
        movie.verify,
    ]:
        with pytest.raises(MovieNotFoundError, match=r"nothing of the movie is at .*mounted\?"):
            read()
