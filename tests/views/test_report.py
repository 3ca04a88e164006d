"""A report says what a movie would cost, and is right about it."""

import numpy as np
import pytest
from numcodecs import Zstd

from dj_photon_codecs import Calibration, CameraMovie, PhotonCodec, PhotonDenseCodec, report
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.writing import write_movie
from tests.movies_at_hand import local_files, photon_counts, store_movie

CAMERA = Calibration(gain=30, offset=100, variance=81)


def camera_movie(frames=150, step=None):
    rng = np.random.default_rng(0)
    photons = rng.poisson(5, (frames, 24, 24)) + rng.normal(0, 0.3, (frames, 24, 24))
    return CameraMovie(np.rint(100 + 30 * photons).astype("int16"), CAMERA, step)


@pytest.fixture(scope="module")
def costs():
    """What a movie costs exactly, and in each of the usual steps."""
    return report(camera_movie()).costs


def test_the_error_of_a_step_is_a_twelfth_of_its_square(costs):
    for cost in costs[1:]:
        assert cost.error == pytest.approx(cost.step / np.sqrt(12), rel=0.05)


def test_exact_storage_has_no_error_and_adds_no_noise(costs):
    exact = costs[0]
    assert (exact.step, exact.error, exact.noise_added) == (None, 0, 0)


def test_larger_steps_cost_less(costs):
    bits = [cost.bits_per_pixel for cost in costs]
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


def test_the_megabytes_of_a_small_movie_are_said(costs):
    assert float(costs[0].cells()[2]) == pytest.approx(costs[0].megabytes, rel=0.06)


def frozen_first(frames=100):
    """Counts of which the first frames are all the same."""
    rng = np.random.default_rng(2)
    frozen = np.repeat(rng.poisson(9, (1, 64, 64)), frames, axis=0)
    return np.concatenate([frozen, rng.poisson(9, (150, 64, 64))]).astype("u2")


@pytest.mark.parametrize("step", [None, 0.5])
@pytest.mark.parametrize("values", [frozen_first(), frozen_first(50)], ids=["chunk", "half"])
def test_a_report_compresses_as_an_insert_does(tmp_path, values, step):
    movie = CameraMovie(values, Calibration(), step)

    (cost,) = report(movie, steps=(step,)).costs

    store_movie(movie, local_files(), tmp_path / "movie", compression=None)
    chunks = [file for file in (tmp_path / "movie").iterdir() if not file.name.startswith(".")]
    stored = sum(file.stat().st_size for file in chunks)
    assert cost.megabytes == pytest.approx(stored / 1e6, rel=1e-4)


class Small(PhotonCodec):
    name = "photon_small_report"
    frames_per_chunk = 20
    compressor = Zstd(1)
    step = 0.25


@pytest.mark.parametrize(
    ("codec", "policy"),
    [
        ("photon", Policy()),
        ("photon_dense", Policy(compressor=None, layout="photon.dense")),
        ("<photon_dense@imaging>", Policy(compressor=None, layout="photon.dense")),
        (PhotonDenseCodec, Policy(compressor=None, layout="photon.dense")),
        (Small, Policy(frames_per_chunk=20, compressor=Zstd(1))),
        ("photon_small_report", Policy(frames_per_chunk=20, compressor=Zstd(1))),
    ],
    ids=str,
)
def test_a_report_tells_the_cost_in_any_column_type(tmp_path, codec, policy):
    movie = CameraMovie(photon_counts((60, 24, 24), rate=8), Calibration())

    (cost,) = report(movie, steps=(None,), codec=codec).costs

    folder = MovieFolder(local_files(), str(tmp_path / "movie"))
    write_movie(movie, plan_movie(movie, policy), folder=folder)
    chunks = [file for file in (tmp_path / "movie").iterdir() if not file.name.startswith(".")]
    assert cost.megabytes == pytest.approx(sum(file.stat().st_size for file in chunks) / 1e6)
    assert cost.step is None


def test_a_report_for_no_photon_codec_is_refused():
    with pytest.raises(TypeError, match="has no frames_per_chunk; it must be a PhotonCodec"):
        report(photon_counts(), codec="npy")
    with pytest.raises(ValueError, match="codec is 'photon_nothing'; it must be one of photon, "):
        report(photon_counts(), codec="photon_nothing")


def test_an_array_holds_photon_counts_unless_a_calibration_is_given():
    values = camera_movie(60).values
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
    found = report(camera_movie(60), steps=(None, 0.5))
    movie, head, exact, half = str(found).splitlines()
    assert movie == "(60, 24, 24) of int16, gain 30"
    assert "bits per pixel" in head
    assert "exactly" in exact
    assert "step 0.5" in half
    assert repr(found) == str(found)
    assert found._repr_html_().count("<tr>") == 3
