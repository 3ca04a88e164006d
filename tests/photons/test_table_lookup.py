"""Numbers are looked up in blocks, and each is found."""

import numpy as np
import pytest

from dj_photon_codecs.photons.table_lookup import BLOCK, look_up


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 7])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u8"])
def test_each_number_is_found(size, dtype):
    table = np.random.default_rng(0).normal(size=200)
    numbers = np.random.default_rng(1).integers(0, 200, size).astype(dtype)
    out = np.full(size, np.nan)
    look_up(table, numbers, out=out)
    np.testing.assert_array_equal(out, table[numbers], strict=True)
