"""What others' libraries must keep: each name of CONTRIBUTING.md, "Names of others", in a test.

A release that takes one away, or changes it, fails here, before it reaches a user's movies.
"""

import ast
import inspect
import json
import re
from pathlib import Path

import datajoint as dj
import fsspec
import numcodecs.blosc
import numcodecs.compat
import numcodecs.zstd
import numpy as np
import pytest
import zarr
import zarr.abc.store
import zarr.storage
from datajoint.blob import pack, unpack
from datajoint.codecs import is_codec_registered
from datajoint.hash_registry import get_store_backend
from datajoint.storage import StorageBackend
from fsspec.implementations.local import LocalFileSystem

import dj_photon_codecs
from dj_photon_codecs import PhotonArray, PhotonCodec
from dj_photon_codecs.storage.movie_store import MovieStore
from tests.movies_at_hand import local_files, photon_counts, store_movie

ROOT = Path(__file__).parents[1]
SOURCE = Path(dj_photon_codecs.__file__).parent  # installed, perhaps far from the tests
LIBRARIES = ("zarr", "numcodecs", "fsspec", "s3fs", "datajoint")


def parameters(function):
    return list(inspect.signature(function).parameters)


# ---------------------------------------------------------------------------- DataJoint

HELPERS = {
    "_extract_context": ["self", "key", "context"],
    "_codec_config": ["key", "context"],
    "_build_path": [
        *["self", "schema", "table", "field", "primary_key"],
        *["ext", "store_name", "config"],
    ],
    "_get_backend": ["self", "store_name", "config"],
}


@pytest.mark.parametrize(("name", "expected"), HELPERS.items(), ids=list(HELPERS))
def test_datajoint_has_the_helpers_that_its_manual_gives_to_codecs(name, expected):
    assert parameters(getattr(dj.SchemaCodec, name)) == expected
    assert f"``{name}()``" in (dj.SchemaCodec.__doc__ or "")


def test_datajoint_registers_a_codec_when_its_class_is_defined():
    assert "register" in parameters(dj.SchemaCodec.__init_subclass__)
    assert isinstance(dj.get_codec("photon"), PhotonCodec)


def test_datajoint_keeps_the_settings_of_a_connection(connection, new_instance, store):
    own = new_instance(store)

    assert connection._config.stores == dj.config.stores
    assert own.connection._config.stores == own.config.stores


def test_datajoint_finds_the_files_of_a_row_by_its_path_and_store():
    row = {"path": "_schema/lab/scan/movie_x.zarr", "store": "imaging", ".zarray": {}}

    for stored in (row, json.dumps(row)):
        assert PhotonCodec().referenced_paths(stored) == [(row["path"], "imaging")]


def test_datajoint_maps_a_path_to_a_filesystem_and_a_place_on_it(tmp_path):
    place = StorageBackend({"protocol": "file", "location": str(tmp_path)}).get_fsmap("a/b.zarr")

    assert isinstance(place.fs, LocalFileSystem)
    assert Path(place.root) == tmp_path / "a" / "b.zarr"


def test_datajoint_has_what_whole_tables_are_read_with(connection, store):
    assert is_codec_registered("photon")
    assert not is_codec_registered("photon_of_another_package")
    assert parameters(get_store_backend) == ["store_name", "config"]
    np.testing.assert_array_equal(unpack(pack(np.arange(3))), np.arange(3))
    assert connection._config.get_store_spec("imaging")["schema_prefix"] == "_schema"


# ---------------------------------------------------------------------------- Zarr


def test_zarr_opens_an_array_from_a_store_and_its_documents():
    assert parameters(zarr.Array.from_dict) == ["store_path", "data"]
    assert parameters(zarr.storage.StorePath.__init__)[:2] == ["self", "store"]
    assert parameters(zarr.AsyncArray)[:2] == ["metadata", "store_path"]


def test_zarr_takes_an_array_apart_and_puts_it_together(tmp_path):
    array = store_movie(photon_counts(), local_files(), tmp_path / "movie.zarr")

    assert type(array) is PhotonArray
    assert len(parameters(zarr.Array)) == 1
    assert zarr.Array(array.async_array)[3, 4, 5] == array[3, 4, 5]
    assert array.metadata.update_attributes({"units": "ADU"}).attributes == {"units": "ADU"}


def test_zarr_asks_no_more_of_a_store_than_ours_has():
    asked_for = zarr.abc.store.Store.__abstractmethods__

    assert not {
        name for name in asked_for if name not in vars(MovieStore) and not hasattr(MovieStore, name)
    }
    assert not MovieStore.__abstractmethods__
    assert parameters(zarr.abc.store.Store.get) == ["self", "key", "prototype", "byte_range"]
    assert parameters(zarr.abc.store.Store.get_partial_values) == [
        "self",
        "prototype",
        "key_ranges",
    ]


# ---------------------------------------------------------------------------- numcodecs


def test_numcodecs_says_how_large_a_blosc_buffer_may_be():
    assert 2**31 - 2**20 < numcodecs.blosc.MAX_BUFFERSIZE < 2**31


def test_numcodecs_lets_the_threads_of_blosc_be_counted_and_set():
    before = numcodecs.blosc.get_nthreads()
    try:
        numcodecs.blosc.set_nthreads(1)
        assert numcodecs.blosc.get_nthreads() == 1
    finally:
        numcodecs.blosc.set_nthreads(before)


def test_numcodecs_decompresses_zstd_into_a_buffer():
    values = np.arange(1000, dtype="u2")
    out = np.empty_like(values)

    numcodecs.zstd.decompress(numcodecs.zstd.compress(values, 3), out)

    np.testing.assert_array_equal(out, values)


def test_numcodecs_makes_arrays_of_buffers():
    values = np.arange(6, dtype="u2").reshape(2, 3)

    assert numcodecs.compat.ensure_ndarray(values) is values
    flat = numcodecs.compat.ensure_contiguous_ndarray(values)
    assert flat.shape == (6,)
    assert np.shares_memory(flat, values)
    with pytest.raises(TypeError, match="object"):
        numcodecs.compat.ensure_contiguous_ndarray(values.astype(object))


# ---------------------------------------------------------------------------- fsspec


@pytest.mark.parametrize(
    "name",
    [
        *["cat_file", "exists", "invalidate_cache", "ls", "makedirs"],
        *["pipe_file", "rm_file", "rmdir", "unstrip_protocol"],
    ],
)
def test_fsspec_has_the_methods_that_movies_are_written_and_read_with(name):
    assert callable(getattr(fsspec.AbstractFileSystem, name))


def test_fsspec_says_how_a_filesystem_was_made_and_whether_it_is_an_object_store():
    fs = LocalFileSystem(auto_mkdir=True)

    assert fs.storage_options == {"auto_mkdir": True}
    assert fs.storage_args == ()
    assert fs.async_impl is False


# ---------------------------------------------------------------------------- the list


OF_DATAJOINT = {*vars(dj.SchemaCodec), *vars(dj.Codec), "_config"}


def private_names():
    """Find names of others that are private: by their underscore, or by the module they are in."""
    modules = re.compile(
        rf"(?:from|import) ((?:{'|'.join(LIBRARIES)})\.(?:core\b|[\w.]*\b_)[\w.]*)"
    )
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield from modules.findall(text)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and node.attr in OF_DATAJOINT:
                yield node.attr


def test_every_private_name_of_others_is_listed():
    described = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    private = {name for name in private_names() if name.startswith("_") or "." in name}
    found = {name for name in private if not name.startswith("__")}

    assert found >= set(HELPERS)
    assert not {name for name in found if f"`{name}`" not in described}
