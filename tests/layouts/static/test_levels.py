"""Pixels are sorted by brightness, in steps of the noise; frames, where their light changes."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.static.levels import STEP, find_levels


def levels_of(codes):
    numbers = codes.reshape(len(codes), -1).astype("u2")
    sums = numbers.sum(axis=0, dtype="u4"), (numbers.astype("u8") ** 2).sum(axis=0)
    return find_levels(numbers, *sums, width=codes.shape[-1])


def gradient(low, high, shape=(100, 64, 64), seed=0):
    rates = np.geomspace(low, high, shape[1] * shape[2]).reshape(shape[1:])
    return np.random.default_rng(seed).poisson(rates, shape)


@pytest.mark.parametrize(("low", "high"), [(0.5, 20), (10, 900)])
def test_a_step_is_so_many_standard_deviations_of_the_mean(low, high):
    found = levels_of(gradient(low, high))
    expected = 2 * (high**0.5 - low**0.5) / STEP * 100**0.5
    assert found.number == pytest.approx(expected, rel=0.25)
    assert np.corrcoef(found.brightness, np.sqrt(np.geomspace(low, high, 4096)))[0, 1] > 0.99


def test_equal_pixels_have_one_level():
    found = levels_of(
        np.random.default_rng(0).integers(0, 2, (60, 1, 1)).repeat(400).reshape(60, 20, 20)
    )
    assert (found.number, found.families) == (1, 1)


def test_steady_light_has_one_class_of_frames_and_cells_that_flash_make_none():
    codes = gradient(1, 30)
    codes[40:60, 20:30, 20:30] *= 4
    assert levels_of(codes).frame_class.tolist() == [0] * 100


def test_frames_of_like_brightness_are_a_class():
    light = np.linspace(1, 0.2, 100)[:, None, None]
    codes = np.random.default_rng(0).poisson(light * np.geomspace(2, 60, 90 * 80).reshape(90, 80))
    found = levels_of(codes).frame_class.astype(int)
    assert found.max() > 3
    assert (np.diff(found) <= 0).mean() > 0.9


def test_pixels_that_flash_are_in_another_family():
    codes = gradient(5, 60)
    flash = np.random.default_rng(1).random((100, 64)) < 0.1
    codes[:, 9] += 100 * flash
    family = levels_of(codes).family.reshape(64, 64)
    assert (family[9] > 0).mean() > 0.9
    assert (np.delete(family, 9, axis=0) > 0).mean() < 0.02


@pytest.mark.parametrize("rate", [0.02, 0.1, 1])
def test_noise_alone_makes_hardly_any_family(rate):
    codes = np.random.default_rng(0).poisson(rate, (100, 64, 64))
    assert (levels_of(codes).family > 0).mean() < 0.01


def test_few_frames_are_smoothed_where_neighbours_are_alike():
    rates = 20 + 10 * np.sin(np.arange(64) / 8)
    codes = np.random.default_rng(0).poisson(rates, (4, 64, 64))
    smooth = levels_of(codes).brightness.reshape(64, 64).astype(float)
    assert np.abs(np.diff(smooth, axis=0)).mean() < 0.4
    sharp = levels_of(codes * np.where(np.indices((64, 64)).sum(axis=0) % 2, 1, 9))
    assert np.abs(np.diff(sharp.brightness.reshape(64, 64).astype(float), axis=0)).mean() > 5


def test_hot_pixels_do_not_make_levels_coarser():
    codes = gradient(0.5, 5)
    number = levels_of(codes).number
    codes[:, 3, 3] = 60_000
    found = levels_of(codes)
    assert found.number <= 1024
    others = np.delete(found.brightness, 3 * 64 + 3)
    assert np.unique(others).size > 0.7 * number
