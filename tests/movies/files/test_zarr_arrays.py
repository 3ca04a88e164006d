"""Movies in Zarr."""

from typing import Any

import numpy as np
import pytest
import zarr

from dj_photon_codecs import read_movie
from tests.movies.files.reading import check_movie
from tests.movies_at_hand import photon_counts

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

SHAPE = (20, 16, 24)
every_format = pytest.mark.parametrize("zarr_format", [2, 3])


@every_format
def test_arrays_are_read(zarr_format, tmp_path):
    values = photon_counts(SHAPE)
    zarr.create_array(
        tmp_path / "movie.zarr", data=values, chunks=(7, 16, 24), zarr_format=zarr_format
    )

    movie: Any = read_movie(tmp_path / "movie.zarr")

    check_movie(movie, values)
    assert movie.chunks == (7, 16, 24)


@every_format
def test_arrays_of_a_group_are_asked_for(zarr_format, tmp_path):
    values = photon_counts(SHAPE)
    group = zarr.create_group(tmp_path / "movies", zarr_format=zarr_format)
    group.create_array("times", data=np.arange(20))
    group.create_array("more/green", data=values)

    check_movie(read_movie(tmp_path / "movies"), values)

    group.create_array("red", data=values + 1)
    with pytest.raises(ValueError, match=r"holds 2 datasets, 0 \('more/green'\) and 1 \('red'\)"):
        read_movie(tmp_path / "movies")
    check_movie(read_movie(tmp_path / "movies", dataset="more/green"), values)


def test_a_group_without_movies_is_refused(tmp_path):
    zarr.create_group(tmp_path / "movies")

    with pytest.raises(ValueError, match=r"movies holds no movie, an array of numbers of 3 dim"):
        read_movie(tmp_path / "movies")


def test_an_array_has_no_others(tmp_path):
    zarr.create_array(tmp_path / "movie.zarr", data=photon_counts(SHAPE))

    with pytest.raises(ValueError, match=r"dataset is 'a', but .* holds no datasets; leave it out"):
        read_movie(tmp_path / "movie.zarr", dataset="a")


def test_zip_files_are_read(tmp_path):
    values = photon_counts(SHAPE)
    with zarr.storage.ZipStore(tmp_path / "movie.zarr.zip", mode="w") as store:
        zarr.create_array(store, data=values)

    np.testing.assert_array_equal(read_movie(tmp_path / "movie.zarr.zip")[:], values)


@pytest.mark.parametrize("damage", ["no metadata", "half of them", "half a ZIP file"])
def test_what_was_not_copied_whole_is_refused(damage, tmp_path):
    path = tmp_path / ("movie.zarr.zip" if "ZIP" in damage else "movie.zarr")
    if "ZIP" in damage:
        path.write_bytes(b"PK")
    else:
        path.mkdir()
    if damage == "half of them":
        (path / "zarr.json").write_text('{"zarr_format": 3,')

    with pytest.raises(ValueError, match=r"movie.zarr.* cannot be opened as Zarr .* copied whole"):
        read_movie(path)
