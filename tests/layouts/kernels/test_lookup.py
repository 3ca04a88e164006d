"""Entries of small numbers, and numbers that a table has not."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.kernels.backend import kernel

BLOCK = 4096


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("size", [0, 1, 7, BLOCK - 1, 2 * BLOCK + 37, 1 << 19])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("entry", ["f4", "f8"])
def test_each_number_is_found(size, dtype, entry):
    rng = np.random.default_rng(0)
    table, numbers = rng.normal(size=250).astype(entry), rng.integers(0, 250, size).astype(dtype)
    for shift in (0, 1, 5):  # where values lie in memory
        values = np.zeros(size + 5, entry)[shift : shift + size]
        assert kernel().look_up(table, numbers, values) == size
        np.testing.assert_array_equal(values, table[numbers], strict=True)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_none_is_found_if_one_is_beyond_the_table(dtype):
    numbers, values = np.zeros(2 * BLOCK, dtype), np.zeros(2 * BLOCK)
    for place in (0, 2 * BLOCK - 1):
        numbers[place] = 250
        assert kernel().look_up(np.ones(250), numbers, values) == 0
        assert kernel().look_up(np.ones(251), numbers, values) == 2 * BLOCK


@pytest.mark.usefixtures("backend")
def test_arrays_that_do_not_fit_are_refused():
    numbers, values = np.zeros(9, "u2"), np.zeros(9)
    for wrong in (
        (np.ones(9, "f4"), numbers, values),
        (np.ones(9), numbers, values[1:]),
        (np.ones(9), numbers.astype("u4"), values),
        (np.ones(9, "u2"), numbers, values.astype("u2")),
    ):
        with pytest.raises(ValueError, match="do not fit"):
            kernel().look_up(*wrong)
