"""A movie's directory is written whole and durably, or not at all."""

import errno
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from datajoint.storage import StorageBackend

from dj_photon_codecs.storage.files.movie_folder import MovieFolder
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
    entries: set[Path] = set()
    synced.fails = lambda path: entries.update(target.iterdir() if path == str(target) else ())

    store_movie(COUNTS, local_files(), target)

    assert {entry.name for entry in entries} == {
        *NEW
    }  # all are written before the directory is flushed
    files = [f"{target}/{name}" for name in NEW]
    directories = [str(target), *map(str, list(target.parents)[:3])]
    assert sorted(synced.paths) == sorted([*files, *directories])
    assert str(tmp_path) in directories  # which holds the name of the first new one


def test_directories_reach_the_disk_up_to_the_root_of_the_store(tmp_path, synced):
    target = tmp_path / "lab" / "recording" / "movie.zarr"
    target.parent.mkdir(parents=True)  # by another insert, which may not have flushed it yet
    folder = MovieFolder(local_files(), str(target), root=str(tmp_path))

    with folder.publish():
        folder.write("0.0.0", b"codes")

    directories = map(str, [target, target.parent, target.parents[1], tmp_path])
    assert sorted(synced.paths) == sorted([f"{target}/0.0.0", *directories])


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
    assert "movie.zarr" in str(caught.value)
    assert "in the store 'imaging' failed" in str(caught.value)
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

    listing = f"listing {tmp_path}/lab/movie.zarr in the store 'imaging' failed"
    with pytest.raises(FileNotFoundError, match=re.escape(listing)):
        store_movie(COUNTS, Blind(), tmp_path / "lab" / "movie.zarr")

    assert tree(tmp_path) == {}


def test_what_cannot_be_removed_keeps_nothing_else_and_hides_no_error(tmp_path):
    folder = MovieFolder(local_files(), f"{tmp_path}/movie.zarr")

    def interrupted():
        with folder.publish():
            folder.write("0.0.0", b"codes")
            (tmp_path / "movie.zarr" / "1.0.0.unfinished").mkdir()  # no file, as of a bad disk
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error:
        interrupted()

    assert not (tmp_path / "movie.zarr" / "0.0.0").exists()
    assert "Part of the movie may be left at" in error.value.__notes__[0]


def test_what_others_wrote_meanwhile_is_left(tmp_path):
    target = tmp_path / "movie.zarr"

    def at_write(write):
        (target / "notes.txt").write_text("mine")
        if write.number == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        store_movie(COUNTS, WatchedFiles(at_write), target)

    assert set(tree(tmp_path)) == {"movie.zarr", "movie.zarr/notes.txt"}


# ---------------------------------------------------------------------------- S3


@pytest.fixture
def refusing(relay, relayed_store):
    """A store behind a relay, which may refuse requests."""
    return relay, relayed_store


def objects(s3, location):
    """List what is on S3, in its own words: SeaweedFS keeps empty directories for a while."""
    files = StorageBackend(s3.spec(location)).fs
    listed = files.call_s3("list_objects_v2", Bucket=s3.bucket, Prefix=f"{location}/")
    return [entry["Key"] for entry in listed.get("Contents", [])]


FORBIDDEN = ("403 Forbidden", "AccessDenied")
BROKEN = ("500 Internal Server Error", "InternalError")
BUSY = ("503 Service Unavailable", "ServiceUnavailable")
FULL = ("507 Insufficient Storage", "QuotaExceeded")
CHUNK, DOCUMENT, LISTING = ("PUT", "/1.0.0"), ("PUT", "/.zarray"), ("GET", "list-type")


@pytest.mark.parametrize("request_", [CHUNK, DOCUMENT, LISTING], ids=["chunk", "document", "list"])
@pytest.mark.parametrize(
    ("refusal", "kind", "message"),
    [
        (FORBIDDEN, PermissionError, "s3:PutObject, s3:DeleteObject.*ask whoever runs the store"),
        (FULL, OSError, "Try again, or check the store"),
        pytest.param(
            BROKEN,
            OSError,
            "Try again, or check the store",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            BUSY,
            OSError,
            "Try again, or check the store",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_errors_of_s3_name_the_store_and_the_path(request_, refusal, kind, message, refusing, s3):
    relay, relayed_store = refusing
    method, target = request_
    doing = "writing" if method == "PUT" else "listing"
    backend = StorageBackend(relayed_store)
    backend.fs.retries = 1
    path = f"{relayed_store['bucket']}/{relayed_store['location']}/movie.zarr"
    relay.refusal, begun = refusal, []

    def refuse(request):
        begun.extend([True] if request.method == "PUT" else [])
        return bool(begun) and request.method == method and target in request.target

    relay.refuse = refuse
    with pytest.raises(kind, match=f"{message}$") as caught:
        store_movie(COUNTS, backend.fs, path)

    where = f"{doing} {path}{target if method == 'PUT' else ''} in the store 'imaging' failed: "
    assert str(caught.value).startswith(where)
    assert caught.value.__cause__ is not None
    assert objects(s3, relayed_store["location"]) == []


def test_what_was_written_to_s3_is_removed_without_a_listing(relayed_store, s3, relay):
    backend = StorageBackend(relayed_store)
    path = f"{relayed_store['bucket']}/{relayed_store['location']}/movie.zarr"
    begun = []

    def refuse(request):
        begun.extend([True] if request.method == "PUT" else [])
        return bool(begun) and "list-type" in request.target

    relay.refuse = refuse
    with pytest.raises(PermissionError, match="s3:ListBucket"):
        store_movie(COUNTS, backend.fs, path)

    assert objects(s3, relayed_store["location"]) == []
