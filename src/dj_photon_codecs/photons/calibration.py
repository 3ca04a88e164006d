"""What one photon is worth in camera units: the numbers, and how well they are known."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from dj_photon_codecs.photons.parameters import check_parameters, finite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

__all__ = ["Calibration", "Points", "measured"]

Points = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, repr=False)
class Calibration:
    """How a camera turns photons into values.

    A value is ``offset + gain * photons`` plus read noise. Two calibrations are equal if these
    three numbers are; how they were found does not matter. ``Calibration()`` stands for photon
    counts.

    Parameters
    ----------
    gain : float
        ADU per photon, 1e-30 to 1e30. Measured from noise, it includes what widens the noise of a
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
    doubts : tuple of str, optional
        What `calibrate` warned of, a sentence each.

    Raises
    ------
    TypeError
        If a number is not a real number, or `doubts` is one string.
    ValueError
        If it is not finite or out of its range. Offset and variance must be at most 2**50 photons
        (squared), since float64 could not tell single photons apart beyond that.

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
    curve: Points = field(default=(), compare=False)
    excluded: Points = field(default=(), compare=False)
    doubts: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        """Refuse impossible numbers, and make all of them plain Python floats."""
        for name in ("gain", "offset", "variance"):
            self._set(name, finite(name, getattr(self, name)))
        check_parameters(self.gain, self.offset, self.variance)
        for name in ("gain_stderr", "offset_stderr", "variance_stderr", "motion"):
            if getattr(self, name) is not None:
                self._set(name, finite(name, getattr(self, name)))
        if self.noise_correlation is not None:
            self._set("noise_correlation", _row("noise_correlation", self.noise_correlation))
        for name in ("curve", "excluded"):
            self._set(name, tuple(_row(name, point) for point in getattr(self, name)))
        self._set("doubts", _sentences(self.doubts))

    def __repr__(self) -> str:
        said = (f"{name}={text}" for name, text in self.in_words().items())
        return f"Calibration({', '.join(said)})"

    def _repr_html_(self) -> str:
        from dj_photon_codecs.views.notebook import table  # noqa: PLC0415

        return table("Calibration", self.in_words())

    def in_words(self) -> dict[str, str]:
        """Return the three numbers, with their standard errors where they are known.

        Examples
        --------
        >>> Calibration(gain=29.9172, offset=100, gain_stderr=0.0312).in_words()
        {'gain': '29.92 ± 0.03', 'offset': '100', 'variance': '0'}
        """
        return {
            name: measured(getattr(self, name), getattr(self, f"{name}_stderr"))
            for name in ("gain", "offset", "variance")
        }

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
        plain["doubts"] = list(self.doubts)
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
        names = [entry.name for entry in fields(cls)]
        if unknown := sorted(set(plain) - set(names)):
            raise ValueError(f"unknown calibration fields {unknown}; the fields are {names}")
        return cls(**plain)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the photon transfer curve, its residuals, the numbers in words, and what is doubted.

        Where most points crowd at the dark end, axes are logarithmic, and begin at the zero level.

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
        from dj_photon_codecs.views.transfer_curve import draw  # noqa: PLC0415

        return draw(self, ax)


def measured(value: float, stderr: float | None) -> str:
    """Return a number with its standard error, if that is known, to the digits that it has.

    Examples
    --------
    >>> measured(640.52, 21.3), measured(29.9172, 0.0312), measured(8.25, None)
    ('640 ± 20', '29.92 ± 0.03', '8.25')
    """
    if stderr is None:
        return f"{value:.6g}"
    if not 1e-6 < stderr < 1e6:
        return f"{value:.4g} ± {stderr:.1g}"
    digits = -math.floor(math.log10(stderr))
    shown = max(digits, 0)
    return f"{round(value, digits):.{shown}f} ± {round(stderr, digits):.{shown}f}"


def _sentences(doubts: Any) -> tuple[str, ...]:
    if isinstance(doubts, str):
        raise TypeError(f"doubts is {doubts!r}; it must be a tuple of sentences")
    return tuple(map(str, doubts))


def _row(name: str, values: Any) -> tuple[float, float, float]:
    first, second, third = (finite(name, value) for value in values)
    return first, second, third
