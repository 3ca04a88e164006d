"""The prediction is what its description says, the same on every machine."""

import zlib

import numpy as np
import pytest

from dj_photon_codecs.layouts.kernels.reference_dense import (
    BRIGHTEST,
    DARKEST,
    FEATURES,
    KEYS,
    SCALES,
    UNIT,
    Brightness,
    brightness_keys,
)


def learned(frames: np.ndarray) -> Brightness:
    brightness = Brightness(frames.shape[1:], start=9.0)
    for frame in frames:
        brightness.learn(frame)
    return brightness


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 50, shape, "u2")


def only(feature: int, share: float = 1.0) -> np.ndarray:
    return np.where(np.arange(FEATURES) == feature, round(share * UNIT), 0)


def test_nothing_is_known_at_first():
    assert (Brightness((3, 4), start=9.0).expect(only(0)) == 9).all()


def test_the_long_mean_is_that_of_all_frames_and_the_short_one_of_the_last():
    frames = noise((20, 6, 7))
    brightness = learned(frames)
    np.testing.assert_allclose(brightness.expect(only(0)), 1 + frames.mean(axis=0), rtol=1e-5)
    shares = 0.5 ** np.r_[np.arange(1, 20), 19]
    short = 1 + np.tensordot(shares, frames[::-1].astype(float), 1)
    np.testing.assert_allclose(brightness.expect(only(3)), short, rtol=1e-5)


def test_in_the_long_mean_what_is_long_ago_fades():
    frames = np.zeros((100, 2, 3), "u1")
    frames[0] = 64
    # a frame has a 64th after 64 frames, and each of the 36 later ones takes a 64th of that
    expected = 1 + (63 / 64) ** 36
    np.testing.assert_allclose(learned(frames).expect(only(0)), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (3, 4), (5, 1), (12, 10)], ids=str)
@pytest.mark.parametrize("feature", range(FEATURES))
def test_an_even_scene_stays_as_it_is(shape, feature):
    brightness = learned(np.full((3, *shape), 41, "u1"))
    expected = 1 if feature == FEATURES - 1 else 42
    assert (brightness.expect(only(feature)) == expected).all()


@pytest.mark.parametrize(("feature", "reach"), [(1, 1), (2, 3)])
def test_neighbours_as_far_as_the_border_count(feature, reach):
    frame = np.zeros((9, 9), "u1")
    frame[0, 4] = 128
    spread = np.asarray(learned(frame[None]).expect(only(feature))) - 1
    assert spread.sum() == pytest.approx(128, abs=0.01)
    rows, columns = np.nonzero(spread)
    assert rows.max() == reach
    assert (columns.min(), columns.max()) == (4 - reach, 4 + reach)


@pytest.mark.parametrize("shape", [(2, 2), (1, 2), (2, 1)], ids=str)
def test_in_frames_as_small_as_the_reach_neighbours_do_not_count(shape):
    frame = noise((1, *shape))
    for feature in (1, 2):
        np.testing.assert_array_equal(learned(frame).expect(only(feature)), frame[0] + 1)


@pytest.mark.parametrize(("length", "share"), [(4, 0), (5, 0.25)])
def test_neighbours_count_where_there_is_one_on_both_sides(length, share):
    frame = np.zeros((1, 1, length), "u1")
    frame[0, 0, 1:3] = 128
    near = np.asarray(learned(frame).expect(only(1))) - 1
    far = np.asarray(learned(frame).expect(only(2))) - 1
    assert near[0, 0] == 32
    assert far[0, 0] == 32 + share * (near[0, 2] - near[0, 0])


@pytest.mark.parametrize("weight", [-60.0, 60.0])
def test_the_expected_is_within_bounds(weight):
    brightness = learned(np.full((1, 3, 3), (1 << 24) - 1, "u4"))
    assert (brightness.expect(only(0, weight)) == (DARKEST if weight < 0 else BRIGHTEST)).all()


def test_a_key_is_a_thousandth_of_a_factor_of_two():
    bounds = np.array([DARKEST, 1, 2, 2 + 2 / 1025, 2 + 2 / 1023, 4, BRIGHTEST], np.float32)
    assert brightness_keys(bounds).tolist() == [0, 1024, 2048, 2048, 2049, 3072, KEYS - 1]
    assert brightness_keys(bounds).dtype == np.int32


def surroundings(image: np.ndarray, distance: int) -> np.ndarray:
    """Add up as the description of the format does, first along the height."""
    for axis in (0, 1):
        x = np.moveaxis(image, axis, 0)
        pairs = x[:-distance] + x[distance:]
        first, last = (pairs[edge] + (x[edge] + x[edge]) for edge in np.s_[:distance, -distance:])
        inner = pairs[:-distance] + pairs[distance:]
        image = np.moveaxis(np.concatenate([first, inner, last]), 0, axis)
    return image


def test_every_bit_of_what_is_known_is_that_of_a_plain_calculation():
    """After 7 frames, so that all sums are rounded."""
    features = [*learned(noise((7, 40, 50))).features]
    for mean, near, far in (features[:3], features[3:]):
        assert near.tobytes() == surroundings(mean, 1).tobytes()
        assert far.tobytes() == surroundings(near, 2).tobytes()
    checksums = [zlib.crc32(each.tobytes()) for each in (features[2], features[5])]
    assert checksums == [2873523771, 175810344]  # as they were on the first machine


def test_every_bit_is_that_of_a_plain_calculation():
    frames, weights = noise((3, 8, 9)), np.array([5000, 9000, -3000, 2000, 1000, 2384, 77])
    brightness = learned(frames)
    total = np.full((8, 9), np.float32(77 / UNIT))
    for feature, weight, scale in zip(brightness.features, weights, SCALES, strict=False):
        total = total + np.float32(weight / (UNIT * scale)) * feature
    assert brightness.expect(weights).tobytes() == np.maximum(total, DARKEST).tobytes()
    frozen = [1095303503, 1102955923, 1108338957]  # bits, as they were on the first machine
    assert brightness.expect(weights).view(np.int32).ravel()[:3].tolist() == frozen
