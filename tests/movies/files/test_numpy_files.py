"""Movies in the files of NumPy and of suite2p."""

import os
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from dj_photon_codecs import read_movie
from dj_photon_codecs.movies.sources import Source
from tests.movies.files.reading import check_movie, inserted
from tests.movies_at_hand import photon_counts, tree

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

SHAPE = (20, 16, 24)


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">i2", "f4"])
def test_arrays_are_mapped(dtype, tmp_path):
    values = photon_counts(SHAPE, dtype=dtype)
    np.save(tmp_path / "movie.npy", values)

    movie = read_movie(tmp_path / "movie.npy")

    check_movie(movie, values)
    assert Source(movie).is_direct


def test_archives_are_read(tmp_path):
    values = photon_counts(SHAPE)
    np.savez_compressed(tmp_path / "movie.npz", counts=values, times=np.arange(20))

    check_movie(read_movie(tmp_path / "movie.npz"), values)


def test_arrays_of_an_archive_are_asked_for(tmp_path):
    values = photon_counts(SHAPE)
    np.savez(tmp_path / "movie.npz", red=values + 1, green=values, times=np.arange(20))

    with pytest.raises(ValueError, match=r"holds 2 datasets, 0 \('red'\) and 1 \('green'\)"):
        read_movie(tmp_path / "movie.npz")
    check_movie(read_movie(tmp_path / "movie.npz", dataset="green"), values)
    assert "dataset='green'" in repr(read_movie(tmp_path / "movie.npz", dataset=1))


def test_of_an_archive_only_the_array_that_is_meant_is_read(tmp_path):
    values = photon_counts(SHAPE)
    pickled, text = np.array({"fs": 30}), np.array([[["a"]]])
    others: dict[str, Any] = {"settings": pickled, "names": text}
    np.savez(tmp_path / "movie.npz", counts=values, **others)

    check_movie(read_movie(tmp_path / "movie.npz"), values)


@pytest.mark.parametrize("damage", ["bits", "name"])
def test_archives_that_are_damaged_are_refused(damage, tmp_path):
    save = np.savez_compressed if damage == "bits" else np.save
    with (tmp_path / "movie.npz").open("w+b") as file:
        save(file, photon_counts(SHAPE))
        file.seek(1000)
        file.write(b"\xff" * 100)

    with pytest.raises(ValueError, match=r"movie.npz cannot be read as a file of NumPy"):
        read_movie(tmp_path / "movie.npz")


def test_an_archive_without_movies_is_refused(tmp_path):
    np.savez(tmp_path / "movie.npz", times=np.arange(20), rates=np.arange(20))

    with pytest.raises(ValueError, match=r"npz holds no movie, an array of numbers of 3 dim"):
        read_movie(tmp_path / "movie.npz")


@pytest.mark.parametrize("name", ["movie.npy", "movie.npz"])
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
def test_files_that_were_cut_short_are_refused(name, share, tmp_path):
    path = tmp_path / name
    save = np.save if name.endswith("npy") else np.savez
    save(path, photon_counts(SHAPE))
    os.truncate(path, int(path.stat().st_size * share))

    with pytest.raises(ValueError, match=r"cannot be read as a file of NumPy .*cut short"):
        read_movie(path)


def test_a_file_that_shrinks_leaves_nothing(tmp_path, store):
    np.save(tmp_path / "movie.npy", photon_counts(SHAPE))
    movie = read_movie(tmp_path / "movie.npy")
    os.truncate(tmp_path / "movie.npy", 2000)

    with pytest.raises(ValueError, match=r"movie\.npy(, which became shorter| cannot be read)"):
        inserted(movie)

    assert not tree(store)


@pytest.mark.parametrize("choice", [{"channel": 0}, {"plane": 0}, {"dataset": "x"}], ids=str)
def test_choices_that_mean_nothing_are_refused(choice, tmp_path):
    np.save(tmp_path / "movie.npy", photon_counts(SHAPE))

    with pytest.raises(ValueError, match=r"is (0|'x'), but .*movie\.npy holds no .*; leave it out"):
        read_movie(tmp_path / "movie.npy", **choice)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "movie.avi").touch()

    with pytest.raises(ValueError, match=r"movie\.avi is of no format that is known by its name"):
        read_movie(tmp_path / "movie.avi")
    with pytest.raises(TypeError, match=r"path is a ndarray; .*Arrays need no read_movie"):
        read_movie(photon_counts(SHAPE))
    np.save(tmp_path / "movie.npy", photon_counts(SHAPE))
    with pytest.raises(ValueError, match="only TIFF files make one movie"):
        read_movie([tmp_path / "movie.npy", tmp_path])


# ---------------------------------------------------------------------------- suite2p


def write_plane(folder, values, *, name="data.bin"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(values.tobytes())
    settings = {"Ly": values.shape[1], "Lx": values.shape[2], "nframes": len(values)}
    np.save(folder / "ops.npy", np.array(settings))


def test_registered_frames_of_suite2p_are_mapped(tmp_path):
    values = photon_counts(SHAPE, dtype="i2")
    write_plane(tmp_path / "suite2p" / "plane0", values)

    for place in ("suite2p", "suite2p/plane0", "suite2p/plane0/data.bin"):
        movie = read_movie(tmp_path / place)
        check_movie(movie, values)
        assert Source(movie).is_direct


def test_planes_and_channels_of_suite2p_are_asked_for(tmp_path):
    values = photon_counts((4, *SHAPE), dtype="i2")
    for plane in range(2):
        write_plane(tmp_path / f"plane{plane}", values[plane])
        write_plane(tmp_path / f"plane{plane}", values[plane + 2], name="data_chan2.bin")

    with pytest.raises(ValueError, match=r"holds 2 planes, 0 \('plane0'\) and 1 \('plane1'\)"):
        read_movie(tmp_path, channel=0)
    with pytest.raises(ValueError, match=r"2 channels, 0 \('data\.bin'\) and 1 \('data_chan2\.bin"):
        read_movie(tmp_path, plane=1)
    check_movie(read_movie(tmp_path, plane=1, channel=1), values[3])
    check_movie(read_movie(tmp_path / "plane0", channel=0), values[0])


def test_a_file_of_suite2p_that_was_cut_short_is_refused(tmp_path):
    write_plane(tmp_path, photon_counts(SHAPE, dtype="i2"))
    for size in (7000, 16 * 24 * 2 * 10):
        os.truncate(tmp_path / "data.bin", size)
        with pytest.raises(ValueError, match=rf"has {size} bytes, and ops\.npy tells of 20 fr"):
            read_movie(tmp_path)


def test_a_file_of_suite2p_that_is_cut_short_after_it_was_opened_is_named(tmp_path):
    write_plane(tmp_path, np.zeros((4, 8, 8), "i2"))
    movie = read_movie(tmp_path)
    os.truncate(tmp_path / "data.bin", 300)
    with pytest.raises(
        ValueError, match=r"data\.bin cannot be read .*: it is damaged, or was cut sh"
    ):
        movie[:]


def test_settings_of_newer_suite2p_are_known(tmp_path):
    values = photon_counts(SHAPE, dtype="i2")
    write_plane(tmp_path, values)
    (tmp_path / "ops.npy").rename(tmp_path / "db.npy")

    check_movie(read_movie(tmp_path), values)


class Command:
    """What runs when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_settings_of_suite2p_run_nothing(tmp_path):
    values = photon_counts(SHAPE, dtype="i2")
    write_plane(tmp_path, values)
    more = {"paths": [tmp_path], "order": OrderedDict(a=1), "mean": values[0], "fs": np.float32(30)}
    settings = {"Ly": np.int64(16), "Lx": 24, "run": Command(str(tmp_path / "ran")), **more}
    np.save(tmp_path / "ops.npy", settings, allow_pickle=True)  # type: ignore[arg-type]

    np.testing.assert_array_equal(read_movie(tmp_path)[:], values)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("told", [{}, {"Ly": 0, "Lx": 24}, {"Ly": "x", "Lx": 1}, [1], None])
def test_settings_that_are_not_of_suite2p_are_refused(told, tmp_path):
    write_plane(tmp_path, photon_counts(SHAPE, dtype="i2"))
    np.save(tmp_path / "ops.npy", told, allow_pickle=True)

    with pytest.raises(ValueError, match=r"ops.npy tells no size of frames, Ly and Lx"):
        read_movie(tmp_path)


def test_a_file_of_suite2p_without_frames_is_refused(tmp_path):
    write_plane(tmp_path, photon_counts(SHAPE, dtype="i2"))
    np.save(tmp_path / "ops.npy", {"Ly": 16, "Lx": 24}, allow_pickle=True)  # type: ignore[arg-type]
    (tmp_path / "data.bin").write_bytes(b"")

    with pytest.raises(ValueError, match=r"data\.bin has 0 bytes"):
        read_movie(tmp_path)


def test_settings_of_suite2p_must_be_there(tmp_path):
    (tmp_path / "plane0").mkdir()
    np.save(tmp_path / "plane0" / "ops.npy", np.array({"Ly": 1, "Lx": 1}))
    with pytest.raises(FileNotFoundError, match=r"plane0 has no data\.bin; run suite2p"):
        read_movie(tmp_path)
    (tmp_path / "data.bin").touch()
    with pytest.raises(FileNotFoundError, match=r"ops\.npy"):
        read_movie(tmp_path / "data.bin")
