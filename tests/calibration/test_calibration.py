"""Gains and zero levels of simulated cameras, whose truth is known."""

import json
import re
import subprocess
import sys
import warnings
from dataclasses import FrozenInstanceError, fields
from functools import cache
from typing import Any

import fsspec
import numpy as np
import pytest
import zarr

from benchmarks.simulate import camera, photomultiplier, simulate_rates
from dj_photon_codecs.calibration import calibrate
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.calibration import Calibration, measured
from tests.movies_at_hand import store_movie

pytestmark = pytest.mark.slow  # all of it measures simulated movies

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

SIDE = 128
CAMERA: dict[str, Any] = {"gain": 30.0, "offset": 200.0, "read_noise": 0.5}
COUNTS: dict[str, Any] = {"gain": 1.0, "offset": 0.0, "read_noise": 0.0}

SCENES: dict[str, dict[str, Any]] = {
    "usual": {"mean": 5},
    "few frames": {"mean": 5, "frames": 24},
    "dim": {"mean": 0.3},
    "bright": {"mean": 50},
    "bleaching": {"mean": 10, "bleaching": 0.3},
    "large transients": {"mean": 20, "transients": 8},
}
CAMERAS: dict[str, dict[str, Any]] = {
    "usual": CAMERA,
    "photon counts": COUNTS,
    "photon counts, uint8": COUNTS | {"dtype": "uint8"},
    "gain 1, read noise 1": {"gain": 1.0, "offset": 100.0, "read_noise": 1.0},
    "gain 100, int16, below zero": {"gain": 100.0, "offset": -200.0, "dtype": "int16"},
    "offset 1000, int32": {"gain": 8.0, "offset": 1000.0, "dtype": "int32"},
    "float32, read noise 1": CAMERA | {"read_noise": 1.0, "dtype": "float32"},
}


@cache
def scene(*, mean, frames=160, **more):
    return simulate_rates(frames, SIDE, SIDE, mean=mean, seed=7, **more)


@cache
def usual_movie():
    movie = camera(scene(mean=5), **CAMERA, seed=1)
    movie.flags.writeable = False
    return movie


def effective_zero(gain, offset, read_noise=0.0, **_):
    return offset - gain * read_noise**2


def check(found, *, within=0.02, photons=0.25, **truth):
    assert found.gain == pytest.approx(truth["gain"], rel=within)
    assert found.offset == pytest.approx(effective_zero(**truth), abs=photons * truth["gain"])


# ---------------------------------------------------------------------------- accuracy


@pytest.mark.parametrize("settings", CAMERAS.values(), ids=CAMERAS)
def test_every_camera_is_calibrated_to_two_percent(settings):
    check(calibrate(camera(scene(mean=5), **settings, seed=2)), **settings)


@pytest.mark.parametrize("settings", SCENES.values(), ids=SCENES)
def test_every_scene_calibrates_a_camera_to_two_percent(settings):
    check(calibrate(camera(scene(**settings), **CAMERA, seed=3)), **CAMERA)


@pytest.mark.parametrize("mean", [0.1, 0.5, 3, 50])
def test_photon_counts_have_a_gain_of_one_and_a_zero_of_zero(mean):
    found = calibrate(camera(scene(mean=mean), seed=4))
    check(found, within=0.01, **COUNTS)


def test_read_noise_of_four_photons_leaves_the_gain_right_to_five_percent():
    truth = CAMERA | {"read_noise": 4.0, "offset": 1000.0}
    check(calibrate(camera(scene(mean=10), **truth)), within=0.05, photons=1, **truth)


@pytest.mark.parametrize("mean", [5, 50])
def test_motion_of_less_than_a_pixel_is_taken_out(mean):
    found = calibrate(camera(scene(mean=mean, motion=0.7), **CAMERA))
    check(found, **CAMERA)
    assert found.motion == pytest.approx(0.7, abs=0.1)


def test_flicker_is_taken_out():
    flicker = 1 + 0.05 * np.random.default_rng(0).standard_normal((160, 1, 1))
    check(calibrate(camera(scene(mean=50) * flicker, **CAMERA)), **CAMERA)


def test_saturated_pixels_are_left_out():
    found = calibrate(camera(scene(mean=5), **CAMERA, full_scale=500))
    check(found, **CAMERA)
    assert found.pixels_excluded is not None
    assert found.pixels_excluded > SIDE**2 / 10


def test_saturated_pixels_among_others_are_left_out():
    rates = np.random.default_rng(0).uniform(1, 30, (SIDE, SIDE))  # no two neighbours are alike
    found = calibrate(camera(np.broadcast_to(rates, (200, SIDE, SIDE)), **CAMERA, full_scale=900))
    check(found, **CAMERA)
    assert found.pixels_used is not None
    assert found.pixels_used > SIDE**2 / 4


def test_cells_that_flash_on_an_even_background_are_allowed_for():
    y, x = np.indices((SIDE, SIDE)) % 32 - 15.5
    cells = 20 * np.exp(-(y**2 + x**2) / (2 * 3.0**2))
    flashes = 1 + np.random.default_rng(0).random((200, 1, 1))
    check(calibrate(camera(15 + flashes * cells, **CAMERA)), **CAMERA)


def test_hot_and_restless_pixels_are_left_out():
    movie = usual_movie().copy()
    rng = np.random.default_rng(0)
    movie[:, ::9, ::11] = 60000  # stuck
    movie[:, 4::9, ::11] = rng.integers(0, 60000, movie[:, 4::9, ::11].shape)
    check(calibrate(movie), **CAMERA)


def test_noisy_pixels_are_left_out():
    movie = usual_movie().astype("float32")
    noisy = (scene(mean=5)[0] > 5) & (np.random.default_rng(0).random((SIDE, SIDE)) < 0.06)
    noise = np.random.default_rng(1).standard_normal((len(movie), noisy.sum()))
    movie[:, noisy] += 120 * noise
    check(calibrate(movie), **CAMERA)


def test_single_sparks_are_left_out():
    movie = usual_movie().copy()
    rng = np.random.default_rng(0)
    sparks = tuple(rng.integers(0, size, 300) for size in movie.shape)
    movie[sparks] += 30000
    check(calibrate(movie), **CAMERA)


@pytest.mark.parametrize(
    ("offset", "read_noise", "mean"),
    [(0.0, 0.3, 3), (0.0, 1.0, 3), (30.0, 1.0, 1), (-60.0, 0.3, 10), (0.0, 1.0, 10)],
)
def test_noise_that_is_clipped_at_zero_is_allowed_for(offset, read_noise, mean):
    truth = CAMERA | {"offset": offset, "read_noise": read_noise}
    check(calibrate(camera(scene(mean=mean), **truth, seed=5)), within=0.03, **truth)


def test_a_photomultiplier_has_the_gain_of_its_noise():
    rates = scene(mean=3)
    movie = photomultiplier(rates, gain=300, offset=-40, pulse_spread=0.5, bandwidth=0.3)
    with pytest.warns(UserWarning, match=r"pixels of a line correlates by 0\.3\d"):
        found = calibrate(movie)
    spread_over_two_pixels = 0.7**2 + 0.3**2
    check(found, gain=300 * (1 + 0.5**2) * spread_over_two_pixels, offset=-40)


def test_the_standard_error_is_that_of_repeated_recordings():
    rates = scene(mean=5, frames=40)[:, :64, :64]
    found = [calibrate(camera(rates, **CAMERA, seed=seed)) for seed in range(30)]
    errors = [(each.gain - CAMERA["gain"]) / (each.gain_stderr or 0) for each in found]
    zero_errors = [
        (each.offset - effective_zero(**CAMERA)) / (each.offset_stderr or 0) for each in found
    ]
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.5
    assert 0.6 < np.sqrt(np.mean(np.square(zero_errors))) < 1.5


def test_scaled_values_have_a_scaled_calibration():
    found = calibrate(usual_movie())
    scaled = calibrate(usual_movie() * 0.25 - 7.5)
    assert scaled.gain == pytest.approx(found.gain / 4, rel=1e-3)
    assert scaled.offset == pytest.approx(found.offset / 4 - 7.5, abs=1e-3 * found.gain)


# ---------------------------------------------------------------------------- given the offset


def test_the_offset_separates_the_read_noise():
    truth = CAMERA | {"read_noise": 2.0, "offset": 1000.0}
    found = calibrate(camera(scene(mean=5), **truth), offset=1000)
    assert found.offset == 1000
    assert found.variance_stderr is not None
    assert found.variance == pytest.approx((2 * 30) ** 2, abs=4 * found.variance_stderr)
    assert found.variance_stderr < 0.1 * found.variance


def test_with_and_without_offset_the_noise_at_every_brightness_is_the_same():
    without, given = calibrate(usual_movie()), calibrate(usual_movie(), offset=210.5)
    assert without.variance == 0
    assert without.gain == given.gain
    assert given.variance == pytest.approx(given.gain * (given.offset - without.offset))


def test_no_read_noise_is_zero_and_never_negative():
    found = [calibrate(camera(scene(mean=3), seed=seed), offset=0.0) for seed in range(4)]
    assert all(0 <= each.variance < 0.1 for each in found)


def test_an_offset_below_the_zero_level_is_refused():
    with pytest.raises(ValueError, match=r"offset is 150, but the noise .* vanishes only at 19\d"):
        calibrate(usual_movie(), offset=150)


# ---------------------------------------------------------------------------- what a movie may be


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint64", "float32", "float64", ">u2"])
def test_the_dtype_does_not_matter(dtype):
    assert calibrate(usual_movie().astype(dtype)) == calibrate(usual_movie())


def test_large_offsets_do_not_cost_precision():
    found = calibrate(usual_movie().astype("int64") + 10**12)
    assert found.gain == calibrate(usual_movie()).gain


class Sliceable:
    """All that a movie must have."""

    def __init__(self, values):
        self._values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, frames):
        return self._values[frames]


def test_whatever_can_be_sliced_is_calibrated(tmp_path):
    values = usual_movie()
    np.save(tmp_path / "movie.npy", values)
    movies = {
        "memory map": np.load(tmp_path / "movie.npy", mmap_mode="r"),
        "zarr": zarr.array(values, chunks=(100, SIDE, SIDE)),
        "small chunks": zarr.array(values, chunks=(7, 50, 50)),
        "slices only": Sliceable(values),
        "fortran": np.asfortranarray(values),
    }
    expected = calibrate(values)
    for name, movie in movies.items():
        assert calibrate(movie).gain == pytest.approx(expected.gain, rel=5e-3), name


@pytest.mark.parametrize(
    ("movie", "error", "message"),
    [
        ([[[1]]], TypeError, "movie is a list; it must be"),
        (np.ma.zeros((9, 64, 64)), TypeError, "movie is a masked array"),
        (np.zeros((9, 64, 64), bool), TypeError, "dtype bool.*Add up frames"),
        (np.zeros((9, 64, 64), complex), TypeError, "movie has dtype complex128"),
        (np.zeros((64, 64)), ValueError, r"shape \(64, 64\); it must be"),
        (np.zeros((7, 64, 64)), ValueError, "at least 8 frames. Record 100"),
        (np.zeros((9, 15, 17)), ValueError, "at least 256 pixels.*Record larger"),
    ],
)
def test_what_is_no_movie_is_refused(movie, error, message):
    with pytest.raises(error, match=message):
        calibrate(movie)


def test_a_stored_movie_is_refused_and_its_raw_values_are_calibrated(tmp_path):
    """Its values are transformed: all of them have the same noise, and no gain."""
    values = usual_movie()
    stored = CameraMovie(values, Calibration(gain=25, offset=150))
    path = str(tmp_path / "movie.zarr")
    fetched = store_movie(stored, fsspec.filesystem("file"), path)
    for transformed in (fetched, zarr.open_array(path, mode="r")):
        with pytest.raises(TypeError, match=r"stored movie.*transformed twice. Give the \.raw"):
            calibrate(transformed)
    assert calibrate(fetched.raw) == calibrate(values)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    movie = usual_movie().astype("float32")
    movie[100, 3, 4] = value
    with pytest.raises(ValueError, match=f"movie holds {value}; every value must be finite"):
        calibrate(movie)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="must be 'folds' or 'anscombe-transform'"):
        calibrate(usual_movie(), method="guess")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offset", "error", "message"),
    [
        (True, TypeError, "offset is True; it must be a real number"),
        ("100", TypeError, "offset is '100'"),
        (float("nan"), ValueError, "offset is nan; it must be finite"),
    ],
)
def test_an_offset_that_is_no_number_is_refused(offset, error, message):
    with pytest.raises(error, match=message):
        calibrate(usual_movie(), offset=offset)


# ---------------------------------------------------------------------------- refusals and doubts


def ramp():
    return np.linspace(100, 2000, SIDE**2).reshape(SIDE, SIDE)


def smoothed(movie, *axes):
    values = movie.astype("float32")
    for axis in axes:
        values = (values + np.roll(values, 1, axis)) / 2
    return values


def alternating(count):
    """Frames of several planes by turns."""
    planes = [camera(scene(mean=5), **CAMERA, seed=seed) for seed in range(count)]
    return np.stack([np.roll(planes[n % count][n], 37 * (n % count), 1) for n in range(160)])


def counts(mean, frames, *, size=SIDE, seed=0):
    rates = simulate_rates(frames, size, size, mean=mean, seed=seed)
    return camera(rates, seed=seed + 10)


REFUSED = {
    "constant": (lambda: np.full((40, SIDE, SIDE), 7, "u2"), "does not change.*40 hold one value"),
    "still picture": (
        lambda: np.repeat(ramp()[None], 40, axis=0),
        "does not change in time.*39 repeat the frame before",
    ),
    "enlarged pixels": (
        lambda: np.kron(np.random.default_rng(0).integers(0, 4000, (40, 8, 8)), np.ones((8, 8))),
        "no noise of single pixels .* changes in many neighbouring pixels together",
    ),
    "two exposures": (
        lambda: np.repeat(usual_movie()[:2], 20, axis=0),
        "too few frames with noise of their own: of 40 frames, 38 repeat",
    ),
    "flat": (
        lambda: 3 * np.random.default_rng(0).poisson(9, (120, SIDE, SIDE)),
        r"the scene is flat, or .* Record a scene with dark and bright areas.*delivers it\.$",
    ),
    "flat counts": (
        lambda: np.random.default_rng(0).poisson(9, (80, SIDE, SIDE)),
        "Record 100 frames or more.* 1.00 times their mean, as of photon counts: these need no ca",
    ),
    "read noise": (
        lambda: ramp() + np.random.default_rng(0).normal(0, 5, (80, SIDE, SIDE)),
        "does not grow with brightness.*read noise, not light",
    ),
    "single bits": (
        lambda: (usual_movie() > 300).astype("u1"),
        "only the values 0 and 1, .* one bit .* Add up frames to counts.* need no calibration",
    ),
    "too few": (
        lambda: usual_movie()[:10, :16, :16],
        r"the gain is uncertain by 2\d\.\d% .*from 8 of 10 frames.*About [6-9]\d frames of this",
    ),
    "saturated": (
        lambda: np.minimum(usual_movie(), 230),
        r"too few pixels that .* stay below its highest value \(230\).*not saturated",
    ),
    "smoothed": (lambda: smoothed(usual_movie(), 1, 1, 1, 2, 2, 2), "the movie was smoothed"),
    "averaged frames": (
        lambda: smoothed(usual_movie(), 0),
        r"averaged or interpolated in time: .* consecutive frames correlates by 0\.[45]",
    ),
    "sharpened in time": (
        lambda: np.diff(usual_movie().astype(float), axis=0) + usual_movie().mean(axis=0),
        r"consecutive frames correlates by -0\.[45].*sharpened in time",
    ),
    "two channels": (
        lambda: alternating(2),
        r"same picture every 2 frames, .* 2 channels or planes.*: movie\[0::2\], movie\[1::2\]",
    ),
    "five planes": (lambda: alternating(5), r"5 channels or planes.*: movie\[0::5\]"),
    "another gain half-way": (
        lambda: np.concatenate([usual_movie()[:80], 2 * usual_movie()[80:]]),
        r"the gain changes in time: .* by -\d+%, -\d+%, \+\d\d%, .*such as movie\[:n\]",
    ),
}


@pytest.mark.parametrize(("movie", "message"), REFUSED.values(), ids=REFUSED)
def test_a_movie_that_does_not_tell_the_gain_is_refused_by_its_likely_cause(movie, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        calibrate(movie())


def test_what_is_uncertain_by_a_little_more_than_is_accepted_says_so():
    message = ""
    for height in range(17, 40):
        try:
            calibrate(usual_movie()[:16, 20 : 20 + height, 20:36])
        except ValueError as error:
            message = str(error)
    assert "at most 10% is accepted" in message
    assert "uncertain by 10%" not in message


def gamma_corrected():
    return 100 * camera(scene(mean=20), **CAMERA).astype("float64") ** 0.75


def shaken():
    """A camera's movie of a picture with details of one pixel, that now and then jumps by one."""
    rng = np.random.default_rng(1)
    light = rng.uniform(1, 10, (SIDE, SIDE))
    steps = rng.integers(-1, 2, (160, 2)) * (rng.random((160, 1)) < 0.3)
    return camera([np.roll(light, step, (0, 1)) for step in steps], **CAMERA)


def resampled(movie):
    """Every third line stays, those between become averages of two."""
    values = movie.astype("float64")
    values[:, 1::3] = (values[:, 1::3] + np.roll(values, 5, 2)[:, 1::3]) / 2
    return values


def bent_and_clipped():
    """A detector whose gain grows with the light, and that has no offset."""
    values = 130.0 * np.random.default_rng(0).poisson(scene(mean=2))
    values += np.random.default_rng(1).normal(-30, 50, values.shape)
    return np.clip(np.rint(values * (1 + np.maximum(values, 0) / 4000)), 0, 8191).astype("u2")


DOUBTFUL = {
    "slightly smoothed": (lambda: smoothed(usual_movie(), 1, 2), "smoothed, resampled or regist"),
    "gamma": (gamma_corrected, "is no straight line"),
    "moving": (
        lambda: camera(scene(mean=5, motion=2.0), **CAMERA),
        r"moves by about 1\.[6-9] pixels",
    ),
    "moving, fine details": (
        shaken,
        "moves by about .* details as fine as that",
    ),
    "moving, few frames": (
        lambda: camera(scene(mean=5, motion=0.7)[:40], **CAMERA),
        "40 frames are too few to tell",
    ),
    "moving, clipped": (
        lambda: camera(scene(mean=2, motion=0.7), gain=30, offset=0, read_noise=0.5),
        "and values are clipped at the lowest one, 0; both",
    ),
    "slight gamma": (
        lambda: camera(scene(mean=20), **CAMERA).astype("float64") ** 0.85,
        "its slope changes by -",
    ),
    "resampled": (lambda: resampled(usual_movie()), "noise of equally bright pixels differs"),
    "bent and clipped": (bent_and_clipped, "are noisier than the line .* the curve bends"),
    "buried": (lambda: camera(scene(mean=1), gain=30, offset=-30, read_noise=1), "are clipped"),
}


def warnings_of(movie):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calibrate(movie)
    return caught


@pytest.mark.parametrize(("movie", "message"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_doubtful_gain_comes_with_a_warning(movie, message):
    found = warnings_of(movie())
    assert any(re.search(message, str(each.message)) for each in found), found
    assert found[0].filename == __file__


def test_low_light_at_the_floor_that_nothing_explains_comes_with_a_warning():
    pulses = photomultiplier(scene(mean=0.3), gain=100, bandwidth=0.3, dtype="uint16")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calibrate(pulses)
    assert "no part of the movie is bright enough to tell" in str(caught[-1].message)


# ---------------------------------------------------------------------------- faulty frames


def at_random(share, *, seed=0):
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(np.arange(1, 159), int(160 * share), replace=False))


def with_repeats(share):
    movie = usual_movie().copy()
    for frame in at_random(share):
        movie[frame] = movie[frame - 1]
    return movie


def frozen():
    movie = usual_movie().copy()
    movie[50:110] = movie[50]
    return movie


def filled_in():
    """Every eighth frame is the average of its neighbours, as where lost frames are made up."""
    movie = usual_movie().copy()
    movie[8:-1:8] = (movie[7:-2:8].astype(float) + movie[9::8]) / 2
    return movie


def with_black_frames(share, level):
    movie = usual_movie().copy()
    movie[at_random(share)] = level
    return movie


FAULTY = {
    "3 % repeated": (lambda: with_repeats(0.03), "of 160 frames, 4 repeat the frame before"),
    "10 % repeated": (lambda: with_repeats(0.1), "of 160 frames, 16 repeat"),
    "20 % repeated": (lambda: with_repeats(0.2), "of 160 frames, 32 repeat"),
    "frozen": (frozen, "of 160 frames, 59 repeat"),
    "each twice": (
        lambda: np.repeat(usual_movie()[:80], 2, axis=0),
        "of 160 frames, 80 repeat .* left out, as where .* writes each frame more than once",
    ),
    "each three times": (lambda: np.repeat(usual_movie()[:60], 3, axis=0), "180 frames, 120 repe"),
    "interpolated": (filled_in, "of 160 frames, 19 are the average of the frames before and after"),
    "interpolated, float": (
        lambda: np.insert(
            usual_movie()[:150].astype("f4"),
            np.arange(20, 130, 10),
            [usual_movie()[n - 1 : n + 1].mean(axis=0) for n in range(20, 130, 10)],
            axis=0,
        ),
        "of 161 frames, 11 are the average",
    ),
    "2 % black": (lambda: with_black_frames(0.02, 0), "of 160 frames, 3 hold one value only"),
    "10 % dark": (lambda: with_black_frames(0.1, 200), "of 160 frames, 16 hold one value only"),
}


@pytest.mark.parametrize(("movie", "message"), FAULTY.values(), ids=FAULTY)
def test_frames_that_are_no_exposures_of_their_own_are_left_out_and_counted(movie, message):
    with pytest.warns(UserWarning, match=message) as caught:
        found = calibrate(movie())
    check(found, within=0.01, **CAMERA)
    assert len(caught) == 1


def test_of_dark_frames_that_are_equal_by_chance_all_count(recwarn):
    movie = counts(0.01, 4000, size=16)
    assert (movie[1:] == movie[:-1]).all(axis=(1, 2)).any()
    assert (movie == 0).all(axis=(1, 2)).any()
    check(calibrate(movie), within=0.1, **COUNTS)
    assert not recwarn.list


def test_a_gain_that_drifts_comes_with_a_warning():
    growing = usual_movie() * np.linspace(0.95, 1.05, 160)[:, None, None]
    with pytest.warns(UserWarning, match="the gain changes in time: .*Calibrate a part"):
        calibrate(growing)


def test_a_gain_that_differs_across_the_frame_comes_with_a_warning():
    movie = usual_movie().astype("float32")
    movie[:, :, SIDE // 2 :] *= 1.15
    messages = [str(each.message) for each in warnings_of(movie)]
    assert any("the gain differs across the frame" in each for each in messages)


def test_interleaved_channels_in_dim_light_come_with_a_warning():
    planes = [simulate_rates(160, SIDE, SIDE, mean=0.3, seed=seed) for seed in (1, 2)]
    rates = np.stack([planes[n % 2][n] for n in range(160)])
    with pytest.warns(UserWarning, match="more like those 2 frames later.*channels or planes"):
        calibrate(camera(rates, **CAMERA))


# ---------------------------------------------------------------------------- no false warnings

CLEAN = {
    "counts, 0.005": lambda: counts(0.005, 100),
    "counts, 0.03": lambda: counts(0.03, 100),
    "counts, 0.1": lambda: counts(0.1, 100),
    "counts, 1": lambda: counts(1, 100),
    "dim counts, 14 frames": lambda: counts(0.08, 14),
    "camera, 24 frames": lambda: usual_movie()[:24],
    "dim camera": lambda: camera(scene(mean=0.2), **CAMERA),
    "bright camera": lambda: camera(scene(mean=50), **CAMERA),
    "flicker by turns": lambda: camera(
        scene(mean=5) * np.tile([0.8, 1.2], 80)[:, None, None], **CAMERA
    ),
    "light that fades fast": lambda: camera(
        np.geomspace(30, 1, 160)[:, None, None] * scene(mean=1)[0], **CAMERA
    ),
}


@pytest.mark.parametrize("movie", CLEAN.values(), ids=CLEAN)
def test_a_movie_without_fault_is_calibrated_without_a_warning(movie, recwarn):
    found = calibrate(movie())
    assert not [str(each.message) for each in recwarn.list]
    assert 0.95 < found.gain / (30 if found.gain > 10 else 1) < 1.05


NEVER_ABOVE_TWO = (95, 104, 372, 437, 456, 658, 768, 975, 1012)  # seeds


def test_counts_that_happen_to_stay_below_three_are_not_taken_for_saturated():
    rates = np.linspace(0.005, 0.16, 48 * 48).reshape(48, 48)
    found = []
    for seed in NEVER_ABOVE_TWO:
        movie = np.random.default_rng(seed).poisson(rates, (14, 48, 48))
        assert movie.max() == 2
        found.append(calibrate(movie))
    assert np.mean([each.gain for each in found]) == pytest.approx(1, abs=0.03)
    assert all((each.pixels_used or 0) > 0.95 * rates.size for each in found)


@pytest.mark.parametrize("shape", [(1, 512), (512, 1)])
def test_line_scans_are_calibrated_without_a_warning(shape, recwarn):
    rates = np.sort(np.random.default_rng(0).gamma(1, 5, 512)).reshape(shape)
    check(calibrate(camera(np.broadcast_to(rates, (200, *shape)), **CAMERA)), within=0.03, **CAMERA)
    assert not recwarn.list


def test_dim_counts_are_not_taken_for_clipped_values(recwarn):
    smoothed = pytest.importorskip("scipy.ndimage").gaussian_filter
    rng = np.random.default_rng(101)
    pattern = smoothed(rng.normal(size=(128, 128)), 3)
    rates = np.exp(1.2 * pattern / pattern.std())
    movie = rng.poisson(np.broadcast_to(0.1 * rates / rates.mean(), (100, 128, 128)))
    found = calibrate(movie.astype("uint16"))
    assert found.gain == pytest.approx(1, abs=0.02)
    assert not found.clipped
    assert not recwarn.list


# ---------------------------------------------------------------------------- the other estimator


def test_the_package_agrees_on_a_movie_without_transients():
    rates = np.repeat(scene(mean=5, transients=0)[:1], 200, axis=0)
    found = calibrate(camera(rates, **CAMERA), method="anscombe-transform")
    check(found, within=0.03, **CAMERA)
    given = calibrate(camera(rates, **CAMERA), method="anscombe-transform", offset=200)
    assert given.variance == pytest.approx(given.gain * (200 - found.offset))


@pytest.mark.parametrize(
    ("movie", "message"),
    [
        (camera(scene(mean=3)), "found no gain.*adjoining camera values.*method='folds'"),
        (np.zeros((20, 64, 64), "uint16"), "found no gain"),
        (usual_movie() / 7, "movie holds fractions"),
    ],
    ids=["counts", "dark", "fractions"],
)
def test_what_the_package_cannot_do_is_refused_in_words(movie, message):
    with pytest.raises(ValueError, match=message):
        calibrate(movie, method="anscombe-transform")


# ---------------------------------------------------------------------------- the record


def test_the_default_calibration_stands_for_photon_counts():
    assert Calibration() == Calibration(gain=1, offset=0, variance=0)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"gain": 0}, ValueError, "gain is 0.0; it must be positive"),
        ({"gain": -1}, ValueError, "gain is -1.0"),
        ({"gain": float("inf")}, ValueError, "gain is inf; it must be finite"),
        ({"offset": float("nan")}, ValueError, "offset is nan; it must be finite"),
        ({"variance": -1e-9}, ValueError, "variance is -1e-09; it must be >= 0"),
        ({"gain": True}, TypeError, "gain is True; it must be a real number"),
        ({"gain": np.True_}, TypeError, "gain is np.True_"),
        ({"offset": "1"}, TypeError, "offset is '1'"),
        ({"variance": None}, TypeError, "variance is None"),
        ({"gain": np.ones(1)}, TypeError, "gain is array"),
        ({"gain_stderr": float("inf")}, ValueError, "gain_stderr is inf"),
        ({"curve": [(1, 2, float("nan"))]}, ValueError, "curve is nan"),
    ],
)
def test_impossible_numbers_are_refused_by_name(given, error, message):
    with pytest.raises(error, match=message):
        Calibration(**given)


def test_numbers_become_plain_floats():
    numbers: dict[str, Any] = {"gain": np.float32(0.5), "offset": np.int16(-3), "variance": 4}
    made = Calibration(**numbers)
    assert [type(value) for value in (made.gain, made.offset, made.variance)] == [float] * 3
    assert made == Calibration(0.5, -3.0, 4.0)


def test_a_calibration_is_the_same_after_json():
    found = calibrate(usual_movie(), offset=200)
    text = json.dumps(found.to_dict(), allow_nan=False)
    rebuilt = Calibration.from_dict(json.loads(text))
    assert json.loads(text) == found.to_dict()
    for each in fields(Calibration):
        assert getattr(rebuilt, each.name) == getattr(found, each.name)
    assert len(text) < 4000


def test_what_makes_calibrations_equal_is_how_they_transform():
    found = calibrate(usual_movie())
    bare = Calibration(found.gain, found.offset, found.variance)
    assert found == bare
    assert hash(found) == hash(bare)
    assert found != Calibration(found.gain, found.offset, found.variance + 1)


def test_a_calibration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError, match="gain"):
        Calibration().gain = 2.0  # type: ignore[misc]


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match=r"unknown calibration fields \['gian'\]; .*'gain'"):
        Calibration.from_dict({"gian": 3.0})


def test_pixels_are_counted():
    found = calibrate(usual_movie())
    assert found.pixels_used is not None
    assert found.pixels_excluded is not None
    assert found.pixels_used + found.pixels_excluded == SIDE**2
    assert found.pixels_used > 0.95 * SIDE**2


# ---------------------------------------------------------------------------- the picture


def test_the_plot_shows_the_curve_the_residuals_and_the_numbers():
    found = calibrate(usual_movie())
    axes = found.plot()
    title = axes.get_title(loc="left")
    assert f"One photon is worth {measured(found.gain, found.gain_stderr)} ADU." in title
    assert "effective zero" in title
    assert [each.get_ylabel() for each in axes.figure.axes][1] == "residual (%)"
    fit = next(line for line in axes.lines if line.get_label() == "fit")
    ends = np.asarray(fit.get_xdata(), float)
    drawn = np.asarray(fit.get_ydata(), float)
    np.testing.assert_allclose(drawn, found.gain * (ends - found.offset), rtol=1e-6)
    matplotlib.pyplot.close(axes.figure)


def test_the_plot_takes_axes_and_says_what_is_special():
    figure, axes = matplotlib.pyplot.subplots()
    found = calibrate(camera(scene(mean=3), gain=30, offset=0, read_noise=1), offset=0)
    assert found.plot(axes) is axes
    assert "read noise is" in axes.get_title(loc="left")
    assert "are clipped" in axes.get_title(loc="left")
    matplotlib.pyplot.close(figure)


def test_a_calibration_without_a_curve_has_nothing_to_plot():
    with pytest.raises(ValueError, match="has no curve; plot what calibrate"):
        Calibration().plot()


def test_calibrating_imports_neither_matplotlib_nor_the_package():
    code = (
        "import sys, dj_photon_codecs.calibration;"
        "print([name for name in ('matplotlib', 'sklearn', 'anscombe_transform', 'datajoint')"
        " if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
