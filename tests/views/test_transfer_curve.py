"""The picture of a calibration: its axes, and what it says is doubted."""

import numpy as np
import pytest

from dj_photon_codecs import Calibration

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib import pyplot as plt  # noqa: E402 - after the choice of what draws


def calibration(light, **found):
    """A calibration of gain 30 above 100 ADU, with points at so much light, in ADU."""
    points = tuple((100 + mean, 30 * mean, 0.5 * mean) for mean in light)
    return Calibration(gain=30, offset=100, curve=points, **found)


@pytest.fixture
def draw():
    yield lambda found: found.plot()
    plt.close("all")


def test_axes_are_those_of_the_values_where_points_are_spread(draw):
    ax = draw(calibration(np.linspace(100, 1000, 10)))

    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    assert ax.get_lines()[-1].get_xdata()[0] == 100  # the line begins at the zero level
    assert not ax.texts


def test_axes_are_logarithmic_where_dim_points_crowd(draw):
    excluded = ((99, 5, 1), (400, 9000, 9))  # the first has no place there
    ax = draw(calibration([*np.linspace(3, 9, 20), 2000], excluded=excluded))

    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    line = ax.get_lines()[-1]
    np.testing.assert_allclose(line.get_ydata(), 30 * line.get_xdata())
    assert ax.get_lines()[0].get_xdata().tolist() == [300]
    assert ax.figure.axes[1].get_xlabel() == "mean above the zero level (ADU)"


def test_doubts_are_written_into_the_picture_within_its_axes(draw):
    doubts = ("the scene moves by 3 pixels; " * 6, "the two halves of the movie differ")
    ax = draw(calibration(np.linspace(100, 1000, 10), doubts=doubts))
    ax.figure.canvas.draw()

    (text,) = ax.texts
    assert text.get_text().count("!") == 2
    assert "two halves" in text.get_text()
    box, axes = text.get_window_extent(), ax.get_window_extent()
    assert axes.x0 < box.x0
    assert box.y1 < axes.y1


def test_doubts_survive_plain_json():
    found = calibration([1, 2], doubts=("it moves",))

    assert found.to_dict()["doubts"] == ["it moves"]
    assert Calibration.from_dict(found.to_dict()).doubts == ("it moves",)
    with pytest.raises(TypeError, match="doubts is 'it moves'; it must be a tuple"):
        calibration([1, 2], doubts="it moves")
