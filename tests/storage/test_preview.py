"""The picture of a movie: the mean of its frames, and nothing that the movie depends on."""

import io
import socket
import time
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import s3fs
from matplotlib.image import imread

from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage import preview
from dj_photon_codecs.storage.copying import copy_movie
from dj_photon_codecs.storage.files.movie_files import MovieFiles
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.preview import MOST_BYTES, PREVIEW, SIDE, Preview
from dj_photon_codecs.storage.writing import write_movie
from tests.movies_at_hand import WatchedFiles, local_files, photon_counts, tree
from tests.storage.damages import failing_at

SCENE = np.add.outer(np.arange(40), 3.0 * np.arange(50))


def insert(values, path, *, fs=None, step=None, frames_per_chunk=100):
    """Store a movie with its picture, as the codec does, and open it."""
    movie = CameraMovie(values, Calibration(), step)
    policy, fs = Policy(frames_per_chunk=frames_per_chunk), fs or local_files()
    folder = MovieFolder(fs, str(path))
    documents = write_movie(movie, plan_movie(movie, policy), folder=folder, preview=True)
    return open_movie(fs, str(path), documents)


def drawn(path):
    """Decode the picture of a movie by a reader that is not ours; 0 to 255."""
    return np.rint(255 * imread(io.BytesIO((path / PREVIEW).read_bytes()), format="png"))


def scaled(mean):
    """Stretch a mean image from its darkest half percent to its brightest, 0 to 255."""
    low, high = np.percentile(mean, [0.5, 99.5], method="nearest")
    return np.clip((mean - low) * 255 / (high - low), 0, 255)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "movie.zarr"


@pytest.mark.parametrize("frames_per_chunk", [7, 20, 100])
@pytest.mark.parametrize("dtype", ["u2", ">i4", "f4"])
def test_the_picture_is_the_mean_image(dtype, frames_per_chunk, path):
    values = np.random.default_rng(0).poisson(SCENE, (50, 40, 50)).astype(dtype)
    if dtype == "f4":
        values = values + np.float32(0.5)

    insert(values, path, frames_per_chunk=frames_per_chunk)

    assert drawn(path).shape == (40, 50)
    np.testing.assert_allclose(drawn(path), scaled(values.mean(axis=0)), atol=1.01)


def test_frames_behind_the_end_of_the_movie_are_no_part_of_it(path):
    values = np.repeat(SCENE[np.newaxis] + 100, 130, axis=0).astype("u2")

    insert(values, path, frames_per_chunk=100)

    np.testing.assert_allclose(drawn(path), scaled(SCENE), atol=1.01)


@pytest.mark.filterwarnings("ignore:movie has shape")  # it might be a stack of stacks
def test_planes_are_averaged_and_large_frames_thinned(path):
    planes = np.stack([SCENE, SCENE.max() - SCENE, 2 * SCENE])
    large = np.kron(planes, np.ones((1, 10, 10)))

    insert(large[np.newaxis].astype("u2"), path)

    assert max(drawn(path).shape) <= SIDE
    np.testing.assert_allclose(drawn(path), scaled(large.sum(axis=0)[::3, ::3]), atol=1.01)


def test_a_movie_in_steps_is_drawn_as_it_is_transformed(path):
    values = np.random.default_rng(0).poisson(SCENE, (30, 40, 50)).astype("u2")

    movie = insert(values, path, step=0.5)

    np.testing.assert_allclose(drawn(path), scaled(np.mean(movie, axis=0)), atol=1.01)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.zeros((3, 1, 5000), "u1"), np.zeros((1, 186))),
        (np.eye(200, dtype="u1")[np.newaxis] * (np.arange(200) == 100), None),
        (np.full((3, 4, 4), 1.5e308), np.zeros((4, 4))),
        (np.full((1, 4, 4), 1.5e308) * [1, -1, 1, -1], np.zeros((4, 4))),
    ],
    ids=["dark", "one bright pixel", "huge", "far apart"],
)
def test_what_has_no_contrast_can_be_drawn(values, expected, path):
    insert(values, path)

    if values.dtype == float:
        assert not (path / PREVIEW).exists()
    elif expected is None:
        assert drawn(path)[50, 50] == drawn(path).sum() == 255
    else:
        np.testing.assert_array_equal(drawn(path), expected)


@pytest.mark.parametrize("dimmest", [5e-324, 1e-300])
def test_what_is_hardly_there_is_drawn_without_a_warning(dimmest):
    preview = Preview((1, 40, 50))

    preview.add(np.eye(40, 50)[np.newaxis] * dimmest)

    assert preview.png()


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4"])
def test_the_brightest_frames_add_up_to_the_same_picture_in_every_width(dtype):
    scene = np.minimum(SCENE * 60, np.iinfo(dtype).max).astype(dtype)
    preview, wanted = Preview((64, 40, 50)), Preview((64, 40, 50))

    preview.add(np.repeat(scene[np.newaxis], 64, axis=0))
    wanted.add(np.repeat(scene[np.newaxis].astype("f8"), 64, axis=0))

    assert preview.png() == wanted.png()


# ---------------------------------------------------------------------------- beside the movie


def test_a_failed_insert_leaves_no_picture(tmp_path):
    files = WatchedFiles(failing_at(6, OSError("the disk is full")))  # .zarray

    with pytest.raises(OSError, match="disk"):
        insert(photon_counts(), tmp_path / "movie.zarr", fs=files)

    assert PREVIEW in files.begun
    assert tree(tmp_path) == {}


def test_copies_have_the_same_picture_unless_they_want_none(path, tmp_path):
    movie = insert(photon_counts(), path)

    for name, policy in {
        "same": Policy(),
        "other": Policy(frames_per_chunk=30),
        "without": Policy(preview=False),
        "steps": Policy(step=0.5),
    }.items():
        folder = MovieFolder(local_files(), str(tmp_path / name))
        copy_movie(movie.movie_store, replace(policy), folder=folder)

    picture = (path / PREVIEW).read_bytes()
    assert (tmp_path / "same" / PREVIEW).read_bytes() == picture
    assert (tmp_path / "other" / PREVIEW).read_bytes() == picture
    assert not (tmp_path / "without" / PREVIEW).exists()
    assert drawn(tmp_path / "steps").shape == (6, 7)


def test_a_notebook_shows_it_by_one_request(path, noted):
    movie = insert(photon_counts(), path.with_name("a <b>&amp;'\".zarr"))
    reads = noted(MovieFiles, "read", lambda _files, name: name)

    shown = movie._repr_html_()

    assert reads == [PREVIEW]
    page = ET.fromstring(shown)  # noqa: S314 - our own, and well-formed
    (image,) = page.iter("img")
    assert image.attrib["src"].startswith("data:image/png;base64,iVBORw0KGgo")
    cells = [str(cell.text) for cell in page.iter("td")]
    assert page.findtext("b") == "(250, 6, 7) PhotonArray of float64"
    assert cells[:2] == ["1", "lossless"]
    assert cells[-1].endswith("/a <b>&amp;'\".zarr")


BAD = {
    "missing": lambda _: None,
    "cut": lambda good: good[:-9],
    "empty": lambda _: b"",
    "script": lambda _: b"<script>alert(1)</script>",
    "endless": lambda good: good[:-12] + bytes(MOST_BYTES) + good[-12:],
    "bomb": lambda good: good[:16] + b"\x7f\xff\xff\xff" + good[20:],
    "colour": lambda good: good[:24] + b"\x08\x06" + good[26:],
}


@pytest.mark.parametrize("spoilt", BAD.values(), ids=BAD)
def test_a_picture_that_is_none_changes_nothing_but_the_picture(spoilt, path):
    movie = insert(photon_counts(), path)
    shown = movie._repr_html_()
    content = spoilt((path / PREVIEW).read_bytes())
    if content is None:
        (path / PREVIEW).unlink()
    else:
        (path / PREVIEW).write_bytes(content)

    assert movie.verify() == []
    np.testing.assert_array_equal(movie.raw[:], photon_counts())
    assert "<img" in shown
    assert "<img" not in movie._repr_html_()
    copy_movie(movie.movie_store, Policy(), folder=MovieFolder(local_files(), f"{path}2"))
    assert not path.with_name("movie.zarr2").joinpath(PREVIEW).exists()


def test_a_store_that_does_not_answer_is_not_waited_for(path, monkeypatch):
    monkeypatch.setattr(preview, "PATIENCE", 0.5)
    documents = insert(photon_counts(), path).movie_store.documents
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fs = s3fs.S3FileSystem(
            key="key",
            secret="secret",
            endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            skip_instance_cache=True,
        )
        begun = time.monotonic()
        shown = open_movie(fs, "bucket/movie.zarr", documents)._repr_html_()

    assert time.monotonic() - begun < 5
    assert "bucket/movie.zarr" in shown
    assert "<img" not in shown
