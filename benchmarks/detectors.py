"""Detectors as the simulator getframes knows them, which nobody of this project wrote.

`DETECTORS` are conditions like those of calibration_accuracy.py: a name, the true gain and zero
level, and `movie(frames, size, seed)`. The scenes are those of simulate.py; shot noise,
multiplication, read noise of each pixel, dark current and digitisation are getframes'.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from simulate import photomultiplier, simulate_rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DETECTORS", "Detector", "SlowPhotomultiplier"]

EXPOSURE = 0.03  # seconds
DARK_FRAMES = 60  # that tell the true zero level
USUAL = 0.97  # share of the pixels; noisier ones do not tell the zero level


@dataclass
class Detector:
    """A detector of getframes, with changes to its parameters."""

    name: str
    preset: str
    mean: float = 5.0
    changes: dict[str, Any] = field(default_factory=dict)
    size: int = 256

    @cached_property
    def camera(self) -> Any:
        """The camera, with frames of `size`."""
        import getframes  # noqa: PLC0415

        preset = files("getframes") / "presets" / "data" / f"{self.preset}.toml"
        size = {"resolution": [self.size, self.size]}
        return getframes.Camera.from_dict(tomllib.loads(preset.read_text()) | size | self.changes)

    @property
    def gain(self) -> float:
        """ADU of variance for each ADU of mean: with the excess noise of multiplication."""
        config = self.camera.with_config().config
        multiplied = config.em_gain if config.has_gain_stage else 1.0
        excess = config.gain_excess_noise_factor**2 if config.has_gain_stage else 1.0
        return float(multiplied * excess / config.gain_e_per_adu)

    @cached_property
    def zero(self) -> float:
        """Where a line through the noise is zero: from dark frames, in ADU."""
        dark = self.record(np.zeros((DARK_FRAMES, self.size, self.size)), seed=10**6)
        variance = dark.var(axis=0, ddof=1)
        usual = variance <= np.quantile(variance, USUAL)
        return float(dark.mean(axis=0)[usual].mean() - variance[usual].mean() / self.gain)

    def movie(self, frames: int, size: int, seed: int) -> NDArray[np.uint16]:
        """Record a scene with `mean` photoelectrons in a pixel and frame."""
        if size != self.size:
            self.__dict__.pop("camera", None)
            self.size = size
        electrons = simulate_rates(frames, size, size, mean=self.mean, seed=seed)
        return self.record(electrons, seed=1000 * (seed + 1))

    def record(self, electrons: NDArray[Any], *, seed: int) -> NDArray[np.uint16]:
        """Record expected photoelectrons, (frames, height, width); frame n has the seed + n."""
        frames = np.empty(electrons.shape, np.uint16)
        for number, rates in enumerate(electrons):
            exposed = self.camera.expose(
                rates.astype(np.float64) / EXPOSURE,
                EXPOSURE,
                quantum_efficiency=1.0,
                seed=seed + number,
                include_truth=False,
            )
            frames[number] = np.minimum(exposed.data, np.iinfo(np.uint16).max)
        return frames


@dataclass(frozen=True)
class SlowPhotomultiplier:
    """A photomultiplier whose pulses reach into the next pixel of the line; of simulate.py."""

    name: str
    mean: float = 3.0
    pulse: float = 300.0
    spread: float = 0.5
    bandwidth: float = 0.3
    zero: float = 200.0

    @property
    def gain(self) -> float:
        """ADU of variance for each ADU of mean."""
        shared = (1 - self.bandwidth) ** 2 + self.bandwidth**2
        return self.pulse * (1 + self.spread**2) * shared

    def movie(self, frames: int, size: int, seed: int) -> NDArray[Any]:
        """Record a scene."""
        rates = simulate_rates(frames, size, size, mean=self.mean, seed=seed)
        return photomultiplier(
            rates,
            gain=self.pulse,
            offset=self.zero,
            pulse_spread=self.spread,
            bandwidth=self.bandwidth,
            seed=seed,
        )


PULSES = {"em_gain": 100.0, "excess_noise_factor": 1.25**0.5, "read_noise_e": 20.0}
DETECTORS = [
    Detector("getframes: EMCCD", "generic_emccd"),
    Detector("getframes: EMCCD, 0.3 photons", "generic_emccd", mean=0.3),
    Detector("getframes: sCMOS", "generic_scmos"),
    Detector("getframes: sCMOS, 50 photons", "generic_scmos", mean=50),
    Detector("getframes: qCMOS (ORCA-Quest 2)", "hamamatsu_orca_quest_2"),
    Detector("getframes: pulse heights that vary by 50 %", "generic_eapd", changes=PULSES),
    Detector("getframes: the same, 0.3 photons", "generic_eapd", mean=0.3, changes=PULSES),
    SlowPhotomultiplier("photomultiplier, pulses reach the next pixel"),
]
