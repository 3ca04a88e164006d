"""`calibrate`: what one photon is worth in camera units, found in the noise of a movie."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from dj_photon_codecs.calibration.curve_shape import curve_points
from dj_photon_codecs.calibration.doubts import doubts, part_doubts
from dj_photon_codecs.calibration.noise_correlation import correlate_noise, without_shared_change
from dj_photon_codecs.calibration.noise_maps import NoiseMaps
from dj_photon_codecs.calibration.part_gains import gains_in_space, gains_in_time, scatter
from dj_photon_codecs.calibration.photon_transfer import (
    allow_for_offsets,
    cut_factor,
    fit_transfer_line,
)
from dj_photon_codecs.calibration.refusals import (
    TWO_VALUES,
    accept_line,
    accept_precision,
    refuse_correlated,
    refuse_interleaved,
)
from dj_photon_codecs.calibration.temporal_noise import measure_noise
from dj_photon_codecs.calibration.transfer_line import TransferLine
from dj_photon_codecs.movies.checks import check_frames
from dj_photon_codecs.movies.progress import Task
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.parameters import finite

__all__ = ["calibrate"]

FEWEST_FRAMES = 8  # a run of four for each fold
FEWEST_PIXELS = 256
ZERO_TOLERANCE = 0.25  # photons; so well is the zero level known where nothing else disturbs


def calibrate(
    movie: Any,
    *,
    offset: float | None = None,
    method: Literal["folds", "anscombe-transform"] = "folds",
) -> Calibration:
    """Find the gain and the zero level of a camera from the noise of one movie.

    Parameters
    ----------
    movie : array_like
        Camera values or photon counts, (frames, height, width), of an integer or floating dtype:
        an array, a memory map, a Zarr array, an HDF5 data set, anything with a shape and a dtype
        that slices along its first axis. At least 8 frames and 256 pixels, some dark and some
        bright. It is read in blocks, and never in memory whole.
    offset : float, optional
        Mean of a dark frame, in ADU. It allows to separate the read noise from the offset.
        Without it `variance` is 0 and `offset` the effective zero, with the same noise at every
        brightness.
    method : {"folds", "anscombe-transform"}
        "folds" fits a photon transfer curve. "anscombe-transform" calls the estimator of that
        package, which needs the whole movie in memory, about ten times over.

    Returns
    -------
    Calibration
        With standard errors and the curve, to look at with ``.plot()``.

    Raises
    ------
    TypeError
        If the movie is not a real array.
    ValueError
        If the noise of the movie does not tell the gain to 10 %, or the values are not those of
        one camera at one setting: the message names the likely cause, and what to do. If `offset`
        lies below the zero level that the movie shows.

    Warns
    -----
    UserWarning
        If frames were left out because they repeat the one before, hold one value only, or are
        the average of their neighbours: the gain is right without them. If pixels differ in
        offset: the gain is right, and the zero level an average. If the noise is correlated
        between neighbours or frames, the gain differs between parts of the recording or of the
        frame, the curve bends, the scene moves, or most values lie at the lowest one: the gain
        may then be off.

    References
    ----------
    J. R. Janesick, "Photon Transfer", SPIE Press (2007), doi:10.1117/3.725073.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> rates = np.linspace(1, 30, 64 * 64).reshape(64, 64)
    >>> movie = 100 + 8 * rng.poisson(rates, (200, 64, 64))
    >>> calibration = calibrate(movie)
    >>> print(f"{calibration.gain:.1f} {calibration.offset:.0f}")
    8.0 100
    """
    movie = _checked_movie(movie)
    if method == "anscombe-transform":
        return _by_anscombe_transform(movie, offset)
    if method != "folds":
        raise ValueError(f"method is {method!r}; it must be 'folds' or 'anscombe-transform'")
    with Task("calibrate", movie.shape):
        maps = without_shared_change(measure_noise(movie))
    refuse_interleaved(maps.interleaving)
    maps, line = allow_for_offsets(maps, accept_line(maps, fit_transfer_line(maps)))
    correlation = correlate_noise(maps, line)
    refuse_correlated(correlation)
    parts = gains_in_time(maps, line), gains_in_space(maps, line)
    line = replace(line, covariance=line.covariance * scatter(*parts) ** 2)
    line = replace(line, covariance=line.covariance * cut_factor(maps, line) ** 2)
    differences = part_doubts(*parts, clipped=line.clipped)
    line = accept_precision(maps, line, doubts=differences)
    curve = curve_points(maps, line, kept=True)
    found = [*doubts(maps, line, correlation=correlation, curve=curve), *differences]
    for doubt in found:
        warnings.warn(doubt, UserWarning, stacklevel=2)
    used = int(np.count_nonzero(line.kept.any(axis=0)))
    return Calibration(
        **_zero_or_noise(maps, line, offset),
        gain=line.gain,
        gain_stderr=line.gain_stderr,
        pixels_used=used,
        pixels_excluded=line.texture.size - used,
        noise_correlation=(correlation.time, correlation.vertical, correlation.horizontal),
        motion=maps.motion,
        clipped=line.clipped,
        curve=curve,
        excluded=curve_points(maps, line, kept=False),
        doubts=tuple(found),
    )


def _checked_movie(movie: Any) -> Any:
    """Return the array of a movie; refuse what has no temporal noise to measure, unread."""
    movie = check_frames(movie)
    if movie.dtype.kind == "b":
        raise TypeError(f"movie has dtype bool, {TWO_VALUES}")
    if len(movie.shape) != 3:
        raise ValueError(
            f"movie has shape {movie.shape}; it must be (frames, height, width). Choose one "
            "channel and plane, such as movie[:, 0]"
        )
    if movie.shape[0] < FEWEST_FRAMES:
        raise ValueError(
            f"movie has shape {movie.shape}; its noise shows in at least {FEWEST_FRAMES} frames. "
            "Record 100 frames or more"
        )
    if math.prod(movie.shape[1:]) < FEWEST_PIXELS:
        raise ValueError(
            f"movie has shape {movie.shape}; its noise shows in at least {FEWEST_PIXELS} pixels, "
            "some of them dark and some bright. Record larger frames"
        )
    return movie


def _zero_or_noise(maps: NoiseMaps, line: TransferLine, offset: float | None) -> dict[str, Any]:
    """Report the zero level, or, given the offset, the read noise."""
    if offset is None:
        zero, stderr = line.zero()
        return {"offset": maps.origin + zero, "offset_stderr": stderr}
    offset = finite("offset", offset)
    variance, stderr = line.variance_at(offset - maps.origin)
    return {
        "offset": offset,
        "variance": _read_noise(variance, stderr, gain=line.gain, offset=offset),
        "variance_stderr": stderr,
    }


def _read_noise(variance: float, stderr: float, *, gain: float, offset: float) -> float:
    if variance < -max(3 * stderr, ZERO_TOLERANCE * gain**2):
        raise ValueError(
            f"offset is {offset:g}, but the noise of the movie vanishes only at "
            f"{offset - variance / gain:.4g} (gain {gain:.4g}): there is no room for read noise. "
            "The offset must be the mean of frames taken in the dark with the same settings; "
            "leave it out if there are none"
        )
    return max(variance, 0.0)


def _by_anscombe_transform(movie: Any, offset: float | None) -> Calibration:
    gain, zero = _estimated(movie)
    if offset is None:
        return Calibration(gain=gain, offset=zero)
    offset = finite("offset", offset)
    variance = _read_noise(gain * (offset - zero), 0.0, gain=gain, offset=offset)
    return Calibration(gain=gain, offset=offset, variance=variance)


def _estimated(movie: Any) -> tuple[float, float]:
    """Return gain and zero level of a movie of whole numbers, as anscombe-transform finds them.

    All of it is read into memory, and negative values count as 0 in that package.
    """
    from anscombe_transform.estimate import compute_conversion_gain  # noqa: PLC0415

    values = np.asarray(movie[:])
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise ValueError(
            f"movie holds fractions ({values.dtype}), or values that are not finite, which "
            "method 'anscombe-transform' would cut off. Use method='folds'"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what is not a number is refused below
            found = compute_conversion_gain(values)
    except (AssertionError, ValueError) as error:
        raise ValueError(
            f"method 'anscombe-transform' found no gain: {error} It needs more than 100 adjoining "
            "camera values, all of them frequent, which photon counts and small gains do not "
            "have. Use method='folds'"
        ) from error
    gain, zero = float(found["conversion_gain"]), float(found["zero_level"])
    if not (np.isfinite(zero) and gain > 0):
        raise ValueError(
            f"method 'anscombe-transform' found a gain of {gain:g} and a zero level of {zero:g}, "
            "which no camera has. Use method='folds'"
        )
    return gain, zero
