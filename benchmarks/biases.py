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

__all__ = ["bias_table"]

SHAPE = (100, 128, 128)
GROUPS = 12  # of pixels, by their mean
STEPS = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Kind:
    """A movie, and the calibration that it is stored with."""

    name: str
    values: Movie
    calibration: Calibration


def bias_table(files: list[tuple[Path, Calibration]]) -> Iterator[str]:
    """Yield the rows of a Markdown table: the worst bias of each kind of movie at each step."""
    yield "| movie | " + " | ".join(f"step {step:g}" for step in STEPS) + " |"
    yield "|---" * (1 + len(STEPS)) + "|"
    for kind in _kinds(files):
        yield f"| {kind.name} | " + " | ".join(_worst(kind, step) for step in STEPS) + " |"


def _worst(kind: Kind, step: float) -> str:
    """Return the worst bias of a group of pixels, what it is of what is promised, and the noise."""
    movie = CameraMovie(kind.values, kind.calibration, step)
    found = survey(kind.values, counts=False)
    table = decode_table(movie, found)
    dtype = code_dtype(movie, found)
    codes = stepped_codes(kind.values, kind.calibration, step=step, dtype=dtype)
    frames = kind.values.shape[0]
    photons = table.photons(codes).reshape(frames, -1)
    scale, zero = kind.calibration.gain, kind.calibration.offset
    given = ((kind.values.astype(np.float64) - zero) / scale).reshape(frames, -1)
    order = np.argsort(given.mean(axis=0), kind="stable")
    means = [
        (photons[:, pixels].mean(), given[:, pixels].mean())
        for pixels in np.array_split(order, GROUPS)
    ]
    decoded, true = np.array(means).T
    bias, allowed = decoded - true, np.maximum(0.005, 0.005 * np.abs(true))
    worst = int(np.argmax(np.abs(bias) / allowed))
    noise = np.sqrt(photons.var(axis=0).sum() / given.var(axis=0).sum()) - 1
    return f"{bias[worst]:+.4f} at {true[worst]:.2f} ({noise:+.1%})"


def _kinds(files: list[tuple[Path, Calibration]]) -> Iterator[Kind]:
    camera = Calibration(30, 100, 81)
    pulses = Calibration(800, 0, 1600)
    clipped = Calibration(100, 0, 900)
    yield Kind("as calibrated", _camera(0.1, 30, 1), camera)
    yield Kind("clipped at zero, .1-.3 photon", _clipped(0.1, 0.3, 2), clipped)
    yield Kind("clipped at zero, .001-.05 photon", _clipped(0.001, 0.05, 3), clipped)
    yield Kind("clipped at zero, .01-20 photons", _clipped(0.01, 20, 4), clipped)
    yield Kind("photomultiplier, .2 photon", _pulses(0.2, 0.2, 5), pulses)
    yield Kind("photomultiplier, .02-5 photons", _pulses(0.02, 5, 6), pulses)
    yield Kind("the same, gain 25 % too low", _pulses(0.02, 5, 6), Calibration(600, 0, 1600))
    yield Kind("electron multiplication", _multiplied(0.05, 30, 7), Calibration(120, 200, 64))
    yield Kind("saturated, 1-100 photons", _camera(1, 100, 8, top=2047), camera)
    yield Kind("gain twice too high", _camera(0.1, 30, 9), Calibration(60, 100, 81))
    yield Kind("gain half as high", _camera(0.1, 30, 9), Calibration(15, 100, 81))
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


def _camera(lowest: float, highest: float, seed: int, *, top: int = 65535) -> Movie:
    def respond(counts: Movie, rng: np.random.Generator) -> Movie:
        return 30 * counts + rng.normal(100, 9, counts.shape)

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
