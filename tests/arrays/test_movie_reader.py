"""What is read of a movie equals what NumPy selects of all of it, and is decoded once."""

import gc
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import Blosc, GZip
from numcodecs.abc import Codec
from numcodecs.registry import register_codec

from dj_photon_codecs.arrays import movie_reader
from dj_photon_codecs.arrays.movie_reader import MovieReader
from dj_photon_codecs.arrays.selection import parse_selection
from dj_photon_codecs.arrays.stored_chunks import StoredChunks
from dj_photon_codecs.layouts import threads
from dj_photon_codecs.layouts.choice import GROUPED, Compression
from dj_photon_codecs.layouts.dense import chunk
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.grouped.chunk import GroupedChunk
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.transform import anscombe
from dj_photon_codecs.storage.documents.description import Documents
from dj_photon_codecs.storage.movie_store import ChunkError, MovieStore
from tests.arrays.test_selection import is_orthogonal, parts_of
from tests.backends import use_backend
from tests.movies_at_hand import (
    CAMERA,
    PLAIN,
    camera_values,
    local_files,
    photon_counts,
    store_movie,
)

RATES = np.geomspace(0.2, 200, 48 * 48).reshape(48, 48)
MASK = np.random.default_rng(1).random(250) < 0.3
ROI = np.random.default_rng(2).random((48, 48)) < 0.05
COLUMNS = np.arange(48) % 7 == 3
YS, XS = [7, 0, 47, 7], [1, 1, 30, 2]


@pytest.fixture(autouse=True)
def small_parts_are_shared(monkeypatch):
    """Take the ways of large movies with small ones."""
    monkeypatch.setattr(movie_reader, "SHARED", 1)
    monkeypatch.setattr(threads, "SMALL", 1)
    threads.set_threads(2)
    yield
    threads.set_threads(None)


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(0).poisson(RATES, (250, 48, 48)).astype("u2")


COMPRESSIONS = {
    "plain": PLAIN,
    "grouped": GROUPED,
    "dense": Compression(None, DenseLayout()),
    "gzip": Compression(GZip(1)),
}


@pytest.fixture(scope="module", params=list(COMPRESSIONS.values()), ids=list(COMPRESSIONS))
def any_movie(request, counts, tmp_path_factory):
    path = tmp_path_factory.mktemp("movies") / "movie.zarr"
    return store_movie(counts, local_files(), path, compression=request.param)


@pytest.fixture
def movie(counts, tmp_path):
    return store_movie(counts, local_files(), tmp_path / "movie.zarr", compression=GROUPED)


@pytest.fixture
def decoded(noted):
    """The frames, within a chunk, that are decoded at a time."""
    return noted(GroupedChunk, "frames", lambda _chunk, start, stop: (start, stop))


@pytest.fixture
def left(movie, decoded, monkeypatch):
    """A reader of large frames, after a loop over 20 of them and what it decoded meanwhile."""
    monkeypatch.setattr(movie_reader, "SMALL", 0)
    monkeypatch.setattr(movie_reader, "TILE", 1)
    reader = MovieReader(movie._reader._chunks, movie._reader._chunks.store.documents)
    for index in range(20):
        reader.frame(index)
    end = time.monotonic() + 30
    while len(decoded) < 8 and time.monotonic() < end:
        time.sleep(0.001)
    return [reader]


@pytest.fixture
def keys(noted):
    """The numbers of the chunks that are read."""
    return noted(MovieStore, "read_chunk", lambda _store, number: number)


def assert_reads(movie, counts, selection):
    """Check what a movie and its views read against NumPy."""
    taken = counts[selection]
    np.testing.assert_array_equal(movie[selection], anscombe(taken), strict=True)
    np.testing.assert_array_equal(movie.raw[selection], taken, strict=True)
    expected = np.asarray(taken).astype("f4")
    np.testing.assert_array_equal(movie.photons[selection], expected[()], strict=True)


SELECTIONS = [
    np.s_[:100],
    np.s_[103:187],
    np.s_[200:],
    np.s_[:],
    np.s_[3:200:7],
    np.s_[120:121],
    np.s_[:, 10:14, 3:5],
    np.s_[120:180, 7, 40:],
    np.s_[99:101, :5, ::7],
    np.s_[240:, ..., 5],
    np.s_[3, 4, 5],
    np.s_[::40, 1, 1],
    np.s_[5:5, 1:3],
    np.s_[MASK],
    np.s_[list(MASK)],
    np.s_[MASK, 3:9, 2],
    np.s_[[249, 3, 3, 100, 99, -1]],
    np.s_[[249, 3, 3, 100], 5],
    np.s_[:, ROI],
    np.s_[90:210:3, ROI],
    np.s_[5, ROI],
    np.s_[10:20, COLUMNS],
    np.s_[10:20, :, COLUMNS],
    np.s_[:, YS, XS],
    np.s_[17, YS, XS],
    np.s_[[0, 249, 100, 0], YS, XS],
    np.s_[:, ROI & False],
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=lambda each: str(each)[:60])
def test_selections_are_those_of_numpy(selection, any_movie, counts):
    assert_reads(any_movie, counts, selection)


@pytest.mark.parametrize("frames", [MASK, [249, 3, 3, 100], []], ids=["mask", "list", "none"])
def test_a_mask_over_pixels_is_taken_in_all_chosen_frames(frames, any_movie, counts):
    expected = counts[np.asarray(frames, None if len(frames) else int)][:, ROI]

    np.testing.assert_array_equal(any_movie[frames, ROI], anscombe(expected), strict=True)
    np.testing.assert_array_equal(any_movie.raw[frames, ROI], expected, strict=True)


def test_points_of_a_mask_over_all_axes(any_movie, counts):
    assert_reads(any_movie, counts, counts > 230)


def test_masks_over_the_axes_of_volumes(tmp_path):
    counts = photon_counts((130, 3, 5, 6))
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr")
    volume = counts[0] > 3
    for selection in (
        np.s_[:, volume],
        np.s_[7, volume],
        np.s_[:, 1, volume[1]],
        np.s_[:, :, volume[1]],
        np.s_[99:102, volume[..., 0], 2:],
        np.s_[:, [0, 2], :, [1, 1]],
    ):
        assert_reads(movie, counts, selection)


def test_masks_of_movies_in_steps(tmp_path):
    values = camera_values((120, 6, 7))
    movie = store_movie(CameraMovie(values, CAMERA, step=0.5), local_files(), tmp_path / "m.zarr")
    roi = values[0] > 100

    for view in (movie, movie.raw, movie.photons):
        whole = view[:]
        for selection in (np.s_[:, roi], np.s_[30:50, roi], values[:, 0, 0] > 120):
            np.testing.assert_array_equal(view[selection], whole[selection], strict=True)


@st.composite
def selections(draw, shape):
    parts = [draw(parts_of(length)) for length in shape[: draw(st.integers(1, len(shape)))]]
    return tuple(parts)


SMALL = photon_counts((25, 4, 5), dtype="u1")


@pytest.fixture(scope="module")
def small_movie(tmp_path_factory):
    path = tmp_path_factory.mktemp("movies") / "movie.zarr"
    return store_movie(SMALL, local_files(), path, frames_per_chunk=10, compression=GROUPED)


@given(selections(SMALL.shape))
@settings(max_examples=80, deadline=None)
def test_any_selection_equals_numpy(small_movie, selection):
    if is_orthogonal(selection):
        return
    try:
        expected = SMALL[selection]
    except IndexError:
        return
    np.testing.assert_array_equal(small_movie.raw[selection], expected, strict=True)
    np.testing.assert_array_equal(small_movie[selection], anscombe(expected), strict=True)


def test_a_mask_on_s3_reads_the_same(new_store, counts):
    from datajoint.storage import StorageBackend  # noqa: PLC0415 - slow, and for this test only

    backend = StorageBackend(new_store())
    movie = store_movie(counts, backend.fs, backend._full_path("a/movie.zarr"), compression=GROUPED)

    for selection in (np.s_[MASK], np.s_[:, ROI], np.s_[:, YS, XS]):
        assert_reads(movie, counts, selection)


# ---------------------------------------------------------------------------- no more than needed


def test_pixels_of_a_mask_are_picked_from_the_codes(movie, decoded):
    few = np.zeros((48, 48), bool)
    few[10:14, 3:5] = True

    movie[:, few]
    movie[MASK, few]

    assert decoded == []


@pytest.mark.parametrize(
    "selection",
    [np.s_[MASK], np.s_[[249, 3, 120, 3, 4]], np.s_[:, ROI], np.s_[:, YS, XS], np.s_[::7]],
    ids=["mask", "list", "roi", "points", "steps"],
)
def test_each_chunk_is_read_once(selection, movie, keys):
    movie[selection]
    assert sorted(keys) == [0, 1, 2]


def test_the_chunks_of_a_list_of_frames_are_decoded_for_these_frames(movie, decoded):
    movie.raw[[5, 103, 6, 249]]
    assert sorted(decoded) == [(3, 4), (5, 7), (49, 50)]


@pytest.mark.parametrize("selection", [np.s_[:40], [0, 9, 39], np.s_[0:40:13, 2, 3]], ids=str)
def test_frames_that_follow_from_each_other_are_decoded_once(
    selection, counts, tmp_path, noted, monkeypatch
):
    monkeypatch.setattr(movie_reader, "TILE", 1)
    with use_backend("compiled"):  # which alone writes them
        dense = Compression(None, DenseLayout())
        movie = store_movie(counts[:60], local_files(), tmp_path / "m.zarr", compression=dense)
        decoded = noted(chunk, "unpack_adaptive", lambda _body, _shape, out: len(out))
        movie[selection]
    assert decoded == [40]


def test_a_chunk_is_read_once_for_many_patches(movie, keys):
    for row in range(8):
        movie[100:200, row, 5]
    assert keys == [1]


def test_a_chunk_of_another_compressor_is_decompressed_by_it(tmp_path):
    counts = photon_counts((100, 6, 7))
    compression = replace(GROUPED, compressor=Blosc("lz4", 1, Blosc.NOSHUFFLE))
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr", compression=compression)
    np.testing.assert_array_equal(movie[7], anscombe(counts[7]), strict=True)


# ---------------------------------------------------------------------------- other layouts


class Inverted(Codec):
    """A third party's codec between the codes and the compressor."""

    codec_id = "test.inverted"

    def encode(self, buf):
        return ~np.ascontiguousarray(buf).reshape(-1).view("u1")

    def decode(self, buf, out=None):
        values = ~np.frombuffer(buf, "u1")
        if out is None:
            return values
        np.asarray(out).reshape(-1).view("u1")[...] = values
        return out


register_codec(Inverted)


def test_a_layout_of_a_third_party_reads_frames_and_pixels(counts, tmp_path):
    compression = Compression(Blosc("zstd"), Inverted())
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr", compression=compression)

    for selection in (7, np.s_[90:110], np.s_[MASK], np.s_[:, ROI], np.s_[:]):
        assert_reads(movie, counts, selection)


# ---------------------------------------------------------------------------- documents that lie


@pytest.mark.parametrize("compression", [PLAIN, GROUPED], ids=["plain", "grouped"])
@pytest.mark.parametrize(
    "change",
    [{"chunks": [75, 48, 48]}, {"shape": [250, 48, 96], "chunks": [100, 48, 96]}],
    ids=["frames", "pixels"],
)
def test_a_chunk_of_another_shape_than_described_is_refused(change, compression, counts, tmp_path):
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr", compression=compression)
    documents = movie.movie_store.documents
    zarray = documents["zarray"] | change
    zattrs = {name: value for name, value in documents["zattrs"].items() if name != "crc32c"}
    described = Documents(zarray=zarray, zattrs=zattrs)
    store = movie.movie_store.with_documents(described)  # as if nobody had checked them
    reader = movie_reader.MovieReader(StoredChunks(store), described)

    for selection in (5, np.s_[:], np.s_[:, 3, 4], [1, 2]):
        parsed = parse_selection(selection, tuple(zarray["shape"]))
        with pytest.raises(ChunkError, match=r"chunk \d\.0\.0 of .* cannot be decoded: .*"):
            reader.read(parsed)


# ---------------------------------------------------------------------------- ahead of a loop


def test_a_loop_decodes_the_next_frames_of_a_chunk_meanwhile(left, counts, decoded):
    at_once = [(0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 24)]
    assert sorted(decoded) == [*at_once, (24, 32), (32, 40)]

    for index in range(20, 250):
        np.testing.assert_array_equal(left[0].frame(index), anscombe(counts[index]), strict=True)
    spans = [frame for start, stop in decoded for frame in range(start, stop)]
    assert sorted(spans) == sorted([*range(100)] * 2 + [*range(56)])


def test_a_reader_goes_though_a_loop_was_left(left):
    known = weakref.ref(left.pop())
    gc.collect()
    assert known() is None
