"""Pixels of like noise are in one class, and its description holds nearly all of its codes."""

from itertools import pairwise

import numpy as np
import pytest

from dj_photon_codecs.grouping import CLASS, Grouping, checked_table, group_pixels


@pytest.mark.parametrize(
    ("rate", "bits"),
    [(0.001, 0), (0.1, 0), (0.2, 0), (0.33, 2), (0.5, 2), (0.8, 4), (8, 4), (20, 8), (300, 8)],
)
def test_rate_decides_how_many_bits_a_count_takes(rate, bits):
    counts = np.random.default_rng(1).poisson(rate, (200, 4000)).astype("u2")
    table = group_pixels(counts).table
    sizes = np.bincount(group_pixels(counts).classes)
    assert table["bits"][sizes.argmax()] == bits
    assert (table["low"] == 0).all()


@pytest.mark.parametrize(("sigma", "low"), [(30, 0), (300, 4), (5000, 8)])
def test_bits_that_are_only_noise_are_stored_apart(sigma, low):
    codes = np.random.default_rng(2).normal(0, sigma, (50, 3000)).astype("i4")
    table = group_pixels(codes).table
    assert set(table["bits"].tolist()) == {8}
    assert set(table["low"].tolist()) == {low}


def test_windows_hold_all_but_a_few_codes():
    rng = np.random.default_rng(3)
    counts = rng.poisson(np.geomspace(0.01, 400, 20_000), (60, 20_000)).astype("u2")
    grouping = group_pixels(counts)
    rows = grouping.table[grouping.classes]
    packed = rows["bits"] > 0
    relative = (counts - rows["base"].astype("u2"))[:, packed]
    fits = relative < (2 ** rows["bits"][packed].astype(int) - 1)
    assert fits.mean() > 0.98


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
    classes = group_pixels(counts).classes
    spread = [np.ptp(counts[:, classes == each].mean(axis=0)) for each in np.unique(classes)]
    assert max(spread) < 0.6 * np.sqrt(60)


def test_pixels_that_change_are_apart():
    rates = np.full((100, 6000), 40.0)
    rates[50:, :500] += 60
    rates[:, 500:1000] += 30  # as bright on average, but steady
    classes = group_pixels(np.random.default_rng(8).poisson(rates).astype("u2")).classes
    assert set(classes[:500].tolist()).isdisjoint(classes[500:].tolist())


def test_hot_pixels_do_not_widen_the_classes_of_the_others():
    counts = np.random.default_rng(6).poisson(3, (100, 10_000)).astype("u2")
    counts[:, :3] = 60_000
    grouping = group_pixels(counts)
    assert len(np.unique(grouping.classes[3:])) <= 8
    assert set(grouping.classes[:3].tolist()).isdisjoint(grouping.classes[3:].tolist())


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u8"])
def test_extreme_values_are_described(dtype):
    codes = np.full((9, 4), np.iinfo(dtype).min, dtype)
    codes[:, 2:] = np.iinfo(dtype).max
    grouping = group_pixels(codes)
    bases = grouping.table["base"][grouping.classes].astype(f"u{codes.itemsize}")
    assert (bases.view(dtype) == codes[0]).all()


def test_one_frame_is_enough():
    grouping = group_pixels(np.arange(6, dtype="u1").reshape(1, 6))
    assert grouping.classes.shape == (6,)


def damaged(**changes: int) -> np.ndarray:
    table = np.zeros(2, CLASS)
    table["bits"] = 8
    for name, value in changes.items():
        table[name][0] = value
    return table.view("u1")


@pytest.mark.parametrize(
    "stored",
    [
        damaged(bits=3),
        damaged(low=12),
        damaged(low=3),
        damaged(bits=4, low=4),
        damaged(low=8),
        damaged()[:-1],
        damaged()[: CLASS.itemsize],
    ],
    ids=["bits", "low", "odd low", "low of few bits", "order", "cut", "missing"],
)
def test_damaged_tables_are_refused(stored):
    with pytest.raises(ValueError, match="damaged chunk: "):
        checked_table(stored, np.array([0, 1], "u1"), bits=16)


def test_tables_are_read_as_they_were():
    grouping = group_pixels(np.random.default_rng(7).poisson(5, (20, 50)).astype("u2"))
    table = checked_table(grouping.table.view("u1"), grouping.classes, bits=16)
    assert table.tobytes() == grouping.table.tobytes()
    assert Grouping(grouping.classes, table).sizes.sum() == 50
