"""What the pages on suite2p and CaImAn say, on a movie with cells."""

from pathlib import Path

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest
from sybil import Sybil
from sybil.parsers.markdown import SkipParser
from sybil.parsers.myst import PythonCodeBlockParser

from benchmarks.simulate import camera, simulate_rates
from dj_photon_codecs import Calibration, CameraMovie
from tests.movies_at_hand import local_files, store_movie

PAGES = Path(__file__).parents[3] / "docs" / "how-to"
SYBIL = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()])
CALIBRATION = Calibration(gain=30, offset=100, variance=81)


def functions_of(page):
    """Return the names that the code blocks of a page define."""
    document = SYBIL.parse(PAGES / page)
    for block in document.examples():
        block.evaluate()
    return document.namespace


@pytest.fixture(scope="module")
def values():
    """A two-photon movie of moving cells, int16."""
    rates = simulate_rates(500, 160, 160, mean=3.0, seed=1, transients=3.0, motion=1.0)
    return camera(rates, gain=30, offset=100, read_noise=0.3, dtype="i2", seed=2)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of torch, numba and suite2p are theirs
def test_suite2p_finds_the_same_cells_in_raw_values_photons_and_steps(values, tmp_path):
    suite2p = pytest.importorskip("suite2p", reason="no part of [dev]: it brings all of torch")
    page = functions_of("suite2p.md")
    find_cells, hundredths = page["find_cells"], page["Hundredths"]
    settings = suite2p.default_settings() | {"fs": 30.0, "tau": 0.4}
    exact = store_movie(CameraMovie(values, CALIBRATION), local_files(), tmp_path / "exact.zarr")
    half = CameraMovie(values, CALIBRATION, step=0.5)
    stepped = store_movie(half, local_files(), tmp_path / "stepped.zarr")

    cells, traces = find_cells(exact.raw, tmp_path / "raw", settings)
    assert len(cells) > 3
    assert traces.shape == (len(cells), 500)
    for name, view in {"photons": hundredths(exact.photons), "steps": stepped.raw}.items():
        again, others = find_cells(view, tmp_path / name, settings)
        alike = np.corrcoef(traces, others)[: len(cells), len(cells) :]
        assert abs(len(again) - len(cells)) <= 1
        assert np.median(alike.max(axis=1)) > 0.95


def test_caiman_finds_its_dataset(values, tmp_path):
    movie = store_movie(CameraMovie(values, CALIBRATION), local_files(), tmp_path / "movie.zarr")

    path = functions_of("caiman.md")["for_caiman"](movie, tmp_path, 30.0)

    with h5py.File(path) as file:  # as caiman.load: the dataset var_name_hdf5, "mov" by default
        found = file["mov"]
        assert (found.dtype, found.attrs["fr"]) == (np.float32, 30)
        np.testing.assert_array_equal(found[:], movie.photons[:])
