"""The picture of a calibration, and the numbers in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dj_photon_codecs.photons.calibration import measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from dj_photon_codecs.photons.calibration import Calibration

__all__ = ["draw", "in_words"]


def draw(calibration: Calibration, ax: Axes | None = None) -> Axes:
    """Draw a photon transfer curve with its residuals; see `Calibration.plot`."""
    if ax is None:
        import matplotlib.pyplot as plt  # noqa: PLC0415

        _, ax = plt.subplots(figsize=(6.4, 6.4))
    mean, variance, stderr = np.array(calibration.curve).T
    ends = np.array([min(calibration.offset, mean.min()), mean.max()])
    if calibration.excluded:
        _draw_excluded(ax, calibration, highest=3 * float(variance.max()))
    ax.errorbar(mean, variance, 2 * stderr, fmt="o", ms=4, color="C0", label="pixels used")
    ax.plot(ends, _line(calibration, ends), color="C1", label="fit", zorder=3)
    ax.set_xlabel("mean (ADU)")
    ax.set_ylabel("variance of the noise (ADU²)")
    ax.set_title(in_words(calibration), fontsize="medium", loc="left")
    ax.legend(loc="upper left", frameon=False)
    _draw_residuals(ax, calibration)
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


def _line(calibration: Calibration, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    return calibration.variance + calibration.gain * (mean - calibration.offset)


def _draw_excluded(ax: Axes, calibration: Calibration, *, highest: float) -> None:
    mean, variance, _ = np.array(calibration.excluded).T
    outside = variance > highest
    label = f"excluded ({outside.sum()} beyond)" if outside.any() else "excluded"
    ax.plot(mean[~outside], variance[~outside], "x", ms=5, color="0.6", label=label)


def _draw_residuals(ax: Axes, calibration: Calibration) -> None:
    from mpl_toolkits.axes_grid1 import make_axes_locatable  # noqa: PLC0415

    mean, variance, stderr = np.array(calibration.curve).T
    expected = _line(calibration, mean)
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
    below.set_xlabel("mean (ADU)")
    below.set_ylabel("residual (%)")
    ax.set_xlabel("")
    ax.tick_params(labelbottom=False)
