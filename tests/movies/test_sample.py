"""The sample of a movie that its decode table is fitted to: spread over it, and bounded."""

import numpy as np
import pytest
import zarr

from dj_photon_codecs.movies import sample as sampling
from dj_photon_codecs.movies.sample import sample_frames, sampled_runs
from dj_photon_codecs.movies.sources import Source


def test_a_small_movie_is_its_own_sample():
    values = np.random.default_rng(0).poisson(3, (30, 6, 7))
    sample = sample_frames(values)
    assert np.array_equal(sample, values.reshape(30, -1))


@pytest.mark.parametrize(
    "shape", [(1000, 64, 64), (100, 512, 512), (20, 2048, 2048), (3, 4096, 4096), (50, 9, 8, 7)]
)
def test_a_sample_is_bounded_and_spread_over_the_movie(shape, monkeypatch):
    monkeypatch.setattr(sampling, "VALUES", 1 << 18)
    numbers = np.arange(shape[0], dtype="u2").reshape(-1, *[1] * (len(shape) - 1))
    sample = sample_frames(np.broadcast_to(numbers, shape))
    assert sample.size <= sampling.VALUES + len(sample)  # the last pixel of each frame
    assert len(sample) >= min(shape[0], sampling.RUNS)
    assert sample[0, 0] < shape[0] / 10 or shape[0] < 2 * sampling.RUNS
    assert sample[-1, 0] > 0.9 * shape[0] - 2


def test_a_source_that_kept_its_sample_is_read_once(monkeypatch):
    monkeypatch.setattr(sampling, "VALUES", 1 << 12)
    values = zarr.create_array({}, shape=(400, 8, 8), chunks=(200, 8, 8), dtype="u2")
    values[:] = np.arange(400)[:, None, None]
    expected = sample_frames(np.asarray(values[:]))
    source = Source(values)
    source.keep(frame for run in sampled_runs(source.shape) for frame in run)
    for _ in source.slabs(0, 400):
        pass
    values[:] = 7  # what is read now would be refused
    assert np.array_equal(sample_frames(source), expected)
