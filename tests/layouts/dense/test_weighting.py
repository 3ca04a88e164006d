"""Weights are those of the prediction that fits a frame best."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.brightness import FEATURES, SCALES, UNIT
from dj_photon_codecs.layouts.dense.weighting import SAMPLE, Weighting, _noise_profile

RNG = np.random.default_rng(0)


def features(shape: tuple[int, int] = (60, 70)) -> list[np.ndarray]:
    """Return independent images of brightness 1 to 5, as much too large as features are."""
    images = RNG.uniform(1, 5, (FEATURES - 1, *shape))
    return [(k * image).astype("f4") for k, image in zip(SCALES, images, strict=False)]


def weighting(shape: tuple[int, int] = (60, 70)) -> Weighting:
    return Weighting(RNG.poisson(20, (10, *shape)).astype("u2"))


def mixed(known: list[np.ndarray], weights: list[float]) -> np.ndarray:
    parts = [w * k / scale for w, k, scale in zip(weights, known, SCALES, strict=False)]
    return np.rint(np.sum(parts, axis=0) + weights[-1] - 1).astype("u2")


def test_nothing_is_weighted_at_first_but_the_long_mean():
    first = weighting().fit(features(), np.zeros((60, 70), "u2"), number=0)
    assert first.tolist() == [UNIT, 0, 0, 0, 0, 0, 0]
    assert first.dtype == np.int32


@pytest.mark.parametrize(
    "weights", [[0.5, 0.25, 0.1, 0.3, 0.2, 0.15, 9], [1.5, 0, -0.25, 0, 0, 0, 40]]
)
def test_what_a_frame_was_mixed_from_is_found(weights):
    known = features()
    found = weighting().fit(known, mixed(known, weights), number=1) / UNIT
    np.testing.assert_allclose(found[:-1], weights[:-1], atol=0.03)
    assert found[-1] == pytest.approx(weights[-1], abs=0.2)


def test_the_first_frames_are_fitted_and_then_one_in_four():
    fitter, changed, last = weighting(), [], np.zeros(FEATURES, np.int32)
    for number in range(18):
        known = features()
        found = fitter.fit(known, mixed(known, [1 + number / 10, *[0] * 6]), number=number)
        changed += [number] if (found != last).any() else []
        last = found
    assert changed == [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16]


@pytest.mark.parametrize("sign", [-1, 1])
def test_weights_are_at_most_64(sign):
    known = [np.full((60, 70), 1.0, "f4")] * (FEATURES - 1)
    known[0] = (sign * np.linspace(0, 1, 4200).reshape(60, 70)).astype("f4")
    frame = np.linspace(0, 60_000, 4200).reshape(60, 70).astype("u2")
    assert weighting().fit(known, frame, number=1)[0] == sign * 64 * UNIT


def test_features_that_are_all_the_same_share_the_weight():
    known = [k * np.full((60, 70), 9, "f4") for k in SCALES[:-1]]
    found = weighting().fit(known, np.full((60, 70), 8, "u2"), number=1) / UNIT
    np.testing.assert_allclose(found[:-1], found[0], atol=1e-4)
    assert (found[:-1] * 9).sum() + found[-1] == pytest.approx(9, rel=1e-3)


def test_noise_is_measured_against_brightness():
    rates = np.geomspace(1, 100, 6400)
    sample = np.random.default_rng(1).poisson(rates, (400, 6400)).astype("u2")
    brightness, variance = _noise_profile(sample)
    assert len(brightness) == 32
    np.testing.assert_allclose(variance, brightness - 1, rtol=0.03)


def test_a_pixel_counts_as_much_as_it_is_certain():
    rate = np.resize([10.0, 100, 1000], (50, 81))
    codes = RNG.poisson(rate, (200, 50, 81)).astype("u2")
    known = [k * (rate + 1).astype("f4") for k in SCALES[:-1]]
    frame = np.where(rate == 1000, 1500, rate).astype("u2")
    found = Weighting(codes).fit(known, frame, number=1) / UNIT
    # the line through three points, of which each weighs as much as its noise is small
    line = np.polyfit([11, 101, 1001], [11, 101, 1501], 1, w=1 / np.sqrt([10, 100, 1000]))
    predicted = found[:-1].sum() * np.array([11, 101, 1001]) + found[-1]
    np.testing.assert_allclose(predicted, np.polyval(line, [11, 101, 1001]), rtol=0.02, atol=1)


@pytest.mark.parametrize("side", [100, 182, 256, 512, 1024])
def test_large_frames_are_sampled_in_all_columns(side):
    some = Weighting(np.zeros((2, side, side), "u1"))._sample
    assert min(side * side, SAMPLE) / 2 <= some.size <= 2 * SAMPLE
    assert some.max() < side * side
    assert np.unique(some % side).size == side
