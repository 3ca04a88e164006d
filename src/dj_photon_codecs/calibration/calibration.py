"""What one photon is worth in camera units, and how to find out from a movie."""

from __future__ import annotations

import math
import numbers
import warnings
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dj_photon_codecs.calibration.anscombe_estimator import estimate_gain
from dj_photon_codecs.calibration.diagnosis import accept, curve_points, doubts
from dj_photon_codecs.calibration.frame_blocks import check_movie
from dj_photon_codecs.calibration.noise_correlation import correlate_noise, without_shared_change
from dj_photon_codecs.calibration.photon_transfer import fit_transfer_line
from dj_photon_codecs.calibration.temporal_noise import measure_noise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from dj_photon_codecs.calibration.diagnosis import Points
    from dj_photon_codecs.calibration.temporal_noise import NoiseMaps
    from dj_photon_codecs.calibration.transfer_line import TransferLine

__all__ = ["Calibration", "calibrate"]

ZERO_TOLERANCE = 0.25  # photons; so well is the zero level known where nothing else disturbs


@dataclass(frozen=True)
class Calibration:
    """How a camera turns photons into values.

    A value is ``offset + gain * photons`` plus read noise. Two calibrations are equal if these
    three numbers are; how they were found does not matter. ``Calibration()`` stands for photon
    counts.

    Parameters
    ----------
    gain : float
        ADU per photon, positive. Measured from noise, it includes what widens the noise of a
        photon, such as the spread of a photomultiplier's pulse heights.
    offset : float
        What the camera reads in the dark, in ADU. Where `variance` is 0 because it could not be
        told apart, the effective zero: true offset - read noise variance / gain.
    variance : float
        Variance of the read noise, in ADU squared, not negative.
    gain_stderr, offset_stderr, variance_stderr : float, optional
        Standard errors, in the same units; None for what was not estimated. They do not cover
        systematic errors, such as strong motion or clipped values.
    pixels_used, pixels_excluded : int, optional
        How many pixels the line was drawn through, and how many not.
    noise_correlation : tuple of float, optional
        Correlation of a pixel's noise with the next frame's, with the pixel below and with the
        pixel to the right.
    motion : float, optional
        Root mean square of the movement of the scene along an axis, in pixels.
    clipped : bool
        Whether dark values were clipped at the lowest one, which the line then allows for.
    curve, excluded : tuple of tuple
        Points of the photon transfer curve, (mean, variance, standard error of the variance),
        of the pixels that were used and of the others, for `plot`.

    Raises
    ------
    TypeError
        If a number is not a real number.
    ValueError
        If it is not finite, the gain not positive, or the variance negative.

    Examples
    --------
    >>> Calibration(gain=0)
    Traceback (most recent call last):
        ...
    ValueError: gain is 0.0; it must be positive, in ADU per photon
    """

    gain: float = 1.0
    offset: float = 0.0
    variance: float = 0.0
    gain_stderr: float | None = field(default=None, compare=False)
    offset_stderr: float | None = field(default=None, compare=False)
    variance_stderr: float | None = field(default=None, compare=False)
    pixels_used: int | None = field(default=None, compare=False)
    pixels_excluded: int | None = field(default=None, compare=False)
    noise_correlation: tuple[float, float, float] | None = field(default=None, compare=False)
    motion: float | None = field(default=None, compare=False)
    clipped: bool = field(default=False, compare=False)
    curve: Points = field(default=(), compare=False, repr=False)
    excluded: Points = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse impossible numbers, and make all of them plain Python floats."""
        for name in ("gain", "offset", "variance"):
            self._set(name, _finite(name, getattr(self, name)))
        if self.gain <= 0:
            raise ValueError(f"gain is {self.gain}; it must be positive, in ADU per photon")
        if self.variance < 0:
            raise ValueError(f"variance is {self.variance}; it must be >= 0, in ADU squared")
        for name in ("gain_stderr", "offset_stderr", "variance_stderr", "motion"):
            if getattr(self, name) is not None:
                self._set(name, _finite(name, getattr(self, name)))
        if self.noise_correlation is not None:
            self._set("noise_correlation", _row("noise_correlation", self.noise_correlation))
        for name in ("curve", "excluded"):
            self._set(name, tuple(_row(name, point) for point in getattr(self, name)))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary of plain, finite JSON values, from which `from_dict` rebuilds.

        Examples
        --------
        >>> Calibration.from_dict(Calibration(gain=8.5).to_dict()) == Calibration(gain=8.5)
        True
        """
        plain = asdict(self)
        for name in ("curve", "excluded"):
            plain[name] = [list(point) for point in plain[name]]
        if self.noise_correlation is not None:
            plain["noise_correlation"] = list(self.noise_correlation)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Calibration:
        """Rebuild a calibration from `to_dict`, or from any of its fields.

        Raises
        ------
        ValueError
            If there is a key that is no field.
        """
        known = [each.name for each in fields(cls)]
        if unknown := sorted(set(plain) - set(known)):
            raise ValueError(f"unknown calibration fields {unknown}; the fields are {known}")
        return cls(**plain)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the photon transfer curve, its residuals below, and the numbers in words.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure if not given. The residuals take an axis below it.

        Returns
        -------
        matplotlib.axes.Axes
            The axes of the curve.

        Raises
        ------
        ValueError
            If the calibration was not made from a movie, and has no curve.
        """
        if not self.curve:
            raise ValueError("this calibration has no curve; plot what calibrate(movie) returns")
        from dj_photon_codecs.calibration.plot import draw  # noqa: PLC0415

        return draw(self, ax)


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
        If the noise of the movie does not tell the gain to 10 %: the message says why, and what
        to record instead. If `offset` lies below the zero level that the movie shows.

    Warns
    -----
    UserWarning
        If the noise is correlated between neighbours or frames, the curve bends, the scene
        moves, or most values lie at the lowest one: the gain may then be off.

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
    check_movie(movie)
    if method == "anscombe-transform":
        return _by_anscombe_transform(movie, offset)
    if method != "folds":
        raise ValueError(f"method is {method!r}; it must be 'folds' or 'anscombe-transform'")
    maps = without_shared_change(measure_noise(movie))
    line = accept(maps, fit_transfer_line(maps))
    correlation = correlate_noise(maps, line)
    curve = curve_points(maps, line, kept=True)
    for doubt in doubts(maps, line, correlation=correlation, curve=curve):
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
    )


def _zero_or_noise(maps: NoiseMaps, line: TransferLine, offset: float | None) -> dict[str, Any]:
    """Report the zero level, or, given the offset, the read noise."""
    if offset is None:
        zero, stderr = line.zero()
        return {"offset": maps.origin + zero, "offset_stderr": stderr}
    offset = _finite("offset", offset)
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
    gain, zero = estimate_gain(movie)
    if offset is None:
        return Calibration(gain=gain, offset=zero)
    offset = _finite("offset", offset)
    variance = _read_noise(gain * (offset - zero), 0.0, gain=gain, offset=offset)
    return Calibration(gain=gain, offset=offset, variance=variance)


def _finite(name: str, value: Any) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}; it must be a real number")
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; it must be finite")
    return float(value)


def _row(name: str, values: Any) -> tuple[float, float, float]:
    first, second, third = (_finite(name, value) for value in values)
    return first, second, third
