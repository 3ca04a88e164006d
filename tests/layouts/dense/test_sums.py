"""The prediction adds in the order that the format page says, and another order is another number.

What is decoded depends on each bit of the prediction, so the order of its float32 sums is part of
the stored format.
"""

import numpy as np
import pytest

from dj_photon_codecs.layouts.kernels.reference_dense import Brightness

SHAPE = 100, 128
FRAMES = np.random.default_rng(0).poisson(300, (12, *SHAPE)).astype("u2")
WEIGHTS = np.array([9000, 4111, -1237, 3003, 777, 2999, 123], np.int32)
ONE = np.float32(1)


def surroundings(x, d):
    """Add up along the first axis, as the format page says: each sum of two is rounded."""
    n, sums = len(x), np.empty_like(x)
    for i in range(n):
        before = x[i - d] + x[i] if i >= d else x[i] + x[i]
        after = x[i] + x[i + d] if i + d < n else x[i] + x[i]
        sums[i] = before + after
    return sums


def other_surroundings(x, d):
    padded = np.concatenate([x[:d], x, x[-d:]])
    return (padded[: -2 * d] + padded[2 * d :]) + np.float32(2) * x


def predicted(surrounded, *, reverse=False):
    """Return the prediction for the next frame, with either order of the sums."""
    means = np.full((2, *SHAPE), 5, np.float32)
    for t, frame in enumerate(FRAMES, start=1):
        for mean, length in zip(means, (64, 2), strict=True):
            rate = ONE / np.float32(min(t, length))
            np.add(mean, ((frame.astype(np.float32) + ONE) - mean) * rate, out=mean)
    images = []
    for mean in means:
        near = surrounded(surrounded(mean, 1).T, 1).T
        images += [mean, near, surrounded(surrounded(near, 2).T, 2).T]
    divisors = (1, 16, 256) * 2
    terms = [
        np.float32(weight / (2**14 * divisor)) * image
        for weight, divisor, image in zip(WEIGHTS.tolist(), divisors, images, strict=False)
    ]
    total = np.full(SHAPE, np.float32(WEIGHTS[6] / 2**14))
    for term in reversed(terms) if reverse else terms:
        total = total + term
    return np.clip(total, np.float32(0.5), np.float32(2**25))


@pytest.fixture
def prediction():
    brightness = Brightness(SHAPE, start=5.0)
    for frame in FRAMES:
        brightness.learn(frame)
    return brightness.expect(WEIGHTS)


def test_sums_are_in_the_order_of_the_format(prediction):
    assert prediction.tobytes() == predicted(surroundings).tobytes()


def test_another_order_is_another_prediction(prediction):
    assert (prediction != predicted(other_surroundings)).any()
    assert (prediction != predicted(surroundings, reverse=True)).any()
