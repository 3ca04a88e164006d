"""Movies of many kinds of noise, and how right the mean of their photons is when stored in steps.

steps.py prints the table; `--bias` asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs import Calibration, CameraMovie
from dj_photon_codecs.movies.survey import survey
from dj_photon_codecs.photons.steps import stepped_codes
from dj_photon_codecs.storage.plan import code_dtype, decode_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Movie = NDArray[Any]

__all__ = ["Groups", "Kind", "bias_table", "camera_movie", "kinds"]

SHAPE = (100, 128, 128)
GROUPS = 12  # of pixels, by their mean
STEPS = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Kind:
    """A movie, and the calibration that it is stored with."""

    name: str
    values: Movie
    calibration: Calibration


@dataclass(frozen=True)
class Groups:
    """Groups of pixels of like brightness, of a movie that is stored in steps.

    Parameters
    ----------
    shares : numpy.ndarray, shape (groups, codes)
        How often each code occurs in a group.
    photons : numpy.ndarray, shape (codes,)
        What the codes decode to.
    given : numpy.ndarray, shape (groups,)
        Mean of the values that were inserted, in photons.
    noise : float
        By how much the noise of single values grows, relative to what it was.
    """

    shares: Movie
    photons: Movie
    given: Movie
    noise: float

    @classmethod
    def of(cls, kind: Kind, step: float) -> Groups:
        """Fit the decode table of a movie, and group its pixels by their mean."""
        movie = CameraMovie(kind.values, kind.calibration, step)
        found = survey(kind.values, counts=False)
        table, dtype = decode_table(movie, found), code_dtype(movie, found)
        codes = stepped_codes(kind.values, kind.calibration, step=step, dtype=dtype).astype("i8")
        distinct, places = np.unique(codes.reshape(len(codes), -1), return_inverse=True)
        photons = table.photons(distinct)
        given = (kind.values.astype(np.float64) - kind.calibration.offset) / kind.calibration.gain
        given = given.reshape(places.shape)
        groups = np.array_split(np.argsort(given.mean(axis=0), kind="stable"), GROUPS)
        counts = [
            np.bincount(places[:, pixels].ravel(), minlength=distinct.size) for pixels in groups
        ]
        shares = [count / count.sum() for count in counts]
        means = [given[:, pixels].mean() for pixels in groups]
        noise = np.sqrt(photons[places].var(axis=0).sum() / given.var(axis=0).sum()) - 1
        return cls(np.array(shares), photons, np.array(means), float(noise))

    @property
    def biases(self) -> Movie:
        """Mean of the decoded less the given values, in photons."""
        return self.shares @ self.photons - self.given

    @property
    def allowed(self) -> Movie:
        """What is promised: .005 photon, or .5 % where that is more."""
        return np.maximum(0.005, 0.005 * np.abs(self.given))


def bias_table(files: list[tuple[Path, Calibration]]) -> Iterator[str]:
    """Yield the rows of a Markdown table: the worst bias of each kind of movie at each step."""
    yield "| movie | " + " | ".join(f"step {step:g}" for step in STEPS) + " |"
    yield "|---" * (1 + len(STEPS)) + "|"
    for kind in kinds(files):
        yield f"| {kind.name} | " + " | ".join(_worst(kind, step) for step in STEPS) + " |"


def _worst(kind: Kind, step: float) -> str:
    """Return the worst bias of a group of pixels, at which mean, and the noise."""
    groups = Groups.of(kind, step)
    worst = int(np.argmax(np.abs(groups.biases) / groups.allowed))
    return f"{groups.biases[worst]:+.4f} at {groups.given[worst]:.2f} ({groups.noise:+.1%})"


def kinds(files: list[tuple[Path, Calibration]]) -> Iterator[Kind]:
    """Yield simulated movies, and those in files, also their first frames alone."""
    camera = Calibration(30, 100, 81)
    pulses = Calibration(800, 0, 1600)
    clipped = Calibration(100, 0, 900)
    yield Kind("as calibrated", camera_movie(0.1, 30, 1), camera)
    yield Kind("clipped at zero, .1-.3 photon", _clipped(0.1, 0.3, 2), clipped)
    yield Kind("clipped at zero, .001-.05 photon", _clipped(0.001, 0.05, 3), clipped)
    yield Kind("clipped at zero, .01-20 photons", _clipped(0.01, 20, 4), clipped)
    yield Kind("photomultiplier, .2 photon", _pulses(0.2, 0.2, 5), pulses)
    yield Kind("photomultiplier, .02-5 photons", _pulses(0.02, 5, 6), pulses)
    yield Kind("the same, gain 25 % too low", _pulses(0.02, 5, 6), Calibration(600, 0, 1600))
    yield Kind("electron multiplication", _multiplied(0.05, 30, 7), Calibration(120, 200, 64))
    yield Kind("saturated, 1-100 photons", camera_movie(1, 100, 8, top=2047), camera)
    yield Kind("gain twice too high", camera_movie(0.1, 30, 9), Calibration(60, 100, 81))
    yield Kind("gain half as high", camera_movie(0.1, 30, 9), Calibration(15, 100, 81))
    for file, calibration in files:
        with np.load(file) as arrays:
            values = arrays[arrays.files[0]]
        yield Kind(f"{file.stem}, {len(values)} frames", values, calibration)
        if len(values) > 8:
            yield Kind(f"{file.stem}, 8 frames", values[:8], calibration)


def _recorded(
    lowest: float, highest: float, seed: int, *, respond: Callable[..., Movie], top: int = 65535
) -> Movie:
    """Record photons whose rates lie between two, with a camera that clips at 0 and `top`."""
    rng = np.random.default_rng(seed)
    rates = rng.permutation(np.geomspace(lowest, highest, SHAPE[1] * SHAPE[2]))
    counts = rng.poisson(rates.reshape(SHAPE[1:]), SHAPE)
    return np.clip(np.rint(respond(counts, rng)), 0, top).astype("uint16")


def camera_movie(
    lowest: float,
    highest: float,
    seed: int,
    *,
    gain: float = 30.0,
    noise: float = 9.0,
    top: int = 65535,
) -> Movie:
    """Record photons with a camera whose offset is 100 ADU."""

    def respond(counts: Movie, rng: np.random.Generator) -> Movie:
        return gain * counts + rng.normal(100, noise, counts.shape)

    return _recorded(lowest, highest, seed, respond=respond, top=top)


def _clipped(lowest: float, highest: float, seed: int) -> Movie:
    def respond(counts: Movie, rng: np.random.Generator) -> Movie:
        return 100 * counts + rng.normal(0, 30, counts.shape)

    return _recorded(lowest, highest, seed, respond=respond)


def _pulses(lowest: float, highest: float, seed: int) -> Movie:
    """Photomultiplier: pulses of gamma-distributed height, read noise, 13 bits."""

    def respond(counts: Movie, rng: np.random.Generator) -> Movie:
        heights = rng.gamma(np.maximum(counts, 1) * 3, 200) * (counts > 0)
        return heights + rng.normal(0, 40, counts.shape)

    return _recorded(lowest, highest, seed, respond=respond, top=8191)


def _multiplied(lowest: float, highest: float, seed: int) -> Movie:
    """Electron-multiplying camera: each photon makes an exponentially distributed signal."""

    def respond(counts: Movie, rng: np.random.Generator) -> Movie:
        heights = rng.gamma(np.maximum(counts, 1), 60) * (counts > 0)
        return heights + rng.normal(200, 8, counts.shape)

    return _recorded(lowest, highest, seed, respond=respond)
