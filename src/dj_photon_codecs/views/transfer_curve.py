"""The picture of a calibration, and the numbers in words."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from dj_photon_codecs.photons.calibration import measured

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from dj_photon_codecs.photons.calibration import Calibration, Points

__all__ = ["check_picture", "draw", "in_words"]

CROWDED = 0.1  # of the brightest point's light: where half of the points are dimmer, they crowd
REPLACED = {".png", ".pdf", ".svg", ".jpg"}  # endings of pictures that a new one may replace
WIDTH = 58  # letters of a line of what is doubted


def check_picture(file: Path) -> None:
    """Refuse a file that no picture could be saved to, before the work."""
    try:
        import matplotlib as mpl  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("a picture needs matplotlib: pip install matplotlib") from error
    mpl.use("agg")
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415

    kinds = sorted(FigureCanvasBase.get_supported_filetypes())
    if file.suffix[1:].lower() not in kinds:
        raise ValueError(
            f"the picture is {str(file)!r}; its name must end in one of {', '.join(kinds)}"
        )
    if file.exists() and file.suffix.lower() not in REPLACED:
        raise ValueError(
            f"the picture is {str(file)!r}, which exists, and may be a movie; give another name"
        )
    if not (folder := file.absolute().parent).is_dir():
        raise ValueError(f"the picture is {str(file)!r}; there is no folder {folder}")


def draw(calibration: Calibration, ax: Axes | None = None) -> Axes:
    """Draw a photon transfer curve with its residuals; see `Calibration.plot`."""
    if ax is None:
        import matplotlib.pyplot as plt  # noqa: PLC0415

        _, ax = plt.subplots(figsize=(6.4, 6.4))
    shown = _Shown.of(calibration)
    mean, variance, stderr = shown.points(calibration.curve)
    ends = np.geomspace(mean[mean > 0].min() / 2, mean.max()) if shown.crowded else shown.ends(mean)
    if calibration.excluded:
        _draw_excluded(ax, shown, highest=3 * float(variance.max()))
    ax.errorbar(mean, variance, 2 * stderr, fmt="o", ms=4, color="C0", label="pixels used")
    ax.plot(ends, shown.line(ends), color="C1", label="fit", zorder=3)
    ax.set_ylabel("variance of the noise (ADU²)")
    ax.set_title(in_words(calibration), fontsize="medium", loc="left")
    ax.legend(loc="upper left", frameon=False)
    _draw_residuals(ax, shown)
    if shown.crowded:
        ax.set_xscale("log")
        ax.set_yscale("log")
    if calibration.doubts:
        _write_doubts(ax, calibration.doubts)
    return ax


def in_words(calibration: Calibration) -> str:
    """Say in sentences what a calibration found, with or without standard errors.

    A line for the gain, one for the zero level, and what else is known.
    """
    gain, offset = calibration.gain, calibration.offset
    lines = [f"One photon is worth {measured(gain, calibration.gain_stderr)} ADU."]
    if calibration.variance > 0 or calibration.variance_stderr is not None:
        noise = calibration.variance**0.5
        lines.append(
            f"No light reads {offset:.5g} ADU; the read noise is {noise:.3g} ADU rms, "
            f"{noise / gain:.2g} photons."
        )
    else:
        zero = measured(offset, calibration.offset_stderr)
        lines.append(f"The noise vanishes at {zero} ADU, the effective zero.")
    if calibration.pixels_used is not None and calibration.pixels_excluded is not None:
        total = calibration.pixels_used + calibration.pixels_excluded
        lines.append(f"{calibration.pixels_used:,} of {total:,} pixels were used.")
    if calibration.clipped:
        lines.append(
            "Dark values are clipped; the line is what they would follow if they were not."
        )
    return "\n".join(lines)


@dataclass(frozen=True)
class _Shown:
    """Which part of a curve is drawn, and from where its means are counted."""

    calibration: Calibration
    crowded: bool  # most points are dark: axes are logarithmic

    @classmethod
    def of(cls, calibration: Calibration) -> _Shown:
        light = np.array(calibration.curve)[:, 0] - calibration.offset
        return cls(calibration, bool(np.median(light) < CROWDED * light.max()))

    @property
    def label(self) -> str:
        return "mean above the zero level (ADU)" if self.crowded else "mean (ADU)"

    def points(self, curve: Points) -> NDArray[np.float64]:
        """Return means, variances and standard errors, of what has a place on the axes."""
        points = np.array(curve).T
        if not self.crowded:
            return points
        points[0] -= self.calibration.offset
        return points[:, (points[0] > 0) & (points[1] > 0)]

    def ends(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([min(self.calibration.offset, mean.min()), mean.max()])

    def line(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        zero = 0.0 if self.crowded else self.calibration.offset
        return self.calibration.variance + self.calibration.gain * (mean - zero)


def _draw_excluded(ax: Axes, shown: _Shown, *, highest: float) -> None:
    mean, variance, _ = shown.points(shown.calibration.excluded)
    outside = variance > highest
    label = f"excluded ({outside.sum()} beyond)" if outside.any() else "excluded"
    ax.plot(mean[~outside], variance[~outside], "x", ms=5, color="0.6", label=label)


def _draw_residuals(ax: Axes, shown: _Shown) -> None:
    from mpl_toolkits.axes_grid1 import make_axes_locatable  # noqa: PLC0415

    mean, variance, stderr = shown.points(shown.calibration.curve)
    expected = shown.line(mean)
    seen = expected > 0
    percent = 100 / expected[seen]
    below = make_axes_locatable(ax).append_axes("bottom", size="35%", pad=0.1, sharex=ax)
    below.axhline(0, color="C1")
    below.errorbar(
        mean[seen],
        (variance - expected)[seen] * percent,
        2 * stderr[seen] * percent,
        fmt="o",
        ms=4,
        color="C0",
    )
    below.set_xlabel(shown.label)
    below.set_ylabel("residual (%)")
    ax.tick_params(labelbottom=False)


def _write_doubts(ax: Axes, doubts: tuple[str, ...]) -> None:
    """Write what is doubted where a rising curve leaves room, below it at the right."""
    lines = [line for doubt in doubts for line in wrap(f"! {doubt}", WIDTH)]
    text = ax.text(0.985, 0.03, "\n".join(lines), transform=ax.transAxes, color="C3")
    text.set(ha="right", va="bottom", fontsize="x-small")
