"""What a type checker is told of the public names: mypy reads this file, and pytest runs it."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
import zarr

import dj_photon_codecs
from dj_photon_codecs import (
    Calibration,
    CameraMovie,
    PhotonArray,
    Report,
    calibrate,
    kernel_in_use,
    report,
)
from tests.movies_at_hand import camera_values, local_files, photon_counts, store_movie


@pytest.fixture
def movie(tmp_path) -> PhotonArray:
    found = store_movie(photon_counts(), local_files(), tmp_path / "movie.zarr")
    assert isinstance(found, PhotonArray)
    return found


def test_the_package_says_that_it_is_typed():
    assert (Path(dj_photon_codecs.__file__).parent / "py.typed").exists()
    assert assert_type(dj_photon_codecs.__version__, str)
    assert assert_type(kernel_in_use(), str) in {"compiled", "numpy"}


def test_a_movie(movie: PhotonArray):
    array: zarr.Array[Any] = movie
    raw: zarr.Array[Any] = movie.raw

    assert assert_type(len(movie), int) == array.shape[0] == raw.shape[0]
    assert assert_type(movie.calibration, Calibration).gain == 1
    assert assert_type(movie.step, float | None) is None
    assert assert_type(movie.verify(), list[str]) == []


def test_a_camera_movie():
    rng = np.random.default_rng(0)
    light = np.linspace(1, 20, 256).reshape(16, 16)
    calibration = assert_type(calibrate(rng.poisson(light, (400, 16, 16))), Calibration)
    camera = assert_type(CameraMovie(camera_values(), calibration, step=0.5), CameraMovie)

    assert assert_type(camera.step, float | None) == 0.5
    assert "bits" in str(assert_type(report(camera), Report))


def test_names_without_a_type_are_errors():
    with pytest.raises(AttributeError, match="no attribute 'denoise'"):
        dj_photon_codecs.denoise  # type: ignore[attr-defined]  # noqa: B018
