"""What a chunk is predicted with: weights of features, and the noise at each brightness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.kernels.backend import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "EPOCHS",
    "FEATURES",
    "Prediction",
    "key_values",
    "measure_noise",
    "predict",
    "values_of",
]

# These are parts of the stored format.
FEATURES, EPOCHS = 45, 6
LONG, LINEAR = 1, 24  # the long mean, and how many of the features lie about its brightness
UNIT, CONSTANT = 1 << 10, 16  # of a weight, and the first feature
FIRST_KEY, LAST_KEY = 0x3F000000, 0x48000000  # bits of the float32 0.5 and 2**17
MOST_DROPPED, FEWEST_DROPPED = 14, 12  # bits that keys are without
# These were found by ablation on real and simulated movies.
KNOTS = 32  # of brightness, at which noise is measured
SAMPLED, PAIRS = 1 << 12, 32  # pixels, and pairs of frames, in which it is measured
LEAST_VARIANCE, LEAST_SHARE = 0.02, 1e-3  # of the noise: of numbers, and of the largest
FINEST = 0.25  # standard deviations of the noise, wider than which no key shall be
GATED = 4 / 14  # variances of a change, at which the gate is half open
BITS_OF_SQUARES = 0.72  # of a pixel, for each natural logarithm of the squares that are left
PRODUCTS = 48  # sums for each feature, of which the last two are needless
WEIGHT_BITS = 14  # that a weight takes
FEW_FRAMES, FEW = 16, 1.5e4  # pixels of which the weights of early frames are fitted
MANY, SHARE, MOST = 2e4, 0.04, 6e4  # pixels for those of later ones: at least, of all, at most
MOST_SAMPLES = 1 << 9  # of consecutive frames, of which the first 16 have one each
DIM, DIMMEST = 0.4, 4  # numbers, below which a pixel tells less, and how much less at most
LARGEST = 512  # of a weight
MOST_SCALE, HIGHEST = 64, 1 << 15  # of what is expected, and what it is scaled to at most
SCALED = 1 << 16  # pixels for each step of that


class Noise(NamedTuple):
    """The variance of numbers in time, at some brightnesses, which rise."""

    brightness: NDArray[np.float64]
    variance: NDArray[np.float64]


class Prediction(NamedTuple):
    """What the kernel predicts with.

    Attributes
    ----------
    values : ndarray of float32, shape (bins,)
        The value of each bin, plus 1.
    start : float
        The mean of the first frame, plus 1.
    gate : tuple of float
        Offset, slope and least value of the variance of a change that is noise.
    weights : ndarray of int32, shape (EPOCHS, FEATURES)
        In units of 2**-10.
    dropped : int
        The bits that keys are without.
    scale : float
        What is expected is 1 more than so many times what is, where the fit set it.
    """

    values: NDArray[np.float32]
    start: float
    gate: tuple[float, float, float]
    weights: NDArray[np.int32]
    dropped: int
    scale: float = 1.0

    @property
    def expected(self) -> NDArray[np.float64]:
        """The least value, plus 1, that is expected at each key."""
        return (key_values(self.dropped).astype(float) - 1) / self.scale + 1

    def arguments(self, frames: int, height: int, width: int) -> tuple[Any, ...]:
        """Return these as the kernel takes them."""
        return (
            frames,
            height,
            width,
            self.values,
            self.start,
            *self.gate,
            self.weights,
            self.dropped,
        )


def key_values(dropped: int) -> NDArray[np.float32]:
    """Return the least expected value of each key."""
    keys = np.arange((LAST_KEY - FIRST_KEY) >> dropped, dtype=np.uint32)
    return ((keys << np.uint32(dropped)) + np.uint32(FIRST_KEY)).view(np.float32)


def values_of(numbers: NDArray[Any], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the value of each number, of 8 or 16 bits."""
    found = np.empty(numbers.shape, np.float32)
    kernel().look_up(values, np.ascontiguousarray(numbers), found)
    return found


def measure_noise(numbers: NDArray[np.uint16], values: NDArray[np.float32]) -> Noise:
    """Measure the noise of numbers, shape (frames, height, width), whose values are given."""
    flat = numbers.reshape(len(numbers), -1)
    step = max(1, flat.shape[1] // SAMPLED)
    places = slice(None, None, step + (step > 1 and step % 2 == 0))
    times = np.arange(0, max(len(flat) - 1, 1), 1 + max(len(flat) - 2, 0) // PAIRS)
    one = values_of(flat[times, places], values)
    mean, variance = one[0], np.maximum(one[0], 1)
    if len(flat) > 1:
        other = values_of(flat[times + 1, places], values)
        mean = (one + other).mean(axis=0) / 2
        variance = ((one - other) ** 2).mean(axis=0) / 2
    order = np.argsort(mean, kind="stable")
    starts = np.linspace(0, mean.size, KNOTS if mean.size >= 1024 else 4, endpoint=False)
    starts = starts.astype(int)
    sizes = np.diff(starts, append=mean.size)
    means, variances = (np.add.reduceat(each[order], starts) / sizes for each in (mean, variance))
    least = max(LEAST_VARIANCE, LEAST_SHARE * float(variances.max()))
    return Noise(means + 1, np.maximum(variances, least))


def predict(bins: NDArray[np.uint16], values: NDArray[np.float32], noise: Noise) -> Prediction:
    """Fit a prediction to bins, shape (frames, height, width), whose values plus 1 are given."""
    finest = float((noise.brightness / np.sqrt(noise.variance)).max())  # keys are 2**-9 wide at 1
    dropped = MOST_DROPPED
    while dropped > FEWEST_DROPPED and finest * 2.0 ** (dropped - 23) > FINEST:
        dropped -= 1
    start = float(np.float32(values[bins[0]].mean()))
    scale = _scale(bins.size, float(noise.brightness.mean()), float(values[-1]))
    prediction = Prediction(
        values, start, _gate(noise), np.zeros((EPOCHS, FEATURES), np.int32), dropped, scale
    )
    products, sampled = _sample(bins, prediction, noise)
    frames, pixels = len(bins), bins[0].size
    price = WEIGHT_BITS * _dimness(start)
    for epoch in range(min(EPOCHS, (frames - 1).bit_length() + 1)):
        ends = [(1 << epoch) >> 1, min(frames, 1 << epoch) if epoch < EPOCHS - 1 else frames]
        own = slice(*ends)
        if sampled[own].any():  # else the weights are those of the frames before
            number = (ends[1] - ends[0]) * pixels
            weights = _fit(products[own], sampled[own], number, price=price)
        prediction.weights[epoch] = _whole(weights, start, scale)
    return prediction


def _dimness(start: float) -> float:
    """Return how many times more pixels must be looked at, and bits be saved by a weight."""
    return float(np.clip(DIM / max(start - 1, 1e-9), 1, DIMMEST))


def _scale(pixels: int, mean: float, highest: float) -> float:
    """Return by what to multiply what is expected, so that keys are fine where numbers are rare."""
    wanted = min(1 / max(mean - 1, 1e-9), HIGHEST / highest, pixels / SCALED)
    return float(2.0 ** np.floor(np.log2(np.clip(wanted, 1, MOST_SCALE))))


def _gate(noise: Noise) -> tuple[float, float, float]:
    """Return a line through the noise, and its least value."""
    brightness, variance = noise
    rows = np.stack([np.ones_like(brightness), brightness]) / variance
    offset, slope = np.linalg.lstsq(rows.T, np.ones_like(variance), rcond=None)[0]
    if slope < 0:
        offset, slope = 1 / (1 / variance).mean(), 0.0
    line = offset, slope, max(variance[0] / 2, LEAST_VARIANCE)
    return tuple(float(np.float32(GATED * each)) for each in line)  # type: ignore[return-value]


def _sample(
    bins: NDArray[np.uint16], prediction: Prediction, noise: Noise
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the sums of products of features of each sample, and of how many pixels they are."""
    frames, height, width = bins.shape
    wanted = np.full(EPOCHS, min(FEW, 0.02 * bins.size) if frames > FEW_FRAMES else FEW)
    wanted[-1] = np.clip(SHARE * bins.size, MANY, MOST * _dimness(prediction.start))
    lengths = np.diff([0, *(1 << np.arange(EPOCHS - 1)), max(frames, 17)])
    every = np.maximum(lengths * (height * width) / np.maximum(wanted, 8000), 1).astype(np.uint32)
    scales = 1 / np.sqrt(np.interp(key_values(prediction.dropped), *noise))
    samples = min(frames, MOST_SAMPLES)
    products = np.zeros((samples, FEATURES + 1, PRODUCTS))
    rows = np.zeros(samples, np.uint32)
    given = prediction.arguments(*bins.shape)
    scales = scales.astype(np.float32)
    kernel().sample_products(*given, bins, scales, every, products, rows)
    return products, rows * float(width)


def _fit(
    products: NDArray[Any], sampled: NDArray[Any], pixels: int, *, price: float
) -> NDArray[Any]:
    """Return weights of least squares: of those features that save more bits than their weights.

    A frame counts the less the worse it fits.
    """
    number, squared = float(sampled.sum()), BITS_OF_SQUARES * pixels
    saved = 2 + price * number / squared  # 2 of which are what chance made better in the sample
    grows = math.expm1((price + 2 * squared / number) / squared)
    weights = np.zeros(FEATURES)
    kernel().fit_weights(products, sampled, saved, grows, weights)
    return weights


def _whole(weights: NDArray[Any], start: float, scale: float) -> NDArray[np.int32]:
    """Return weights of differences from the long mean as whole weights of the features."""
    whole = np.rint(np.clip(weights, -LARGEST / scale, LARGEST / scale) * UNIT) * scale
    constant = scale * weights[0] + (1 - scale - whole[LONG] / UNIT * start) / CONSTANT
    whole[0] = np.clip(np.rint(constant * UNIT), -(1 << 23), 1 << 23)
    whole[LONG] += UNIT * scale - whole[LONG + 1 : LINEAR].sum()
    return whole.astype(np.int32)
