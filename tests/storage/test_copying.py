"""A copy holds what the movie holds, in chunks and compressed as its new column type asks for."""

import numpy as np
import pytest
from numcodecs import Zstd

from dj_photon_codecs import Calibration, PhotonCodec
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.layouts.choice import GROUPED, Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.storage import copying
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.filters.anscombe import AnscombeFilter
from dj_photon_codecs.storage.movie_store import ChunkError
from tests.movies_at_hand import (
    CAMERA,
    WatchedFiles,
    camera_values,
    local_files,
    photon_counts,
    policy_of,
    store_movie,
    tree,
)
from tests.storage.damages import DAMAGES, DiskFullError, failing_at

CHUNKS = ["0.0.0", "1.0.0", "2.0.0"]
DOCUMENTS = [".zarray", ".zattrs"]
OF_CHUNKS = ("crc32c", "stored_bytes")  # attributes that change with the compression


def copy_movie(source, fs, path, *, compression=None, **attributes):
    """Copy a movie as the codec does."""
    policy = policy_of(compression, **attributes)
    return copying.copy_movie(source, policy, folder=MovieFolder(fs, path, store="imaging"))


def copied(movie, path, **policy):
    """Copy a movie as the codec does, and open the copy."""
    documents = copy_movie(movie.movie_store, local_files(), str(path), **policy)
    return open_movie(local_files(), str(path), documents)


def test_a_copy_has_the_same_bytes(stored, place, counts):
    documents = copy_movie(stored.movie.movie_store, place.fs, place.path)

    assert documents == stored.movie.movie_store.documents
    for name in [*CHUNKS, *DOCUMENTS]:
        assert place.fs.cat_file(f"{place.path}/{name}") == (stored.folder / name).read_bytes()
    copied = open_movie(place.fs, place.path, documents)
    np.testing.assert_array_equal(copied.raw[:], counts, strict=True)


def test_a_copy_from_either_store_has_the_same_bytes(place, target, counts):
    movie = store_movie(counts, place.fs, place.path, compression=GROUPED)

    copy_movie(movie.movie_store, local_files(), str(target))

    for name in [*CHUNKS, *DOCUMENTS]:
        assert place.fs.cat_file(f"{place.path}/{name}") == (target / name).read_bytes()


def test_nothing_is_decoded_for_a_copy(stored, folder, monkeypatch):
    def decode(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr(AnscombeFilter, "decode", decode)

    copy_movie(stored.movie.movie_store, local_files(), str(folder / "copy.zarr"))

    assert tree(folder / "copy.zarr") == tree(stored.folder)


@pytest.mark.parametrize(("damage", "fault"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_movie_is_not_copied(damage, fault, stored, folder):
    damage(stored.folder / "1.0.0")
    before = tree(folder)

    with pytest.raises(ChunkError, match=rf"chunk [01]\.0\.0 of .* {fault}"):
        copy_movie(stored.movie.movie_store, local_files(), str(folder / "a" / "copy.zarr"))

    assert tree(folder) == before


def test_a_copy_that_fails_leaves_nothing(stored, folder):
    before = tree(folder)

    with pytest.raises(OSError, match=r"writing .* failed: full"):
        copy_movie(
            stored.movie.movie_store,
            WatchedFiles(failing_at(4, DiskFullError("full"))),
            str(folder / "a" / "copy.zarr"),
        )

    assert tree(folder) == before


ARCHIVE = Compression(None, DenseLayout())
KINDS = {
    "counts": photon_counts((230, 8, 9)),
    "camera": CameraMovie(camera_values(), CAMERA),
    "steps": CameraMovie(camera_values(), CAMERA, step=0.5),
    "fractions": CameraMovie(camera_values(dtype="f4"), CAMERA),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_copy_may_be_compressed_otherwise_and_back(kind, place, folder):
    movie = store_movie(kind, local_files(), folder / "movie.zarr")
    source = movie.movie_store

    dense = copy_movie(source, place.fs, place.path, compression=ARCHIVE)

    assert [each["id"] for each in dense["zarray"]["filters"]] == [
        "photon.anscombe",
        "photon.dense",
        "photon.crc32c",
    ]
    assert dense["zarray"]["compressor"] is None
    archived = open_movie(place.fs, place.path, dense)
    assert archived.verify() == []
    for view in ("raw", "photons"):
        np.testing.assert_array_equal(
            getattr(archived, view)[:], getattr(movie, view)[:], strict=True
        )
    np.testing.assert_array_equal(archived[:], movie[:], strict=True)
    kept = {name: each for name, each in movie.attrs.items() if name not in OF_CHUNKS}
    assert {name: each for name, each in archived.attrs.items() if name not in OF_CHUNKS} == kept

    back = copy_movie(archived.movie_store, local_files(), str(folder / "back.zarr"))

    assert "photon.dense" not in [each["id"] for each in back["zarray"]["filters"]]
    restored = open_movie(local_files(), str(folder / "back.zarr"), back)
    np.testing.assert_array_equal(restored[:], movie[:], strict=True)
    assert restored.verify() == []


def test_what_is_compressed_as_is_wanted_is_copied_as_it_is(folder):
    movie = store_movie(photon_counts(), local_files(), folder / "movie.zarr", compression=ARCHIVE)

    copy_movie(movie.movie_store, local_files(), str(folder / "copy.zarr"), compression=ARCHIVE)

    assert tree(folder / "copy.zarr") == tree(folder / "movie.zarr")


def test_a_damaged_movie_is_not_compressed_otherwise(stored, folder):
    (stored.folder / "1.0.0").write_bytes(b"")
    before = tree(folder)

    with pytest.raises(ChunkError, match=r"chunk 1\.0\.0 of .* is damaged"):
        copy_movie(
            stored.movie.movie_store,
            local_files(),
            str(folder / "a" / "copy.zarr"),
            compression=ARCHIVE,
        )

    assert tree(folder) == before


# ---------------------------------------------------------------------------- other policies


@pytest.mark.parametrize("frames", [1, 30, 40, 115, 1000])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_copy_has_chunks_of_as_many_frames_as_its_type_wants(kind, frames, folder):
    movie = store_movie(kind, local_files(), folder / "movie.zarr")

    copy = copied(movie, folder / "copy.zarr", frames_per_chunk=frames)

    assert copy.chunks == (min(frames, len(movie)), *movie.shape[1:])
    assert copy.verify() == []
    np.testing.assert_array_equal(copy[:], movie[:], strict=True)
    np.testing.assert_array_equal(copy.raw[:], movie.raw[:], strict=True)
    np.testing.assert_array_equal(copy.photons[:], movie.photons[:], strict=True)
    kept = {name: value for name, value in movie.attrs.items() if name not in OF_CHUNKS}
    assert {name: value for name, value in copy.attrs.items() if name not in OF_CHUNKS} == kept
    stored = sum((folder / "copy.zarr" / key).stat().st_size for key in copy.movie_store.chunks)
    assert copy.attrs["stored_bytes"] == stored


def test_chunks_come_back_as_they_were(folder):
    movie = store_movie(photon_counts(), local_files(), folder / "movie.zarr", compression=None)

    small = copied(movie, folder / "small.zarr", frames_per_chunk=30)
    copied(small, folder / "back.zarr")

    assert tree(folder / "back.zarr") == tree(folder / "movie.zarr")


@pytest.mark.parametrize("kind", ["counts", "camera", "fractions"])
def test_an_exact_movie_becomes_one_in_steps_as_if_it_were_inserted_as_such(kind, folder):
    movie = store_movie(KINDS[kind], local_files(), folder / "movie.zarr")
    exact = KINDS[kind] if kind == "counts" else KINDS[kind].values
    calibration = Calibration() if kind == "counts" else CAMERA
    direct = CameraMovie(exact, calibration, step=0.5)
    store_movie(direct, local_files(), folder / "direct.zarr", compression=None)

    copy = copied(movie, folder / "copy.zarr", step=0.5, preview=False)

    assert copy.step == 0.5
    assert tree(folder / "copy.zarr") == tree(folder / "direct.zarr")


@pytest.mark.parametrize("step", [None, 0.5])
def test_a_movie_in_steps_keeps_its_own(step, folder):
    movie = store_movie(KINDS["steps"], local_files(), folder / "movie.zarr", compression=None)

    copied(movie, folder / "copy.zarr", step=step)

    assert tree(folder / "copy.zarr") == tree(folder / "movie.zarr")


def test_a_movie_in_steps_is_not_rounded_to_other_steps(folder):
    movie = store_movie(KINDS["steps"], local_files(), folder / "movie.zarr")
    before = tree(folder)

    class Quarter(PhotonCodec, register=False):
        name = "photon_quarter"
        step = 0.25

    for refused in (
        lambda: copied(movie, folder / "copy.zarr", step=0.25),
        lambda: Quarter().validate(movie),
    ):
        with pytest.raises(
            ValueError,
            match=r"in steps of 0\.5, and .* of 0\.25, .* rounded twice.* "
            r"CameraMovie\(movie\.raw, movie\.calibration, step=0\.25\)",
        ):
            refused()

    assert tree(folder) == before


def test_a_copy_with_other_chunks_that_fails_leaves_nothing(folder):
    movie = store_movie(photon_counts(), local_files(), folder / "movie.zarr")
    before = tree(folder)

    with pytest.raises(OSError, match=r"writing .* failed: full"):
        copy_movie(
            movie.movie_store,
            WatchedFiles(failing_at(4, DiskFullError("full"))),
            str(folder / "a" / "copy.zarr"),
            frames_per_chunk=30,
            compression=Compression(Zstd(1)),
        )

    assert tree(folder) == before
