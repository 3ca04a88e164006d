"""A scene of moving cells whose places, calcium and spikes are known; not that of simulate.py.

The calcium is calab's: Poisson spikes, and transients with the rise and decay of GCaMP6f. What is
written here is where the light is: cells with dark nuclei, neuropil that brightens and dims slowly,
and motion. The noise is the detector's (detectors.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_RATE = 15.0  # Hz
SPIKES = 0.25  # Hz, of each cell
DECAY = 0.6  # seconds, of a transient
TRANSIENT = 1.0  # mean brightness of the transient of a spike, relative to its cell at rest
RADII = (5.0, 7.0)  # pixels
APART = 13.0  # pixels, from the centre of a cell to the next
MARGIN = 12  # pixels without centres along each edge
MOTION = 1.0  # pixels, root mean square along each axis
SMOOTHING = 8  # frames, over which motion lasts
NEUROPIL = 0.1  # root mean square of the neuropil's brightness over time, relative to its mean


@dataclass(frozen=True)
class Scene:
    """What the detector sees, and what is true of it.

    `rates` are expected photons, (frames, height, width); `masks` the pixels of each cell at rest,
    (cells, height, width); `calcium` and `spikes` are (cells, frames); `shifts` says how far down
    and right each frame is moved, (frames, 2).
    """

    rates: NDArray[np.float32]
    masks: NDArray[np.bool_]
    calcium: NDArray[np.float64]
    spikes: NDArray[np.float64]
    shifts: NDArray[np.float64]


def scene(frames: int, side: int, *, cells: int, mean: float, seed: int) -> Scene:
    """Draw a scene of `mean` photons for each pixel and frame."""
    from scipy.ndimage import shift  # noqa: PLC0415, as its measures need only NumPy

    rng = np.random.default_rng(seed)
    centres = scattered(cells, side, rng=rng)
    lights, masks = zip(*(cell(side, centre, rng=rng) for centre in centres), strict=True)
    calcium, spikes = activity(len(centres), frames, seed=seed)
    still = 1 + 0.4 * smooth(rng.standard_normal((side, side)), 6.0)
    neuropil = 1 + NEUROPIL * smooth(rng.standard_normal(frames), FRAME_RATE)
    shifts = MOTION * np.stack([smooth(rng.standard_normal(frames), SMOOTHING) for _ in "yx"], 1)
    resting, bright = np.clip(still, 0.2, None), np.stack(lights)
    rates = np.empty((frames, side, side), np.float32)
    for number, rate in enumerate(rates):
        frame = neuropil[number] * resting + np.tensordot(1 + calcium[:, number], bright, 1)
        rate[...] = np.maximum(shift(frame, shifts[number], order=1, mode="nearest"), 0)
    rates *= mean / rates.mean(dtype=np.float64)
    return Scene(rates, np.stack(masks), calcium, spikes, shifts)


def activity(
    cells: int, frames: int, *, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw calcium, relative to the cell at rest, and spikes, both (cells, frames)."""
    import calab  # noqa: PLC0415, as its measures need only NumPy

    made = calab.simulate(
        calab.presets.gcamp6f(
            fs_hz=FRAME_RATE,
            num_cells=cells,
            num_timepoints=frames,
            spike_model=calab.PoissonConfig(rate_hz=SPIKES),
            seed=seed,
        )
    ).ground_truth
    calcium = np.stack([each.clean_calcium for each in made]).astype(np.float64)
    spikes = np.stack([each.spikes for each in made]).astype(np.float64)
    return TRANSIENT * calcium, spikes


def scattered(cells: int, side: int, *, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Draw centres of cells that are apart from each other and from the edges."""
    centres: list[NDArray[np.float64]] = []
    for _ in range(1000 * cells):
        drawn = rng.uniform(MARGIN, side - MARGIN, 2)
        if all(np.hypot(*(drawn - other)) > APART for other in centres):
            centres.append(drawn)
        if len(centres) == cells:
            return centres
    raise ValueError(f"{cells} cells have no room in {side} x {side} pixels; ask for fewer")


def cell(
    side: int, centre: NDArray[np.float64], *, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Draw the light of a cell at rest, with a darker nucleus, and say which pixels are its own."""
    y, x = np.mgrid[:side, :side] - centre[:, None, None]
    angle, (long, short) = rng.uniform(0, np.pi), np.sort(rng.uniform(*RADII, 2))[::-1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = 1 - np.hypot(along / long, across / short)  # 1 at the centre, 0 on the border
    light = 0.5 + 0.5 * np.tanh(4 * inside) - 0.25 - 0.25 * np.tanh(6 * (inside - 0.6))
    return rng.lognormal(0.7, 0.5) * light, inside > 0


def smooth(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Smooth white noise over a scale, to unit variance and zero mean."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415, as its measures need only NumPy

    smoothed: Any = gaussian_filter(values, scale, mode="wrap")
    unit: NDArray[np.float64] = (smoothed - smoothed.mean()) / smoothed.std()
    return unit
