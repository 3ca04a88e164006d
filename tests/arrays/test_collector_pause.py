"""Reading for a caller that holds a lock which finalizers of others need, as h5py does."""

import gc
import os
import threading
from contextlib import ExitStack

import numpy as np
import pytest

from dj_photon_codecs.arrays.collector_pause import collector_paused
from dj_photon_codecs.layouts import threads
from dj_photon_codecs.layouts.choice import GROUPED
from dj_photon_codecs.storage.movie_store import MovieStore
from tests.arrays.test_forks import result_in_child
from tests.movies_at_hand import local_files, photon_counts, store_movie

PATIENCE = 20  # seconds


class File:
    """An open file in a cycle, whose finalizer needs the lock of its library."""

    def __init__(self, lock, waited):
        self.me, self.lock, self.waited = self, lock, waited

    def __del__(self):
        if self.lock.acquire(timeout=PATIENCE):
            self.lock.release()
        else:
            self.waited.append("in vain")


@pytest.fixture
def thresholds():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_no_thread_collects_garbage_while_a_caller_holds_a_lock(tmp_path, monkeypatch, thresholds):
    counts = photon_counts((300, 30, 40))
    movie = store_movie(counts, local_files(), tmp_path / "m.zarr", compression=GROUPED)
    monkeypatch.setattr(threads, "SMALL", 1)  # so that small chunks are decoded in threads
    lock = threading.RLock()
    waited: list[str] = []
    read_chunk = MovieStore.read_chunk

    def read_while_garbage_is_due(store, number):
        gc.set_threshold(1)
        _ = [[] for _ in range(100)]
        return read_chunk(store, number)

    monkeypatch.setattr(MovieStore, "read_chunk", read_while_garbage_is_due)
    gc.set_threshold(10**9)
    for _ in range(3):
        File(lock, waited)
    with lock:
        values = np.asarray(movie.raw)

    np.testing.assert_array_equal(values, counts)
    assert waited == []
    assert gc.isenabled()
    gc.collect()


def test_the_collector_is_as_it_was_afterwards():
    with collector_paused(), collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(KeyError, match="within"), collector_paused():
        raise KeyError("within")
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_pauses_end_in_a_child_that_is_forked_within_them():
    def collector_in_child():
        before = gc.isenabled()
        pauses.close()
        with collector_paused():
            within = gc.isenabled()
        return before, within, gc.isenabled()

    with ExitStack() as pauses:
        pauses.enter_context(collector_paused())
        pauses.enter_context(collector_paused())
        assert result_in_child(collector_in_child) == "(True, False, True)"
        assert not gc.isenabled()
    assert gc.isenabled()
