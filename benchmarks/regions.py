"""How alike the regions are that a program finds in two movies of the same cells.

Regions have a mask each, (regions, height, width), and traces, (regions, frames). Only NumPy is
needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME = 0.5  # intersection over union from which two masks are of the same cell
NEUROPIL = 0.7  # share of the surround's light that is in a region's, as in suite2p
CERTAIN = 3.0  # standard deviations of a trace's noise, from which activity is an event
BLUR = np.array([1, 4, 6, 4, 1]) / 16  # of activity before it is compared, frames


@dataclass(frozen=True)
class Regions:
    """What was found in a movie: masks, traces without neuropil, and deconvolved activity.

    `offsets` says how far down and right registration found each frame to be, (frames, 2).
    """

    masks: NDArray[np.bool_]
    traces: NDArray[np.float64]
    activity: NDArray[np.float64]
    offsets: NDArray[np.float64]

    def seen_from(self, offsets: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return the masks in the place that they have where frames have other offsets."""
        down, right = np.rint((offsets - self.offsets).mean(axis=0)).astype(int)
        return np.roll(self.masks, (-down, -right), axis=(1, 2))


@dataclass(frozen=True)
class Agreement:
    """How the regions of a movie agree with those of another, or with the truth.

    `registered` is the share of frames that lie within a pixel of where the other's lie, but for
    what all have in common; `retained` the share of the others' regions that were found again,
    `overlap` the median intersection over union of those, `traces` and `activity` the median of
    correlations, and `events` the number of events in them, relative to the others'.
    """

    registered: float
    retained: float
    overlap: float
    traces: float
    activity: float
    events: float


def agreement(found: Regions, other: Regions) -> Agreement:
    """Compare what was found in two movies of the same cells."""
    overlaps = overlap(other.masks, found.seen_from(other.offsets))
    theirs, ours = pairs(overlaps)
    events = number_of_events(found.traces[ours], found.activity[ours]).sum()
    expected = number_of_events(other.traces[theirs], other.activity[theirs]).sum()
    apart = found.offsets - other.offsets
    return Agreement(
        float((np.abs(apart - np.median(apart, axis=0)) < 1).all(axis=1).mean()),
        len(theirs) / max(len(other.masks), 1),
        median(overlaps[theirs, ours]),
        median(correlations(other.traces[theirs], found.traces[ours])),
        median(correlations(blurred(other.activity[theirs]), blurred(found.activity[ours]))),
        float(events / expected) if expected else np.nan,
    )


def overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the intersection over union of each mask with each, (first, second)."""
    pixels = first.shape[1] * first.shape[2]
    one, two = (masks.reshape(-1, pixels).astype(np.float32) for masks in (first, second))
    common = (one @ two.T).astype(np.float64)
    union = one.sum(axis=1)[:, None] + two.sum(axis=1) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def pairs(
    overlaps: NDArray[np.float64], least: float = SAME
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which masks belong together, each to one at most; what overlaps most comes first."""
    left = overlaps.copy()
    found: list[tuple[int, int]] = []
    while left.size and left.max() > least:
        first, second = np.unravel_index(left.argmax(), left.shape)
        found.append((int(first), int(second)))
        left[first], left[:, second] = 0, 0
    paired = np.array(sorted(found), np.int64).reshape(-1, 2)
    return paired[:, 0], paired[:, 1]


def correlations(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Correlate each row with the row of the same number."""
    one, two = (rows - rows.mean(axis=1, keepdims=True) for rows in (first, second))
    scale = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    return np.divide((one * two).sum(axis=1), scale, out=np.zeros(len(one)), where=scale > 0)


def number_of_events(traces: NDArray[Any], activity: NDArray[Any]) -> NDArray[np.int64]:
    """Count the events of each row: runs of frames with activity far above its trace's noise."""
    changes = np.abs(np.diff(traces, axis=1))
    noise = 1.4826 * np.median(changes, axis=1, keepdims=True) / np.sqrt(2)
    active = np.pad(activity > CERTAIN * noise, ((0, 0), (1, 0)))
    return (active[:, 1:] & ~active[:, :-1]).sum(axis=1)


def blurred(activity: NDArray[Any]) -> NDArray[np.float64]:
    """Blur rows over a few frames, so that activity which is a frame late counts as alike."""
    rows = [np.convolve(row, BLUR, mode="same") for row in activity]
    return np.array(rows, np.float64).reshape(np.shape(activity))


def median(values: NDArray[Any]) -> float:
    """Return the median, or NaN of nothing."""
    return float(np.median(values)) if len(values) else float("nan")
