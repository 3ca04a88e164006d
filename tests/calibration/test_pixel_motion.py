"""Pixels that follow a movement, each by a share of its own, and noise that does not."""

import numpy as np
import pytest

from dj_photon_codecs.calibration.pixel_motion import PixelMotion
from dj_photon_codecs.calibration.tiles import Tiles

SIDE, RUNS = 20, 60  # the last tiles are not whole


def learnt(changes, movements, kept=None):
    """What is left of sums of squares and of products with neighbours, in the first fold."""
    tiles = Tiles(SIDE, SIDE)
    motion = PixelMotion(tiles)
    kept = np.ones((RUNS, *tiles.pixels.shape), bool) if kept is None else kept
    for change, movement, steady in zip(changes, movements, kept, strict=True):
        seen = (change * tiles.spread(steady)).astype(np.float32)
        motion.add(seen, movements=movement, kept=steady, fold=0)
    return motion.explained()


def walk(seed=0):
    """Movements of five kinds, of very different sizes."""
    return np.random.default_rng(seed).normal(size=(RUNS, 2, 5)) * [1, 0.1, 10, 1, 1]


def followed(movements, seed=1):
    shares = np.random.default_rng(seed).normal(size=(5, SIDE, SIDE))
    return np.einsum("rck,khw->rchw", movements, shares)


def test_pixels_that_follow_the_movement_are_explained_whole():
    changes = followed(walk())
    found = learnt(changes, walk())
    squares = (changes**2).sum(axis=(0, 1))
    below = (changes[:, :, :-1] * changes[:, :, 1:]).sum(axis=(0, 1))
    right = (changes[..., :-1] * changes[..., 1:]).sum(axis=(0, 1))
    np.testing.assert_allclose(found[0, 0], squares, rtol=1e-3)
    np.testing.assert_allclose(found[1, 0, :-1], below, atol=1e-3 * squares.max())
    np.testing.assert_allclose(found[2, 0, :, :-1], right, atol=1e-3 * squares.max())
    assert not found[:, 1].any()


def test_of_noise_as_many_degrees_of_freedom_are_lost_as_there_are_movements():
    noise = np.random.default_rng(2).normal(size=(RUNS, 2, SIDE, SIDE))
    found = learnt(noise, walk())
    assert found[0, 0].mean() == pytest.approx(5, rel=0.1)
    assert np.abs(found[1:, 0].mean(axis=(1, 2))).max() < 0.5


def test_runs_that_a_tile_is_left_out_of_do_not_count_for_it():
    kept = np.ones((RUNS, *Tiles(SIDE, SIDE).pixels.shape), bool)
    kept[::2, 0, 0] = False
    changes = followed(walk())
    found = learnt(changes, walk(), kept)
    squares = (changes[1::2, :, :8, :8] ** 2).sum(axis=(0, 1))
    np.testing.assert_allclose(found[0, 0, :8, :8], squares, rtol=1e-3)


def test_without_movement_nothing_is_explained():
    noise = np.random.default_rng(3).normal(size=(RUNS, 2, SIDE, SIDE))
    assert not learnt(noise, np.zeros((RUNS, 2, 5))).any()
