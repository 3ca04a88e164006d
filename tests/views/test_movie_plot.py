"""The picture of a movie, and what it says of the noise."""

import re

import matplotlib as mpl
import numpy as np
import pytest

from dj_photon_codecs import Calibration, CameraMovie
from dj_photon_codecs.storage.files.movie_files import MovieFiles
from dj_photon_codecs.views.movie_plot import Sample, expected_variance
from tests.movies_at_hand import local_files, store_movie

mpl.use("agg")
from matplotlib import pyplot as plt

RATES = np.linspace(5, 60, 32)
RNG = np.random.default_rng(0)


@pytest.fixture
def plotted(tmp_path):
    """Store a movie, draw it, and return its axes; the figure is closed afterwards."""

    def plot(values, figure=None):
        return store_movie(values, local_files(), tmp_path / "movie.zarr").plot(figure)

    yield plot
    plt.close("all")


def said(axes):
    return axes[0, 0].figure.get_suptitle().replace("\n", " ")


def counts(rates=RATES, shape=(120, 32, 32)):
    return RNG.poisson(rates, shape).astype("u2")


def camera(gain, step=None, offset=100, rates=RATES):
    values = np.rint(100 + 30 * counts(rates) + RNG.normal(0, 20, (120, 32, 32)))
    return CameraMovie(values.astype("i4"), Calibration(gain, offset, 400), step)


FITS = "The noise is that of photons: the calibration fits."
VERDICTS = {
    "counts": (counts(), FITS),
    "planes": (counts(shape=(60, 3, 32, 32)), FITS),
    "camera": (camera(30), FITS),
    "steps": (camera(30, step=1.0), FITS),
    "gain too small": (camera(15), "Too much noise: the gain or read noise is larger"),
    "gain too large": (camera(60), "Too little noise: the gain is smaller"),
    "dim": (counts(0.05), "photons are too few for 1). The noise is that of photons: the"),
    "dimmer than two come together": (counts(1e-4, (120, 64, 64)), FITS),
    "read noise": (camera(15, rates=0.01), "mostly read noise: it fits, and tells little of gain."),
    "offset too large": (camera(30, offset=4000), "no light, or an offset that is too large"),
    "bits": ((RNG.random((120, 32, 32)) < 0.5).view("u1"), "Counts are 0 or 1: photons that"),
    "one frame": (counts(shape=(1, 32, 32)), "no noise to judge: too few frames"),
    "dark": (np.zeros((20, 8, 8), "u1"), "no noise to judge: too few frames, no light"),
    "one chunk of one picture": (np.repeat(counts()[:1], 20, axis=0), "frames are the same"),
    "flicker": (counts(np.where(RATES > 58, 1, 0) * np.arange(120)[:, None, None] % 2 * 90 + RATES),
                "The brightest pixels have"),
}  # fmt: skip


@pytest.mark.parametrize(("movie", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_the_verdict_tells_whether_the_calibration_fits(movie, verdict, plotted):
    assert verdict in said(plotted(movie))


def test_a_large_variance_is_said_in_digits(plotted):
    assert re.search(r"transformed noise: 3\d\d, where 1 is", said(plotted(300 * counts())))


def test_the_expected_noise_is_that_of_poisson_counts(tmp_path):
    for movie, read in [(counts(), 0.0), (camera(30, step=0.5), 2 / 3)]:
        stored = store_movie(movie, local_files(), tmp_path / f"{read:.1f}")
        camera_of = stored.calibration
        for photons in (0.1, 2, 30):
            x = RNG.poisson(photons, 400_000) + RNG.normal(0, read, 400_000)
            a = x + 3 / 8 + camera_of.variance / camera_of.gain**2
            tail = 2 * np.sqrt(3 / 8) + (a - 3 / 8) / np.sqrt(3 / 8)
            y = np.where(a < 3 / 8, tail, 2 * np.sqrt(np.maximum(a, 0)))
            step = 0 if stored.step is None else stored.step**2 / 12
            assert expected_variance(stored, photons) == pytest.approx(y.var() + step, rel=0.01)


def test_the_picture_shows_what_was_sampled(plotted):
    movie = counts()
    image, trace, noise, histogram = plotted(movie).flat

    sampled = [*range(50), *range(100, 120)]
    shown = image.images[0].get_array()
    np.testing.assert_allclose(shown, movie[sampled].mean(axis=0), rtol=1e-6)
    drawn = np.concatenate([line.get_xydata() for line in trace.lines])
    np.testing.assert_allclose(drawn[:, 1], movie[sampled].mean(axis=(1, 2)), rtol=1e-6)
    assert drawn[:, 0].tolist() == sampled
    found, expected = noise.lines[0].get_ydata(), noise.lines[1].get_ydata()
    np.testing.assert_allclose(found, 1, atol=0.12)
    np.testing.assert_allclose(expected, 1, atol=0.02)
    assert sum(bar.get_height() for bar in histogram.patches) > 0.99 * 70 * 32 * 32


def test_it_reads_eight_chunks_at_most(tmp_path, noted):
    movie = store_movie(counts(shape=(400, 8, 8), rates=3), local_files(), tmp_path / "movie",
                        frames_per_chunk=20)  # fmt: skip
    reads = noted(MovieFiles, "read", lambda _files, name: name)

    sample = Sample.of(movie)

    assert len(set(reads)) == len(sample.frames) == 8
    assert sample.frames[-1] == range(380, 400)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("style", "size"), [("default", (14, 10)), ("dark_background", (4.5, 3.6))]
)
def test_nothing_is_cut_off_in_light_and_dark_small_and_large(style, size, plotted):
    with plt.style.context(style):
        figure = plt.figure(figsize=size, layout="constrained")
        axes = plotted(camera(15), figure)
        figure.draw_without_rendering()

        edge = figure.bbox
        for ax in axes.flat:
            box = ax.get_tightbbox()
            assert edge.x0 <= box.x0 < box.x1 <= edge.x1 + 1
            assert edge.y0 <= box.y0 < box.y1 <= figure.texts[0].get_window_extent().y0 + 1
        assert figure.texts[0].get_window_extent().x1 <= edge.x1
