"""Movies, and places for them, on a local disk and on S3."""

from types import SimpleNamespace

import pytest
from datajoint.storage import StorageBackend

from dj_photon_codecs.layouts.choice import GROUPED
from tests.movies_at_hand import local_files, photon_counts, store_movie


@pytest.fixture
def counts():
    """Photon counts of 250 frames: three chunks, the last one half empty."""
    return photon_counts()


@pytest.fixture
def place(new_store):
    """A file system as DataJoint makes it, and a path in a new store on it."""
    backend = StorageBackend(new_store())
    path = backend._full_path("lab/recording/id=1/movie_x#%[1].zarr")
    return SimpleNamespace(fs=backend.fs, path=path)


@pytest.fixture
def folder(tmp_path):
    """A local table in which another movie lies already."""
    neighbour = tmp_path / "lab" / "recording" / "id=1" / "movie_old.zarr"
    neighbour.mkdir(parents=True)
    (neighbour / "0.0.0").write_bytes(b"another movie")
    return tmp_path


@pytest.fixture
def target(folder):
    """Where a test's movie goes; neither it nor the directory above it exists."""
    return folder / "lab" / "recording" / "id=2" / "movie_new.zarr"


@pytest.fixture
def stored(target, counts):
    """A movie on a local store, and the folder in which its chunks lie."""
    movie = store_movie(counts, local_files(), target, compression=GROUPED)
    return SimpleNamespace(movie=movie, folder=target)
