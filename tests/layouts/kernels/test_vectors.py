"""All vectors write the same chunks, and read the same from any bytes, or all refuse them."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.grouped.layout import GroupedLayout
from dj_photon_codecs.layouts.kernels import backend
from tests.backends import use_backend
from tests.layouts.test_damage import damaged, outcome

RNG = np.random.default_rng(3)
MEANS = RNG.gamma(2, 3, (24, 40))
MOVIES = {
    "dim": RNG.poisson(MEANS * RNG.uniform(0.5, 1.5, (12, 1, 1))).astype("u2"),
    "bright": RNG.poisson(MEANS * 500, (12, 24, 40)).astype("u2"),
    "bytes": RNG.poisson(MEANS / 9, (12, 24, 40)).astype("u1"),
}


def read(layout, bad, movie):
    """Return what some frames and two pixels are, if the chunk says it has that many."""
    chunk = outcome(layout.open, bad)
    if chunk is None or (chunk.shape, chunk.dtype) != ((12, 960), movie.dtype):
        return None
    first = outcome(lambda opened: opened.frames(0, 3).tobytes(), chunk)  # the end is not seen
    frames = outcome(lambda opened: opened.frames(0, 12).tobytes(), chunk)
    pixels = outcome(lambda opened: opened.pixels(np.array([3, 500]), range(2, 9)).tobytes(), chunk)
    return first, frames, pixels


@pytest.mark.slow
@pytest.mark.parametrize("layout", [GroupedLayout(), DenseLayout()], ids=["static", "adaptive"])
@pytest.mark.parametrize("movie", MOVIES.values(), ids=list(MOVIES))
def test_all_vectors_read_the_same_from_damaged_chunks(fewer_vectors, layout, movie, monkeypatch):
    good = np.frombuffer(layout.encode(movie), np.uint8)
    assert good[0] == 3  # of the form whose kernel has vectors
    chunks = [good, *damaged(good, np.random.default_rng(4), 300)]
    with use_backend("compiled"):
        widest = [read(layout, bad, movie) for bad in chunks]
    with monkeypatch.context() as other:
        other.setattr(backend, "_compiled", lambda: fewer_vectors)
        with use_backend("compiled"):
            assert [read(layout, bad, movie) for bad in chunks] == widest
    assert widest[0][1] == movie.tobytes()
    assert sum(each is None or each[1] is None for each in widest) > 100


@pytest.mark.slow
@pytest.mark.parametrize("layout", [GroupedLayout(), DenseLayout()], ids=["static", "adaptive"])
def test_all_vectors_write_the_same_chunks(fewer_vectors, layout, monkeypatch):
    drift = RNG.gamma(2, 3, (32, 96)) * np.exp(np.cumsum(RNG.normal(0, 0.1, (30, 32, 1)), axis=0))
    movies = [*MOVIES.values(), RNG.poisson(drift).astype("u2")]
    with use_backend("compiled"):
        widest = [bytes(layout.encode(movie)) for movie in movies]
    with monkeypatch.context() as other:
        other.setattr(backend, "_compiled", lambda: fewer_vectors)
        with use_backend("compiled"):
            assert [bytes(layout.encode(movie)) for movie in movies] == widest
