"""Processes that are forked while threads read: the child reads, and the parent reads on."""

import os
import select
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from dj_photon_codecs import set_cache
from dj_photon_codecs.layouts.choice import GROUPED
from tests.movies_at_hand import PLAIN, local_files, store_movie

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    # Python 3.12 and later, of every fork beside threads
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]
RATES = np.geomspace(0.2, 200, 64 * 64).reshape(64, 64)
PATIENCE = 60  # seconds after which a child is taken to hang


@pytest.fixture(autouse=True)
def no_chunk_is_kept_for_long():
    """Let the threads open chunks all the time, as in a large movie."""
    set_cache(0)
    yield
    set_cache(None)


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(0).poisson(RATES, (250, 64, 64)).astype("u2")


def result_in_child(function):
    """Return what a function returns, as text, in a process that is forked now."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(function()).encode())
        except BaseException as error:  # noqa: BLE001 - the parent reports it
            os.write(writing, repr(error).encode()[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    try:
        if not select.select([reading], [], [], PATIENCE)[0]:
            os.kill(child, signal.SIGKILL)
            return "the child hangs"
        return os.read(reading, 5000).decode()
    finally:
        os.close(reading)
        os.waitpid(child, 0)


@contextmanager
def readers(movie, counts, *, number=3):
    """Read a movie in threads for the duration of a block, and check that all was right."""
    stopped, wrong = threading.Event(), []

    def read(seed):
        rng = np.random.default_rng(seed)
        while not stopped.is_set():
            start = int(rng.integers(0, 230))
            frames = slice(start, start + 20)
            if not np.array_equal(movie.raw[frames], counts[frames]):
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def read_in_children(movie, counts, *, forks):
    def reads_right():
        return np.array_equal(movie.raw[:], counts) and movie[99:101].shape == (2, 64, 64)

    with readers(movie, counts):
        results = [result_in_child(reads_right) for _ in range(forks)]
    assert results == ["True"] * forks
    np.testing.assert_array_equal(movie.raw[:], counts)


@pytest.mark.slow
@pytest.mark.parametrize("compression", [PLAIN, GROUPED], ids=["plain", "grouped"])
def test_a_child_reads_while_its_parent_does(compression, counts, tmp_path):
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr", compression=compression)
    read_in_children(movie, counts, forks=12)


def test_a_child_reads_from_s3_while_its_parent_does(s3, counts):
    from datajoint.storage import StorageBackend  # noqa: PLC0415 - slow, and for this test only

    backend = StorageBackend(s3.spec("forks"))
    movie = store_movie(counts, backend.fs, backend._full_path("a/movie.zarr"), compression=GROUPED)

    read_in_children(movie, counts, forks=3)


def test_a_grandchild_reads_too(counts, tmp_path):
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr")

    def read_in_grandchild():
        return result_in_child(lambda: np.array_equal(movie.raw[:], counts))

    assert result_in_child(read_in_grandchild) == "True"
