"""HDF5 as suite2p, CaImAn and an insert read it."""

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest

from dj_photon_codecs import CameraMovie, export
from dj_photon_codecs.movies.checks import check_frames
from tests.arrays.exports.copies import exported
from tests.movies_at_hand import CAMERA, tree


def test_the_movie_has_the_names_that_suite2p_and_caiman_look_for(movie, tmp_path):
    path = export(movie, tmp_path / "movie.h5", frame_rate=30)

    with h5py.File(path) as file:
        assert sorted(file) == ["data", "mov"]
        assert file["data"] == file["mov"]
        assert file["mov"].attrs["fr"] == 30
        assert file["mov"].chunks is None
        np.testing.assert_array_equal(file["mov"][110:], movie.raw[110:], strict=True)


def test_attributes_say_what_the_values_are(stepped, tmp_path):
    path = export(stepped, tmp_path / "movie.h5", values="photons")

    with h5py.File(path) as file:
        said = dict(file["data"].attrs)
        assert [axis.label for axis in file["data"].dims] == ["time", "y", "x"]
    assert (said["anscombe_gain"], said["quantization_step"], said["units"]) == (50, 0.5, "photon")
    assert said["source"] == str(stepped.movie_store)


def test_a_copy_that_is_inserted_is_known_for_what_it_is(stepped, tmp_path):
    raw, photons = (
        export(stepped, tmp_path / f"{values}.h5", values=values) for values in ("raw", "photons")
    )

    with h5py.File(raw) as file:
        CameraMovie(file["data"], CAMERA)
        with pytest.raises(TypeError, match=r"\.raw of a stored movie of camera values, 50 ADU"):
            check_frames(file["data"], counts=True)
    with h5py.File(photons) as file:
        check_frames(file["data"], counts=True)


@pytest.mark.parametrize("limit", [0, 100, 1500, 4000, 9000])
@pytest.mark.parametrize("kind", ["hdf5", "nwb"])
def test_wherever_the_disk_is_full_hdf5_closes_the_file(kind, limit, movie, tmp_path):
    resource = pytest.importorskip("resource")  # not on Windows
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = tree(tmp_path)

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))  # bytes of a file
    try:
        with pytest.raises(OSError, match="too large"):
            exported(movie, tmp_path, kind)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert tree(tmp_path) == before
    assert h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE) == 0
    exported(movie, tmp_path, kind)
