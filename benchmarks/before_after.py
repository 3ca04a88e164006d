"""Draw the README's picture: a raw two-photon movie as it was recorded, and as it is fetched.

    python benchmarks/before_after.py [--movie FILE] [--picture FILE]

The movie is the crop of docs/data, whose README says where it is from. The picture has no
background, so that it fits light pages and dark ones.
"""

import argparse
import warnings
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from dj_photon_codecs import calibrate, generalized_anscombe, read_movie

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Draw both rows of panels, and say what the movie is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--movie", default=ROOT / "docs" / "data" / "two_photon.tif")
    parser.add_argument("--picture", default=ROOT / "docs" / "before-after.png")
    options = parser.parse_args()
    raw = np.asarray(read_movie(options.movie)[:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of neighbours that correlate, which the pages speak of
        calibration = calibrate(raw)
    fetched = generalized_anscombe(raw, calibration.gain, calibration.offset, calibration.variance)
    mpl.rc_file(ROOT / "docs" / "matplotlibrc")
    figure, axes = plt.subplots(1, 4, figsize=(11, 2.7))
    draw(axes[:2], raw, title="recorded", unit="ADU")
    draw(axes[2:], fetched, title="fetched", unit="standard deviations")
    figure.savefig(options.picture, dpi=130)
    print(f"gain {calibration.gain:.0f} ADU per photon, {options.picture}")


def draw(axes: np.ndarray, movie: np.ndarray, *, title: str, unit: str) -> None:
    """Draw a frame, and the noise of each pixel against its brightness."""
    frame, mean = movie[len(movie) // 2], movie.mean(axis=0)
    noise = np.sqrt((np.diff(movie.astype(float), axis=0) ** 2).mean(axis=0) / 2)
    low, high = np.quantile(frame, (0.01, 0.99))
    axes[0].imshow(frame, vmin=low, vmax=high)
    axes[0].set(title=f"{title}: a frame", xticks=[], yticks=[])
    axes[1].plot(mean.ravel(), noise.ravel(), ".", markersize=1.5, color="tab:blue")
    axes[1].set(
        title=f"{title}: noise vs brightness",
        xlabel=f"mean ({unit})",
        ylabel=f"noise ({unit})",
        ylim=(0, 2 * np.median(noise)),
    )


if __name__ == "__main__":
    main()
