"""Movies with known truth: photon rates of a scene with cells, and the camera that records them.

`simulate_rates` makes the expected photons of every pixel and frame, `camera` draws from them
what a camera would write, `photomultiplier` what a scanning microscope would. All of it needs
only numpy and is the same for the same seed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    Rates = NDArray[np.float32]

BLOCK = 16  # frames drawn at a time, so that a long movie needs little more than its result
CELL_RADIUS = 5.0  # pixels
PIXELS_PER_CELL = 1000
DECAY = 12.0  # frames, of a calcium transient
EVENT_RATE = 0.01  # transients per cell and frame


def simulate_rates(
    frames: int,
    height: int,
    width: int,
    *,
    mean: float,
    seed: int,
    transients: float = 2.0,
    bleaching: float = 0.0,
    motion: float = 0.0,
) -> Rates:
    """Make the expected photons of every pixel of every frame.

    Parameters
    ----------
    frames, height, width : int
        Shape of the movie.
    mean : float
        Mean rate of the whole movie, in photons per pixel and frame.
    seed : int
        The same seed gives the same movie.
    transients : float
        Mean height of the calcium transients, relative to a cell's resting brightness; 0 for
        cells that are constant.
    bleaching : float
        Share of the light that is lost from the first frame to the last, exponentially.
    motion : float
        Root mean square displacement along each axis, in pixels, independent between frames.

    Returns
    -------
    numpy.ndarray
        float32, not negative, of shape (frames, height, width).
    """
    rng = np.random.default_rng(seed)
    still = background(height, width, rng=rng)
    cells = footprints(height, width, rng=rng)
    traces = 1 + transients * calcium(frames, len(cells), rng=rng)
    fading = (1 - bleaching) ** np.linspace(0, 1, frames)
    shifts = motion * rng.standard_normal((frames, 2))
    rates = np.empty((frames, height, width), np.float32)
    for rate, trace, light, shift in zip(rates, traces, fading, shifts, strict=True):
        rate[...] = light * _shifted(_illuminated(still, cells, trace), shift)
    rates *= mean / rates.mean(dtype=np.float64)
    return rates


def camera(
    rates: ArrayLike,
    *,
    gain: float = 1.0,
    offset: float = 0.0,
    read_noise: float = 0.0,
    dtype: DTypeLike = np.uint16,
    full_scale: float | None = None,
    seed: int = 0,
) -> NDArray[Any]:
    """Record photon rates with a camera.

    Parameters
    ----------
    rates : array_like
        Expected photons, of shape (frames, height, width).
    gain : float
        ADU per photon.
    offset : float
        What the camera reads in the dark, in ADU.
    read_noise : float
        Root mean square of the Gaussian read noise, in photons.
    dtype : dtype_like
        Integer dtypes are rounded, and clipped to what they hold; floating ones are neither.
    full_scale : float, optional
        The value, in ADU, at which the camera saturates.
    seed : int
        The same seed gives the same noise.

    Returns
    -------
    numpy.ndarray
        Camera values of `dtype`, of the shape of `rates`.
    """
    rng = np.random.default_rng(seed)
    rates = np.asarray(rates)
    movie = np.empty(rates.shape, dtype)
    for start in range(0, len(rates), BLOCK):
        block = rates[start : start + BLOCK]
        photons = rng.poisson(block).astype(np.float32)
        if read_noise:
            photons += read_noise * rng.standard_normal(block.shape, dtype=np.float32)
        movie[start : start + BLOCK] = digitize(
            offset + gain * photons, dtype=dtype, full_scale=full_scale
        )
    return movie


def photomultiplier(
    rates: ArrayLike,
    *,
    gain: float,
    offset: float = 0.0,
    pulse_spread: float = 0.5,
    bandwidth: float = 0.0,
    dtype: DTypeLike = np.int16,
    full_scale: float | None = None,
    seed: int = 0,
) -> NDArray[Any]:
    """Record photon rates with a photomultiplier that scans lines.

    Parameters
    ----------
    rates : array_like
        Expected photons, of shape (frames, height, width).
    gain : float
        Mean ADU per photon. The slope of variance against mean is ``gain * (1 + c**2)`` times
        the sum of squares of the line filter, ``(1 - bandwidth)**2 + bandwidth**2``.
    offset : float
        Electronic zero, in ADU.
    pulse_spread : float
        Coefficient of variation c of the height of a photon's pulse (gamma distributed).
    bandwidth : float
        Share of each pulse that falls into the next pixel of the line, 0 to .5; neighbours
        along the line then correlate by ``b * (1 - b) / ((1 - b)**2 + b**2)``.
    dtype, full_scale, seed
        As for `camera`.

    Returns
    -------
    numpy.ndarray
        Camera values of `dtype`, of the shape of `rates`.
    """
    rng = np.random.default_rng(seed)
    rates = np.asarray(rates)
    movie = np.empty(rates.shape, dtype)
    for start in range(0, len(rates), BLOCK):
        charge = rng.poisson(rates[start : start + BLOCK]).astype(np.float64)
        if pulse_spread:
            charge = rng.gamma(charge / pulse_spread**2) * pulse_spread**2
        charge = (1 - bandwidth) * charge + bandwidth * np.roll(charge, 1, axis=2)
        movie[start : start + BLOCK] = digitize(
            offset + gain * charge, dtype=dtype, full_scale=full_scale
        )
    return movie


def digitize(
    values: NDArray[Any], *, dtype: DTypeLike, full_scale: float | None = None
) -> NDArray[Any]:
    """Round and clip values to what an integer dtype and a full scale hold."""
    dtype = np.dtype(dtype)
    if full_scale is not None:
        values = np.minimum(values, full_scale)
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    digital: NDArray[Any] = np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    return digital


def background(height: int, width: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a still scene, mean about 1: shading, dark vessels and fine texture, never negative."""
    shading = 0.6 * smooth_field(height, width, scale=40, rng=rng)
    vessels = 0.5 * np.minimum(smooth_field(height, width, scale=10, rng=rng), 0)
    texture = 0.3 * smooth_field(height, width, scale=2, rng=rng)
    scene: NDArray[np.float64] = np.exp(shading + vessels + texture)
    return scene / float(scene.mean())


def smooth_field(
    height: int, width: int, *, scale: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw a periodic Gaussian random field of unit variance, smooth over `scale` pixels."""
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    response = np.exp(-2 * (math.pi * scale) ** 2 * (y**2 + x**2))
    white = rng.standard_normal((height, width))
    field = np.fft.irfft2(np.fft.rfft2(white) * response, s=(height, width))
    unit: NDArray[np.float64] = (field - field.mean()) / field.std()
    return unit


def footprints(
    height: int, width: int, *, rng: np.random.Generator
) -> list[tuple[Any, NDArray[np.float64]]]:
    """Draw cells: where each lies (an index that wraps at the edges), and its resting light."""
    reach = np.arange(-2 * CELL_RADIUS, 2 * CELL_RADIUS + 1).astype(int)
    cells = []
    for _ in range(max(1, height * width // PIXELS_PER_CELL)):
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        radius, light = CELL_RADIUS * rng.uniform(0.7, 1.3), rng.lognormal(0.3, 0.5)
        rows, columns = int(y) + reach, int(x) + reach
        distance = np.hypot((rows - y)[:, None], columns - x)
        profile = light / (1 + np.exp(2 * (distance - radius)))
        cells.append((np.ix_(rows % height, columns % width), profile))
    return cells


def calcium(frames: int, cells: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw calcium traces, (frames, cells): jumps of mean height 1 that decay exponentially."""
    jumps = (rng.random((frames, cells)) < EVENT_RATE) * rng.gamma(4, 1 / 4, (frames, cells))
    for frame in range(1, frames):
        jumps[frame] += jumps[frame - 1] * math.exp(-1 / DECAY)
    return jumps


def _illuminated(
    still: NDArray[np.float64],
    cells: list[tuple[Any, NDArray[np.float64]]],
    trace: NDArray[np.float64],
) -> NDArray[np.float64]:
    frame = still.copy()
    for (where, profile), brightness in zip(cells, trace, strict=True):
        frame[where] += brightness * profile
    return frame


def _shifted(frame: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move a periodic frame by a fraction of a pixel, exactly but for the ringing cut at zero."""
    if not shift.any():
        return frame
    y, x = np.fft.fftfreq(frame.shape[0])[:, None], np.fft.rfftfreq(frame.shape[1])
    phase = np.exp(-2j * math.pi * (y * shift[0] + x * shift[1]))
    return np.maximum(np.fft.irfft2(np.fft.rfft2(frame) * phase, s=frame.shape), 0)
