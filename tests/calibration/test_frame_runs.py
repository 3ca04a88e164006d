"""Blocks and runs of frames: whole, bounded, and no more than are needed."""

import tracemalloc

import numpy as np
import pytest
import zarr

from dj_photon_codecs.calibration import calibrate
from dj_photon_codecs.calibration.frame_runs import BLOCK, ENOUGH, RunReader, read_blocks


class Recorder:
    """A movie of any shape that makes up what is read, and remembers it."""

    def __init__(self, shape, chunks=None, dtype="uint8"):
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.reads: list[range] = []
        if chunks:
            self.chunks = chunks

    def __getitem__(self, frames):
        self.reads.append(range(*frames.indices(self.shape[0])))
        return np.zeros((len(self.reads[-1]), *self.shape[1:]), self.dtype)


def read(*shape, chunks=None):
    movie = Recorder(shape, chunks)
    for _ in read_blocks(movie):
        pass
    return movie.reads


def test_a_movie_is_read_once_and_whole():
    frames = [frame for block in read(1001, 512, 512) for frame in block]
    assert frames == list(range(1001))


@pytest.mark.parametrize("frames_per_chunk", [1, 5, 100])
def test_chunks_are_read_once(frames_per_chunk):
    reads = read(500, 512, 512, chunks=(frames_per_chunk, 512, 512))
    assert all(block.start % frames_per_chunk == 0 for block in reads)
    assert [frame for block in reads for frame in block] == list(range(500))


def test_of_a_long_movie_blocks_are_spread_from_start_to_end():
    reads = read(100_000, 512, 512)
    assert sum(map(len, reads)) * 512 * 512 <= ENOUGH
    assert reads[0].start == 0
    assert reads[-1].stop > 99_900
    assert np.ptp(np.diff([block.start for block in reads])) <= 64


@pytest.mark.parametrize("shape", [(16, 4096, 4096), (100, 512, 512)])
def test_blocks_are_bounded(shape):
    frames = [len(block) for _, block in read_blocks(Recorder(shape))]
    assert max(frames) <= max(4, BLOCK // (shape[1] * shape[2]))


def numbered(length, size=16):
    """Frames of noise, and in the first pixel the number of the frame."""
    frames = np.random.default_rng(0).integers(0, 9999, (length, size, size))
    frames[:, 0, 0] = np.arange(length)
    return frames


def numbers_in_runs(movie):
    return [run[:, 0, 0].tolist() for _, runs in RunReader(movie) for run in runs]


@pytest.mark.parametrize("chunk", [1, 3, 5, 100])
def test_runs_are_four_frames_each_wherever_blocks_begin(monkeypatch, chunk):
    monkeypatch.setattr("dj_photon_codecs.calibration.frame_runs.BLOCK", 5 * 16 * 16)
    movie = zarr.array(numbered(42), chunks=(chunk, 16, 16))
    assert numbers_in_runs(movie) == np.arange(40).reshape(10, 4).tolist()


@pytest.mark.parametrize("block", [4, 7, 100])
def test_frames_that_are_left_out_are_in_no_run(monkeypatch, block):
    monkeypatch.setattr("dj_photon_codecs.calibration.frame_runs.BLOCK", block * 16 * 16)
    frames = numbered(60)
    frames[4] = frames[3]
    frames[16:18] = frames[15]
    frames[30] = 7
    frames[40] = (frames[39] + frames[41]) // 2
    reader = RunReader(frames)
    used = [number for _, runs in reader for number in runs[:, :, 0, 0].ravel().tolist()]
    assert used == [n for n in range(60) if n not in {4, 16, 17, 30, 40}][:52]
    assert (reader.counts.read, reader.counts.left_out) == (60, 5)


def test_a_run_does_not_go_on_after_a_long_gap():
    frames = numbered(30)
    frames[6:14] = frames[5]
    assert numbers_in_runs(frames)[:2] == [[0, 1, 2, 3], [14, 15, 16, 17]]


class Endless:
    """200 frames of 512 x 512 that take the memory of 32."""

    shape, dtype = (200, 512, 512), np.dtype("uint16")

    def __init__(self):
        rates = np.linspace(1, 30, 512 * 512).reshape(512, 512)
        self._frames = np.random.default_rng(0).poisson(rates, (32, 512, 512)).astype("uint16")

    def __getitem__(self, frames):
        return self._frames[: len(range(*frames.indices(200)))]


@pytest.mark.slow
def test_a_calibration_takes_less_than_300_megabytes_beside_the_movie():
    movie = Endless()
    tracemalloc.start()
    found = calibrate(movie)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6
    assert found.gain == pytest.approx(1, abs=0.02)
