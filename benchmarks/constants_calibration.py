"""What each tuned constant of the calibration is worth: errors, warnings and time at other values.

    python benchmarks/constants_calibration.py [MODULE.NAME[=VALUE] ...] [--write]

Each constant is halved and doubled. Movies with known truth are calibrated, some of which are as a
camera writes them, while the others were spoilt: smoothed, interleaved, compressed, and so on. With
``--write`` the table goes to benchmarks/results/constants_calibration.md.
"""

from __future__ import annotations

import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from calibration_accuracy import CONDITIONS, Condition
from detectors import SlowPhotomultiplier
from trials import run_trials

from dj_photon_codecs import calibrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FRAMES, SIDE = 100, 64
INTRODUCTION = """# Constants of the calibration

`python benchmarks/constants_calibration.py --write`. For movies as a camera writes them: the mean
error of the gain, the root mean square of the errors over their standard errors, and how many
movies were doubted (warned of) or refused. For spoilt ones: how many went unnoticed. Constants
that change nothing here are thresholds far from all of these movies, or bound memory and time.

"""
HEADS = ("error of the gain", "over standard error", "doubted", "refused", "unnoticed", "time")
GOOD = (
    "camera, 5 photons",
    "photon counts, 0.3",
    "photon counts, 50",
    "0.3 photons",
    "gain 1",
    "gain 100, 12 bits, uint16",
    "read noise 1",
    "bleaching 30 %",
    "transients x 5, 50 photons",
    "motion 0.7 pixel",
    "saturated above 15 photons",
    "clipped: offset 0, read noise 0.3",
    "clipped: offset 0, read noise 1",
    "clipped: offset -2 photons, 10 photons",
)
NAMES = {
    "clipping": "BRIGHTEST UNCLIPPED RATES VARIANCE_ERROR SHARE_ERROR GOOD_FIT AS_GOOD UNDECIDED "
    "STEPS COARSE",
    "common_change": "FEWEST_TILES DEPENDENT",
    "curve_shape": "SURE ABOVE_FLOOR MANY RARE",
    "doubts": "OFTEN TREND BENT CROOKED MOVING FINE CURVED UNEVEN UNCHECKED AT_FLOOR BURIED SURE "
    "UNLIKE_IN_TIME UNLIKE_IN_SPACE UNUSABLE ALIKE UNLIKELY",
    "frame_faults": "LOOKED_AT TELLING ROUNDING SMALL",
    "frame_runs": "BLOCK ENOUGH LONGEST_GAP",
    "interleaving": "LOOKED_AT FRAMES LARGEST_PERIOD PERIODS ALIKE",
    "noise_correlation": "CORRELATED CHANCE ALONG_LINES",
    "noise_maps": "NEAR",
    "part_gains": "FEWEST_PIXELS",
    "photon_transfer": "CLIPPED LITTLE ALIKE CHANCE TOUCHING SURE PRECISE ZERO_KNOWN AGREE "
    "BEYOND LOOSE UNSEEN",
    "pixel_motion": "FEWEST RIDGE",
    "refusals": "IMPRECISE SMOOTHED AVERAGED MIXED LIKE_COUNTS",
    "temporal_noise": "STEADY STILL",
    "tiles": "TILE",
    "transfer_line": "BINS FREE EXCESS WILD",
}


def halved_and_doubled() -> dict[str, tuple[Any, ...]]:
    """Return the values to try, by the names of their constants."""
    values = {}
    for module, names in NAMES.items():
        for name in names.split():
            present = getattr(import_module(f"dj_photon_codecs.calibration.{module}"), name)
            values[f"calibration.{module}.{name}"] = (type(present)(present / 2), present * 2)
    return values


def good_movies() -> Iterator[tuple[NDArray[Any], float]]:
    """Yield movies as cameras write them, and their gains; in one, pixels differ in offset."""
    for condition in CONDITIONS:
        if condition.name in GOOD:
            yield condition.movie(FRAMES, SIDE, 0), condition.gain
    slow = SlowPhotomultiplier("")
    yield slow.movie(FRAMES, SIDE, 0), slow.gain
    unlike = np.random.default_rng(1).normal(0, 15, (SIDE, SIDE)).round().astype(int)
    yield Condition("").movie(FRAMES, SIDE, 0) + unlike, 30.0


def spoilt_movies() -> Iterator[NDArray[Any]]:
    """Yield movies of which a calibration must not be made without a word."""
    movie = Condition("").movie(FRAMES, SIDE, 1).astype(float)
    other = Condition("", mean=15).movie(FRAMES, SIDE, 2).astype(float)
    half, quarter = slice(FRAMES // 2, None), slice(SIDE // 2, None)
    yield sum(np.roll(movie, (y, x), (1, 2)) for y in (0, 1, 2) for x in (0, 1, 2)) / 9
    yield (movie[1:] + movie[:-1]) / 2
    yield np.where(np.arange(FRAMES)[:, None, None] % 2, movie, other)
    yield np.repeat(movie[: FRAMES // 2], 2, axis=0)
    yield np.rint(20 * movie**0.5)
    yield np.concatenate([movie[: FRAMES // 2], 100 + 1.15 * (movie[half] - 100)])
    yield np.concatenate([movie[..., : SIDE // 2], 100 + 1.3 * (movie[..., quarter] - 100)], 2)
    yield Condition("", motion=3).movie(FRAMES, SIDE, 3)
    yield Condition("", offset=-90, read_noise=1, mean=1).movie(FRAMES, SIDE, 4)
    yield (movie > np.median(movie)).astype("u1")
    yield np.random.default_rng(5).normal(100, 9, movie.shape).round()


GOOD_MOVIES, SPOILT = list(good_movies()), list(spoilt_movies())
times: list[float] = []


def measure() -> list[str]:
    """Return the cells of a row of the table."""
    start = time.process_time()
    found = [calibrated(movie) for movie, _ in GOOD_MOVIES]
    spoilt = [calibrated(movie) for movie in SPOILT]
    times.append(time.process_time() - start)
    pairs = zip(found, (gain for _, gain in GOOD_MOVIES), strict=True)
    errors = np.array([(each[0] / gain - 1, each[1] / gain) for each, gain in pairs if each])
    pull = np.sqrt(((errors[:, 0] / errors[:, 1]) ** 2).mean())
    doubted = sum(each is not None and each[2] for each in found)
    unnoticed = sum(each is not None and not each[2] for each in spoilt)
    return [
        f"{np.abs(errors[:, 0]).mean():.2%}",
        f"{pull:.2f}",
        *map(str, (doubted, found.count(None), unnoticed)),
        f"{times[-1] / min(times[:2]) - 1:+.0%}",
    ]


def calibrated(movie: NDArray[Any]) -> tuple[float, float, bool] | None:
    """Return gain, standard error and whether it is doubted; None if the movie is refused."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = calibrate(movie)
        except (TypeError, ValueError, np.linalg.LinAlgError):
            return None
    return found.gain, found.gain_stderr or 0.0, bool(caught)


if __name__ == "__main__":
    run_trials(
        measure,
        halved_and_doubled(),
        heads=HEADS,
        introduction=INTRODUCTION,
        results=Path(__file__).parent / "results" / "constants_calibration.md",
    )
