"""Small movies of every kind, their way to a store and back, and file systems that can fail."""

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from fsspec.implementations.local import LocalFileSystem
from numcodecs import Blosc

from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.layouts.choice import Compression
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.writing import write_movie

BLOSC = Blosc("zstd", 5, Blosc.BITSHUFFLE)
PLAIN = Compression(BLOSC)
CAMERA = Calibration(gain=50.0, offset=100.0, variance=400.0)

INTEGERS = ["|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8"]
BIG_ENDIAN = [">u2", ">i2", ">u4", ">i4", ">u8", ">i8", ">f2", ">f4", ">f8"]
FLOATS = ["<f2", "<f4", "<f8"]
DTYPES = ["|b1", *INTEGERS, *FLOATS, *BIG_ENDIAN]


def photon_counts(shape=(250, 6, 7), *, rate=3.0, dtype="u2", seed=0):
    """Draw photon counts; some frames of every movie are dark."""
    counts = np.random.default_rng(seed).poisson(rate, shape)
    counts[::10] = 0
    return counts.astype(dtype)


def camera_values(shape=(120, 6, 7), *, dtype="i2", seed=0):
    """Draw camera values, some of them negative; floats are not whole numbers."""
    rng = np.random.default_rng(seed)
    photons = rng.poisson(3.0, shape) + rng.normal(0, 0.4, shape)
    values = CAMERA.offset + CAMERA.gain * photons - 150
    return values.astype(dtype) if np.dtype(dtype).kind == "f" else np.rint(values).astype(dtype)


def policy_of(compression=None, **attributes):
    """Return the policy of a type with a compression; None measures it for each movie."""
    if compression is None:
        return Policy(**attributes)
    return Policy(compressor=compression.compressor, layout=compression.layout, **attributes)


def store_movie(movie, fs, path, *, frames_per_chunk=100, compression=PLAIN, durable=True):
    """Write a movie as the codec does, and open it; a plain array stands for photon counts."""
    counts = not isinstance(movie, CameraMovie)
    movie = CameraMovie(movie, Calibration()) if counts else movie
    policy = policy_of(compression, frames_per_chunk=frames_per_chunk)
    plan = plan_movie(movie, policy, counts=counts)
    folder = MovieFolder(fs, str(path), store="imaging", durable=durable)
    documents = write_movie(movie, plan, folder=folder)
    return open_movie(fs, str(path), documents)


def local_files():
    """Return the file system that DataJoint makes for a local store."""
    return LocalFileSystem(auto_mkdir=True)


def tree(folder):
    """Map everything below a folder to a digest of its bytes; directories to None."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        )
        for path in Path(folder).rglob("*")
    }


@dataclass(frozen=True)
class SlicedFile:
    """An array that can only be sliced, and knows its chunks, as h5py.Dataset does."""

    values: np.ndarray
    chunks: tuple[int, ...] | None = None
    slices: list[slice] = field(default_factory=list)

    @property
    def shape(self):
        return self.values.shape

    @property
    def dtype(self):
        return self.values.dtype

    def __getitem__(self, selection):
        self.slices.append(selection)
        return self.values[selection].copy()

    def __array__(self, dtype=None, copy=None):
        raise MemoryError("the whole movie was asked for at once")


class WatchedFiles(LocalFileSystem):
    """A local file system that notes what is written, and does what a test wants at each write.

    `at_write` is called with the number of the write, from 1, its path and its bytes, before
    anything is written; what it raises leaves half of the file behind.
    """

    cachable = False

    def __init__(self, at_write=lambda _: None, *, removes=True):
        super().__init__(auto_mkdir=True)
        self.at_write = at_write
        self.removes = removes
        self.begun = []
        self.written = []
        self._counting = threading.Lock()

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        name = path.rpartition("/")[2]
        with self._counting:
            self.begun.append(name)
            write = SimpleNamespace(number=len(self.begun), path=path, name=name, value=value)
        try:
            self.at_write(write)
        except BaseException:
            super().pipe_file(path, value[: len(value) // 2], mode, **kwargs)
            raise
        super().pipe_file(path, value, mode, **kwargs)
        self.written.append(name)

    def rm_file(self, path):
        if not self.removes:
            raise PermissionError(f"{path} may not be removed")
        super().rm_file(path)
