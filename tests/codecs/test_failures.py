"""Whatever goes wrong, no row refers to a movie that is not whole, and no part of it is left."""

import _thread
import errno
import threading
import time
from uuid import uuid4

import datajoint as dj
import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError

from tests.conftest import connected, new_schema_name
from tests.tables import (
    contents,
    declare_recording,
    filesystem,
    on_write,
    photons,
    root,
    row_of,
    transformed,
)

WRITES = 5  # of a movie of 230 frames: three chunks, then two documents


@pytest.fixture
def recording(schema):
    """A table with one movie, which no failure may touch."""
    table = declare_recording(schema)
    table.insert1({"recording_id": 1, "movie": photons(230)})
    return table


def assert_unchanged(recording, store, before):
    assert contents(store) == before
    assert len(recording()) == 1
    np.testing.assert_array_equal(recording.fetch1("movie")[:], transformed(photons(230)))


# ---------------------------------------------------------------------------- inserts that fail


@pytest.mark.parametrize("failing", range(WRITES))
def test_store_that_fails_at_a_write_keeps_nothing(recording, store, monkeypatch, failing):
    before = contents(store)

    def fail(_, number):
        if number == failing:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        on_write(patch, store, fail)
        with pytest.raises(OSError, match="No space left on device"):
            recording.insert1({"recording_id": 2, "movie": photons(230)})

    assert_unchanged(recording, store, before)
    recording.insert1({"recording_id": 2, "movie": photons(230)})
    assert (recording & {"recording_id": 2}).fetch1("movie").verify() == []


@pytest.mark.parametrize("failing", range(WRITES))
def test_interrupted_insert_keeps_nothing(recording, store, monkeypatch, failing):
    before = contents(store)

    def interrupt(_, number):
        if number == failing:
            _thread.interrupt_main()

    with monkeypatch.context() as patch:
        on_write(patch, store, interrupt)
        with pytest.raises(KeyboardInterrupt):
            recording.insert1({"recording_id": 2, "movie": photons(230)})

    assert_unchanged(recording, store, before)


def test_interrupt_while_threads_start_keeps_nothing(recording, store, monkeypatch):
    # Then a thread runs that its pool does not know yet, and will not wait for.
    before = contents(store)
    start, started, writing = threading.Thread.start, threading.Event(), threading.Event()

    def start_and_interrupt(thread):
        start(thread)
        if thread.name.startswith("photon") and not started.is_set():
            started.set()
            writing.wait(0.5)
            raise KeyboardInterrupt

    def write_slowly(*_):
        writing.set()
        time.sleep(0.5)

    with monkeypatch.context() as patch:
        on_write(patch, store, write_slowly)
        patch.setattr(threading.Thread, "start", start_and_interrupt)
        patch.setenv("DJ_PHOTON_THREADS", "3")  # a limit that changes means new threads
        with pytest.raises(KeyboardInterrupt):
            recording.insert1({"recording_id": 2, "movie": photons(230)})
    time.sleep(0.6)  # for a thread that would write behind the clean-up's back

    assert_unchanged(recording, store, before)


def test_first_insert_of_a_store_leaves_it_empty_when_it_fails(schema, store, monkeypatch):
    recording = declare_recording(schema)

    def fail(path, _):
        if path.endswith(".zattrs"):
            raise OSError("gone")

    on_write(monkeypatch, store, fail)
    with pytest.raises(OSError, match="gone"):
        recording.insert1({"recording_id": 1, "movie": photons(230)})

    assert contents(store) == set()


def test_interrupted_copy_keeps_nothing(recording, store, monkeypatch):
    before = contents(store)
    movie = recording.fetch1("movie")

    def interrupt(_, number):
        if number == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        on_write(patch, store, interrupt)
        with pytest.raises(KeyboardInterrupt):
            recording.insert1({"recording_id": 2, "movie": movie})

    assert_unchanged(recording, store, before)


def test_movie_that_cannot_be_read_keeps_nothing(recording, store):
    before = contents(store)

    class Torn(np.ndarray):
        """A memory map of a file that is cut off behind frame 150 while it is inserted."""

        reads = 0

        def __getitem__(self, selection):
            Torn.reads += 1
            if Torn.reads > 3 and isinstance(selection, slice) and (selection.stop or 0) > 150:
                raise OSError("the file ends here")
            return super().__getitem__(selection)

    with pytest.raises(OSError, match="the file ends here"):
        recording.insert1({"recording_id": 2, "movie": photons(230).view(Torn)})

    assert_unchanged(recording, store, before)


# ---------------------------------------------------------------------------- a server that refuses


@pytest.fixture
def relayed(database, relay, relayed_store):
    with connected(database, {"default": "imaging", "imaging": relayed_store}):
        yield declare_recording(dj.Schema(new_schema_name()))


@pytest.mark.parametrize("file", ["0.0.0", "2.0.0", ".zattrs", ".zarray"])
def test_server_that_refuses_a_file_keeps_nothing(relayed, relay, relayed_store, file):
    relay.refuse = lambda request: request.method == "PUT" and request.target.endswith(f"/{file}")

    with pytest.raises(PermissionError, match="refused by a test"):
        relayed.insert1({"recording_id": 1, "movie": photons(230)})

    assert contents(relayed_store) == set()
    assert len(relayed()) == 0


def test_server_that_refuses_to_remove_is_told_about(relayed, relay, relayed_store):
    relay.refuse = lambda request: (
        request.method in ("DELETE", "POST") or request.target.endswith("/.zarray")
    )

    with pytest.raises(PermissionError, match="refused by a test") as caught:
        relayed.insert1({"recording_id": 1, "movie": photons(230)})

    assert "DataJoint's garbage collection will remove it" in "".join(caught.value.__notes__)
    assert len(relayed()) == 0
    relay.refuse = lambda _: False
    schema = dj.Schema(relayed.database)
    assert dj.gc.GarbageCollector(schema).collect(dry_run=False)["schema_paths_deleted"] == 5
    assert contents(relayed_store) == set()


@pytest.mark.parametrize(
    "failure", [OSError("gone"), EndpointConnectionError(endpoint_url="gone")], ids=["disk", "s3"]
)
def test_interrupt_survives_a_clean_up_that_fails(recording, store, monkeypatch, failure):
    def interrupt(path, _):
        if path.endswith(".zattrs"):
            raise KeyboardInterrupt

    def remove(path):
        raise failure

    with monkeypatch.context() as patch:
        on_write(patch, store, interrupt)
        patch.setattr(filesystem(store), "rm_file", remove)
        with pytest.raises(KeyboardInterrupt) as caught:
            recording.insert1({"recording_id": 2, "movie": photons(230)})

    (note,) = caught.value.__notes__
    assert "Part of the movie may be left at" in note
    assert str(failure) in note
    assert len(recording()) == 1
    schema, everything = dj.Schema(recording.database), contents(store)
    collected = dj.gc.GarbageCollector(schema).collect(dry_run=False)
    left = [path for path in everything if "recording_id=2/movie" in path and ".zarr/" in path]
    assert collected["schema_paths_deleted"] == len(left) > 0
    assert contents(store).isdisjoint(left)


# ---------------------------------------------------------------------------- damage


def flip_a_bit(fs, chunk):
    stored = bytearray(fs.cat_file(chunk))
    stored[len(stored) // 2] ^= 4
    fs.pipe_file(chunk, bytes(stored))


def cut_off(fs, chunk):
    fs.pipe_file(chunk, fs.cat_file(chunk)[:-1])


def empty(fs, chunk):
    fs.pipe_file(chunk, b"")


def exchange(fs, chunk):
    fs.pipe_file(chunk, fs.cat_file(chunk.replace("1.0.0", "0.0.0")))


def remove(fs, chunk):
    fs.rm_file(chunk)


DAMAGES = [flip_a_bit, cut_off, empty, exchange, remove]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_chunks_raise_and_are_named(recording, store, damage):
    movie = recording.fetch1("movie")
    damage(filesystem(store), f"{root(store)}/{row_of(recording)['path']}/1.0.0")

    words = "is missing" if damage is remove else "is damaged"
    for read in (
        lambda: movie[:],
        lambda: movie[150],
        lambda: movie[150:160, 2:4],
        lambda: movie.raw[150:160],
        lambda: movie.photons[150],
    ):
        with pytest.raises(OSError, match=rf"chunk 1.0.0 of .*{words}.*movie.verify\(\) names"):
            read()
    assert movie.verify() == ["1.0.0"]
    np.testing.assert_array_equal(movie[:100], transformed(photons(230)[:100]))
    np.testing.assert_array_equal(movie[200:], transformed(photons(230)[200:]))


@pytest.mark.parametrize("damage", [flip_a_bit, remove])
def test_damaged_movie_is_not_copied(recording, store, damage):
    movie = recording.fetch1("movie")
    damage(filesystem(store), f"{root(store)}/{row_of(recording)['path']}/1.0.0")
    before = contents(store)

    with pytest.raises(OSError, match=r"chunk 1\.0\.0 of"):
        recording.insert1({"recording_id": 2, "movie": movie})

    assert contents(store) == before
    assert len(recording()) == 1


def test_movie_whose_directory_is_gone_opens_and_says_so_when_read(recording, store):
    fs = filesystem(store)
    for file in fs.find(f"{root(store)}/{row_of(recording)['path']}"):
        fs.rm_file(file)

    movie = recording.fetch1("movie")

    assert movie.shape == (230, 8, 8)
    for read in (lambda: movie[0], movie.verify):
        with pytest.raises(FileNotFoundError, match=r"nothing of the movie is at .*store mounted"):
            read()


def test_store_that_is_not_configured_any_more_is_named(recording):
    name = uuid4().hex
    with (
        dj.config.override(stores={"default": name}),
        pytest.raises(
            ValueError, match=r"in the store 'imaging', and the configured ones are \[\]"
        ),
    ):
        recording.fetch1("movie")


def test_a_local_store_that_is_not_there_is_named(schema, tmp_path):
    recording = declare_recording(schema)
    recording.insert1({"recording_id": 1, "movie": photons()})
    gone = {"protocol": "file", "location": str(tmp_path / "unmounted")}

    with dj.config.override(stores={"imaging": gone}):
        for use in (
            lambda: recording.insert1({"recording_id": 2, "movie": photons()}),
            lambda: recording.fetch1("movie"),
        ):
            with pytest.raises(FileNotFoundError, match=r"'imaging' is not there: .*unmounted"):
                use()
    assert len(recording()) == 1
