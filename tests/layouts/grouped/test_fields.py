"""The fields of a class hold all but a few of its codes, and no narrower ones would."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.grouped.fields import OUTSIDE, smallest_fields


def codes_of(width, *, start=0, dtype="u2", shape=(20, 500)):
    """Codes that take each of so many values, evenly."""
    values = np.arange(np.prod(shape)) % width + start
    return np.random.default_rng(0).permutation(values).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8"])
@pytest.mark.parametrize("start", [0, 3, -3], ids=str)
@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (1, (0, 0)),
        (2, (1, 0)),
        (3, (2, 0)),
        (4, (2, 0)),
        (9, (4, 0)),
        (16, (4, 0)),
        (17, (4, 1)),
        (100, (4, 3)),
        (128, (4, 3)),
        (140, (4, 4)),
        (256, (4, 4)),
    ],
)
def test_a_window_has_the_fewest_bits_that_hold_all_codes(width, expected, start, dtype):
    codes = codes_of(width, start=start, dtype=dtype)
    (bits,), (low,), (base,) = smallest_fields(codes, np.array([500]))
    assert (bits, low) == expected
    away = codes - base.astype(dtype)
    assert away.max() < 2 ** (int(bits) + int(low))


@pytest.mark.parametrize("reach", [5_000, 1 << 20, 1 << 40])
def test_wide_codes_are_looked_at_coarsely(reach):
    codes = np.random.default_rng(0).integers(7, 7 + reach, (20, 500), dtype="u8")
    (bits,), (low,), (base,) = smallest_fields(codes, np.array([500]))
    assert int(bits) + int(low) == reach.bit_length() or 2 ** (int(bits) + int(low)) == reach
    assert ((codes - base) < np.uint64(2) ** np.uint64(bits + low)).mean() > 0.99


@pytest.mark.parametrize(("away", "bits"), [(0.07, 0), (0.1, 4)])
def test_codes_of_one_value_may_have_more_exceptions(away, bits):
    codes = np.full((100, 100), 7, "u2")
    codes.reshape(-1)[: int(away * codes.size)] = np.arange(int(away * codes.size)) % 9 + 8
    assert smallest_fields(codes, np.array([100]))[0] == [bits]
    assert away < OUTSIDE[0] or bits


def test_classes_do_not_know_of_each_other():
    parts = [codes_of(width, start=start) for width, start in [(2, 9), (300, 0), (3, 500), (2, 0)]]
    alone = [smallest_fields(part, np.array([500])) for part in parts]
    together = smallest_fields(np.concatenate(parts, axis=1), np.array([500] * 4))
    np.testing.assert_array_equal(np.concatenate(alone, axis=1), together)
