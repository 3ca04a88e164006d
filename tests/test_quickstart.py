"""The example: which units a movie has, its picture, and the whole way as a user runs it."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
import tifffile

from dj_photon_codecs import Calibration, CameraMovie
from tests.movies_at_hand import local_files, store_movie

SCRIPT = Path(__file__).parents[1] / "examples/quickstart.py"
RATES = np.linspace(1, 30, 32 * 32).reshape(32, 32)
COUNTS = np.random.default_rng(0).poisson(RATES, (150, 32, 32)).astype("u2")
UNITS = 100 + 30 * COUNTS


@pytest.fixture(scope="module")
def quickstart():
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


@pytest.mark.parametrize("dtype", ["u2", "i8"])
def test_photon_counts_are_inserted_as_they_are(quickstart, capsys, dtype):
    counts = COUNTS.astype(dtype)
    assert quickstart.as_inserted(counts) is counts
    assert "photon counts" in capsys.readouterr().out


@pytest.mark.parametrize("offset", [100, -3000])
def test_camera_units_are_calibrated(quickstart, capsys, offset):
    movie = quickstart.as_inserted((offset + 30 * COUNTS.astype("i4")).astype("i4"))
    assert movie.calibration.gain == pytest.approx(30, rel=0.05)
    assert movie.calibration.offset == pytest.approx(offset, abs=15)
    assert "units      a camera's: Calibration(gain=" in capsys.readouterr().out


def test_counts_with_negative_values_are_a_cameras(quickstart):
    movie = COUNTS.astype("i2")
    movie[0, 0, 0] = -1
    assert isinstance(quickstart.as_inserted(movie), CameraMovie)


def test_a_refusal_is_said_and_the_movie_taken_as_it_is(quickstart, capsys):
    movie = quickstart.as_inserted(UNITS[:5])
    assert movie.calibration == Calibration()
    assert "not calibrated: movie has shape (5, 32, 32); its noise" in capsys.readouterr().out


def test_every_panel_of_the_picture_shows_its_data(quickstart, tmp_path):
    movie = CameraMovie(UNITS, Calibration(gain=30, offset=100))
    figure = quickstart.draw(UNITS, store_movie(movie, local_files(), tmp_path / "movie.zarr"))
    panels = {ax.get_title(): ax for ax in figure.axes if ax.get_title()}
    mpl.pyplot.close(figure)

    raw, stabilised = (panels[name].images[0] for name in list(panels)[:2])
    np.testing.assert_array_equal(raw.get_array(), UNITS[75])
    np.testing.assert_allclose(stabilised.get_array(), 2 * np.sqrt(COUNTS[75] + 3 / 8))
    assert raw.get_clim() != stabilised.get_clim()
    before = panels["variance of the noise, as inserted"].lines[0]
    mean, variance = np.asarray(before.get_xydata()).T
    np.testing.assert_allclose(np.polyfit(mean, variance, 1)[0], 30, rtol=0.1)
    for title in ("variance of the noise, as inserted", "variance of transformed noise"):
        low, high = panels[title].get_ylim()
        values = panels[title].lines[0].get_ydata()
        assert low <= values.min() < values.max() <= high
    assert "mean of frames, photons" in panels


# ---------------------------------------------------------------------------- as users run it


def run(folder, *arguments, **variables):
    """Run Python in a folder, as a user who has a configuration of DataJoint in it."""
    kept = {name: os.environ[name] for name in os.environ if name != "DJ_IGNORE_CONFIG_FILE"}
    kept |= variables
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.services
def test_a_channel_of_two_files_is_kept_and_opened_as_the_example_says(tmp_path):
    for number, part in enumerate((UNITS[:100], UNITS[100:])):
        both = np.stack([part, part // 2], axis=1)
        name = tmp_path / f"{number}.TIF"
        tifffile.imwrite(name, both, imagej=True, metadata={"axes": "TCYX"})
    chosen = ("--movie", "0.TIF", "1.TIF", "--channel", "0")
    (tmp_path / "tmp/.lockfile").mkdir(parents=True)  # cannot be opened, as another user's
    done = run(tmp_path, str(SCRIPT), *chosen, "--keep", "kept", TMPDIR=f"{tmp_path}/tmp")
    assert done.returncode == 0, done.stderr
    for said in (
        "units      a camera's",
        "exact  ",
        "of the size of plain Zarr",
        "docs/install.md",
    ):
        assert said in done.stdout
    assert (tmp_path / "quickstart.png").stat().st_size > 10_000

    _, _, words = done.stdout.partition("where it lies:\n")
    code = [line.strip() for line in words.split("next ")[0].splitlines()]
    code += ["print(type(movie).__name__, movie.raw[:].sum())", "dj.conn().close()"]
    opened = run(tmp_path / "kept", "-c", "\n".join(code))
    assert opened.stdout.split()[-2:] == ["PhotonArray", str(UNITS.sum())], opened.stderr

    again = run(tmp_path, str(SCRIPT), "--keep", "kept")
    assert again.returncode == 2
    assert "exists; give the name of a new folder" in again.stderr


@pytest.mark.slow
def test_what_is_no_movie_is_refused_in_a_sentence(tmp_path):
    picture = run(tmp_path, str(SCRIPT), "--picture", "movie.tif")
    assert picture.returncode == 2
    assert "--picture: movie.tif is no .png in a folder that can be" in picture.stderr
    done = run(tmp_path, str(SCRIPT), "--movie", "absent.tif")
    assert done.returncode == 1
    assert done.stderr.startswith("quickstart: ")
    assert "absent.tif" in done.stderr
    assert "Traceback" not in done.stderr
