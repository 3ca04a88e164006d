"""What each tuned constant of the decode tables is worth: bias, noise and time at other values.

    python benchmarks/constants_fit.py [MODULE.NAME[=VALUE] ...] [--write]

All but the time are sums or means over movies of many kinds of noise at steps 1/4, 1/2 and 1.
With ``--write`` the table goes to benchmarks/results/constants_fit.md.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from biases import STEPS, Groups, Kind, camera_movie, kinds
from trials import run_trials

from dj_photon_codecs import Calibration
from dj_photon_codecs.photons import decode_table_fit

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW = 9  # frames
SIDE = 64  # pixels of the movies of biases.py, to be quick
INTRODUCTION = """# Constants of the decode tables

`python benchmarks/constants_fit.py --write`. Biases are those of the worst of 12 groups of pixels,
over what is promised (.005 photon, or .5 %): of the model alone, for cameras that it describes,
the worst and the mean; of the fitted table, for all kinds, the worst and the mean; for the first
9 frames of them, the mean. The noise is what decoding adds to that of single values, on average;
the time that of all fits. A constant whose values all give the same is safe in their range.

"""
HEADS = ("model: worst", "mean", "fitted: worst", "mean", "9 frames", "noise", "time")
VALUES: dict[str, tuple[Any, ...]] = {
    "photons.decode_table_fit.AGREES": (0.0, 0.15, 0.6),
    "photons.decode_table_fit.CERTAIN": (0.0, 2.5, 5.0),
    "photons.decode_table_fit.RIDGE": (0.02, 0.07, 0.7, 2.0),
    "photons.decode_table_fit.TRUST": ((0.0,), (0.02,), (0.1, 0.02, 0.004), (0.004, 8e-4)),
    "photons.decode_table_fit.LUCK": (0.0, 1.0, 4.0),
    "photons.decode_table_fit.NOISE": (1e-3, 0.1),
    "photons.decode_table_fit.SPACING": (0.25, 1.0),
    "photons.decode_table_fit.WINDOW_SAMPLE": (1 << 14, 1 << 18),
    "photons.brightness_groups.GROUPS": (12, 20, 80),
    "photons.brightness_groups.VALUES": (300, 3000),
    "photons.brightness_groups.FRAMES": (2, 8),
    "photons.model_table.MOST_CODES": (160, 640),
    "photons.model_table.SATURATED": (1.0, 1.5),
    "photons.model_table.NOISIEST": (2.0, 30.0),
    "photons.model_table.RIDGE": (1e-6, 1e-4),
    "photons.model_table.FLOOR": (1e-12, 1e-8),
    "photons.model_table.NOISY": (1.2, 2.0),
    "photons.model_table.DIM": (2.0, 10.0),
    "photons.model_table.MOST_BIAS": ((0.003, 0.008), (0.008, 0.02)),
    "photons.model_table.VARIANCE_WEIGHT": (3e-4, 3e-3),
    "photons.model_table.WEIGHTS": (np.array([[0.3], [7.0]]), np.array([[0.03], [60.0]])),
    "photons.model_table.ROUNDS": (10, 20, 100),
    "photons.photon_peaks.SAMPLE": (1 << 16, 1 << 20),
    "photons.photon_peaks.ENOUGH": (100, 10_000),
    "photons.photon_peaks.FADING": (2.0, 10.0),
    "photons.photon_peaks.FADED": (30.0, 120.0),
    "photons.photon_peaks.NARROW": (1.5, 4.0),
    "photons.photon_peaks.CLIPPED": (3e-4, 3e-3),
    "photons.photon_peaks.PILED": (2.0, 10.0),
    "photons.photon_peaks.SHARP": (3e-3, 0.03),
    "photons.photon_peaks.NEARLY_ALL": (0.98, 0.9998),
    "photons.photon_peaks.BINS": (32, 128),
    "photons.photon_peaks.VISIBLE": (0.01, 0.05),
    "photons.photon_peaks.CERTAIN": (3.0, 10.0),
    "photons.photon_peaks.SMOOTH": (0.5, 1.0),
    "photons.photon_peaks.SAME": (5e-4, 0.01),
    "movies.sample.VALUES": (1 << 18, 1 << 20),
}


def described() -> Iterator[Kind]:
    """Yield movies of cameras that the model describes, also with calibrations in want of it."""
    for noise in (0.0, 0.15, 0.3, 1.0):
        for gain in (1.0, 1.5, 30.0):
            true = Calibration(gain, 100, (noise * gain) ** 2)
            movie = camera_movie(0.1, 30, 11, gain=gain, noise=noise * gain)
            without_dark_frame = replace(true, offset=100 - noise**2 * gain, variance=0)
            yield Kind(f"gain {gain}, noise {noise}", movie, true)
            yield Kind(f"gain {gain}, noise {noise}, no dark frame", movie, without_dark_frame)


MODELLED, ALL = (
    [replace(kind, values=kind.values[:, :SIDE, :SIDE]) for kind in found]
    for found in (described(), kinds([]))
)
times: list[float] = []


def measure() -> list[str]:
    """Return the cells of a row of the table."""
    agrees, decode_table_fit.AGREES = decode_table_fit.AGREES, np.inf
    model = [worst_and_noise(kind, step)[0] for kind in MODELLED for step in STEPS]
    decode_table_fit.AGREES = agrees
    start = time.process_time()
    fitted = [worst_and_noise(kind, step) for kind in ALL for step in STEPS]
    times.append(time.process_time() - start)
    worst, noise = np.array(fitted).T
    short = [replace(kind, values=kind.values[:FEW]) for kind in ALL]
    few = [worst_and_noise(kind, step)[0] for kind in short for step in STEPS]
    biases = (np.max(model), np.mean(model), worst.max(), worst.mean(), np.mean(few))
    slower = times[-1] / min(times[:2]) - 1
    return [*(f"{each:.2f}" for each in biases), f"{noise.mean():.2%}", f"{slower:+.0%}"]


def worst_and_noise(kind: Kind, step: float) -> tuple[float, float]:
    """Return the worst bias, over what is allowed, and how much the noise grows."""
    groups = Groups.of(kind, step)
    return float(np.max(np.abs(groups.biases) / groups.allowed)), groups.noise


if __name__ == "__main__":
    results = Path(__file__).parent / "results" / "constants_fit.md"
    run_trials(measure, VALUES, heads=HEADS, introduction=INTRODUCTION, results=results)
