"""One cache for all movies: bounded in bytes, safe for threads, and forgetful of what is gone."""

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dj_photon_codecs import set_cache
from dj_photon_codecs.arrays.chunk_cache import CACHE, VARIABLE, ChunkCache
from dj_photon_codecs.layouts.choice import GROUPED
from dj_photon_codecs.storage.files.movie_files import MovieFiles
from dj_photon_codecs.storage.movie_store import ChunkError
from tests.movies_at_hand import PLAIN, local_files, photon_counts, store_movie


class Owner:
    """Something that entries belong to."""


@pytest.fixture(autouse=True)
def empty_cache():
    CACHE.clear()
    yield
    set_cache(None)


@pytest.fixture
def movies(tmp_path):
    counts = photon_counts((200, 40, 50))
    return [store_movie(counts, local_files(), tmp_path / f"{n}.zarr") for n in range(5)]


# ---------------------------------------------------------------------------- entries


def test_what_was_used_longest_ago_is_dropped_first():
    cache, owner = ChunkCache(limit=30), Owner()
    for key in "abc":
        cache.put(owner, key, key, size=10)
    cache.get(owner, "a")

    cache.put(owner, "d", "d", size=10)

    assert [cache.get(owner, key) for key in "abcd"] == ["a", None, "c", "d"]
    assert cache.size == 30


def test_an_entry_takes_the_place_of_the_one_before():
    cache, owner = ChunkCache(limit=30), Owner()
    cache.put(owner, 0, "old", size=20)
    cache.put(owner, 0, "new", size=25)
    assert (cache.get(owner, 0), cache.size) == ("new", 25)
    cache.discard(owner, 0)
    assert (cache.get(owner, 0), cache.size) == (None, 0)


def test_only_the_two_newest_entries_may_exceed_the_limit():
    cache, owner = ChunkCache(limit=30), Owner()
    for key in "abc":
        cache.put(owner, key, key, size=100)
    assert [cache.get(owner, key) for key in "abc"] == [None, "b", "c"]
    cache.put(owner, "d", "d", size=1)
    assert [cache.get(owner, key) for key in "bcd"] == [None, "c", "d"]


def test_entries_vanish_with_their_owner():
    cache, owner, other = ChunkCache(limit=30), Owner(), Owner()
    cache.put(owner, 0, "mine", size=10)
    cache.put(other, 0, "yours", size=10)

    del owner

    assert (cache.get(other, 0), cache.size) == ("yours", 10)


def test_threads_use_one_cache():
    cache, owners = ChunkCache(limit=1000), [Owner() for _ in range(4)]

    def use(seed):
        rng = np.random.default_rng(seed)
        for owner, key in rng.integers(0, (4, 30), (2000, 2)).tolist():
            found = cache.get(owners[owner], key)
            assert found in (None, (owner, key))
            cache.put(owners[owner], key, (owner, key), size=int(rng.integers(1, 100)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert 0 < cache.size <= 1000


# ---------------------------------------------------------------------------- limits


@pytest.mark.parametrize(("text", "limit"), [("", 256 << 20), ("2", 2 << 20), ("0.5", 1 << 19)])
def test_the_environment_sets_the_limit(text, limit, monkeypatch):
    monkeypatch.setenv(VARIABLE, text)
    assert CACHE.limit == limit


@pytest.mark.parametrize("text", ["much", "-1", "inf", "nan"])
def test_a_limit_that_is_none_is_refused(text, monkeypatch):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match=rf"DJ_PHOTON_CACHE_MB asks for '{text}' megabytes"):
        _ = CACHE.limit


def test_a_program_sets_the_limit(monkeypatch):
    monkeypatch.setenv(VARIABLE, "7")
    set_cache(3)
    assert CACHE.limit == 3 << 20
    set_cache(None)
    assert CACHE.limit == 7 << 20
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be a number of 0 or more"):
            set_cache(wrong)
    with pytest.raises(TypeError, match="must be a number of 0 or more"):
        set_cache("1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a number of 0 or more"):
        set_cache(megabytes=True)


# ---------------------------------------------------------------------------- movies


def test_movies_and_their_views_stay_within_the_limit(movies):
    set_cache(2)  # a chunk is .4 MB, and so are its frames in float64

    for movie in movies * 2:
        for view in (movie, movie.raw, movie.photons):
            view[3], view[103], view[:, 2, 3]
            assert CACHE.size <= 2 << 20
    assert CACHE.size > 1 << 20


@pytest.mark.parametrize("megabytes", [0, 256])
def test_a_loop_over_frames_reads_each_chunk_once(megabytes, movies, noted):
    set_cache(megabytes)
    reads = noted(MovieFiles, "read", lambda _files, name: name)

    for frame in movies[0].raw:
        assert frame.shape == (40, 50)

    assert reads == ["0.0.0", "1.0.0"]


def test_a_loop_over_frames_keeps_no_chunk_that_it_has_passed(movies, noted):
    raw = movies[0].raw
    for _ in raw:
        pass
    reads = noted(MovieFiles, "read", lambda _files, name: name)

    raw[:, 2, 3]

    assert reads == ["0.0.0"]


def test_chunks_vanish_with_their_movie(movies):
    for movie in movies:
        movie.raw[5], movie.photons[105]
    assert CACHE.size > 0

    del movie
    movies.clear()
    gc.collect()

    assert CACHE.get(Owner(), 0) is None
    assert CACHE.size == 0


@pytest.mark.parametrize("compression", [PLAIN, GROUPED], ids=["plain", "grouped"])
def test_a_damaged_chunk_is_not_kept(compression, tmp_path):
    counts = photon_counts((200, 40, 50))
    movie = store_movie(counts, local_files(), tmp_path / "m.zarr", compression=compression)
    whole = (tmp_path / "m.zarr" / "1.0.0").read_bytes()
    (tmp_path / "m.zarr" / "1.0.0").write_bytes(whole[:-9])
    for selection in (150, np.s_[120:130], np.s_[:, 3, 4]):
        with pytest.raises(ChunkError, match=r"chunk 1\.0\.0 .* is damaged"):
            movie[selection]

    (tmp_path / "m.zarr" / "1.0.0").write_bytes(whole)

    np.testing.assert_array_equal(movie.raw[:], counts)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_begins_with_an_empty_cache_and_a_free_lock(movies):
    movies[0][5]
    locked, done = threading.Event(), threading.Event()

    def hold():
        with CACHE._lock:
            locked.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if CACHE.size == 0 and movies[0][5].shape == (40, 50) else 1)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert CACHE.size > 0
