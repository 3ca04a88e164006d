"""What a type checker is told of the public names: mypy reads this file, and pytest runs it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
import zarr

import anscombe
import dj_photon_codecs
from dj_photon_codecs import (
    Calibration,
    CameraMovie,
    ChunkError,
    Garbage,
    Migration,
    PhotonArray,
    PhotonCodec,
    PhotonDenseCodec,
    Progress,
    Report,
    TableReport,
    Verification,
    calibrate,
    collect,
    export,
    generalized_anscombe,
    generalized_inverse_anscombe,
    kernel_in_use,
    migrate,
    open_stored,
    read_movie,
    report,
    set_cache,
    set_progress,
    set_threads,
    verify,
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


def test_a_movie_by_its_path_and_its_copy(movie: PhotonArray, tmp_path: Path):
    assert assert_type(open_stored(tmp_path / "movie.zarr"), PhotonArray) == movie
    copy = assert_type(export(movie, tmp_path / "movie.h5"), Path)
    assert assert_type(read_movie(copy).shape, tuple[int, ...]) == movie.shape


def test_the_transform():
    counts = np.arange(5)
    there: Callable[..., Any] = generalized_anscombe
    back: Callable[..., Any] = generalized_inverse_anscombe
    np.testing.assert_array_equal(back(there(counts)), counts)


def test_whole_tables():
    moved: Callable[[Any, Any, str], Migration] = migrate
    verified: Callable[[Any], Verification] = verify
    collected: Callable[[Any], Garbage] = collect
    results = [each.__annotations__["return"] for each in (moved, verified, collected)]
    assert results == [cls.__name__ for cls in (Migration, Verification, Garbage)]
    assert assert_type(TableReport("movie", 2, 0, (), ()).rows, int) == 2


def test_column_types():
    assert assert_type(PhotonCodec.frames_per_chunk, int) == 100
    assert assert_type(PhotonDenseCodec.step, float | None) is None
    error: OSError = ChunkError("missing")
    assert "missing" in str(error)


def test_what_holds_for_the_process():
    seen: list[Progress] = []
    set_cache(64.0)
    set_threads(2)
    set_progress(seen.append, after=0.5)
    set_cache(None)
    set_threads(None)
    set_progress("auto")
    assert not seen


def test_every_public_name_is_here_and_on_its_page():
    here = re.findall(r"\w+", Path(__file__).read_text("utf-8"))
    assert {*dj_photon_codecs.__all__} <= {*here}
    page = (Path(__file__).parents[1] / "docs" / "reference" / "api.md").read_text("utf-8")
    names = {*dj_photon_codecs.__all__, *anscombe.__all__}
    assert not [name for name in names if not re.search(rf":: {name}$", page, re.MULTILINE)]


def test_names_without_a_type_are_errors():
    with pytest.raises(AttributeError, match="no attribute 'denoise'"):
        dj_photon_codecs.denoise  # type: ignore[attr-defined]  # noqa: B018
