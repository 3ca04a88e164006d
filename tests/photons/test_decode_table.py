"""What codes decode to: the closed form, stored tables, and bits that never change."""

import json
import math
import pickle

import numpy as np
import pytest

from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.decode_table import DecodeTable
from dj_photon_codecs.photons.steps import quantize
from dj_photon_codecs.photons.transform import generalized_anscombe

CAMERAS = {
    "photon counts": Calibration(),
    "counts with noise": Calibration(gain=1.0, offset=0.0, variance=4.0),
    "fractions": Calibration(gain=2.3, offset=7.7, variance=1.0),
    "camera": Calibration(gain=30.0, offset=100.0, variance=81.0),
    "negative offset": Calibration(gain=2400.0, offset=-200.0, variance=0.0),
    "coarse": Calibration(gain=0.3, offset=100.0, variance=0.09),
}
STEPS = [1.0, 0.5, 0.25, 0.1, 1 / 3]
cameras = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
steps = pytest.mark.parametrize("step", STEPS)


def code_of(values, camera, step):
    y = generalized_anscombe(values, camera.gain, camera.offset, camera.variance)
    return quantize(y, step, dtype="i8")


def closed_form(camera, step, *, whole):
    return DecodeTable(
        gain=camera.gain, offset=camera.offset, variance=camera.variance, step=step, whole=whole
    )


# ---------------------------------------------------------------------------- closed form


@cameras
@steps
def test_edges_part_whole_values_as_their_codes_do(camera, step):
    values = np.arange(-3000, 20000)
    codes = code_of(values, camera, step)
    table = closed_form(camera, step, whole=True)
    assert (table.edges(codes.astype(float)) < values).all()
    assert (values < table.edges(codes + 1.0)).all()


@steps
def test_where_codes_hold_one_whole_value_they_decode_to_that(step):
    table, values = closed_form(Calibration(), step, whole=True), np.arange(-20, 200)
    codes = code_of(values, Calibration(), step).astype(float)
    # A code that holds several changes what its neighbours decode to.
    held = np.diff(table.edges(codes + np.arange(-1.0, 3.0)[:, None]), axis=0)
    single = (held <= 1).all(axis=0)
    assert single[values == 0]
    assert np.array_equal(table.photons(codes)[single], values[single])


@steps
def test_without_rounding_the_closed_form_is_that_of_smooth_noise(step):
    camera = CAMERAS["camera"]
    codes = np.arange(math.ceil(8 / step), math.ceil(100 / step))
    y = step * codes
    # the inverse at the middle, what the curvature of the inverse adds, less what its growth does
    expected = y**2 / 4 - 3 / 8 - camera.variance / camera.gain**2 - step**2 / 48
    photons = closed_form(camera, step, whole=False).photons(codes)
    np.testing.assert_allclose(photons, expected, rtol=1e-12, atol=1e-4 * step**4)


@cameras
@steps
@pytest.mark.parametrize("whole", [True, False])
def test_photons_never_fall(camera, step, whole):
    rng = np.random.default_rng(5)
    codes = np.unique(np.concatenate([np.arange(-5000, 9000), rng.integers(-(2**62), 2**62, 500)]))
    photons = closed_form(camera, step, whole=whole).photons(codes)
    assert np.isfinite(photons).all()
    assert (np.diff(photons) >= 0).all()


@cameras
@steps
def test_photons_stay_within_the_values_of_their_code(camera, step):
    table = closed_form(camera, step, whole=True)
    codes = np.unique(code_of(np.arange(200, 60000), camera, step))
    values = camera.offset + camera.gain * table.photons(codes)
    assert (table.edges(codes.astype(float)) < values).all()
    assert (values < table.edges(codes + 1.0)).all()


def test_photons_have_the_shape_of_the_codes():
    table = closed_form(Calibration(), 0.5, whole=True)
    codes = np.arange(600_000).reshape(2, 3, 100_000) % 251  # several blocks
    assert np.array_equal(table.photons(codes), table.photons(np.arange(251))[codes])
    assert table.photons(np.zeros((0, 4), "u1")).shape == (0, 4)
    assert table.photons(2).shape == ()


# ---------------------------------------------------------------------------- tables

STORED = {
    "gain": 30.0,
    "offset": 100.5,
    "variance": 81.0,
    "step": 1.0,
    "whole": True,
    "first": -1,
    "table": "AMBuvgAAX74AAFC+AJC2PgAYAUAAIFNAAJ+8QIBlBkE=",
}
CODES = [-40, -4, -3, -2, 0, 3, 5, 6, 7, 20, 300]
PHOTONS = [
    "-0x1.9555555555555p+4",
    "-0x1.a44e9425a244fp+1",
    "-0x1.54d3fead634d4p+1",
    "-0x1.0909df307a90ap+1",
    "-0x1.be00000000000p-3",
    "0x1.0230000000000p+1",
    "0x1.793e000000000p+2",
    "0x1.0ccb000000000p+3",
    "0x1.7888888888889p+3",
    "0x1.8e11111111111p+6",
    "0x1.5f8e111111111p+14",
]
SMOOTH_PHOTONS = [
    "-0x1.a2cc613ecb127p+3",
    "-0x1.08498f589af4fp+1",
    "-0x1.c230e66111651p+0",
    "-0x1.73ceae10ece06p+0",
    "-0x1.ae1443274fbafp-1",
    "0x1.860845a93bf9ap-4",
    "0x1.17a06d3a06d3cp+0",
    "0x1.c7a06d3a06d3cp+0",
    "0x1.4bd0369d0369ep+1",
    "0x1.887a06d3a06d3p+4",
    "0x1.5f887a06d3a06p+12",
]


def test_a_stored_table_decodes_to_the_same_bits_for_ever():
    photons = DecodeTable.from_dict(STORED).photons(CODES)
    assert [value.hex() for value in photons.tolist()] == PHOTONS


def test_the_closed_form_decodes_to_the_same_bits_for_ever():
    photons = DecodeTable(30.0, 100.5, 81.0, 0.5, whole=False).photons(CODES)
    assert [value.hex() for value in photons.tolist()] == SMOOTH_PHOTONS


def test_a_table_survives_json():
    table = DecodeTable.from_dict(STORED)
    assert json.loads(json.dumps(table.to_dict(), allow_nan=False)) == STORED
    assert DecodeTable.from_dict(json.loads(json.dumps(table.to_dict()))) == table


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("AMBuvgAAX74", "is not base64 of float32"),
        ("AMBuvgAA", "is not base64 of float32"),
        ("not base64", "is not base64 of float32"),
        ("AACAPwAAAEAAAMB/", "not finite, or that fall"),  # 1, 2, NaN
        ("AACAPwAAQEAAAABA", "not finite, or that fall"),  # 1, 3, 2
    ],
)
def test_a_damaged_table_is_refused(table, message):
    with pytest.raises(ValueError, match=rf"{message}.* damaged\. Restore the movie's row"):
        DecodeTable.from_dict({**STORED, "table": table})


def test_a_table_survives_pickling():
    table = DecodeTable.from_dict(STORED)
    copy = pickle.loads(pickle.dumps(table))
    assert copy == table
    assert np.array_equal(copy.photons(CODES), table.photons(CODES))
