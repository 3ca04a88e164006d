"""The movies that are stored: simulated ones whose limit is known, and files of real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from shannon import entropy_of_camera_codes, entropy_of_counts
from simulate import camera, simulate_rates

from dj_photon_codecs import Calibration, generalized_anscombe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 512
STEPPED_MEAN = 5.0  # photons
CAMERA = {"gain": 30.0, "offset": 100.0, "read_noise": 0.3}


@dataclass(frozen=True, eq=False)
class Movie:
    """A movie, what its values mean, and how small it can become.

    Parameters
    ----------
    name : str
        What the tables call it.
    values : numpy.ndarray
        Shape (frames, height, width).
    calibration : Calibration
        What the values mean; by default they are photon counts.
    step : float, optional
        In which steps of the noise it is to be stored; by default exactly.
    rate : float, optional
        Mean photons per pixel, of a simulated movie.
    limit, limit_in_steps : float, optional
        Shannon's limit of the values, and of their codes in steps, in bits per pixel.
    """

    name: str
    values: NDArray[Any]
    calibration: Calibration = field(default_factory=Calibration)
    step: float | None = None
    rate: float | None = None
    limit: float | None = None
    limit_in_steps: float | None = None

    @property
    def megabytes(self) -> float:
        """Return the size of the movie in memory."""
        return self.values.nbytes / 1e6

    def transform(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Transform values as somebody does who has only NumPy."""
        if values.dtype.kind == "u" and self.calibration == Calibration():
            counted: NDArray[np.float64] = 2 * np.sqrt(values + 3 / 8)
            return counted
        given = self.calibration
        photons = (values - given.offset) / given.gain + given.variance / given.gain**2
        transformed: NDArray[np.float64] = 2 * np.sqrt(np.maximum(photons + 3 / 8, 0))
        return transformed

    def invert(self, transformed: NDArray[np.float64]) -> NDArray[Any]:
        """Return the values that `transform` was given, rounded to their dtype."""
        given = self.calibration
        photons = transformed**2 / 4 - 3 / 8 - given.variance / given.gain**2
        return np.rint(photons * given.gain + given.offset).astype(self.values.dtype)

    def codes(self) -> NDArray[np.uint8]:
        """Return the values in steps, of one standard deviation if none were asked for."""
        return np.rint(self.transform(self.values) / (self.step or 1)).astype("u1")


def counted(rates: Iterable[float], *, frames: int) -> Iterator[Movie]:
    """Simulate movies of photon counts, of the given mean rates."""
    for rate in rates:
        scene = simulate_rates(frames, SIDE, SIDE, mean=rate, seed=7)
        counts = np.random.default_rng(8).poisson(scene).astype("uint16")
        name = f"{rate:g} photons"
        yield Movie(name, counts, rate=rate, limit=entropy_of_counts(scene))


def in_steps(steps: Iterable[float], *, frames: int) -> Iterator[Movie]:
    """Simulate one camera movie, to be stored in each of the given steps."""
    scene = simulate_rates(frames, SIDE, SIDE, mean=STEPPED_MEAN, seed=7)
    values = camera(scene, **CAMERA, dtype="int16", seed=8)
    gain = CAMERA["gain"]
    calibration = Calibration(gain, CAMERA["offset"], (CAMERA["read_noise"] * gain) ** 2)
    limit = entropy_of_camera_codes(scene, lambda each: each, **CAMERA)
    for step in steps:
        yield Movie(
            f"{STEPPED_MEAN:g} photons, step {step:g}",
            values,
            calibration,
            step,
            STEPPED_MEAN,
            limit,
            entropy_of_camera_codes(
                scene, partial(_codes, calibration=calibration, step=step), **CAMERA
            ),
        )


def from_files(files: Iterable[Path]) -> Iterator[Movie]:
    """Load movies, the array "movie" of .npz files each or the array of a .npy file."""
    for file in files:
        stored = np.load(file)
        yield Movie(file.stem, stored if file.suffix == ".npy" else stored["movie"])


def _codes(values: NDArray[Any], *, calibration: Calibration, step: float) -> NDArray[Any]:
    given = calibration
    y = generalized_anscombe(values, given.gain, given.offset, given.variance)
    codes: NDArray[Any] = np.rint(y / step)
    return codes
