"""Gain and zero level of a camera, found in the noise of a movie: the photon transfer curve."""

from __future__ import annotations

from dj_photon_codecs.calibration.movie_calibration import calibrate

__all__ = ["calibrate"]
