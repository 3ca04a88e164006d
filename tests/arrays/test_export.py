"""`export` writes what the library of a format reads, exactly, and all of it or nothing."""

import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from dj_photon_codecs import CameraMovie, ChunkError, export, set_cache
from dj_photon_codecs.arrays.exports.publishing import published
from dj_photon_codecs.storage.files.movie_files import MovieFiles
from tests.arrays.exports.copies import KINDS, NAMES, READERS, SESSION, exported
from tests.movies_at_hand import (
    CAMERA,
    DTYPES,
    camera_values,
    local_files,
    photon_counts,
    store_movie,
    tree,
)


@pytest.fixture
def movie(tmp_path):
    """250 frames in three chunks."""
    values = camera_values((250, 6, 7))
    return store_movie(CameraMovie(values, CAMERA), local_files(), tmp_path / "stored.zarr")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "exports").mkdir()
    return tmp_path / "exports"


# ---------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("values", ["raw", "photons"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_library_of_the_format_reads_what_was_stored(kind, values, movie, folder):
    path = exported(movie, folder, kind, values=values)

    assert path == folder / NAMES[kind]
    np.testing.assert_array_equal(READERS[kind](path), getattr(movie, values)[:], strict=True)
    assert [each.name for each in folder.iterdir()] == [path.name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_values_of_every_dtype_are_kept(kind, dtype, tmp_path, folder):
    counts = photon_counts((9, 6, 7)).clip(0, 1 if dtype == "|b1" else None).astype(dtype)
    movie = store_movie(counts, local_files(), tmp_path / "stored.zarr")

    copied = READERS[kind](exported(movie, folder, kind))

    np.testing.assert_array_equal(copied, counts)
    if dtype[1:] not in {"tiff": ("i8", "u8", "f2"), "hdf5": (), "ome-zarr": ()}.get(kind, ("b1",)):
        assert copied.dtype == counts.dtype.newbyteorder("=")


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_exported_unbiased(kind, tmp_path, folder):
    stepped = CameraMovie(camera_values(), CAMERA, step=0.5)
    movie = store_movie(stepped, local_files(), tmp_path / "stored.zarr")

    for values in ("raw", "photons"):
        copied = READERS[kind](exported(movie, folder, kind, values=values, overwrite=True))
        np.testing.assert_array_equal(copied, getattr(movie, values)[:], strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_planes_are_where_the_format_has_them(kind, tmp_path, folder):
    counts = photon_counts((12, 3, 6, 7))
    movie = store_movie(counts, local_files(), tmp_path / "stored.zarr")

    copied = READERS[kind](exported(movie, folder, kind, axes="tzyx"))

    np.testing.assert_array_equal(copied, counts, strict=True)


@pytest.mark.parametrize("kind", [kind for kind in NAMES if not kind.startswith("nwb")])
def test_channels_are_where_the_format_has_them(kind, tmp_path, folder):
    counts = photon_counts((12, 2, 3, 6, 7))
    movie = store_movie(counts, local_files(), tmp_path / "stored.zarr")

    copied = READERS[kind](exported(movie, folder, kind, axes="tczyx"))

    np.testing.assert_array_equal(copied, counts, strict=True)


@pytest.mark.parametrize("kind", ["tiff", "hdf5", "ome-zarr", "nwb"])
def test_a_few_chunks_are_in_memory_at_a_time(kind, tmp_path, folder):
    counts = photon_counts((600, 64, 64))
    movie = store_movie(counts, local_files(), tmp_path / "stored.zarr", frames_per_chunk=25)
    exported(movie, folder, kind, values="photons")  # imports its library
    chunk = 25 * 64 * 64 * 4

    set_cache(0)
    tracemalloc.start()
    try:
        exported(movie, folder, kind, values="photons", overwrite=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        set_cache(256)

    assert peak < 6 * chunk + 2e6  # of 24


def test_the_kind_may_be_said_where_the_name_does_not(movie, folder):
    export(movie, folder / "movie.data", kind="hdf5")

    np.testing.assert_array_equal(READERS["hdf5"](folder / "movie.data"), movie.raw[:])
    export(movie, str(folder / "MOVIE.TIFF"))
    np.testing.assert_array_equal(READERS["tiff"](folder / "MOVIE.TIFF"), movie.raw[:])


# ---------------------------------------------------------------------------- all or nothing


@pytest.fixture(params=[False, True], ids=["new", "over another"])
def before(request, movie, folder, kind):
    """What is in the folder before an export that fails."""
    if request.param:
        exported(movie, folder, kind, values="photons")
    return tree(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_chunk_leaves_what_was_there(kind, movie, folder, before, tmp_path):
    chunk = tmp_path / "stored.zarr" / "1.0.0"  # the last one may be kept
    stored = bytearray(chunk.read_bytes())
    stored[len(stored) // 2] ^= 1
    chunk.write_bytes(stored)

    with pytest.raises(ChunkError, match=r"chunk 1\.0\.0 of .* is damaged"):
        exported(movie, folder, kind, overwrite=True)
    assert tree(folder) == before


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_leaves_what_was_there(kind, movie, folder, before, monkeypatch):
    read = MovieFiles.read

    def interrupted(files, name):
        if name == "1.0.0":
            raise KeyboardInterrupt
        return read(files, name)

    monkeypatch.setattr(MovieFiles, "read", interrupted)

    with pytest.raises(KeyboardInterrupt):
        exported(movie, folder, kind, overwrite=True)
    assert tree(folder) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_what_was_there(kind, movie, folder, before):
    resource = pytest.importorskip("resource")  # not on Windows
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))  # bytes of a file
    try:
        with pytest.raises(OSError, match="too large"):
            exported(movie, folder, kind, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tree(folder) == before


def test_what_numpy_could_not_write_is_said_with_its_path(folder):
    def fail(part):
        part.touch()
        raise OSError("8 requested and 1 written")

    def write():
        with published(folder / "movie.tif", overwrite=False) as part:
            fail(part)

    with pytest.raises(OSError, match=r"writing .*movie\.tif failed \(8 .*\): is the disk full\?"):
        write()
    assert tree(folder) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_there_is_replaced_only_if_asked(kind, movie, folder, noted):
    path = exported(movie, folder, kind)
    before = tree(folder)
    reads = noted(MovieFiles, "read", lambda _files, name: name)

    with pytest.raises(FileExistsError, match=r"exists already; overwrite=True replaces it"):
        exported(movie, folder, kind, values="photons")
    assert reads == []
    assert tree(folder) == before

    exported(movie, folder, kind, values="photons", overwrite=True)
    np.testing.assert_array_equal(READERS[kind](path), movie.photons[:], strict=True)
    assert [each.name for each in folder.iterdir()] == [path.name]


# ---------------------------------------------------------------------------- refusals

PACKAGES = {
    "tiff": "tifffile",
    "hdf5": "h5py",
    "ome-zarr": "ome_zarr_models.v05.multiscales",
    "nwb": "pynwb",
    "nwb-zarr": "hdmf_zarr",
}


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_missing_library_is_named_with_the_extra(kind, movie, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGES[kind], None)

    with pytest.raises(ImportError, match=r"needs .*pip install 'dj-photon-codecs\[formats\]'"):
        exported(movie, folder, kind)
    assert tree(folder) == {}


WRONG = {
    "values": ({"values": "counts"}, r"values is 'counts'; it must be 'raw' or 'photons'"),
    "kind": ({"kind": "avi"}, r"kind is 'avi'; .* one of \['tiff', 'hdf5'"),
    "axes": ({"axes": "tzyx"}, r"axes is 'tzyx', and the movie has 3 axes; .*\['tyx'\]"),
    "frame_rate": ({"frame_rate": 0}, r"frame_rate is 0; it must be positive"),
    "frame_rate nan": ({"frame_rate": float("nan")}, r"frame_rate is nan; it must be positive"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused(options, message, movie, folder):
    with pytest.raises(ValueError, match=message):
        export(movie, folder / "movie.h5", **options)
    assert tree(folder) == {}


def test_a_path_that_says_no_format_is_refused(movie, folder):
    with pytest.raises(ValueError, match=r"'movie.avi' says no format; give .* \.tif, .*kind="):
        export(movie, folder / "movie.avi")


def test_a_url_is_refused(movie):
    with pytest.raises(ValueError, match=r"path is 's3://lab/movie.zarr'; .* local disk"):
        export(movie, "s3://lab/movie.zarr")


def test_a_directory_that_does_not_exist_is_refused(movie, folder):
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        export(movie, folder / "nowhere" / "movie.h5")


@pytest.mark.parametrize("given", [lambda m: m.raw, lambda m: m[:], lambda _: "movie.tif"])
def test_only_a_stored_movie_is_exported(given, movie, folder):
    with pytest.raises(TypeError, match=r"give what fetch1 returned, and values='raw' or"):
        export(given(movie), folder / "movie.h5")


def test_axes_that_may_be_several_things_must_be_said(tmp_path, folder):
    movie = store_movie(photon_counts((9, 2, 6, 7)), local_files(), tmp_path / "stored.zarr")

    with pytest.raises(ValueError, match=r"has 4 axes; say what they are: .*\['tzyx', 'tcyx'\]"):
        export(movie, folder / "movie.tif")
    with pytest.raises(ValueError, match=r"axes is 'tcyx', and a TwoPhotonSeries has one channel"):
        export(movie, folder / "movie.nwb", axes="tcyx", frame_rate=30, session=SESSION)
    assert tree(folder) == {}


def test_so_many_axes_have_no_names(tmp_path, folder):
    counts = photon_counts((4, 2, 2, 2, 6, 7))
    movie = store_movie(counts, local_files(), tmp_path / "stored.zarr")

    with pytest.raises(
        ValueError, match=r"the movie has 6 axes; .*no format has a name for so many"
    ):
        export(movie, folder / "movie.tif")


def test_a_directory_that_is_no_zarr_group_is_never_replaced(movie, tmp_path):
    for place in (tmp_path, Path(tmp_path, "stored.zarr")):
        before = tree(place)
        with pytest.raises(FileExistsError, match="is a directory that no export has written"):
            export(movie, place, kind="ome-zarr", overwrite=True)
        assert tree(place) == before


@pytest.mark.parametrize("name", ["0.0.0", "movie.tif"])
def test_an_export_into_the_movie_itself_is_refused(name, movie, tmp_path):
    place = tmp_path / "stored.zarr"
    before = tree(place)

    with pytest.raises(
        ValueError, match=r"is within the stored array .*stored\.zarr; give another"
    ):
        export(movie, place / name, kind="tiff", overwrite=True)
    assert tree(place) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_never_replaced(movie, folder):
    os.mkfifo(folder / "pipe")

    with pytest.raises(FileExistsError, match="pipe is neither a file nor a directory, and is not"):
        export(movie, folder / "pipe", kind="tiff", overwrite=True)
    assert (folder / "pipe").is_fifo()
