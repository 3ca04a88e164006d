"""A selection is what NumPy takes of an array of the same shape, or refused with a next step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dj_photon_codecs.arrays.selection import parse_selection

SHAPE = (7, 4, 5, 3)
MOVIE = np.arange(7 * 4 * 5 * 3).reshape(SHAPE)


def taken(selection, movie=MOVIE):
    """Return what a selection takes of a movie of numbers, as its parsed form says."""
    parsed = parse_selection(selection, movie.shape)
    flat = movie.reshape(len(movie), -1)
    pixels = np.arange(flat.shape[1]) if parsed.pixels is None else parsed.pixels
    frames = np.asarray(parsed.frames, np.intp)
    values = flat[frames, pixels] if parsed.paired else flat[frames][:, pixels]
    if not parsed.leading:
        return values.reshape(parsed.shape)
    shape = [length for axis, length in enumerate(parsed.shape) if axis != parsed.leading]
    return np.moveaxis(values.reshape(len(frames), *shape), 0, parsed.leading)


MASK = np.array([True, False, True, True, False, False, True])
ROI = MOVIE[0, ..., 0] % 4 == 0
VOLUME = MOVIE[0] % 5 == 1
SELECTIONS = [
    (),
    ...,
    3,
    -1,
    np.int8(-7),
    np.array(3),
    np.s_[:],
    np.s_[2:4],
    np.s_[1:7:3],
    np.s_[3:3],
    np.s_[:, 1],
    np.s_[:, 1:3, 2:],
    np.s_[2, 1, 3, 0],
    np.s_[..., 2],
    np.s_[1, ..., -3],
    np.s_[:, ::2, 1::3],
    np.s_[2:, np.int64(3), ...],
    MASK,
    list(MASK),
    np.s_[MASK, 1:3],
    np.s_[MASK, 2],
    np.s_[MASK, :, 2],
    np.zeros(7, bool),
    [5, 0, 0, -1],
    np.array([[1, 2], [3, 3]]),
    [],
    range(1, 7, 2),
    np.s_[[1, 2], ..., 0],
    np.s_[:, ROI],
    np.s_[:, ROI, 1],
    np.s_[5, ROI],
    np.s_[1:6:2, ROI, ::2],
    np.s_[:, :, VOLUME[1]],
    np.s_[:, 2, VOLUME[2]],
    np.s_[3, 2, VOLUME[2]],
    np.s_[..., VOLUME],
    np.s_[2:4, VOLUME],
    np.s_[:, np.zeros((4, 5), bool)],
    np.s_[:, [0, 3, 0], [1, 1, 4]],
    np.s_[:, [[0], [3]], [1, 4]],
    np.s_[:, [0, 3, 1], :, [1, 0, 2]],
    np.s_[:, 1, :, [1, 0, 2]],
    np.s_[4, [0, 3, 1], :, [1, 0, 2]],
    np.s_[4, :, [0, 3, 1]],
    np.s_[[1, 6, 1], [0, 3, 3]],
    np.s_[[1, 6], [0, 3], [4, 4], [2, 0]],
    np.s_[[1, 6], :, [4, 4]],
    np.s_[[[1], [6]], [0, 3]],
    np.s_[MASK, [0, 1, 2, 3]],
    MOVIE % 3 == 0,
    MOVIE[..., 0] % 3 == 0,
    np.s_[MOVIE[..., 0, 0] % 3 == 0, 2:4],
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_a_selection_is_what_numpy_selects(selection):
    np.testing.assert_array_equal(taken(selection), MOVIE[selection], strict=True)


@pytest.mark.parametrize("frames", [MASK, [5, 0, 5]], ids=str)
@pytest.mark.parametrize("mask", [np.s_[ROI], np.s_[ROI, 1], np.s_[VOLUME]], ids=["2", "2i", "3"])
def test_a_mask_over_pixels_is_taken_in_all_chosen_frames(frames, mask):
    rest = mask if isinstance(mask, tuple) else (mask,)

    np.testing.assert_array_equal(
        taken((frames, *rest)), MOVIE[frames][(slice(None), *rest)], strict=True
    )


REFUSED = {
    "new axis": (None, r"takes no new axis .*movie\.dask\(\)"),
    "new axis later": (np.s_[:, np.newaxis], r"movie\[\.\.\.\]\[None\]"),
    "reversed": (np.s_[::-1], r"negative.*movie\[\.\.\.\]\[::-1\].*movie\.dask\(\)\[::-1\]"),
    "flipped": (np.s_[:, ::-2], r"negative"),
    "text": ("mean", r"'mean' is no selection of a stored movie: use integers, slices, masks"),
    "boolean": (True, r"True is no selection"),
    "numpy's boolean": (np.True_, r"no selection"),
    "float": (1.5, r"1\.5 is no selection"),
    "floats": ([1.0, 2.0], r"no selection"),
    "too many": (np.s_[0, 0, 0, 0, 0], r"too many indices: the movie has 4 axes, and 5"),
    "too many of a mask": (np.s_[0, VOLUME, 1], r"too many indices"),
    "two ellipses": (np.s_[..., 0, ...], r"one ellipsis"),
    "no such frame": (7, r"frame 7 of a movie of 7 frames"),
    "no such frame from the end": (np.s_[-8, 1], r"frame -8 of a movie of 7 frames"),
    "no such frame in a list": ([0, 9, 3], r"frame 9 of a movie of 7 frames"),
    "no such row": (np.s_[:, 4], r"index 4 along axis 1 of a movie, which has length 4"),
    "no such row in a list": (np.s_[:, [0, -5]], r"index -5 along axis 1"),
    "mask too short": (
        MASK[:-1],
        r"mask of shape \(6,\) does not fit .*\(7,\).*one value for each",
    ),
    "mask of a frame": (VOLUME, r"\(4, 5, 3\) .* of shape \(7, 4, 5\).*write movie\[:, mask\]"),
    "mask of frames": (
        np.s_[:, MASK],
        r"shape \(7,\) .* shape \(4,\).*first: movie\[mask\]",
    ),
    "mask turned": (np.s_[:, ROI.T], r"mask of shape \(5, 4\) does not fit .* \(4, 5\)"),
    "arrays that do not pair": (np.s_[[0, 1], [0, 1, 2]], r"mismatch.*pixels as a mask"),
    "arrays of pixels that do not pair": (np.s_[:, [0, 1], [0, 1, 2]], r"mismatch"),
}


@pytest.mark.parametrize(("selection", "words"), REFUSED.values(), ids=REFUSED)
def test_all_else_is_refused_with_a_next_step(selection, words):
    with pytest.raises(IndexError, match=words):
        parse_selection(selection, SHAPE)


# ---------------------------------------------------------------------------- against NumPy


def parts_of(length):
    """Draw what may select from one axis."""
    index = st.integers(-length, length - 1)
    rising = st.builds(
        slice, st.none() | index, st.none() | index, st.none() | st.integers(1, length + 1)
    )
    numbers = st.lists(index, max_size=3).map(lambda each: np.array(each, np.intp))
    masks = st.lists(st.booleans(), min_size=length, max_size=length).map(np.array)
    return st.one_of(index, rising, rising, numbers, masks)


@st.composite
def selections(draw):
    parts = [draw(parts_of(length)) for length in SHAPE[: draw(st.integers(0, 4))]]
    if draw(st.booleans()):
        parts.append(...)
    return tuple(parts)


def is_orthogonal(selection):
    """Whether frames are chosen one by one and pixels by a mask, which NumPy would pair."""
    arrays = [part for part in selection[1:] if isinstance(part, np.ndarray)]
    return isinstance(selection[:1][0], np.ndarray) and any(part.dtype == bool for part in arrays)


@pytest.mark.slow
@given(selections())
@settings(max_examples=250, deadline=None)
def test_any_selection_is_as_numpy_has_it(selection):
    if selection and is_orthogonal(selection):
        return
    try:
        expected = MOVIE[selection]
    except IndexError:
        with pytest.raises(IndexError):
            parse_selection(selection, SHAPE)
    else:
        np.testing.assert_array_equal(taken(selection), expected, strict=True)
