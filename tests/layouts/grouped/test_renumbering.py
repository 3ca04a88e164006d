"""Codes that are not in use cost nothing, and those in use keep their order."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.grouped.renumbering import WIDEST, renumber, values_in_use


def steps(rate: float, dtype: str = "u1") -> np.ndarray:
    counts = np.random.default_rng(0).poisson(rate, (64, 500))
    return np.rint(2 * np.sqrt(counts + 0.375) / 0.5).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u8"])
def test_holes_are_closed(dtype):
    codes = steps(0.5, dtype)
    values = values_in_use(codes)
    assert values is not None
    assert values.dtype == dtype
    assert values.tolist()[:4] == [2, 5, 6, 7]
    numbers = renumber(codes, values)
    assert (numbers.dtype, numbers.max()) == (dtype, len(values) - 1)
    assert (values[numbers] == codes).all()


def test_a_code_that_occurs_once_has_a_number():
    codes = steps(0.5)
    codes[0, 0] = 200
    values = values_in_use(codes)
    assert values is not None
    assert values[-1] == 200
    assert (values[renumber(codes, values)] == codes).all()


@pytest.mark.parametrize(
    "codes",
    [
        np.random.default_rng(0).poisson(5, (64, 500)).astype("u1"),
        np.random.default_rng(0).poisson(500, (64, 5000)).astype("u2"),
        steps(50),
        np.full((64, 5), 7, "u2"),
        np.tile(np.array([0, WIDEST], "u4"), (64, 1)),
        np.random.default_rng(0).exponential(700, (20, 10_000)).astype("u2"),
    ],
    ids=["counts", "bright counts", "bright steps", "constant", "too wide", "missing by chance"],
)
def test_codes_without_holes_are_left_alone(codes):
    assert values_in_use(codes) is None
