"""Pixels of like noise are in one class, and its description holds nearly all of its codes."""

from itertools import pairwise

import numpy as np
import pytest

from dj_photon_codecs.layouts.grouped.grouping import GROUPS, group_pixels


def most_frequent(counts):
    """Return how the codes of most pixels are stored: bits, and low bits apart."""
    grouping = group_pixels(counts)
    row = grouping.table[np.bincount(grouping.classes).argmax()]
    return int(row["bits"]), int(row["low"])


@pytest.mark.parametrize(
    ("rate", "bits", "low"),
    [
        (0.001, 0, 0),
        (0.04, 0, 0),
        (0.1, 1, 0),
        (0.3, 2, 0),
        (0.6, 2, 0),
        (2, 4, 0),
        (8, 4, 0),
        (30, 8, 0),
        (300, 8, 0),
        (5000, 8, 1),
    ],
)
def test_rate_decides_how_many_bits_a_count_takes(rate, bits, low):
    counts = np.random.default_rng(1).poisson(rate, (200, 4000)).astype("u2")
    assert most_frequent(counts) == (bits, low)


@pytest.mark.parametrize(("rate", "low"), [(30, 1), (300, 3), (5000, 5)])
def test_codes_that_resemble_those_of_the_frame_before_share_bytes_with_them(rate, low):
    once = np.random.default_rng(1).poisson(rate, (202, 4000))
    assert most_frequent(once[:200]) == (8, max(low, 4) - 4)
    smoothed = (once[:-2] + once[1:-1] + once[2:]) // 3
    bits, more = most_frequent(smoothed)
    assert bits == 4
    assert low - 2 <= more <= low


def test_few_codes_share_bytes():
    counts = np.random.default_rng(1).poisson(30, (200, 4000))
    assert most_frequent(counts) == (8, 0)
    assert most_frequent(counts[:100]) == (4, 1)


@pytest.mark.parametrize("dtype", ["u2", "u4", "i4"])
def test_bits_hold_all_but_a_few_codes(dtype):
    rng = np.random.default_rng(3)
    counts = rng.poisson(np.geomspace(0.01, 400, 20_000), (60, 20_000)).astype(dtype)
    grouping = group_pixels(counts)
    unsigned = np.dtype(f"u{counts.itemsize}")
    by_class = counts.reshape(60, -1, grouping.size)[:, grouping.order].reshape(60, -1)
    relative = by_class.view(unsigned) - grouping.base(unsigned)
    for kind in grouping.kinds:
        fits = relative[:, kind.start : kind.stop] < 2 ** (kind.bits + kind.low)
        assert fits.mean() > (0.98 if kind.bits else 0.92)


def test_pixels_of_a_group_have_bases_of_their_own():
    rates = np.tile([100.0, 200.0, 400.0, 800.0], 500)
    counts = np.random.default_rng(0).poisson(rates, (100, 2000)).astype("u2")
    grouping = group_pixels(counts)
    base = grouping.base(np.dtype("u2")).reshape(-1, grouping.size)[grouping.inverse].ravel()
    centred = counts.mean(axis=0) - base
    assert np.ptp(centred) < 20  # a noise of 20, where means are 700 apart


@pytest.mark.parametrize(("pixels", "size"), [(800, 8), (804, 4), (802, 2), (801, 1)])
def test_groups_divide_the_frame(pixels, size):
    grouping = group_pixels(np.ones((10, pixels), "u2"))
    assert grouping.size == size
    assert max(GROUPS[2]) == 8
    assert (grouping.order[grouping.inverse] == np.arange(pixels // size)).all()


def test_classes_follow_the_mean():
    rates = np.repeat([0.1, 1.0, 4.0, 16.0, 64.0], 1000)
    counts = np.random.default_rng(4).poisson(rates, (100, 5000)).astype("u2")
    grouping = group_pixels(counts)
    levels = [set(part.tolist()) for part in np.split(grouping.classes, 5)]
    for dimmer, brighter in pairwise(levels):
        assert dimmer.isdisjoint(brighter)
    assert (np.diff(grouping.classes[grouping.order].astype(int)) >= 0).all()


def test_classes_are_narrower_than_the_noise():
    rates = np.linspace(40, 60, 30_000)
    counts = np.random.default_rng(5).poisson(rates, (100, 30_000)).astype("u2")
    grouping = group_pixels(counts)
    means = counts.mean(axis=0).reshape(-1, grouping.size).mean(axis=1)
    spread = [np.ptp(means[grouping.classes == each]) for each in np.unique(grouping.classes)]
    assert max(spread) < 0.4 * np.sqrt(60)


def test_pixels_that_change_are_apart():
    rates = np.full((100, 6000), 40.0)
    rates[50:, :500] += 60
    rates[:, 500:1000] += 30  # as bright on average, but steady
    grouping = group_pixels(np.random.default_rng(8).poisson(rates).astype("u2"))
    changing = 500 // grouping.size
    assert set(grouping.classes[:changing]).isdisjoint(grouping.classes[changing + 1 :])


def test_hot_pixels_do_not_widen_the_classes_of_the_others():
    counts = np.random.default_rng(6).poisson(3, (100, 10_000)).astype("u2")
    counts[:, :3] = 60_000
    grouping = group_pixels(counts)
    assert len(np.unique(grouping.classes[1:])) <= 10
    assert set(grouping.classes[:1].tolist()).isdisjoint(grouping.classes[1:].tolist())


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u8"])
def test_extreme_values_are_described(dtype):
    codes = np.full((9, 4), np.iinfo(dtype).min, dtype)
    codes[:, 2:] = np.iinfo(dtype).max
    grouping = group_pixels(codes)
    bases = grouping.base(np.dtype(f"u{codes.itemsize}"))
    bases = bases.reshape(-1, grouping.size)[grouping.inverse].ravel()
    assert grouping.size < 4 or codes.itemsize < 8
    assert bases.dtype.itemsize == codes.itemsize


def test_one_frame_is_enough():
    grouping = group_pixels(np.arange(6, dtype="u1").reshape(1, 6))
    assert grouping.classes.size * grouping.size == 6


def kinds_of(counts):
    return [(kind.bits, kind.low) for kind in group_pixels(counts).kinds]


@pytest.mark.parametrize(("bright", "expected"), [(100, [(4, 0)]), (400, [(2, 0), (4, 0)])])
def test_a_kind_of_few_pixels_is_stored_like_the_next(bright, expected):
    rates = np.repeat([0.3, 6.0], [bright, 10_000])
    counts = np.random.default_rng(0).poisson(rates, (100, rates.size)).astype("u1")
    assert kinds_of(counts) == expected


def test_few_pixels_of_the_most_bits_keep_them():
    rates = np.repeat([0.3, 300.0], [10_000, 8])
    counts = np.random.default_rng(0).poisson(rates, (100, rates.size)).astype("u2")
    first, *others = kinds_of(counts)
    assert first == (2, 0)
    assert others[-1][0] == 4
