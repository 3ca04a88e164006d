"""What repeats in a chunk is found, and takes little space."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.grouped.layout import GroupedLayout
from dj_photon_codecs.layouts.kernels.backend import kernel_in_use
from dj_photon_codecs.layouts.repeats import NOTHING, Repeats, find_repeats

COUNTS = np.random.default_rng(0).poisson(3, (40, 48, 64)).astype("u1")
BEFORE = np.arange(40) - (np.arange(40) % 10 == 5)  # each tenth frame was dropped
REPEATING = {
    "frames": (np.repeat(COUNTS, 2, axis=0), Repeats(frames=0.5)),
    "dropped": (COUNTS[BEFORE], Repeats(frames=0.9)),
    "rows": (np.repeat(COUNTS, 2, axis=1), Repeats(rows=0.5)),
    "pairs": (np.repeat(COUNTS, 2, axis=2), Repeats(columns=2)),
    "threes": (np.repeat(COUNTS[:, :, :30], 3, axis=2), Repeats(columns=3)),
}
repeating = pytest.mark.parametrize(("codes", "repeats"), REPEATING.values(), ids=REPEATING)


@repeating
def test_what_repeats_is_found(codes, repeats):
    found = find_repeats(codes)
    assert found.rows == pytest.approx(repeats.rows, abs=0.02)
    assert found._replace(rows=1.0, alike=False) == repeats._replace(rows=1.0)
    assert found.alike == (repeats.frames < 1)


@pytest.mark.parametrize("mean", [0.001, 0.01, 0.1, 3, 300])
def test_photons_do_not_repeat_though_few_look_alike_by_chance(mean):
    codes = np.random.default_rng(1).poisson(mean, (100, 64, 63)).astype("u2")
    assert find_repeats(codes) == NOTHING
    doubled = find_repeats(codes.repeat(2, axis=0))
    assert doubled.alike
    assert doubled.frames == pytest.approx(0.5, abs=0.02)


def test_a_dark_edge_does_not_repeat():
    codes = np.random.default_rng(1).poisson(3, (300, 128, 128)).astype("u1")
    codes[:, :, :40] = codes[:, :, :40] > 8
    assert not find_repeats(codes).alike


def test_few_pixels_do_not_repeat():
    assert find_repeats(np.zeros((40, 3, 4), "u1")) == NOTHING
    assert find_repeats(np.zeros((40, 64), "u1")) == NOTHING
    assert find_repeats(np.zeros((2, 40, 1), "u1")) == NOTHING


@pytest.mark.skipif(kernel_in_use() != "compiled", reason="only it writes adaptive chunks")
@pytest.mark.parametrize("kind", ["frames", "dropped", "rows"])
def test_dense_frames_and_rows_that_repeat_take_little(kind):
    codes, repeats = REPEATING[kind]
    stored, once = DenseLayout().encode(codes), DenseLayout().encode(COUNTS)
    np.testing.assert_array_equal(DenseLayout().decode(stored), codes.ravel())
    share = repeats.frames * repeats.rows * codes.size / COUNTS.size
    # a stream for each frame takes a hundred bytes of a thousand more
    assert stored.size < 1.15 * share * once.size


@pytest.mark.parametrize("layout", [GroupedLayout(), DenseLayout()])
@pytest.mark.parametrize("kind", ["pairs", "threes"])
def test_columns_that_repeat_take_little(layout, kind):
    codes, repeats = REPEATING[kind]
    stored = layout.encode(codes)
    np.testing.assert_array_equal(layout.decode(stored), codes.ravel())
    # Huffman codes of single bytes, in place of symbols of a fitting table
    assert 8 * stored.size / codes.size < 1.2 * 2.833 / repeats.columns
