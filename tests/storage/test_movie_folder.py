"""A movie's directory is written whole and durably, or not at all."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from dj_photon_codecs.storage.movie_folder import MovieFolder
from tests.movies_at_hand import WatchedFiles, local_files, photon_counts, store_movie, tree

COUNTS = photon_counts()
CHUNKS = ["0.0.0", "1.0.0", "2.0.0"]
NEW = [*CHUNKS, ".zattrs", ".zarray"]


@pytest.fixture
def synced(monkeypatch):
    """List what is flushed to the disk; `fails` may raise for a path."""
    noted = SimpleNamespace(paths=[], fails=lambda _: None)
    fsync = os.fsync

    def watched(opened):
        path = str(Path(f"/proc/self/fd/{opened}").readlink())
        noted.paths.append(path)
        noted.fails(path)
        fsync(opened)

    monkeypatch.setattr(os, "fsync", watched)
    return noted


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux")


def test_files_and_all_new_directories_reach_the_disk(tmp_path, synced):
    target = tmp_path / "lab" / "recording" / "movie.zarr"

    store_movie(COUNTS, local_files(), target)

    files = [f"{target}/{name}" for name in NEW]
    directories = [str(target), *map(str, list(target.parents)[:3])]
    assert sorted(synced.paths) == sorted([*files, *directories])
    assert synced.paths[-4:] == directories
    assert str(tmp_path) in directories  # which holds the name of the first new one


def test_directories_reach_the_disk_up_to_the_root_of_the_store(tmp_path, synced):
    target = tmp_path / "lab" / "recording" / "movie.zarr"
    target.parent.mkdir(parents=True)  # by another insert, which may not have flushed it yet
    folder = MovieFolder(local_files(), str(target), root=str(tmp_path))

    with folder.publish():
        folder.write("0.0.0", b"codes")

    assert synced.paths == [
        f"{target}/0.0.0",
        *map(str, [target, target.parent, target.parents[1], tmp_path]),
    ]


def test_nothing_is_flushed_where_that_is_switched_off(tmp_path, synced):
    store_movie(COUNTS, local_files(), tmp_path / "movie.zarr", durable=False)

    assert synced.paths == []


FLUSHED = [*NEW, "movie.zarr", "recording", "lab"]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("name", FLUSHED)
def test_a_flush_that_fails_leaves_nothing(name, code, tmp_path, synced):
    (tmp_path / "other").mkdir()
    before = tree(tmp_path)

    def fails(path):
        if path.endswith(f"/{name}"):
            raise OSError(code, os.strerror(code))

    synced.fails = fails
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        store_movie(COUNTS, local_files(), tmp_path / "lab" / "recording" / "movie.zarr")

    assert caught.value.errno == code
    assert "movie.zarr" in caught.value.__notes__[0]
    assert "in the store 'imaging'" in caught.value.__notes__[0]
    assert tree(tmp_path) == before


def test_directories_that_cannot_be_flushed_are_left_to_the_system(tmp_path, synced):
    def fails(path):
        if Path(path).is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")

    synced.fails = fails
    movie = store_movie(COUNTS, local_files(), tmp_path / "movie.zarr")

    assert movie.verify() == []


def test_what_was_written_is_removed_even_where_listings_do_not_show_it(tmp_path):
    class Blind(WatchedFiles):
        def find(self, path, **_):
            raise PermissionError(path)

        def ls(self, path, **_):
            raise FileNotFoundError(path)

    with pytest.raises(FileNotFoundError) as caught:
        store_movie(COUNTS, Blind(), tmp_path / "lab" / "movie.zarr")

    assert caught.value.__notes__ == [
        f"This happened while listing {tmp_path}/lab/movie.zarr in the store 'imaging'"
    ]
    assert tree(tmp_path) == {}


def test_what_others_wrote_meanwhile_is_left(tmp_path):
    target = tmp_path / "movie.zarr"

    def at_write(write):
        (target / "notes.txt").write_text("mine")
        if write.number == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        store_movie(COUNTS, WatchedFiles(at_write), target)

    assert set(tree(tmp_path)) == {"movie.zarr", "movie.zarr/notes.txt"}
