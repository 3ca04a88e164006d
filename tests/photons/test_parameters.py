"""Gain, offset and variance: what cannot work is refused, wherever it comes in."""

import math

import numpy as np
import pytest

from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.inverses import exact_inverse, generalized_inverse_anscombe
from dj_photon_codecs.photons.parameters import FARTHEST, LARGEST, SMALLEST, finite
from dj_photon_codecs.photons.transform import generalized_anscombe

IMPOSSIBLE = [
    ({"gain": 0.0}, r"gain is 0\.0; it must be positive, in ADU per photon"),
    ({"gain": -1.0}, r"gain is -1\.0; it must be positive"),
    ({"gain": math.nan}, "gain is nan; it must be finite"),
    ({"gain": math.inf}, "gain is inf; it must be finite"),
    ({"gain": 1e-300}, r"gain is 1e-300; it must be between 1e-30 and 1e\+30"),
    ({"gain": 5e-324}, "gain is 5e-324; it must be between"),
    ({"gain": 1e300}, r"gain is 1e\+300; it must be between"),
    ({"offset": -math.inf}, "offset is -inf; it must be finite"),
    ({"offset": 1e308}, r"offset is 1e\+308; with a gain of 1\.0 it must be at most 1\.126e\+15"),
    ({"offset": -1e16}, r"offset is -1e\+16; with a gain of 1\.0"),
    ({"gain": 1e-20, "offset": 100.0}, r"offset is 100\.0; with a gain of 1e-20"),
    ({"variance": -0.1}, r"variance is -0\.1; it must be >= 0"),
    ({"variance": math.nan}, "variance is nan; it must be finite"),
    ({"variance": 1e300}, r"variance is 1e\+300; with a gain of 1\.0 it must be at most"),
    ({"gain": 1e-10, "variance": 1.0}, r"variance is 1\.0; with a gain of 1e-10"),
]
POSSIBLE = [
    {"gain": SMALLEST},
    {"gain": LARGEST},
    {"gain": 1e-19, "offset": 1e-18, "variance": 1e-38},
    {"offset": FARTHEST},
    {"offset": -FARTHEST, "variance": FARTHEST},
    {"offset": 5e-324, "variance": 5e-324},
]
EVERYTHING = {"gain": 1.0, "offset": 0.0, "variance": 0.0}


@pytest.mark.parametrize(("parameters", "message"), IMPOSSIBLE, ids=str)
def test_parameters_that_cannot_work_are_refused_everywhere(parameters, message):
    everything = EVERYTHING | parameters
    with pytest.raises(ValueError, match=message):
        Calibration(**parameters)
    with pytest.raises(ValueError, match=message):
        generalized_anscombe([1.0], **parameters)
    with pytest.raises(ValueError, match=message):
        generalized_inverse_anscombe([2.0], **parameters)
    with pytest.raises(ValueError, match=message):
        exact_inverse([2.0], "u1", **everything)


@pytest.mark.parametrize("parameters", POSSIBLE, ids=str)
def test_all_others_transform_every_integer_to_a_finite_value(parameters):
    calibration = Calibration(**parameters)
    ends = np.array([0, 1, 2**16, 2**64 - 1], "u8")
    y = generalized_anscombe(ends, calibration.gain, calibration.offset, calibration.variance)
    assert np.isfinite(y).all()
    assert (np.diff(y) >= 0).all()
    # photons one after the other have transforms one above the other
    photons = calibration.offset + calibration.gain * np.arange(4.0)
    y = generalized_anscombe(photons, calibration.gain, calibration.offset, calibration.variance)
    assert (np.diff(y) > 0).all()


@pytest.mark.parametrize("value", [True, "1", None, 1j, [1.0]])
def test_what_is_no_number_is_refused_by_its_name(value):
    with pytest.raises(TypeError, match=r"motion is .*; it must be a real number"):
        finite("motion", value)
