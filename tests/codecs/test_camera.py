"""Camera movies through DataJoint: exactly, and in steps of their noise."""

import json

import datajoint as dj
import numpy as np
import pytest

from anscombe import generalized_anscombe, generalized_inverse_anscombe
from dj_photon_codecs import Calibration, CameraMovie, PhotonCodec
from tests.tables import declare_recording

CAMERA = Calibration(gain=30.0, offset=100.0, variance=81.0)
PARAMETERS = {"gain": 30.0, "offset": 100.0, "variance": 81.0}
RATES = np.array([0.1, 0.3, 1, 3, 10, 50])


def camera_values(frames=120, *, rate=3.0, shape=(8, 8), seed=0, dtype="int16"):
    rng = np.random.default_rng(seed)
    electrons = CAMERA.gain * rng.poisson(rate, (frames, *shape)) + rng.normal(
        0, 9, (frames, *shape)
    )
    return np.rint(CAMERA.offset + electrons).astype(dtype)


def inserted(recording, movie, number=1):
    recording.insert1({"recording_id": number, "movie": movie})
    return (recording & {"recording_id": number}).fetch1("movie")


@pytest.fixture
def recording(schema):
    return declare_recording(schema)


@pytest.fixture
def half_sigma():
    """A type of the user's own; DataJoint knows it for the rest of the process."""
    if dj.codecs.is_codec_registered("photon_half_sigma_test"):
        return type(dj.get_codec("photon_half_sigma_test"))

    class HalfSigma(PhotonCodec):
        name = "photon_half_sigma_test"
        step = 0.5

    return HalfSigma


# ---------------------------------------------------------------------------- exactly


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", ">i2"])
def test_camera_values_come_back_exactly_and_transformed(recording, dtype):
    values = camera_values(dtype="int16")
    values = (values if np.dtype(dtype).kind == "u" else values - 120).astype(dtype)
    movie = inserted(recording, CameraMovie(values, CAMERA))
    np.testing.assert_array_equal(movie.raw[:], values, strict=True)
    np.testing.assert_array_equal(movie[:], generalized_anscombe(values, **PARAMETERS))
    assert movie.step is None
    assert "lossless" in repr(movie)


def test_the_calibration_is_in_the_attributes_and_in_the_movie(recording):
    movie = inserted(recording, CameraMovie(camera_values(), CAMERA))
    assert movie.calibration == CAMERA
    assert movie.attrs["anscombe_gain"] == 30
    assert movie.attrs["anscombe_offset"] == 100
    assert movie.attrs["anscombe_variance"] == 81


def test_photons_are_the_values_less_the_offset_over_the_gain(recording):
    values = camera_values()
    photons = inserted(recording, CameraMovie(values, CAMERA)).photons
    assert photons.dtype == np.float32
    np.testing.assert_allclose(photons[:], (values - 100.0) / 30, rtol=1e-6)


def test_the_inverse_with_the_movie_s_calibration_gives_the_values_back(recording):
    values = camera_values()
    movie = inserted(recording, CameraMovie(values, CAMERA))
    given = movie.calibration
    back = generalized_inverse_anscombe(movie[:], given.gain, given.offset, given.variance)
    np.testing.assert_array_equal(back, values)


def test_negative_values_need_a_calibration(recording):
    with pytest.raises(ValueError, match="photon counts must be >= 0"):
        inserted(recording, camera_values() - 120)
    assert len(recording()) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_camera_values_must_be_finite(recording, bad):
    values = camera_values(dtype="float32")
    values[7, 1, 2] = bad
    with pytest.raises(ValueError, match="at frame 7; every value must be finite"):
        inserted(recording, CameraMovie(values, CAMERA))
    assert len(recording()) == 0


# ---------------------------------------------------------------------------- in steps


@pytest.mark.parametrize("step", [0.25, 0.5, 1.0])
def test_stored_values_are_within_half_a_step_saturated_and_negative_ones_too(recording, step):
    values = camera_values()
    values[3], values[4], values[5, 0, 0] = 32767, -32768, 0
    movie = inserted(recording, CameraMovie(values, CAMERA, step=step))
    y = generalized_anscombe(values, **PARAMETERS)
    assert np.abs(movie[:] - y).max() <= step / 2 * (1 + 1e-12)
    np.testing.assert_array_equal(movie[5], movie[:][5])


@pytest.mark.parametrize(("step", "ratio"), [(0.5, 1.10), (1.0, 1.5)])
@pytest.mark.parametrize("rate", RATES)
def test_photons_of_a_movie_in_steps_are_unbiased(recording, step, ratio, rate):
    values = camera_values(400, rate=rate, shape=(40, 40))
    movie = inserted(recording, CameraMovie(values, CAMERA, step=step))
    true = (values - 100.0) / 30
    photons = movie.photons[:].astype(float)
    # of the difference to the very values that were stored, not to the rate: that has less noise
    difference = photons - true
    noise = difference.std() / np.sqrt(difference.size)
    assert abs(difference.mean()) < 0.005 + 3 * noise
    assert photons.var() / true.var() < ratio
    raw = movie.raw[:].astype(float)
    assert movie.raw.dtype == np.float32
    assert abs((raw - values).mean()) / 30 < 0.005 + 3 * noise


def test_a_movie_in_steps_says_so_everywhere(recording):
    movie = inserted(recording, CameraMovie(camera_values(), CAMERA, step=0.5))
    (row,) = recording.proj("movie").cursor(as_dict=True)
    stored = row["movie"] if isinstance(row["movie"], dict) else json.loads(row["movie"])
    assert stored[".zattrs"]["quantization_step"] == 0.5
    assert movie.attrs["quantization_step"] == 0.5
    assert movie.step == 0.5
    assert "in steps of 0.5 sigma" in repr(movie)


def test_what_photons_decode_to_is_stored_with_the_movie(recording):
    movie = inserted(recording, CameraMovie(camera_values(), CAMERA, step=0.5))
    table = movie.attrs["decode_table"]
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert table["step"] == 0.5


def test_counts_may_be_stored_in_steps_too(recording):
    counts = np.random.default_rng(0).poisson(5, (200, 16, 16))
    movie = inserted(recording, CameraMovie(counts, Calibration(gain=1), step=0.5))
    assert np.abs(movie[:] - generalized_anscombe(counts)).max() <= 0.25 * (1 + 1e-12)
    assert abs(movie.photons[:].mean() - counts.mean()) < 0.01


def test_a_type_with_a_step_stores_in_steps(schema, half_sigma):
    @schema
    class Coarse(dj.Manual):
        definition = f"""
        recording_id : int32
        ---
        movie : <{half_sigma.name}@imaging>
        """

    counts = np.random.default_rng(0).poisson(5, (20, 8, 8))
    assert inserted(Coarse, counts).step == 0.5
    assert inserted(Coarse, CameraMovie(camera_values(), CAMERA), 2).step == 0.5
    assert inserted(Coarse, CameraMovie(camera_values(), CAMERA, step=0.25), 3).step == 0.25


@pytest.mark.parametrize("step", [0, -0.5, 1.01, 2, np.nan])
def test_a_step_out_of_range_is_refused_with_the_reason(step):
    with pytest.raises(ValueError, match="0 < step <= 1"):
        CameraMovie(camera_values(), CAMERA, step=step)


@pytest.mark.parametrize("step", ["0.5", True, [0.5]])
def test_a_step_that_is_no_number_is_refused(step):
    with pytest.raises(TypeError, match="0 < step <= 1"):
        CameraMovie(camera_values(), CAMERA, step=step)


# ---------------------------------------------------------------------------- what comes next


@pytest.mark.parametrize("step", [None, 0.5])
def test_a_fetched_camera_movie_is_inserted_again_exactly(recording, step):
    first = inserted(recording, CameraMovie(camera_values(), CAMERA, step=step))
    second = inserted(recording, first, 2)
    assert second.calibration == CAMERA
    assert second.step == step
    np.testing.assert_array_equal(second[:], first[:])
    np.testing.assert_array_equal(second.raw[:], first.raw[:])
    np.testing.assert_array_equal(second.photons[:], first.photons[:])
