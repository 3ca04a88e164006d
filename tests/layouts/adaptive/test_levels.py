"""Levels are found by their keys."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.adaptive.levels import level_of_key


def test_keys_below_the_first_level_have_the_first():
    level = level_of_key(np.array([3, 5, 2, 4]), 2, 6)
    assert level.tolist() == [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("first", [0, 2, 7])
def test_levels_without_a_first_frame_or_others_are_refused(first):
    with pytest.raises(ValueError, match=f"damaged chunk: {first} of 2 levels"):
        level_of_key(np.array([3, 5]), first, 6)
