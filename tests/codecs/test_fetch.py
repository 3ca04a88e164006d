"""Fetching opens movies and reads none, and what was fetched travels to threads and processes."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import datajoint as dj
import numpy as np
import pytest

from dj_photon_codecs import PhotonArray
from tests.conftest import connected, new_schema_name
from tests.tables import (
    declare_recording,
    filesystem,
    photons,
    root,
    row_of,
    run_python,
    transformed,
)

ROWS = 300


@pytest.fixture
def counted(database, relay, relayed_store):
    """Rows of which all share one movie, on a store that only the relay reaches."""
    with connected(database, {"default": "imaging", "imaging": relayed_store}):
        recording = declare_recording(dj.Schema(new_schema_name()))
        recording.insert1({"recording_id": 0, "movie": photons()})
        add_rows(recording, ROWS)
        filesystem(relayed_store).invalidate_cache()  # of what the insert saw
        relay.requests.clear()
        yield recording, relay


def add_rows(recording, count):
    quote = recording.connection.adapter.quote_identifier
    columns = f"{quote('recording_id')}, {quote('movie')}"
    for doubled in range((count - 1).bit_length()):
        recording.connection.query(
            f"INSERT INTO {recording.full_table_name} ({columns}) "  # noqa: S608
            f"SELECT {quote('recording_id')} + {2**doubled}, {quote('movie')} "
            f"FROM {recording.full_table_name}"
        )
    (recording & f"recording_id >= {count}").delete_quick()


FETCHES = {
    "fetch1": lambda table: [(table & {"recording_id": 3}).fetch1("movie")],
    "whole row": lambda table: [(table & {"recording_id": 3}).fetch1()["movie"]],
    "dicts": lambda table: [row["movie"] for row in table.to_dicts()],
    "limited dicts": lambda table: [row["movie"] for row in table.to_dicts(limit=5)],
    "pandas": lambda table: list(table.to_pandas()["movie"]),
    "iteration": lambda table: [row["movie"] for row in table],
    "join": lambda table: [row["movie"] for row in (table * table.proj()).to_dicts()],
    "keys": lambda table: table.keys() and [],
    "length": lambda table: len(table) and [],
    "preview": lambda table: table.preview() and [],
    "repr": lambda table: repr(table) and [],
    "notebook": lambda table: table._repr_html_() and [],
}


@pytest.mark.parametrize("fetch", FETCHES.values(), ids=FETCHES)
def test_fetch_makes_no_request(counted, fetch):
    recording, relay = counted

    movies = fetch(recording())

    assert relay.requests == []
    assert all(isinstance(movie, PhotonArray) for movie in movies)
    assert len(movies) in (0, 1, 5, ROWS)


def test_handling_a_movie_as_an_object_makes_no_request(counted):
    recording, relay = counted
    movie, other = (recording & "recording_id < 2").to_dicts()
    movie, other = movie["movie"], other["movie"]

    assert movie == other
    assert len({movie, other}) == 1
    assert len(movie) == 120
    assert repr(movie) in str([movie])
    assert (movie.shape, movie.attrs["codec_name"]) == ((120, 8, 8), "photon")
    assert movie.raw.dtype == np.int64
    held = np.empty(1, object)
    held[0] = movie
    pickle.loads(pickle.dumps(movie))

    assert relay.requests == []


def read_at_once(movie):
    movie[:]


def read_in_a_loop(movie):
    for frame in movie:
        assert frame.shape == (8, 8)


@pytest.mark.parametrize("read", [read_at_once, read_in_a_loop])
def test_reading_a_movie_gets_each_chunk_once(counted, read):
    recording, relay = counted
    movie = (recording & {"recording_id": 3}).fetch1("movie")

    read(movie)

    asked = [each.target.rpartition("/")[2] for each in relay.requests if each.method == "GET"]
    assert sorted(asked) == ["0.0.0", "1.0.0"]
    # s3fs may ask for the size of a file before it reads it.
    assert {each.method for each in relay.requests} <= {"GET", "HEAD"}


@pytest.mark.parametrize(
    "fetch",
    [
        lambda table: table.to_arrays("movie"),
        lambda table: table.to_arrays()["movie"],
        lambda table: table.fetch("movie"),
    ],
    ids=["to_arrays", "structured", "fetch"],
)
@pytest.mark.filterwarnings("ignore:fetch:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fetch.*deprecated")
def test_fetches_as_arrays_read_whole_movies(counted, fetch):
    # DataJoint calls np.array(values), which no array can prevent; the documentation warns of it.
    recording, relay = counted

    fetched = fetch(recording & "recording_id < 3")

    assert relay.requests
    for movie in fetched:
        np.testing.assert_array_equal(np.asarray(movie, float), transformed(photons()))


# ---------------------------------------------------------------------------- other readers


@pytest.fixture
def movie(schema):
    recording = declare_recording(schema)
    recording.insert1({"recording_id": 1, "movie": photons(210)})
    return recording.fetch1("movie")


def frame_sum(movie, frame):
    return float(movie[frame].sum())


EXPECTED = transformed(photons(210)).sum(axis=(1, 2))


def test_pickles_read_the_same_and_stay_read_only(movie):
    movie[5]

    copy = pickle.loads(pickle.dumps(movie))

    assert isinstance(copy, PhotonArray)
    assert copy == movie
    np.testing.assert_array_equal(copy[:], transformed(photons(210)))
    np.testing.assert_array_equal(copy.raw[:], photons(210))
    with pytest.raises(ValueError, match="read-only"):
        copy[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        copy.attrs["codec_version"] = "9"
    with pytest.raises(ValueError, match="read-only"):
        copy.resize((1, 8, 8))


def test_threads_read_one_movie(movie):
    frames = [number % 210 for number in range(0, 2100, 11)]

    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(frame_sum, [movie] * len(frames), frames))

    np.testing.assert_allclose(sums, EXPECTED[frames], rtol=1e-12)


def test_spawned_processes_read_a_fetched_movie(movie):
    frames = [0, 99, 100, 209]

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        sums = list(pool.map(frame_sum, [movie] * len(frames), frames))

    np.testing.assert_allclose(sums, EXPECTED[frames], rtol=1e-12)


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_dask_reads_a_fetched_movie(movie, scheduler):
    array = pytest.importorskip("dask.array")

    sums = array.from_zarr(movie).sum(axis=(1, 2)).compute(scheduler=scheduler)

    np.testing.assert_allclose(sums, EXPECTED, rtol=1e-12)


@pytest.mark.parametrize("new_store", ["local"], indirect=True)
def test_dask_reads_in_processes(movie):
    array = pytest.importorskip("dask.array")
    graph = array.from_zarr(movie).sum(axis=(1, 2))

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        sums = graph.compute(scheduler="processes", pool=pool)

    np.testing.assert_allclose(sums, EXPECTED, rtol=1e-12)


READ = """
import sys, zarr
import numpy as np
movie = zarr.open_array(sys.argv[1], mode="r")
assert "datajoint" not in sys.modules
np.save(sys.argv[2], movie[:])
assert "datajoint" not in sys.modules
print(type(movie).__name__, movie.dtype, movie.chunks)
"""


@pytest.mark.parametrize("new_store", ["local"], indirect=True)
def test_fresh_process_reads_with_zarr_alone(schema, store, tmp_path):
    recording = declare_recording(schema)
    recording.insert1({"recording_id": 1, "movie": photons(210)})
    path = f"{root(store)}/{row_of(recording)['path']}"

    said = run_python(READ, path, str(tmp_path / "read.npy")).stdout

    assert said.strip() == "Array float64 (100, 8, 8)"
    np.testing.assert_array_equal(np.load(tmp_path / "read.npy"), transformed(photons(210)))
