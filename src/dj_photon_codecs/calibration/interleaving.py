"""Movies whose frames come by turns from several channels or planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAMES", "Interleaving", "find_interleaving", "sample_pixels"]

Floats = NDArray[np.float64]

# benchmarks/constants_calibration.py tries other values of these.
LOOKED_AT = 1 << 13  # pixels
FRAMES = 128  # that are looked at
LARGEST_PERIOD = 12  # frames; planes of a volume
PERIODS = 4  # that a movie must hold
ALIKE = 0.97  # change after a period over the least change before; clean movies reach .987


@dataclass(frozen=True)
class Interleaving:
    """After how many frames a movie comes back to the same picture.

    The likeness is the mean square change to the frame one period later, over the least mean square
    change to a frame between them; 0 without any noise.
    """

    period: int = 1  # frames; 1 where each frame follows on the one before
    likeness: float = 1.0  # 1 where frames are not interleaved


def sample_pixels(frames: NDArray[Any]) -> Floats:
    """Choose pixels all over the frame: (n, pixels) of (n, height, width), as float64."""
    pixels = frames.reshape(len(frames), -1)
    sample: Floats = pixels[:, :: -(-pixels.shape[1] // LOOKED_AT)].astype(np.float64)
    return sample


def find_interleaving(sample: Floats) -> Interleaving:
    """Find the shortest period after which frames change less than in any shorter time.

    Flicker apart; `sample` is (frames, pixels), what `sample_pixels` chose from consecutive frames.
    """
    steady, longest = _without_flicker(sample), min(LARGEST_PERIOD, len(sample) // PERIODS)
    # the mean square change from each frame to the one 1, 2, ... frames later
    changes = [((steady[n:] - steady[:-n]) ** 2).mean() for n in range(1, longest + 1)]
    for period in range(2, len(changes) + 1):
        shorter = min(changes[: period - 1])
        if changes[period - 1] < ALIKE * shorter:
            return Interleaving(period, float(changes[period - 1] / shorter))
    return Interleaving()


def _without_flicker(sample: Floats) -> Floats:
    """Subtract from each frame the mean frame times what fits best, and its own mean."""
    mean = sample.mean(axis=0)
    mean -= mean.mean()
    rest = sample - sample.mean(axis=1, keepdims=True)
    rest -= np.outer(rest @ mean / max(float(mean @ mean), 1e-300), mean)
    return rest
