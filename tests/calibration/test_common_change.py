"""Changes of a whole frame: a textured picture that flickers, shifts and moves by known amounts."""

import numpy as np
import pytest

from dj_photon_codecs.calibration.common_change import remove_common_change
from dj_photon_codecs.calibration.tiles import Tiles

SIDE = 96
TILES = Tiles(SIDE, SIDE)
Y, X = np.mgrid[:SIDE, :SIDE].astype(float)


def picture(y=0.0, x=0.0):
    """A smooth picture, displaced."""
    rows, columns = Y - y, X - x
    waves = 20 * np.sin(rows / 4) * np.cos(columns / 5) + 10 * np.sin((rows + columns) / 3)
    return (50 + waves).astype(np.float32)


def left(change):
    """How much of a change stays, away from the edge."""
    changes = change[None].astype(np.float32)
    remove_common_change(changes, picture(), TILES)
    return float(changes[:, 3:-3, 3:-3].std() / change.std())


@pytest.mark.parametrize(
    ("change", "at_most"),
    [
        (picture() * 0 + 3 + 1e-3 * picture(1, 1), 0.01),
        (0.1 * picture(), 0.01),
        (picture(0.1, 0) - picture(), 0.06),
        (picture(0.5, -0.4) - picture(), 0.10),
    ],
    ids=["offset", "flicker", "small motion", "motion"],
)
def test_what_the_frame_does_as_a_whole_is_taken_out(change, at_most):
    assert left(change) < at_most


def test_noise_stays():
    noise = np.random.default_rng(0).standard_normal((8, SIDE, SIDE)).astype(np.float32)
    before = noise.std()
    remove_common_change(noise, picture(), TILES)
    assert noise.std() == pytest.approx(before, rel=2e-3)


def test_motion_is_measured_in_pixels_and_noise_feigns_none():
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.4, (40, 2))
    moved = np.stack([picture(y, x) - picture() for y, x in shifts])
    noise = rng.normal(0, 5, moved.shape).astype(np.float32)
    _, feigned = remove_common_change(noise.copy(), picture(), TILES)
    assert feigned == pytest.approx(0, abs=2e-4)
    movements, found = remove_common_change(moved + noise, picture(), TILES)
    assert found == pytest.approx(np.mean(shifts**2), rel=0.1)
    np.testing.assert_allclose(-movements[:, :2], shifts, atol=0.1)


def test_dark_tiles_stay_dark():
    changes = (picture(0.3, 0) - picture())[None].copy()
    changes[:, :8, :8] = 0
    remove_common_change(changes, picture(), TILES)
    assert not changes[:, :8, :8].any()


def test_small_frames_are_left_alone():
    changes = np.ones((1, 16, 16), np.float32)
    assert remove_common_change(changes, picture()[:16, :16], Tiles(16, 16))[1] == 0
    assert (changes == 1).all()
