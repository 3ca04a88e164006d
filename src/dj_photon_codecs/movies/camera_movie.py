"""`CameraMovie`: camera values and their calibration, to insert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dj_photon_codecs.movies.checks import check_frames
from dj_photon_codecs.movies.provenance import stored_movie
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.steps import check_step

if TYPE_CHECKING:
    from dj_photon_codecs.movies.sources import Frames

__all__ = ["CameraMovie", "as_camera_movie"]


@dataclass(frozen=True, eq=False, repr=False)
class CameraMovie:
    """Camera values and their calibration, to insert.

    Parameters
    ----------
    values : array_like
        Shape (frames, height, width, ...), ADU, any real dtype; negative values are legal.
    calibration : Calibration
        Gain, offset and read noise of the camera, as `calibrate` finds them. ``Calibration()`` is
        that of photon counts.
    step : float, optional
        None stores the values exactly. ``0 < step <= 1`` rounds the transformed values to
        multiples of `step`, in standard deviations of the noise: smaller, but not exact.

    Raises
    ------
    TypeError, ValueError
        If `values` is no array of real numbers of 3 dimensions or more, or a stored movie, whose
        values are transformed, or the `photons` of a stored movie with a gain other than 1; if
        `step` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(100, 5, (20, 8, 8)).astype("int16")
    >>> CameraMovie(values, Calibration(gain=30, offset=90), step=0.5).step
    0.5
    """

    values: Frames
    calibration: Calibration
    step: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be a movie before any of it is read."""
        object.__setattr__(self, "values", check_frames(self.values))
        if not isinstance(self.calibration, Calibration):
            raise TypeError(
                f"calibration is a {type(self.calibration).__name__}; it must be a Calibration. "
                "calibrate(values) makes one, Calibration(gain=1) stands for photon counts"
            )
        if self.step is not None:
            check_step(self.step)
        stored = stored_movie(self.values)
        if stored and stored.unit == "photon" and stored.calibrated and self.calibration.gain != 1:
            raise TypeError(
                "values are the .photons of a stored movie, and the calibration is that of camera "
                f"values ({self.calibration.gain:g} ADU per photon). Give movie.raw with "
                "movie.calibration, or movie.photons with Calibration(gain=1)"
            )

    def __repr__(self) -> str:
        step = "no step" if self.step is None else f"step {self.step:g}"
        return f"<{self._title}, gain {self.calibration.in_words()['gain']}, {step}>"

    def _repr_html_(self) -> str:
        from dj_photon_codecs.views.notebook import table  # noqa: PLC0415

        step = "none" if self.step is None else f"{self.step:g} sigma"
        return table(self._title, {**self.calibration.in_words(), "step": step})

    @property
    def _title(self) -> str:
        return f"{tuple(self.values.shape)} CameraMovie of {self.values.dtype}"


def as_camera_movie(
    values: Any, calibration: Calibration | None = None
) -> tuple[CameraMovie, bool]:
    """Return values as a `CameraMovie`, and whether they are photon counts; none is read.

    Without a calibration an array holds photon counts; a `CameraMovie` is returned as it is.

    Raises
    ------
    TypeError, ValueError
        If they are no movie.
    """
    if isinstance(values, CameraMovie):
        return values, False
    values = check_frames(values, counts=calibration is None)
    return CameraMovie(values, calibration or Calibration()), calibration is None
