"""NWB as pynwb validates it, and as roiextractors reads it."""

import json
from datetime import UTC, datetime

import numpy as np
import pynwb
import pytest
from roiextractors import NwbImagingExtractor

from dj_photon_codecs import export
from tests.arrays.exports.copies import HDMF_ZARR, SESSION, exported
from tests.movies_at_hand import CAMERA, local_files, photon_counts, store_movie, tree

BOTH = ["nwb", pytest.param("nwb-zarr", marks=HDMF_ZARR)]


def series(path, kind, use):
    if kind == "nwb":
        io = pynwb.NWBHDF5IO(path, "r")
    else:
        io = __import__("hdmf_zarr").NWBZarrIO(str(path), "r")
    with io:
        return use(io.read().acquisition["TwoPhotonSeries"])


def test_the_file_is_valid(movie, tmp_path):
    path = exported(movie, tmp_path, "nwb")

    assert pynwb.validate(path=path) == []


@pytest.mark.parametrize("kind", BOTH)
def test_conversion_and_offset_make_photons_of_camera_values(kind, movie, tmp_path):
    def photons(found):
        assert (found.unit, found.rate) == ("photons", 30)
        return found.data[:].transpose(0, 2, 1) * found.conversion + found.offset

    for values in ("raw", "photons"):
        path = exported(movie, tmp_path, kind, values=values, overwrite=True)
        expected = (movie.raw[:] - CAMERA.offset) / CAMERA.gain
        np.testing.assert_allclose(series(path, kind, photons), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", BOTH)
def test_the_comments_say_what_the_values_are(kind, stepped, tmp_path):
    path = exported(stepped, tmp_path, kind, values="photons")

    said = json.loads(series(path, kind, lambda found: found.comments))
    assert (said["anscombe_gain"], said["quantization_step"], said["units"]) == (50, 0.5, "photon")
    assert said["source"] == str(stepped.movie_store)


def test_roiextractors_reads_frames_of_rows(movie, tmp_path):
    extractor = NwbImagingExtractor(exported(movie, tmp_path, "nwb"))

    assert extractor.get_image_shape() == (6, 7)
    assert extractor.get_sampling_frequency() == 30
    np.testing.assert_array_equal(extractor.get_series(90, 110), movie.raw[90:110], strict=True)


def test_the_session_is_that_of_the_user(movie, tmp_path):
    session = {"session_start_time": datetime(2025, 2, 3, tzinfo=UTC), "identifier": "mouse 7"}
    path = export(movie, tmp_path / "movie.nwb", frame_rate=30, session=session)

    with pynwb.NWBHDF5IO(path, "r") as io:
        file = io.read()
        assert (file.identifier, file.session_start_time) == (
            "mouse 7",
            session["session_start_time"],
        )
        assert file.session_description == "a movie"


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"session": {}}, r"give session=\{'session_start_time': datetime"),
        ({"frame_rate": None}, r"give frame_rate=30\.0$"),
        ({"session": None, "frame_rate": None}, r"give frame_rate=30\.0 and session=\{"),
    ],
)
def test_what_nwb_must_say_and_a_movie_does_not_know_is_asked_for(
    options, missing, kind, movie, tmp_path
):
    before = tree(tmp_path)

    with pytest.raises(ValueError, match=rf"NWB asks for what the movie does not know; {missing}"):
        exported(movie, tmp_path, kind, **options)
    assert tree(tmp_path) == before


def test_photon_counts_are_photons_as_they_are(tmp_path):
    movie = store_movie(photon_counts(), local_files(), tmp_path / "stored.zarr")
    path = export(movie, tmp_path / "movie.nwb", frame_rate=30, session=SESSION)

    assert series(path, "nwb", lambda found: (found.conversion, found.offset)) == (1, 0)
