"""Movies in HDF5 and NWB."""

import datetime as dt
import os
import sys
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pynwb
import pytest
from pynwb.ophys import TwoPhotonSeries
from pynwb.testing.mock.file import mock_NWBFile
from pynwb.testing.mock.ophys import mock_ImagingPlane

from dj_photon_codecs import CameraMovie, read_movie
from dj_photon_codecs.movies.checks import check_frames
from tests.movies.files.reading import check_movie, inserted
from tests.movies_at_hand import (
    CAMERA,
    camera_values,
    local_files,
    photon_counts,
    store_movie,
    tree,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

SHAPE = (20, 16, 24)
WAYS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunks": {"chunks": (7, 16, 24), "compression": "gzip"},
    "chunks long in time": {"chunks": (20, 4, 8)},
}


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">i2", "f4"])
@pytest.mark.parametrize("way", WAYS)
def test_data_sets_are_read(way, dtype, tmp_path):
    values = photon_counts(SHAPE, dtype=dtype)
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        file.create_dataset("recording/movie", data=values, **WAYS[way])
        file["recording/times"], file["mask"] = np.arange(20), np.ones((16, 24))

    movie: Any = read_movie(tmp_path / "movie.h5")

    check_movie(movie, values)
    assert movie.chunks == WAYS[way].get("chunks")
    assert "movie.h5', shape=(20, 16, 24), dtype=" in repr(movie)


def test_data_sets_are_asked_for(tmp_path):
    values = photon_counts(SHAPE)
    with h5py.File(tmp_path / "movie.hdf5", "w") as file:
        file["green"], file["more/red"], file["labels"] = values, values + 1, np.full(SHAPE, b"a")

    with pytest.raises(ValueError, match=r"holds 2 datasets, 0 \('green'\) and 1 \('more/red'\)"):
        read_movie(tmp_path / "movie.hdf5")
    for name in ("green", "/green", 0):
        check_movie(read_movie(tmp_path / "movie.hdf5", dataset=name), values)
    with pytest.raises(ValueError, match=r"dataset is 'blue', and .* holds 2 datasets"):
        read_movie(tmp_path / "movie.hdf5", dataset="blue")
    with pytest.raises(ValueError, match=r"channel is 1, but .*movie\.hdf5 holds no channels"):
        read_movie(tmp_path / "movie.hdf5", channel=1, dataset="green")


@pytest.mark.parametrize("name", ["group", "times", "nothing", "text"])
def test_what_is_no_movie_is_not_chosen_by_its_name(name, tmp_path):
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        file["movie"], file["group/times"] = photon_counts(SHAPE), np.arange(20)
        file["times"], file["text"] = np.arange(20), np.full(SHAPE, b"a")
        file["nothing"] = h5py.Empty("f4")

    with pytest.raises(ValueError, match=rf"dataset is '{name}', and .* holds 1 dataset, 0"):
        read_movie(tmp_path / "movie.h5", dataset=name)


def test_links_lead_where_they_say(tmp_path):
    values = photon_counts(SHAPE)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["movie"] = values
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["movie"] = values + 1  # of the same name as that which the link leads to
        file["raw"] = h5py.ExternalLink("raw.h5", "/movie")
        file["soft"], file["loop"] = h5py.SoftLink("/movie"), h5py.SoftLink("/loop")

    check_movie(read_movie(tmp_path / "links.h5", dataset="raw"), values)
    check_movie(read_movie(tmp_path / "links.h5", dataset="soft"), values + 1)
    check_movie(read_movie(tmp_path / "links.h5"), values + 1)
    with pytest.raises(ValueError, match=r"links\.h5 cannot be read as HDF5 .*too many links"):
        read_movie(tmp_path / "links.h5", dataset="loop")


def test_values_outside_of_the_file_are_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(range(24)))
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        outside = [(str(tmp_path / "secret"), 0, 24)]
        file.create_dataset("movie", (4, 2, 3), "u1", external=outside)

    with pytest.raises(ValueError, match=r"lie outside of .*movie\.h5, as bytes of .*secret"):
        read_movie(tmp_path / "movie.h5")


def test_a_file_without_movies_is_refused(tmp_path):
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        file["times"] = np.arange(20)

    with pytest.raises(ValueError, match=r"movie\.h5 holds no movie, an array of numbers of 3 dim"):
        read_movie(tmp_path / "movie.h5")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["h5", "mat", "nwb"])
def test_files_that_were_cut_short_are_refused(share, suffix, tmp_path):
    path = tmp_path / f"movie.{suffix}"
    with h5py.File(path, "w") as file:
        file["movie"] = photon_counts(SHAPE)
    os.truncate(path, int(path.stat().st_size * share))

    with pytest.raises(ValueError, match=rf"movie\.{suffix} cannot be read as HDF5 .*cut short"):
        read_movie(path)


def test_a_file_that_is_gone_leaves_nothing(tmp_path, store):
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        file["movie"] = photon_counts(SHAPE)
    movie = read_movie(tmp_path / "movie.h5")
    (tmp_path / "movie.h5").unlink()

    with pytest.raises(ValueError, match=r"movie\.h5 cannot be read as HDF5"):
        inserted(movie)

    assert not tree(store)


def test_axes_and_attributes_of_a_data_set_are_seen(tmp_path):
    stored = store_movie(
        CameraMovie(camera_values(SHAPE), CAMERA), local_files(), tmp_path / "movie.zarr"
    )
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        file["turned"], file["transformed"] = photon_counts(SHAPE), stored[:]
        for axis, label in zip(file["turned"].dims, ("y", "x", "time"), strict=True):
            axis.label = label
        file["transformed"].attrs["anscombe_gain"] = 50.0

    with pytest.raises(ValueError, match=r"the axes \('y', 'x', 'time'\); time must be the first"):
        check_frames(read_movie(tmp_path / "movie.h5", dataset="turned"))
    with pytest.raises(TypeError, match="would be transformed twice"):
        check_frames(read_movie(tmp_path / "movie.h5", dataset="transformed"))


def test_missing_libraries_are_named_with_their_extra(tmp_path, monkeypatch):
    for name, library in (("movie.h5", "h5py"), ("movie.nwb", "pynwb")):
        (tmp_path / name).touch()
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(ImportError, match=rf"needs {library} .*'dj-photon-codecs\[formats\]'"):
            read_movie(tmp_path / name)


# ---------------------------------------------------------------------------- NWB


def write_nwb(path, **series):
    file = mock_NWBFile(session_start_time=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    plane = mock_ImagingPlane(nwbfile=file)
    for name, how in series.items():
        file.add_acquisition(
            TwoPhotonSeries(
                name=name, imaging_plane=plane, timestamps=np.arange(20.0), unit="n.a.", **how
            )
        )
    with pynwb.NWBHDF5IO(path, "w") as writer:
        writer.write(file)
    return path


def test_the_series_of_a_file_is_read(tmp_path):
    values = photon_counts(SHAPE)

    movie: Any = read_movie(write_nwb(tmp_path / "session.nwb", green={"data": values}))

    check_movie(movie, values)
    assert movie.dataset == "/acquisition/green/data"


def test_series_are_asked_for(tmp_path):
    values = photon_counts(SHAPE)
    path = write_nwb(
        tmp_path / "session.nwb", green={"data": values}, red={"data": values.astype("u1") + 1}
    )

    with pytest.raises(ValueError, match=r"holds 2 datasets, 0 \('\w+'\) and 1 \('\w+'\); say"):
        read_movie(path)
    check_movie(read_movie(path, dataset="green"), values)


def test_the_data_of_a_series_may_be_in_another_nwb_file(tmp_path):
    values = photon_counts(SHAPE)
    path = write_nwb(tmp_path / "raw.nwb", green={"data": values}, red={"data": values + 1})
    with h5py.File(path) as file:
        linked = {"data": file["acquisition/green/data"]}
        movie = read_movie(write_nwb(tmp_path / "link.nwb", red=linked))

    np.testing.assert_array_equal(movie[:], values)


def test_hdf5_that_is_no_nwb_is_refused(tmp_path):
    with h5py.File(tmp_path / "movie.nwb", "w") as file:
        file["movie"] = photon_counts(SHAPE)

    with pytest.raises(ValueError, match=r"movie\.nwb cannot be read .*Missing NWB version"):
        read_movie(tmp_path / "movie.nwb")


def test_series_in_other_files_are_refused_with_their_names(tmp_path):
    how = {"external_file": ["a.tif"], "starting_frame": [0], "format": "external"}
    path = write_nwb(tmp_path / "session.nwb", green=how)

    with pytest.raises(ValueError, match=r"'green' in .* are in other files, \['a\.tif'\]; give"):
        read_movie(path)
