"""One plan says how a movie is stored, whoever asks."""

from dataclasses import replace

import numpy as np
import pytest
from numcodecs import Zstd

from dj_photon_codecs.layouts.choice import GROUPED, Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.movies.sources import Source
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.chunking import CHUNK_BYTES, frames_in_chunk
from dj_photon_codecs.storage.plan import compression_of, plan_movie
from dj_photon_codecs.storage.writing import BUDGET, Limits, fill_chunk, frames_of_chunks
from tests.movies_at_hand import CAMERA, SlicedFile, camera_values, photon_counts


def counts_movie(values):
    return CameraMovie(values, Calibration())


def test_a_plan_says_how_a_movie_is_stored():
    plan = plan_movie(counts_movie(photon_counts()), Policy(), counts=True)

    assert plan.shape == (250, 6, 7)
    assert plan.chunk_shape == (100, 6, 7)
    assert plan.keys == ["0.0.0", "1.0.0", "2.0.0"]
    assert plan.code_dtype == np.dtype("u1")
    assert plan.original_dtype == np.dtype("u2")
    assert plan.chunk_bytes == 100 * 6 * 7
    assert plan.compression == GROUPED
    assert (plan.step, plan.decode_table) == (None, None)


def test_the_step_of_a_movie_goes_before_that_of_the_policy():
    coarse, movie = Policy(step=1.0), CameraMovie(camera_values(), CAMERA)

    assert plan_movie(movie, coarse).step == 1.0
    assert plan_movie(CameraMovie(movie.values, CAMERA, step=0.25), coarse).step == 0.25
    table = plan_movie(movie, coarse).decode_table
    assert table is not None
    assert table.step == 1.0


def test_a_policy_with_a_compressor_is_followed():
    policy = Policy(frames_per_chunk=30, compressor=Zstd(1))

    plan = plan_movie(counts_movie(photon_counts()), policy)

    assert (plan.frames_per_chunk, plan.compression) == (30, compression_of(policy))


def test_the_first_illegal_value_is_named_whichever_thread_finds_it(monkeypatch):
    monkeypatch.setattr("dj_photon_codecs.movies.sources.SLAB_BYTES", 9 * 6 * 7 * 2)  # nine frames
    values = photon_counts(dtype="i2")
    values[[26, 99, 249], 2, 3] = -3, -4, -5

    with pytest.raises(ValueError, match="movie holds -3 at frame 26;"):
        plan_movie(counts_movie(values), Policy(), counts=True)

    values[values < 0] = 0
    values[[0, 249], 2, 3] = 300, -1
    plan = plan_movie(counts_movie(values), Policy())  # of camera values
    assert plan.code_dtype == np.dtype("i2")


SIZES = [
    ((1000, 512, 512), 2, 100),
    ((1000, 1024, 1024), 2, 100),
    ((1000, 1024, 1024), 8, 32),
    ((1000, 2048, 2048), 2, 32),
    ((1000, 4096, 4096), 2, 8),
    ((1000, 4096, 4096), 1, 16),
    ((50, 512, 512), 2, 50),
    ((10, 1 << 14, 1 << 14), 2, 1),
]


@pytest.mark.parametrize(("shape", "itemsize", "frames"), SIZES)
def test_a_chunk_holds_a_hundred_frames_or_a_quarter_of_a_gibibyte(shape, itemsize, frames):
    assert frames_in_chunk(shape, itemsize, wanted=100) == frames


def test_a_frame_of_more_than_blosc_can_take_is_refused():
    with pytest.raises(ValueError, match=r"a frame of shape \(32768, 32768\) takes 2147483648 byt"):
        frames_in_chunk((10, 1 << 15, 1 << 15), 2, wanted=100)


@pytest.mark.parametrize("size", [512, 1024, 2048, 4096])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
def test_what_an_insert_holds_is_bounded_for_any_frame(size, dtype):
    shape, itemsize = (1000, size, size), np.dtype(dtype).itemsize
    plan = plan_movie(counts_movie(np.full((2, 2, 2), 0.5)), Policy(compressor=None))
    frames = frames_in_chunk(shape, itemsize, wanted=100)
    plan = replace(plan, shape=shape, code_dtype=np.dtype(dtype), frames_per_chunk=frames)

    limits = Limits.of(plan, SlicedFile(np.broadcast_to(np.ones(1, dtype), shape)))

    held = 4 * plan.chunk_bytes + 64 * size**2
    assert limits.workers * held <= max(BUDGET, 4 * CHUNK_BYTES + 64 * size**2)


def test_what_a_movie_is_chosen_by_is_in_its_middle():
    frozen = np.repeat(photon_counts((1, 32, 32), rate=9), 100, axis=0)
    values = np.concatenate([frozen, photon_counts((200, 32, 32), rate=9, seed=1)])

    plan = plan_movie(counts_movie(values), Policy())

    assert plan.compression == plan_movie(counts_movie(values[100:]), Policy()).compression


# ---------------------------------------------------------------------------- reading


def frames_read(source):
    return [n for part in source.slices for n in range(source.shape[0])[part]]


@pytest.mark.parametrize("chunks", [None, (7, 6, 7), (64, 6, 7), (250, 6, 7)], ids=str)
@pytest.mark.parametrize("policy", [Policy(), Policy(frames_per_chunk=30), Policy(step=0.5)])
def test_every_frame_is_read_once_to_plan_and_at_most_once_to_write(chunks, policy, monkeypatch):
    monkeypatch.setattr("dj_photon_codecs.movies.sources.SLAB_BYTES", 9 * 6 * 7 * 2)  # nine frames
    file = SlicedFile(photon_counts(), chunks=chunks)
    source = Source(file)
    plan = plan_movie(counts_movie(source), policy, counts=True)
    planned = frames_read(file)
    file.slices.clear()

    written = [
        fill_chunk(plan, map(plan.encode_values, parts))
        for parts in frames_of_chunks(source, plan.frames_per_chunk)
    ]

    assert planned == list(range(250))
    assert frames_read(file) in ([], list(range(250)))
    if plan.step is None:
        np.testing.assert_array_equal(np.concatenate(written)[:250], file.values)


def test_parts_of_different_chunks_are_not_mixed_up():
    source = SlicedFile(photon_counts((250, 3, 2)), chunks=(64, 3, 2))

    parts = [np.concatenate(list(part)) for part in frames_of_chunks(source, 30)]

    assert [len(part) for part in parts] == [30] * 8 + [10]
    np.testing.assert_array_equal(np.concatenate(parts), source.values)


def test_the_compression_is_the_usual_one_unless_a_compressor_is_given():
    zstd = Zstd(1)

    assert compression_of(Policy()) == GROUPED
    assert compression_of(Policy(compressor=zstd)) == Compression(zstd)
    dense = Policy(compressor=None, layout="photon.dense")
    assert compression_of(dense) == Compression(None, DenseLayout())


def test_a_layout_that_is_not_installed_is_refused_before_the_movie_is_read():
    policy = Policy(compressor=None, layout="photon.nothing")
    with pytest.raises(ValueError, match=r"layout is 'photon\.nothing'; numcodecs knows no such"):
        plan_movie(counts_movie(np.full((2, 3, 3), -1)), policy, counts=True)
