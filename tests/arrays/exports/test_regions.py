"""How benchmarks/suite2p_cells.py compares regions, and records scenes again; without suite2p."""

from dataclasses import astuple, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from benchmarks.regions import (
    Regions,
    agreement,
    correlations,
    number_of_events,
    overlap,
    pairs,
)

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
known_cells = import_module("benchmarks.known_cells")  # unseen by mypy: it imports what [dev] lacks


def squares(*corners, side=6, frame=40):
    """Draw a mask for each upper left corner."""
    masks = np.zeros((len(corners), frame, frame), bool)
    for mask, (y, x) in zip(masks, corners, strict=True):
        mask[y : y + side, x : x + side] = True
    return masks


def regions(frames=200, seed=0):
    """Make four regions with a spike or two each, their traces with some noise."""
    activity = np.zeros((4, frames))
    activity[range(4), [20, 50, 80, 110]] = 5
    activity[:2, 150] = 5
    traces = activity + np.random.default_rng(seed).normal(0, 0.1, activity.shape)
    masks = squares((5, 5), (5, 25), (25, 5), (25, 25))
    return Regions(masks, traces, activity, np.zeros((frames, 2)))


def test_overlap_is_the_intersection_over_the_union():
    overlaps = overlap(squares((0, 0), (20, 20)), squares((0, 3), (0, 0), (30, 30)))
    np.testing.assert_allclose(overlaps, [[18 / 54, 1.0, 0.0], [0.0, 0.0, 0.0]])


def test_overlaps_of_no_regions_are_none():
    assert overlap(squares(), squares((0, 0))).shape == (0, 1)
    assert overlap(squares((0, 0)), squares()).shape == (1, 0)
    assert len(pairs(overlap(squares(), squares()))[0]) == 0


def test_each_region_has_one_partner_that_with_most_in_common():
    overlaps = np.array([[0.7, 0.9, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 0.5]])
    first, second = pairs(overlaps)
    assert (first.tolist(), second.tolist()) == ([0, 1], [1, 0])


def test_rows_correlate_with_the_row_of_the_same_number():
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(2, 3, 50))
    second[2] = 4
    expected = [np.corrcoef(first[0], second[0])[0, 1], np.corrcoef(first[1], second[1])[0, 1], 0]
    np.testing.assert_allclose(correlations(first, second), expected)


def test_events_are_runs_of_frames_above_the_noise():
    found = regions()
    weak = found.activity.copy()
    weak[0, 21:23] = 5  # the first spike lasts
    weak[3] = 0.05  # half the noise
    assert number_of_events(found.traces, weak).tolist() == [2, 2, 1, 0]


def test_a_movie_agrees_with_itself():
    found = regions()
    np.testing.assert_allclose(astuple(agreement(found, found)), 1)


def test_a_registration_that_lies_elsewhere_as_a_whole_changes_nothing():
    found = regions()
    moved = replace(
        found,
        masks=np.roll(found.masks, (-3, 2), (1, 2)),
        offsets=found.offsets + np.array([3, -2]),
    )
    np.testing.assert_allclose(astuple(agreement(moved, found)), 1)


def test_what_is_lost_is_said():
    found = regions()
    offsets = found.offsets.copy()
    offsets[:20] = 1
    lost = Regions(found.masks[:3], found.traces[:3], found.activity[:3].copy(), offsets)
    lost.activity[0, 150] = 0

    agreed = agreement(lost, found)

    assert (agreed.registered, agreed.retained, agreed.overlap) == (0.9, 0.75, 1)
    assert agreed.events == 4 / 5


def test_what_has_no_partner_has_no_events():
    found = regions()
    agreed = agreement(replace(found, masks=squares(*[(34, 34)] * 4)), found)
    assert agreed.retained == 0
    assert np.isnan([agreed.overlap, agreed.traces, agreed.activity, agreed.events]).all()


def test_cells_that_have_no_room_are_refused():
    with pytest.raises(ValueError, match="9 cells have no room in 40 x 40 pixels; ask for fewer"):
        known_cells.scattered(9, 40, rng=np.random.default_rng(0))


@pytest.mark.slow
def test_another_recording_of_a_scene_differs_by_its_noise_alone(monkeypatch):
    for package in ("calab", "getframes"):
        pytest.importorskip(package, reason="benchmarks need it, the library does not")
    monkeypatch.syspath_prepend(BENCHMARKS)
    detectors = import_module("detectors")  # a script, which finds its neighbours there
    truth = known_cells.scene(40, 48, cells=3, mean=20, seed=1)
    camera = detectors.Detector("sCMOS", "generic_scmos", mean=20, size=48)
    first, same, again = (camera.record(truth.rates, seed=n) for n in (0, 0, 10**6))

    np.testing.assert_array_equal(first, same)
    noise, other = (2 * truth.rates + 100 - each for each in (first, again))
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.1
    assert abs(noise.mean() - other.mean()) < 0.2
    assert truth.masks.shape == (3, 48, 48)
    assert truth.calcium.shape == truth.spikes.shape == (3, 40)
    np.testing.assert_allclose(truth.rates.mean(), 20, rtol=1e-4)
