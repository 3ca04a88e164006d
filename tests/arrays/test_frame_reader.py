"""A chunk that is read alone is decompressed and decoded on all processors, others on one each."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from numcodecs import Blosc

from dj_photon_codecs.arrays import frame_reader as frames
from dj_photon_codecs.layouts import blosc_blocks
from dj_photon_codecs.layouts import threads as processors
from dj_photon_codecs.layouts.choice import GROUPED
from dj_photon_codecs.layouts.grouped.chunk import GroupedChunk
from dj_photon_codecs.photons.transform import anscombe
from dj_photon_codecs.storage.movie_store import MovieStore
from tests.movies_at_hand import PLAIN, local_files, photon_counts, store_movie

SELECTIONS = [np.s_[:100], np.s_[100:200], np.s_[103:187], np.s_[200:], np.s_[:]]
RATES = np.geomspace(0.2, 200, 48 * 48).reshape(48, 48)


@pytest.fixture(autouse=True)
def small_parts_are_shared(monkeypatch):
    monkeypatch.setattr(frames, "SHARED", 1)
    monkeypatch.setattr(processors, "SMALL", 1)
    for module in (frames, blosc_blocks, processors):
        monkeypatch.setattr(module, "usable_processors", lambda: 2)
    monkeypatch.setattr(blosc_blocks, "SMALLEST", 1)
    monkeypatch.setattr(blosc_blocks, "SHORTEST", 1)


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(RATES, (250, 48, 48)).astype("u2")


@pytest.fixture
def movie(counts, tmp_path):
    return store_movie(counts, local_files(), tmp_path / "movie.zarr", compression=GROUPED)


@pytest.fixture
def alone(noted):
    """The number of blocks of each chunk that is decompressed on all processors."""
    return noted(blosc_blocks, "_decompress_all", len)


@pytest.fixture
def decoded(noted):
    """The frames, within a chunk, that are decoded at a time."""
    return noted(GroupedChunk, "frames", lambda _chunk, start, stop: (start, stop))


@pytest.mark.parametrize("compression", [PLAIN, GROUPED], ids=["plain", "grouped"])
@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_frames_are_those_that_were_inserted(selection, compression, counts, tmp_path):
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr", compression=compression)
    np.testing.assert_array_equal(movie[selection], anscombe(counts[selection]), strict=True)
    np.testing.assert_array_equal(movie.raw[selection], counts[selection], strict=True)
    assert not [each for each in threading.enumerate() if each.name.startswith("photon")]


@pytest.mark.parametrize("selection", [5, np.s_[:100], np.s_[103:110]], ids=str)
def test_a_chunk_that_is_read_alone_is_decompressed_on_all_processors(selection, movie, alone):
    movie[selection]
    assert len(alone) == 1


def test_chunks_that_are_read_together_are_decompressed_on_one_processor_each(movie, alone):
    movie[50:150]
    assert alone == []


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("what", ["raw", "transformed"])
def test_a_chunk_left_over_is_decompressed_on_all_processors(
    what, local, movie, counts, alone, monkeypatch
):
    monkeypatch.setattr(MovieStore, "is_local", local)
    read = movie.raw if what == "raw" else movie
    expected = counts if what == "raw" else anscombe(counts)
    for some in (np.s_[:], np.s_[30:210], np.s_[:201]):
        np.testing.assert_array_equal(read[some], expected[some], strict=True)
    assert alone == ([1] if local else [])  # once: it is kept for the next selection


def test_a_chunk_that_is_read_alone_is_decoded_in_parts_of_whole_rows(movie, decoded):
    movie.raw[100:200]
    assert sorted(decoded) == [(0, 32), (32, 64), (64, 96), (96, 100)]


def test_few_codes_are_decoded_in_one_part(movie, decoded, monkeypatch):
    monkeypatch.setattr(frames, "SHARED", 1 << 22)
    movie.raw[100:200]
    assert decoded == [(0, 100)]


def test_a_chunk_in_plain_order_is_decoded_once(tmp_path, decoded):
    frame = np.random.default_rng(0).integers(0, 1 << 16, (48, 48), dtype="u2")
    still = np.broadcast_to(frame, (100, 48, 48)) + (np.arange(100) == 50)[:, None, None]
    movie = store_movie(
        still.astype("u2"), local_files(), tmp_path / "movie.zarr", compression=GROUPED
    )
    np.testing.assert_array_equal(movie.raw[:], still)
    assert decoded == [(0, 100)]


def test_a_chunk_of_another_compressor_is_decompressed_by_it(tmp_path, alone):
    counts = photon_counts((100, 6, 7))
    compression = replace(GROUPED, compressor=Blosc("lz4", 1, Blosc.NOSHUFFLE))
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr", compression=compression)
    np.testing.assert_array_equal(movie[7], anscombe(counts[7]), strict=True)
    assert alone == []


PATCHES = [
    np.s_[:, 10:14, 3:5],
    np.s_[120:180, 7, 40:],
    np.s_[99:101, :5, ::7],
    np.s_[240:, ..., 5],
    np.s_[3, 4, 5],
    np.s_[::40, 1, 1],
    np.s_[5:5, 1:3],
]


@pytest.mark.parametrize("compression", [PLAIN, GROUPED], ids=["plain", "grouped"])
@pytest.mark.parametrize("selection", PATCHES, ids=str)
def test_patches_are_those_that_were_inserted(selection, compression, counts, tmp_path):
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr", compression=compression)
    np.testing.assert_array_equal(movie[selection], anscombe(counts[selection]), strict=True)
    np.testing.assert_array_equal(movie.raw[selection], counts[selection], strict=True)
    expected = counts[selection].astype("f4")
    np.testing.assert_array_equal(movie.photons[selection], expected, strict=True)


def test_a_patch_is_picked_from_the_codes(movie, decoded):
    movie[:, 10:14, 3:5]
    assert decoded == []


def test_a_chunk_is_read_once_for_many_patches(movie, noted):
    keys = noted(MovieStore, "read_chunk", lambda _store, number: number)
    for row in range(8):
        movie[100:200, row, 5]
    assert keys == [1]
