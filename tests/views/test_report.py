"""A report says what a movie would cost, and is right about it."""

import numpy as np
import pytest

from dj_photon_codecs import Calibration, CameraMovie, report
from tests.movies_at_hand import local_files, photon_counts, store_movie

CAMERA = Calibration(gain=30, offset=100, variance=81)


def camera_movie(frames=150, step=None):
    rng = np.random.default_rng(0)
    photons = rng.poisson(5, (frames, 24, 24)) + rng.normal(0, 0.3, (frames, 24, 24))
    return CameraMovie(np.rint(100 + 30 * photons).astype("int16"), CAMERA, step)


def test_the_error_of_a_step_is_a_twelfth_of_its_square():
    for cost in report(camera_movie()).costs[1:]:
        assert cost.error == pytest.approx(cost.step / np.sqrt(12), rel=0.05)


def test_exact_storage_has_no_error_and_adds_no_noise():
    exact = report(camera_movie()).costs[0]
    assert (exact.step, exact.error, exact.noise_added) == (None, 0, 0)


def test_larger_steps_cost_less():
    bits = [cost.bits_per_pixel for cost in report(camera_movie()).costs]
    assert bits == sorted(bits, reverse=True)


@pytest.mark.parametrize("step", [None, 0.5])
def test_a_movie_costs_on_the_store_what_was_reported(tmp_path, step):
    movie = camera_movie(100, step)
    (cost,) = report(movie, steps=(step,)).costs
    store_movie(movie, local_files(), tmp_path / "movie", compression=None)
    chunks = [file for file in (tmp_path / "movie").iterdir() if not file.name.startswith(".")]
    stored = sum(file.stat().st_size for file in chunks)
    assert stored == pytest.approx(cost.megabytes * 1e6)
    assert cost.bits_per_pixel == pytest.approx(8 * stored / movie.values.size)
    assert cost.ratio == pytest.approx(stored / movie.values.nbytes)


def test_an_array_holds_photon_counts_unless_a_calibration_is_given():
    values = camera_movie().values
    assert report(values - values.min(), steps=(0.5,)).costs[0].error > 0
    with pytest.raises(ValueError, match="photon counts must be >= 0"):
        report(values - 500)
    assert report(values - 500, CAMERA).costs[0].error == 0


def test_a_stored_movie_can_be_reported_on_unless_it_is_in_steps(tmp_path):
    exact = store_movie(photon_counts(), local_files(), tmp_path / "exact")
    assert len(report(exact).costs) == 4
    stepped = store_movie(camera_movie(step=0.5), local_files(), tmp_path / "stepped")
    with pytest.raises(ValueError, match=r"in steps of 0\.5 already"):
        report(stepped)


def test_what_cannot_be_inserted_cannot_be_reported_on():
    with pytest.raises(TypeError, match="movie is a list"):
        report([[1, 2]])


def test_the_table_has_a_row_for_each_step_in_terminal_and_notebook():
    found = report(camera_movie(), steps=(None, 0.5))
    head, exact, half = str(found).splitlines()
    assert "bits per pixel" in head
    assert "exactly" in exact
    assert "step 0.5" in half
    assert repr(found) == str(found)
    assert found._repr_html_().count("<tr>") == 3
