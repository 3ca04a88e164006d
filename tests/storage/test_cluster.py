"""Inserts by the workers of a dask cluster: what they write, and what is left when they fail."""

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask
import dask.array
import datajoint as dj
import distributed
import numpy as np
import pytest
import xarray
from fsspec.implementations.memory import MemoryFileSystem

import dj_photon_codecs
from dj_photon_codecs.codecs import PhotonCodec, PhotonDenseCodec
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.movies.progress import Progress, set_progress
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage import cluster as cluster_module
from dj_photon_codecs.storage.cluster import Cluster
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.files.worker_files import WorkerFiles, stop_writing
from tests.conftest import connected, new_schema_name
from tests.movies_at_hand import CAMERA, camera_values, local_files, photon_counts, tree
from tests.tables import contents, declare_recording, on_write, photons, transformed

# dask 2025.1, of threads that a test asks for beside the cluster
pytestmark = pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler")

SHAPE = (230, 16, 16)
UNEVEN = ((7, 90, 3, 100, 30), (16,), (9, 7))


@pytest.fixture
def folder(tmp_path):
    """The folder of a local store that is the default one; no database is asked."""
    (tmp_path / "store").mkdir()
    with dj.config.override(stores=stores_at(tmp_path / "store")):
        yield tmp_path / "store"


def stores_at(folder):
    return {"default": "imaging", "imaging": {"protocol": "file", "location": str(folder)}}


def lazy(values, chunks=(30, 16, 16), *, each=None, **options):
    """Return a dask array of values, for whose blocks a function is called as they are computed."""
    array = dask.array.from_array(values, chunks=chunks)
    return array.map_blocks(each, dtype=values.dtype, **options) if each else array


def noted(block, block_info=None, notes=None):
    """Note in a folder, which all processes see, that a block was computed, and where."""
    place = "-".join(map(str, block_info[0]["chunk-location"]))
    Path(notes, f"{place}.{os.getpid()}.{uuid4().hex}").touch()
    return block


def in_threads(movie, codec=PhotonCodec):
    """Do what an insert without a cluster does."""
    with dask.config.set(scheduler="threads"):
        return codec().encode(movie)


def stored(row):
    """Return what is in a row, but for its path."""
    return {name: value for name, value in row.items() if name != "path"}


# ---------------------------------------------------------------------------- what is written


def just(array):
    return array


def camera(array):
    return CameraMovie(array, CAMERA)


def steps(array):
    return CameraMovie(array, CAMERA, step=0.5)


def named(array):
    return xarray.DataArray(array, dims=("time", "y", "x"))


COUNTS = photon_counts(SHAPE)
MOVIES = {  # values, what is inserted, how often each block is computed, chunks
    "counts": (COUNTS, just, 1, UNEVEN),
    "tiles": (photon_counts(SHAPE, dtype="u1"), just, 1, (230, 5, 16)),
    "big-endian": (photon_counts(SHAPE, dtype=">u2"), just, 1, UNEVEN),
    "long integers": (photon_counts(SHAPE, dtype="i8"), just, 2, UNEVEN),
    "whole floats": (photon_counts(SHAPE, dtype="f4"), just, 2, UNEVEN),
    "floats": (camera_values(SHAPE, dtype="f8"), camera, 2, UNEVEN),
    "steps": (camera_values(SHAPE), steps, 2, UNEVEN),
    "tiles in steps": (camera_values(SHAPE), steps, 2, (230, 5, 16)),
    "xarray": (COUNTS, named, 1, UNEVEN),
    "tiny": (photon_counts((1, 1, 1)), just, 1, (1, 1, 1)),
    "five axes": (photon_counts((101, 2, 1, 2, 1)), just, 1, (40, 2, 1, 1, 1)),
}


@pytest.mark.slow
@pytest.mark.parametrize(("values", "movie_of", "times", "chunks"), MOVIES.values(), ids=MOVIES)
def test_workers_write_what_threads_write(
    client, folder, tmp_path, *, values, movie_of, times, chunks
):
    (notes := tmp_path / "notes").mkdir()

    row = PhotonCodec().encode(movie_of(lazy(values, chunks, each=noted, notes=notes)))

    assert stored(row) == stored(in_threads(movie_of(lazy(values, chunks))))
    movie = PhotonCodec().decode(row)
    assert movie.verify() == []
    if movie.step is None:
        np.testing.assert_array_equal(movie.raw[:], values, strict=True)
    computed = [name.name.split(".") for name in notes.iterdir()]
    places = [place for place, _, _ in computed]
    assert max(map(places.count, places)) == times
    assert str(os.getpid()) not in {process for _, process, _ in computed}


def test_chunks_are_encoded_in_parts(client, folder, monkeypatch):
    monkeypatch.setattr(cluster_module, "PART_BYTES", 30 * 16 * 16 * 8)
    movie = CameraMovie(lazy(camera_values(SHAPE, dtype="f8"), UNEVEN), CAMERA, step=0.5)

    row = PhotonDenseCodec().encode(movie)

    assert stored(row) == stored(in_threads(movie, PhotonDenseCodec))


def test_the_client_writes_the_documents_only(client, schema, store, monkeypatch):
    recording = declare_recording(schema)
    counts = photons(230)
    written = []
    on_write(monkeypatch, store, lambda path, _: written.append(path.rpartition("/")[2]))

    recording.insert1({"recording_id": 1, "movie": lazy(counts.astype("u2"), (50, 8, 4))})

    assert written == [".zattrs", ".zarray"]
    np.testing.assert_array_equal(recording.fetch1("movie")[:], transformed(counts))


def test_progress_counts_the_chunks_that_workers_have_written(client, folder):
    seen: list[Progress] = []
    set_progress(seen.append, after=0)
    try:
        row = PhotonCodec().encode(lazy(photon_counts(SHAPE)))
    finally:
        set_progress("auto")

    last = seen[-1]
    assert (last.task, last.frames, last.total, last.finished) == ("insert", 230, 230, True)
    assert last.bytes_in == 230 * 16 * 16 * 2
    assert last.bytes_out == row[".zattrs"]["stored_bytes"]


def test_threads_insert_where_they_are_asked_for(client, folder, tmp_path):
    movie = lazy(photon_counts(SHAPE), each=noted, notes=tmp_path)

    in_threads(movie)

    names = [file.name for file in tmp_path.iterdir() if file.is_file()]
    assert names
    assert {name.split(".")[1] for name in names} == {str(os.getpid())}


# ---------------------------------------------------------------------------- workers that fail


def fail(block, block_info=None):
    if block_info[0]["chunk-location"][0] == 6:
        raise LookupError("registration failed")
    return block


def test_a_block_that_fails_leaves_nothing(client, schema, store):
    recording = declare_recording(schema)

    with pytest.raises(LookupError, match="registration failed"):
        recording.insert1({"recording_id": 1, "movie": lazy(photon_counts(SHAPE), each=fail)})

    assert contents(store) == set()
    assert len(recording()) == 0


def test_a_server_that_refuses_a_chunk_leaves_nothing_and_no_secret(
    client, database, s3, relay, relayed_store
):
    relay.refuse = lambda request: request.method == "PUT" and request.target.endswith("/1.0.0")
    movie = lazy(photon_counts(SHAPE))

    with connected(database, {"default": "imaging", "imaging": relayed_store}):
        recording = declare_recording(dj.Schema(new_schema_name()))
        with pytest.raises(PermissionError, match=r"1\.0\.0 in the store 'imaging' failed.*test"):
            recording.insert1({"recording_id": 1, "movie": movie})
        assert len(recording()) == 0

    assert contents(relayed_store) == set()
    said = str(client.get_worker_logs())
    assert "write_chunk" in said
    assert s3.secret_key not in said + str(client.run_on_scheduler(tasks_of_scheduler))


def tasks_of_scheduler(dask_scheduler=None):
    return [str(task) for task in dask_scheduler.tasks]


def slowly(block, block_info=None, mark=None):
    if block_info[0]["chunk-location"][0] >= 5:
        Path(mark).touch()
        time.sleep(0.1)
    return block


def test_an_interrupt_leaves_nothing(client, folder, tmp_path):
    mark, main = tmp_path / "mark", threading.get_ident()

    def interrupt():
        while not mark.exists():
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)  # unlike interrupt_main, it wakes a thread

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        PhotonCodec().encode(lazy(photon_counts(SHAPE), (1, 16, 16), each=slowly, mark=mark))

    thread.join()
    assert not tree(folder)


ILLEGAL = {
    "negative": (-3, "movie holds -3.0 at frame 203; photon counts must be >= 0"),
    "NaN": (np.nan, "movie holds nan at frame 203; every value must be finite"),
}


@pytest.mark.parametrize(("value", "said"), ILLEGAL.values(), ids=ILLEGAL)
def test_an_illegal_value_is_named_with_its_frame(client, folder, value, said):
    values = photon_counts(SHAPE, dtype="f4")
    values[203, 4, 5] = value

    with pytest.raises(ValueError, match=said):
        PhotonCodec().encode(lazy(values))
    with pytest.raises(ValueError, match=said):
        PhotonCodec.check(lazy(values))

    assert not tree(folder)


def changing(block, block_info=None, mark=None):
    if block_info[0]["chunk-location"][0] == 6:
        if Path(mark).exists():
            return block + 1
        Path(mark).touch()
    return block


BROKEN = {
    "another dtype": (lambda block: block.astype("f4"), r"dtype uint16 for .* dtype float32"),
    "another shape": (lambda block: block[:, :, 1:], r"promised shape \(100, .*\(100, 16, 15\)"),
    "masked": (lambda block: np.ma.masked_less(block, 2), "masked values in frames 0 to 99"),
}


@pytest.mark.parametrize(("each", "said"), BROKEN.values(), ids=BROKEN)
def test_blocks_that_are_not_as_promised_leave_nothing(client, folder, each, said):
    movie = lazy(photon_counts((100, 16, 16)), (100, 16, 16), each=each)

    with pytest.raises(ValueError, match=said):
        PhotonCodec().encode(movie)

    assert not tree(folder)


def test_values_that_change_leave_nothing(client, folder, tmp_path):
    movie = lazy(photon_counts(SHAPE, dtype="i4"), each=changing, mark=tmp_path / "mark")

    with pytest.raises(ValueError, match=r"changed since it was first read: frame (180|200) is"):
        PhotonCodec().encode(movie)

    assert not tree(folder)


# ---------------------------------------------------------------------------- the cluster


def insert_in_task(folder, seed):
    """Insert in a task on a worker, as `populate` does that a user runs there."""
    with dj.config.override(stores=stores_at(folder)):
        return PhotonCodec().encode(lazy(photon_counts(SHAPE, seed=seed)), key={"id": seed})


def test_as_many_inserts_as_workers_run_in_tasks(client, folder):
    tasks = client.map(insert_in_task, [folder] * 3, range(3))

    rows = client.gather(tasks)

    for seed, row in enumerate(rows):
        values = photon_counts(SHAPE, seed=seed)
        np.testing.assert_array_equal(PhotonCodec().decode(row).raw[:], values, strict=True)


async def test_an_asynchronous_client_inserts_from_a_thread(dask_cluster, folder):
    values = photon_counts(SHAPE)
    address = dask_cluster.scheduler_address

    async with distributed.Client(address, asynchronous=True):
        with pytest.raises(RuntimeError, match=r"asynchronous.*await asyncio\.to_thread\(table"):
            PhotonCodec().encode(lazy(values))
        assert not tree(folder)
        row = await asyncio.to_thread(PhotonCodec().encode, lazy(values))

    np.testing.assert_array_equal(PhotonCodec().decode(row).raw[:], values, strict=True)


def hide():
    modules: dict[str, Any] = sys.modules
    modules["hidden"], modules["dj_photon_codecs"] = modules["dj_photon_codecs"], None


def show():
    sys.modules["dj_photon_codecs"] = sys.modules.pop("hidden")


def test_workers_without_this_package_are_named(client, folder):
    client.run(hide)

    try:
        with pytest.raises(RuntimeError, match=r"2 processes .* Install dj-photon-codecs .* on"):
            PhotonCodec().encode(lazy(photon_counts(SHAPE)))
    finally:
        client.run(show)

    assert not tree(folder)


def test_workers_with_another_version_of_this_package_are_named(client, folder):
    client.run(setattr, dj_photon_codecs, "__version__", "0.0")

    try:
        with pytest.raises(RuntimeError, match=r"2 processes .* another version of it .*: 0\.0\)"):
            PhotonCodec().encode(lazy(photon_counts(SHAPE)))
    finally:
        client.run(delattr, dj_photon_codecs, "__version__")

    assert not tree(folder)


def test_a_store_that_is_not_shared_is_named(client):
    fs = MemoryFileSystem()  # each process has its own
    folder = MovieFolder(fs, f"/{uuid4().hex}/movie.zarr", store="imaging")
    cluster = Cluster(client, CameraMovie(lazy(photon_counts(SHAPE)), Calibration()))
    plan = cluster.plan(Policy(), counts=True)

    with pytest.raises(OSError, match=r"lacks 0\.0\.0 and 2 more .* store is not shared with the"):
        cluster.write(plan, folder=folder)

    assert not fs.exists(folder.path)


def test_a_worker_that_sees_another_disk_says_so(tmp_path):
    files = WorkerFiles(local_files(), str(tmp_path / "movie.zarr"), "imaging", durable=True)

    with pytest.raises(FileNotFoundError, match=r"is not there on .* store is not shared with the"):
        files.write("0.0.0", b"codes")

    assert not tree(tmp_path)


class SlowFiles(MemoryFileSystem):
    """Files that are being written until a test goes on."""

    begun, go_on = threading.Event(), threading.Event()

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        self.begun.set()
        assert self.go_on.wait(10)
        super().pipe_file(path, value, mode, **kwargs)


async def test_a_process_that_is_stopped_ends_its_writes_and_begins_none():
    files = WorkerFiles(SlowFiles(), f"/{uuid4().hex}", "imaging", durable=True)
    writing = asyncio.create_task(asyncio.to_thread(files.write, "0.0.0", b"codes"))
    await asyncio.to_thread(files.fs.begun.wait, 10)

    stopping = asyncio.create_task(stop_writing(files.path))
    await asyncio.sleep(0.1)
    assert not stopping.done()
    files.fs.go_on.set()
    await stopping

    assert files.fs.exists(f"{files.path}/0.0.0")
    await writing
    with pytest.raises(RuntimeError, match="was given up, and writes no more chunks"):
        files.write("1.0.0", b"codes")
    assert not files.fs.exists(f"{files.path}/1.0.0")


# ---------------------------------------------------------------------------- a worker that dies


def die_once(block, block_info=None, store=None, mark=None):
    """End the process in the middle of an insert, as a kill does, and of a write."""
    if block_info[0]["chunk-location"][0] == 5 and not Path(mark).exists():
        Path(mark).touch()
        (movie,) = Path(store).rglob("*.zarr")
        Path(movie, "1.0.0.unfinished").write_bytes(b"half")
        os._exit(9)
    return block


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_another_worker_does_what_a_dead_one_left(client, folder, tmp_path):
    values = photon_counts(SHAPE)
    mark = tmp_path / "mark"

    row = PhotonCodec().encode(lazy(values, each=die_once, store=folder, mark=mark))

    assert mark.exists()
    assert stored(row) == stored(in_threads(lazy(values)))
    np.testing.assert_array_equal(PhotonCodec().decode(row).raw[:], values, strict=True)
    assert not [name for name in tree(folder) if "unfinished" in name]
