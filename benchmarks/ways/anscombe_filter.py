"""The filter of the package anscombe-transform, at its defaults, in a Zarr array.

It stores steps of half the noise in uint8. Its table holds them from a gain of about 8 ADU per
photon; below, it wraps, and what comes back is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anscombe_transform

from ways.way import Way
from ways.zarr_arrays import BITSHUFFLE, read_array, write_array

if TYPE_CHECKING:
    from pathlib import Path

    from subjects import Movie

STEP = 0.5  # is its beta, which cannot be chosen
HIGHEST = 32767  # of its table


def takes(movie: Movie) -> bool:
    """Say whether the gain is known, and the package promises to store the movie."""
    fits = 0 <= movie.values.min() <= movie.values.max() <= HIGHEST
    return movie.rate is not None and movie.step in (None, STEP) and fits


def write(movie: Movie, path: Path) -> None:
    """Write the values through the filter."""
    calibrated = anscombe_transform.AnscombeTransformV2(
        zero_level=round(movie.calibration.offset), conversion_gain=movie.calibration.gain
    )
    write_array(movie.values, path, filters=[calibrated], compressors=BITSHUFFLE)


WAYS = [Way("anscombe-transform's filter", write, read_array, takes=takes)]
