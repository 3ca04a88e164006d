"""Movies to export."""

import pytest

from dj_photon_codecs import CameraMovie
from tests.movies_at_hand import CAMERA, camera_values, local_files, store_movie


@pytest.fixture
def movie(tmp_path):
    """A camera movie of 120 frames in two chunks, int16."""
    return store_movie(
        CameraMovie(camera_values(), CAMERA), local_files(), tmp_path / "stored.zarr"
    )


@pytest.fixture
def stepped(tmp_path):
    values = CameraMovie(camera_values(), CAMERA, step=0.5)
    return store_movie(values, local_files(), tmp_path / "stepped.zarr")
