"""What every movie of `read_movie` has to do."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dj_photon_codecs.codecs import PhotonCodec
from dj_photon_codecs.movies.sources import Source


def check_movie(movie, values):
    """Read a movie in every way: by slices, in threads, after pickling, in a child process."""
    assert (movie.shape, movie.dtype) == (values.shape, values.dtype)
    for part in (
        slice(None),
        slice(3, 9),
        slice(2, 9, 3),
        slice(3, 3),
        5,
        -1,
        (slice(2, 5), 3),
        (4, slice(1, 3), 2),
    ):
        np.testing.assert_array_equal(movie[part], values[part], strict=True)
    with ThreadPoolExecutor(4) as pool:
        frames = list(pool.map(movie.__getitem__, range(len(values)), timeout=60))
    np.testing.assert_array_equal(np.stack(frames), values)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(movie))[1:4], values[1:4])
    slabs = [slab for _, slab in Source(movie).slabs(0, len(values))]
    np.testing.assert_array_equal(np.concatenate(slabs), values)
    assert f"shape={values.shape}" in repr(movie)
    if hasattr(os, "fork"):
        assert read_in_child(movie, values)


def read_in_child(movie, values):
    """Return whether a forked process reads the same, while this one reads, too."""
    child = os.fork()
    if not child:
        same = all(np.array_equal(movie[n], values[n]) for n in range(len(values)))
        os._exit(0 if same else 1)
    same = all(np.array_equal(movie[n], values[n]) for n in range(len(values)))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 and same


def inserted(movie, codec=PhotonCodec):
    """Do what `insert1` and `fetch1` do with a movie."""
    codec().validate(movie)
    return codec().decode(codec().encode(movie))
