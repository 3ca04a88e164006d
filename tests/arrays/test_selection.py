"""A patch is what NumPy selects, or left to Zarr."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dj_photon_codecs.arrays.selection import find_patch

SHAPE = (7, 4, 5)
MOVIE = np.arange(7 * 4 * 5).reshape(SHAPE)


def taken(selection):
    """What the patch of a selection is of a movie of numbers."""
    patch = find_patch(selection, SHAPE)
    if patch is None:
        return None
    frames = MOVIE.reshape(len(MOVIE), -1)[patch.frames.start : patch.frames.stop]
    return frames[:, patch.pixels].reshape(patch.shape)


SELECTIONS = [
    np.s_[:],
    np.s_[...],
    np.s_[3],
    np.s_[-1],
    np.s_[2:4],
    np.s_[:, 1],
    np.s_[:, 1:3, 2:],
    np.s_[2, 1, 3],
    np.s_[..., 2],
    np.s_[1, ..., -5],
    np.s_[:, ::2, 1::3],
    np.s_[2:, np.int64(3), ...],
    (),
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_a_patch_is_what_numpy_selects(selection):
    np.testing.assert_array_equal(taken(selection), MOVIE[selection], strict=True)


@pytest.mark.parametrize(
    "selection",
    [
        np.s_[::2],
        np.s_[::-1],
        np.s_[:, ::-1],
        np.s_[3:3],
        np.s_[:, 4:],
        np.s_[7],
        np.s_[-8],
        np.s_[:, 4],
        np.s_[:, :, :, :],
        np.s_[0, 0, 0, 0],
        np.s_[..., ...],
        np.s_[..., 0, ...],
    ],
    ids=str,
)
def test_all_else_is_none(selection):
    assert find_patch(selection, SHAPE) is None


INDICES = st.one_of(
    st.integers(-8, 7), st.slices(7), st.just(Ellipsis), st.builds(slice, st.integers(0, 5))
)


@given(st.lists(INDICES, max_size=4).map(tuple))
@settings(max_examples=400, deadline=None)
def test_any_selection_is_as_numpy_has_it_or_none(selection):
    found = taken(selection)
    if found is not None:
        np.testing.assert_array_equal(found, MOVIE[selection], strict=True)
