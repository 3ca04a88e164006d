"""The files that a path means, and those that it does not."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from dj_photon_codecs import read_movie
from dj_photon_codecs.movies.files.choices import choose
from dj_photon_codecs.movies.files.paths import in_natural_order, movie_paths
from tests.movies_at_hand import photon_counts


@pytest.fixture
def counts():
    return photon_counts((6, 16, 24), dtype="u2")


def test_hidden_files_and_folders_are_no_part_of_a_movie(counts, tmp_path):
    tifffile.imwrite(tmp_path / "movie_1.tif", counts, photometric="minisblack")
    (tmp_path / "._movie_1.tif").write_bytes(b"what a Mac leaves on a file server")
    (tmp_path / ".0a1b2c3d-movie.tif").write_bytes(b"an export that is not whole")
    (tmp_path / "older.tif").mkdir()

    np.testing.assert_array_equal(read_movie(tmp_path)[:], counts)


def test_a_link_to_nothing_is_not_passed_over(counts, tmp_path):
    tifffile.imwrite(tmp_path / "movie_1.tif", counts, photometric="minisblack")
    (tmp_path / "movie_2.tif").symlink_to("gone.tif")

    with pytest.raises(FileNotFoundError, match=r"gone\.tif"):
        read_movie(tmp_path)


@pytest.mark.parametrize("second", ["movie.tif", "link.tif", "folder/../movie.tif"])
def test_a_file_that_is_listed_twice_is_refused(second, counts, tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", counts, photometric="minisblack")
    (tmp_path / "link.tif").symlink_to("movie.tif")
    (tmp_path / "folder").mkdir()

    with pytest.raises(ValueError, match=r"names .*movie.tif twice; name each file once"):
        read_movie([tmp_path / "movie.tif", tmp_path / second])


def test_the_home_directory_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "movie.tif").touch()

    for path in ("~/movie.tif", "~/movie*.tif", ["~/movie.tif"], Path("~/movie.tif")):
        assert movie_paths(path) == [tmp_path / "movie.tif"]


def test_an_empty_path_is_not_the_folder_in_which_one_is():
    with pytest.raises(FileNotFoundError, match=r"path is empty; give that of a file, or '\.'"):
        read_movie("")


def test_a_file_without_a_number_is_the_first():
    names = ["m-10.tif", "m.tif", "m-2.tif", "m1.tif", "M.tif", "r.10", "r.2", "s01.tif", "s1.tif"]
    ordered = in_natural_order(map(Path, names))
    assert [str(path) for path in ordered] == [
        *("M.tif", "m.tif", "m1.tif", "m-2.tif", "m-10.tif", "r.2", "r.10", "s01.tif", "s1.tif")
    ]


def test_numbers_of_numpy_choose_as_others_do():
    assert choose("channel", ["green", "red"], np.int64(1), of="movie.tif") == 1  # type: ignore[arg-type]


def test_a_url_is_refused_without_repeating_its_password():
    with pytest.raises(ValueError, match=r"path begins with 'https://'; .* Download it") as told:
        read_movie("https://somebody:secret@host/movie.tif")

    assert "secret" not in str(told.value)
