"""What may be inserted, and the codes that it becomes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.movies.sources import SLAB_BYTES
from dj_photon_codecs.movies.survey import ValueRange, survey
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.steps import quantize
from dj_photon_codecs.photons.transform import generalized_anscombe
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.plan import code_dtype, plan_movie
from dj_photon_codecs.storage.writing import fill_chunk, frames_of_chunks
from tests.movies_at_hand import (
    BIG_ENDIAN,
    CAMERA,
    DTYPES,
    FLOATS,
    SlicedFile,
    camera_values,
    photon_counts,
)

SHAPE = (12, 5, 6)
MEMORY_MAP_MODES = ["r", "r+", "c"]


def movie_of(values):
    return CameraMovie(values, Calibration())


def all_codes(values, *, frames=5, calibration=None, step=None):
    """Codes of the whole movie, chunk by chunk, as they are written."""
    movie = CameraMovie(values, calibration or Calibration(), step=step)
    plan = plan_movie(movie, Policy(frames_per_chunk=frames, compressor=None))
    chunks = [
        fill_chunk(plan, map(plan.encode_values, parts))
        for parts in frames_of_chunks(values, plan.frames_per_chunk)
    ]
    assert all(chunk.shape == plan.chunk_shape for chunk in chunks)
    assert all(chunk.flags.c_contiguous for chunk in chunks)
    return np.concatenate(chunks)


def as_memory_map(values, folder, mode):
    path = folder / "movie.npy"
    np.save(path, values)
    return np.load(path, mmap_mode=mode)


def as_zarr(values, folder, *, chunks=(4, 5, 6)):
    array = zarr.create_array(folder / "source.zarr", data=values, chunks=chunks)
    return zarr.open_array(array.store_path, mode="r")


# ---------------------------------------------------------------------------- camera movies


def test_camera_movie_refuses_what_cannot_be_a_movie():
    with pytest.raises(TypeError, match="movie is a list"):
        CameraMovie([1, 2], Calibration())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"calibration is a float; .* Calibration\(gain=1\)"):
        CameraMovie(photon_counts(SHAPE), 30.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="calibration is a NoneType"):
        CameraMovie(photon_counts(SHAPE), None)  # type: ignore[arg-type]


def test_camera_movie_does_not_read_its_values():
    source = SlicedFile(photon_counts(SHAPE))

    CameraMovie(source, Calibration())

    assert not source.slices


# ---------------------------------------------------------------------------- survey


@pytest.mark.parametrize("dtype", DTYPES)
def test_survey_returns_the_range(dtype):
    values = photon_counts(SHAPE, dtype=dtype)

    found = survey(values, counts=True)

    assert found == ValueRange(float(values.min()), float(values.max()), whole=True)


@pytest.mark.parametrize("dtype", [*FLOATS, ">f2", ">f4", ">f8"])
def test_survey_tells_whole_numbers_from_others(dtype):
    values = photon_counts(SHAPE, dtype=dtype)
    assert survey(values, counts=True).whole

    values[-1, -1, -1] = 0.5
    assert not survey(values, counts=True).whole


@pytest.mark.parametrize(
    ("value", "whole"),
    [(2.0**53 - 1, True), (2.0**53, False), (-(2.0**53) + 1, True), (-(2.0**53), False)],
)
def test_floats_beyond_all_whole_numbers_are_not_taken_for_such(value, whole):
    values = np.full((1, 1, 2), value)

    assert survey(values, counts=False).whole is whole


@pytest.mark.parametrize("dtype", ["i8", "u8"])
def test_survey_is_exact_for_large_integers(dtype):
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.max - 1, limits.max], dtype).reshape(3, 1, 1)

    found = survey(values, counts=False)

    assert (found.lowest, found.highest) == (limits.min, limits.max)


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "camera"])
@pytest.mark.parametrize("dtype", [*FLOATS, ">f4"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_values_that_are_not_finite_are_refused(value, dtype, counts):
    values = photon_counts(SHAPE, dtype=dtype)
    values[7, 2, 3] = value

    with pytest.raises(ValueError, match=rf"movie holds {value} at frame 7; .*nan_to_num"):
        survey(values, counts=counts)


@pytest.mark.parametrize("dtype", ["i1", "<i2", ">i2", "i4", "i8", "f2", "f4", "f8", ">f8"])
def test_negative_counts_are_refused(dtype):
    values = photon_counts(SHAPE, dtype=dtype)
    values[11, 4, 5] = -3

    with pytest.raises(
        ValueError,
        match=r"movie holds -3(\.0)? at frame 11; photon counts must be >= 0\. Subtract the camera "
        r"offset with CameraMovie\(values, calibrate\(values\)\)",
    ):
        survey(values, counts=True)


def test_negative_camera_values_are_legal():
    values = photon_counts(SHAPE, dtype="i2") - 100

    assert survey(values, counts=False).lowest == -100


@pytest.mark.slow
def test_frames_are_named_behind_the_first_slab():
    frame = (1, SLAB_BYTES // 2)
    values = np.broadcast_to(np.zeros((1, *frame), "u1"), (9, *frame)).astype("i1")
    values[6, 0, 5] = -1

    with pytest.raises(ValueError, match="movie holds -1 at frame 6"):
        survey(values, counts=True)


# ---------------------------------------------------------------------------- dtype of codes

RANGES = [
    ((0, 0), "|u1"),
    ((0, 255), "|u1"),
    ((0, 256), "<u2"),
    ((0, 65535), "<u2"),
    ((0, 65536), "<u4"),
    ((0, 2**32 - 1), "<u4"),
    ((0, 2**32), "<u8"),
    ((0, 2**63 - 1), "<u8"),
    ((0, 2**63), "<u8"),
    ((0, 2**64 - 1), "<u8"),
    ((-1, 0), "|i1"),
    ((-128, 127), "|i1"),
    ((-1, 128), "<i2"),
    ((-129, 0), "<i2"),
    ((-32768, 32767), "<i2"),
    ((-1, 32768), "<i4"),
    ((-32769, 0), "<i4"),
    ((-(2**31), 2**31 - 1), "<i4"),
    ((-1, 2**31), "<i8"),
    ((-(2**63), 2**63 - 1), "<i8"),
]


@pytest.mark.parametrize(("limits", "dtype"), RANGES, ids=str)
def test_codes_have_the_smallest_dtype_that_holds_them(limits, dtype):
    values = np.array(limits, "u8" if limits[1] >= 2**63 else "i8").reshape(2, 1, 1)

    found = survey(values, counts=False)

    assert code_dtype(movie_of(values), found).str == dtype


@pytest.mark.parametrize("inserted", ["?", "u8", ">i4", "f2", ">f4", "f8"])
def test_whole_numbers_of_any_dtype_become_small_integers(inserted):
    values = photon_counts(SHAPE, dtype=inserted)

    assert code_dtype(movie_of(values), survey(values, counts=True)).str == "|u1"


@pytest.mark.parametrize("inserted", [*FLOATS, ">f2", ">f4", ">f8"])
def test_other_numbers_keep_their_dtype_in_little_endian(inserted):
    values = photon_counts(SHAPE, dtype=inserted) + np.dtype(inserted).type(0.5)
    values = values.astype(inserted)

    dtype = code_dtype(movie_of(values), survey(values, counts=True))

    assert dtype == np.dtype(inserted).newbyteorder("<")


def test_floats_too_large_to_be_told_from_whole_numbers_stay_floats():
    values = np.full((1, 1, 1), 2.0**53)

    assert code_dtype(movie_of(values), survey(values, counts=True)).str == "<f8"


# ---------------------------------------------------------------------------- codes


@pytest.mark.parametrize("dtype", DTYPES)
def test_codes_equal_the_values_and_are_padded_with_zeros(dtype):
    values = photon_counts(SHAPE, dtype=dtype)

    coded = all_codes(values, frames=5)  # 12 frames in 3 chunks

    np.testing.assert_array_equal(coded[:12], values)
    assert not coded[12:].any()


@pytest.mark.parametrize("dtype", [*FLOATS, *BIG_ENDIAN[-3:]])
def test_codes_of_other_numbers_are_those_to_the_last_bit(dtype):
    values = np.random.default_rng(3).normal(0, 1, SHAPE).astype(dtype)

    coded = all_codes(values)[:12]

    assert coded.tobytes() == values.astype(coded.dtype).tobytes()


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "strided": lambda values: np.repeat(values, 3, axis=2)[:, :, ::3],
    "every other frame": lambda values: np.repeat(values, 2, axis=0)[::2],
    "reversed": lambda values: values[::-1, ::-1, ::-1][::-1, ::-1, ::-1],
    "transposed": lambda values: values.transpose(2, 0, 1).copy().transpose(1, 2, 0),
    "read-only": lambda values: np.frombuffer(values.tobytes(), values.dtype).reshape(SHAPE),
    "file of slices": SlicedFile,
    "chunked file": lambda values: SlicedFile(values, chunks=(4, 5, 6)),
    "subclass": lambda values: values.view(type("Movie", (np.ndarray,), {})),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_does_not_matter(layout):
    values = photon_counts(SHAPE)

    np.testing.assert_array_equal(all_codes(layout(values))[:12], values)


def test_broadcast_movies_are_read_like_others():
    values = np.broadcast_to(photon_counts((1, 5, 6)) + 3, SHAPE)

    np.testing.assert_array_equal(all_codes(values)[:12], values)


def test_views_that_go_backwards_are_read_backwards():
    values = photon_counts(SHAPE)[::-1, :, ::-1]

    np.testing.assert_array_equal(all_codes(values)[:12], np.ascontiguousarray(values))


@pytest.mark.parametrize("shape", [(12, 2, 5, 6), (12, 2, 1, 3, 2), (1, 1, 1)], ids=str)
def test_movies_of_more_dimensions_or_one_frame(shape):
    values = photon_counts(shape) + 1

    np.testing.assert_array_equal(all_codes(values.astype("u2"))[: shape[0]], values)


def test_zarr_arrays_are_movies(tmp_path):
    values = photon_counts(SHAPE)

    np.testing.assert_array_equal(all_codes(as_zarr(values, tmp_path))[:12], values)


def test_files_are_read_in_whole_chunks_of_theirs(monkeypatch):
    monkeypatch.setattr("dj_photon_codecs.movies.sources.SLAB_BYTES", 6 * 5 * 6 * 2)  # six frames
    source = SlicedFile(photon_counts(SHAPE), chunks=(4, 5, 6))

    survey(source, counts=True)

    assert source.slices == [slice(0, 4), slice(4, 8), slice(8, 12)]


def test_movies_are_read_a_slab_at_a_time(monkeypatch):
    monkeypatch.setattr("dj_photon_codecs.movies.sources.SLAB_BYTES", 5 * 5 * 6 * 2)  # five frames
    source = SlicedFile(photon_counts(SHAPE))

    survey(source, counts=True)

    assert source.slices == [slice(0, 5), slice(5, 10), slice(10, 12)]


@pytest.mark.parametrize("dtype", [*DTYPES, "camera"])
def test_codes_in_steps_are_those_of_the_transform(dtype):
    values = camera_values(SHAPE) if dtype == "camera" else photon_counts(SHAPE, dtype=dtype)

    coded = all_codes(values, frames=5, calibration=CAMERA, step=0.5)

    y = generalized_anscombe(values, CAMERA.gain, CAMERA.offset, CAMERA.variance)
    np.testing.assert_array_equal(coded[:12], quantize(y, 0.5, dtype=coded.dtype), strict=True)
    assert not coded[12:].any()


@pytest.mark.parametrize(
    ("inserted", "changed"), [("i4", 300), ("i4", -1), ("f4", 0.5), ("f4", np.nan), ("f8", 1e9)]
)
def test_a_movie_that_changes_meanwhile_is_refused(inserted, changed):
    values = photon_counts(SHAPE, dtype=inserted)
    plan = plan_movie(movie_of(values), Policy(compressor=None), counts=True)
    values[2, 3, 4] = changed

    with pytest.raises(ValueError, match="movie does not fit into uint8 any more: it has changed"):
        plan.encode_values(values)


# ---------------------------------------------------------------------------- memory maps


@pytest.mark.parametrize("mode", MEMORY_MAP_MODES)
def test_memory_maps_are_left_alone(mode, tmp_path):
    values = photon_counts((12, 64, 64))
    mapped = as_memory_map(values, tmp_path, mode)
    stored = (tmp_path / "movie.npy").read_bytes()

    np.testing.assert_array_equal(all_codes(mapped)[:12], values)

    np.testing.assert_array_equal(mapped, values)
    assert (tmp_path / "movie.npy").read_bytes() == stored


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_changes_of_a_memory_map_are_not_lost(mode, tmp_path):
    mapped = as_memory_map(photon_counts((12, 64, 64)), tmp_path, mode)
    mapped[3] = 77
    expected = np.array(mapped)

    np.testing.assert_array_equal(all_codes(mapped)[:12], expected)

    np.testing.assert_array_equal(mapped, expected)


@pytest.mark.parametrize("view", [np.asarray, lambda m: m[2:], lambda m: m.transpose(0, 2, 1)])
def test_views_of_a_memory_map_are_movies(view, tmp_path):
    mapped = view(as_memory_map(photon_counts((12, 64, 64)), tmp_path, "r"))

    np.testing.assert_array_equal(all_codes(mapped)[: len(mapped)], mapped)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the memory as Linux shows it")
def test_pages_of_a_memory_map_are_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr("dj_photon_codecs.movies.sources.SLAB_BYTES", 1 << 20)
    mapped = as_memory_map(np.ones((64, 512, 512), "u1"), tmp_path, "r")

    survey(mapped, counts=True)

    assert resident_kilobytes("movie.npy") < 2048  # of 16384
    assert mapped[63, 5, 5] == 1


def resident_kilobytes(name):
    lines = iter(Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.endswith(name):
            return next(int(each.split()[1]) for each in lines if each.startswith("Rss:"))
    raise AssertionError(f"{name} is not mapped")
