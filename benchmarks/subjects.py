"""The movies that are stored: simulated ones, most of known limit, and files of real ones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from shannon import entropy_of_camera_codes, entropy_of_counts
from simulate import camera, digitize, photomultiplier, simulate_rates

from dj_photon_codecs import Calibration, generalized_anscombe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SIDE, MANY = 512, 100  # frames of this side, and so many of them, are what is usual
SHAPED = (
    *((3, shape) for shape in ((500, 64, 64), (500, 128, 128), (20, 256, 256), (5, 512, 512))),
    *((3, shape) for shape in ((4, 256, 256), (10, 512, 512))),
    *((rate, (100, 256, 256)) for rate in (0.001, 0.01)),
)
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
    return (photons(rate, frames, SIDE, SIDE) for rate in rates)


def photons(rate: float, *shape: int) -> Movie:
    """Simulate a movie of photon counts."""
    scene = simulate_rates(*shape, mean=rate, seed=7)
    counts = np.random.default_rng(8).poisson(scene).astype("uint16")
    size = "" if shape[1] == SIDE and shape[0] >= MANY else f", {' x '.join(map(str, shape))}"
    return Movie(f"{rate:g} photons{size}", counts, rate=rate, limit=entropy_of_counts(scene))


def shaped() -> Iterator[Movie]:
    """Simulate small frames, few frames, and counts that are rare; no rows of the overview."""
    for rate, shape in SHAPED:
        yield replace(photons(rate, *shape), rate=None)


def in_steps(steps: Iterable[float], *, frames: int) -> Iterator[Movie]:
    """Simulate one camera movie, to be stored in each of the given steps."""
    return (stepped(step, frames, SIDE, SIDE) for step in steps)


def stepped(step: float, *shape: int) -> Movie:
    """Simulate a camera movie, to be stored in steps."""
    scene = simulate_rates(*shape, mean=STEPPED_MEAN, seed=7)
    values = camera(scene, **CAMERA, dtype="int16", seed=8)
    gain = CAMERA["gain"]
    calibration = Calibration(gain, CAMERA["offset"], (CAMERA["read_noise"] * gain) ** 2)
    codes = partial(_codes, calibration=calibration, step=step)
    return Movie(
        f"{STEPPED_MEAN:g} photons, step {step:g}",
        values,
        calibration,
        step,
        STEPPED_MEAN,
        entropy_of_camera_codes(scene, lambda each: each, **CAMERA),
        entropy_of_camera_codes(scene, codes, **CAMERA),
    )


def pulses(*shape: int, mean: float = 0.2, cell: float = 0.0) -> NDArray[Any]:
    """Simulate gamma pulses with electronic noise, clipped at zero and at 13 bits.

    The noise of the dark is a spike at zero; `cell` adds a scene, of so many photons.
    """
    rng = np.random.default_rng(9)
    rates = simulate_rates(*shape, mean=cell, seed=7) if cell else np.full(shape, mean)
    number = rng.poisson(rates)
    charge = rng.gamma(np.maximum(number, 1) * 3.0, 200) * (number > 0)
    return np.clip(np.rint(charge + rng.normal(0, 40, shape)), 0, 8191).astype("u2")


def amplified(*shape: int, mean: float, **options: Any) -> NDArray[Any]:
    """Simulate a scanned photomultiplier."""
    return photomultiplier(simulate_rates(*shape, mean=mean, seed=7), gain=100, seed=8, **options)


def decaying(*shape: int, mean: float = 0.3, decay: float = 2.0) -> NDArray[Any]:
    """Simulate a photomultiplier whose pulses decay along the line, in so many pixels."""
    charge = photomultiplier(simulate_rates(*shape, mean=mean, seed=7), gain=30, dtype="f8", seed=8)
    for x in range(1, shape[2]):
        charge[..., x] += charge[..., x - 1] * np.exp(-1 / decay)
    return digitize(charge, dtype="u2", full_scale=255)


def scientific(*shape: int, mean: float, fixed: float = 0.0) -> NDArray[Any]:
    """Simulate a scientific CMOS: every pixel has an offset, a gain and a read noise of its own."""
    rng = np.random.default_rng(9)
    scene = simulate_rates(*shape, mean=mean, seed=7)
    noise = rng.lognormal(np.log(1.4), 0.35, shape[1:]) * rng.standard_normal(shape)
    gain = 2.2 * (1 + fixed * rng.standard_normal(shape[1:]))
    offset = 100 + 2 * rng.standard_normal(shape[1:])
    return digitize(offset + gain * (rng.poisson(scene) + noise), dtype="u2")


def smoothed(*shape: int, mean: float = 3.0) -> NDArray[Any]:
    """Simulate a camera movie that was smoothed over neighbours."""
    values = camera(simulate_rates(*shape, mean=mean, seed=7), gain=3, offset=100, read_noise=1.3)
    rows = (np.roll(values, 1, 1) + 2.0 * values + np.roll(values, -1, 1)) / 4
    return np.rint((np.roll(rows, 1, 2) + 2 * rows + np.roll(rows, -1, 2)) / 4).astype("u2")


def getframes(name: str, *shape: int) -> NDArray[Any]:
    """Record a scene with a detector of detectors.py."""
    from detectors import DETECTORS  # noqa: PLC0415, since getframes may be missing

    detector = next(each for each in DETECTORS if each.name == name)
    return detector.movie(shape[0], shape[1], 7)


DETECTED: dict[str, Callable[[], NDArray[Any]]] = {
    "clipped pulses": partial(pulses, 100, 256, 256),
    "clipped pulses of a scene": partial(pulses, 100, 256, 256, cell=0.5),
    "clipped pulses, 20 frames": partial(pulses, 20, 256, 256, cell=0.5),
    "photomultiplier": partial(amplified, 100, 256, 256, mean=1, offset=200),
    "photomultiplier, clipped": partial(amplified, 100, 256, 256, mean=0.5, dtype="u2"),
    "photomultiplier, slow": partial(amplified, 20, 256, 256, mean=1, bandwidth=0.3),
    "photomultiplier, slow, 60 frames": partial(decaying, 60, 256, 256),
    "photomultiplier, saturated": partial(amplified, 20, 256, 256, mean=5, full_scale=1023),
    "sCMOS, 2 photons": partial(scientific, 100, 256, 256, mean=2),
    "sCMOS, 50 photons, fixed pattern": partial(scientific, 20, 256, 256, mean=50, fixed=0.01),
    "sCMOS, 11 frames": partial(scientific, 11, 256, 256, mean=5),
    "sCMOS (getframes)": partial(getframes, "getframes: sCMOS", 20, 256, 256),
    "EMCCD (getframes)": partial(getframes, "getframes: EMCCD", 20, 256, 256),
    "pulse heights (getframes)": partial(
        getframes, "getframes: pulse heights that vary by 50 %", 20, 256, 256
    ),
    "smoothed": partial(smoothed, 100, 128, 128),
    "smoothed, 11 frames": partial(smoothed, 11, 256, 256),
    "upsampled": lambda: np.repeat(np.repeat(smoothed(50, 128, 128), 2, 1), 2, 2),
    "camera read twice": lambda: np.repeat(scientific(50, 256, 256, mean=5), 2, 0),
    "camera, lines twice": lambda: np.repeat(scientific(50, 128, 256, mean=5), 2, 1),
}


def detected(names: Iterable[str] = tuple(DETECTED)) -> Iterator[Movie]:
    """Simulate detectors that record no plain photons; the limit is not known."""
    return (Movie(name, DETECTED[name]()) for name in names)


def from_files(files: Iterable[Path]) -> Iterator[Movie]:
    """Load movies, the array "movie" of .npz files each or the array of a .npy file."""
    for file in files:
        stored = np.load(file)
        yield Movie(file.stem, stored if file.suffix == ".npy" else stored["movie"])


def is_wanted(name: str, texts: Iterable[str] | None) -> bool:
    """Return whether a name contains one of some texts, if there are any; "3" is not in "0.3"."""
    return not texts or any(re.search(rf"(?<![.\d]){re.escape(each)}", name) for each in texts)


def _codes(values: NDArray[Any], *, calibration: Calibration, step: float) -> NDArray[Any]:
    given = calibration
    y = generalized_anscombe(values, given.gain, given.offset, given.variance)
    codes: NDArray[Any] = np.rint(y / step)
    return codes
