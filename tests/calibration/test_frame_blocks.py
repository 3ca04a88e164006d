"""Blocks of frames: whole, bounded, and no more than are needed."""

import tracemalloc

import numpy as np
import pytest

from dj_photon_codecs.calibration import calibrate
from dj_photon_codecs.calibration.frame_blocks import ENOUGH, LARGEST_BLOCK, read_blocks


class Recorder:
    """A movie of any shape that makes up what is read, and remembers it."""

    def __init__(self, shape, chunks=None, dtype="uint8"):
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.reads: list[range] = []
        if chunks:
            self.chunks = chunks

    def __getitem__(self, frames):
        self.reads.append(range(*frames.indices(self.shape[0])))
        return np.broadcast_to(np.zeros((), self.dtype), (len(self.reads[-1]), *self.shape[1:]))


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
    assert all(len(block) >= 4 for block in reads)


def test_huge_chunks_do_not_fill_the_memory():
    reads = read(3000, 512, 512, chunks=(3000, 16, 16))
    assert max(map(len, reads)) * 512 * 512 <= LARGEST_BLOCK


def test_of_a_long_movie_blocks_are_spread_from_start_to_end():
    reads = read(100_000, 512, 512)
    assert sum(map(len, reads)) * 512 * 512 <= ENOUGH
    assert reads[0].start == 0
    assert reads[-1].stop > 99_900
    assert np.ptp(np.diff([block.start for block in reads])) <= 32


def test_frames_larger_than_a_block_come_in_runs():
    assert [len(block) for block in read(16, 8192, 8192)] == [4, 4]


class Endless:
    """200 frames of 512 x 512 that take the memory of 32."""

    shape, dtype = (200, 512, 512), np.dtype("uint16")

    def __init__(self):
        rates = np.linspace(1, 30, 512 * 512).reshape(512, 512)
        self._frames = np.random.default_rng(0).poisson(rates, (32, 512, 512)).astype("uint16")

    def __getitem__(self, frames):
        return self._frames if isinstance(frames, slice) else self._frames[0]


def test_a_calibration_takes_less_than_300_megabytes_beside_the_movie():
    movie = Endless()
    tracemalloc.start()
    found = calibrate(movie)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6
    assert found.gain == pytest.approx(1, abs=0.02)
