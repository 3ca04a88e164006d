"""Whether values that were taken for photons look like those of a camera."""

from __future__ import annotations

import math
import warnings
from typing import Any

from dj_photon_codecs.calibration.movie_calibration import calibrate

__all__ = ["camera_units"]

LOOKED_AT = 1 << 26  # bytes of the movie's first frames
NEAR = 0.1, 0.25  # of gain and zero level to those of photons, as the quickstart asks


def camera_units(movie: Any) -> str:
    """Say what to do if the noise of a movie tells that it holds no photon counts; else nothing."""
    if hasattr(movie, "raw"):  # a stored movie knows its calibration
        return ""
    frames = LOOKED_AT // max(1, math.prod(movie.shape[1:]) * movie.dtype.itemsize)
    try:
        with warnings.catch_warnings(action="ignore"):
            found = calibrate(movie[: max(8, frames)])
    except (TypeError, ValueError):  # the noise does not tell
        return ""
    gain_error, zero_error = 2 * (found.gain_stderr or 0), 2 * (found.offset_stderr or 0)
    if abs(found.gain - 1) < NEAR[0] + gain_error and abs(found.offset) < NEAR[1] + zero_error:
        return ""
    return (
        f"by the noise these are values of a camera, {found.gain:.3g} for each photon above "
        f"{found.offset:.4g}, and were taken for photons: say --calibrate"
    )
