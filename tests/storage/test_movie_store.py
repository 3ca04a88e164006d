"""The store of a movie: what it says of stores that are not there, refuse, or garble."""

import errno
import json
import subprocess
import sys
from uuid import uuid4

import numpy as np
import pytest
import zarr
from fsspec.implementations.memory import MemoryFileSystem
from numcodecs import Zlib
from numcodecs.registry import register_codec
from zarr.buffer import default_buffer_prototype

from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.photons.transform import anscombe
from dj_photon_codecs.storage.documents.chunk_index import ChunkIndex
from dj_photon_codecs.storage.documents.description import Documents
from dj_photon_codecs.storage.movie_store import ChunkError, MovieNotFoundError, zarr_array
from tests.movies_at_hand import local_files, photon_counts, store_movie

CHUNKS = ["0.0.0", "1.0.0", "2.0.0"]
PROTOTYPE = default_buffer_prototype()


class FaultyFiles(MemoryFileSystem):
    """A file system in memory that fails when a file is read, as a test wants it to."""

    cachable = False

    def __init__(self, **options):
        super().__init__(**options)
        self.faults = {}  # by name: exceptions to raise, or functions of the bytes; one a read
        self.read = []

    def cat_file(self, path, start=None, end=None, **kwargs):
        name = path.rpartition("/")[2]
        self.read.append(name)
        stored = super().cat_file(path, start, end, **kwargs)
        fault = next(self.faults.get(name, iter(())), None)
        if isinstance(fault, Exception):
            raise fault
        return stored if fault is None else fault(stored)


def garble(stored):
    return bytes([stored[0] ^ 1]) + stored[1:]


def always(fault):
    while True:
        yield fault


@pytest.fixture
def counts():
    return photon_counts()


@pytest.fixture
def fs():
    return FaultyFiles()


@pytest.fixture
def movie(fs, counts):
    return store_movie(counts, fs, f"/{uuid4().hex}/movie.zarr")


# ---------------------------------------------------------------------------- no such store


def test_a_movie_that_is_nowhere_asks_where_it_should_be(fs, movie):
    fs.rm(movie.movie_store.files.path, recursive=True)

    for read in [lambda: movie[0], lambda: movie[:], lambda: movie.photons[3:7], movie.verify]:
        with pytest.raises(
            MovieNotFoundError, match=r"nothing of the movie is at memory://.*mounted\?.*bucket"
        ):
            read()
    assert issubclass(MovieNotFoundError, ChunkError)
    assert issubclass(MovieNotFoundError, FileNotFoundError)


def test_a_movie_that_lost_a_chunk_names_it(fs, movie, counts):
    fs.rm_file(f"{movie.movie_store.files.path}/1.0.0")

    with pytest.raises(ChunkError, match=r"chunk 1\.0\.0 of memory://.* is missing\. movie\.verif"):
        movie[100]
    assert movie.verify() == ["1.0.0"]
    np.testing.assert_array_equal(movie[99], anscombe(counts[99]))


def test_a_movie_fetched_with_a_relative_location_outlives_a_change_of_directory(
    tmp_path, counts, monkeypatch
):
    documents = store_movie(counts, local_files(), tmp_path / "movie.zarr").movie_store.documents
    monkeypatch.chdir(tmp_path)
    movie = open_movie(local_files(), "movie.zarr", documents)
    (tmp_path / "elsewhere").mkdir()

    monkeypatch.chdir(tmp_path / "elsewhere")

    np.testing.assert_array_equal(movie.raw[:], counts)
    with pytest.raises(MovieNotFoundError, match="relative location depends on the current dir"):
        open_movie(local_files(), "movie.zarr", documents)[0]


# ---------------------------------------------------------------------------- faults


def test_a_chunk_that_was_garbled_on_its_way_is_read_again(fs, movie, counts):
    fs.faults = {"1.0.0": iter([garble])}

    np.testing.assert_array_equal(movie.raw[:], counts)
    assert fs.read.count("1.0.0") == 2


def test_a_chunk_that_is_garbled_twice_is_damaged(fs, movie):
    fs.faults = {"1.0.0": always(garble)}

    with pytest.raises(ChunkError, match=r"chunk 1\.0\.0 of .* is damaged \(CRC-32C"):
        movie[120]
    assert movie.verify() == ["1.0.0"]


@pytest.mark.parametrize(
    "fault", [OSError(errno.EIO, "input/output error"), PermissionError("Forbidden")], ids=repr
)
def test_verify_names_a_chunk_that_cannot_be_read_and_goes_on(fault, fs, movie):
    fs.faults = {"0.0.0": always(fault), "2.0.0": always(garble)}

    assert movie.verify() == ["0.0.0", "2.0.0"]


def test_errors_of_the_store_name_the_file_and_the_store(fs, movie):
    fs.faults = {"1.0.0": iter([OSError(errno.EIO, "input/output error")])}

    with pytest.raises(OSError, match=r"reading 1\.0\.0 of memory://.*movie.zarr failed") as raised:
        movie[100]
    assert raised.value.errno == errno.EIO


class EndpointError(Exception):
    """An error of a connection, as botocore has them: no OSError."""


@pytest.mark.parametrize(
    "fault", [EndpointError("no route"), ConnectionResetError("no route"), TimeoutError("no route")]
)
def test_a_store_that_cannot_be_reached_is_named(fault, fs, movie):
    fs.faults = {name: always(fault) for name in ["1.0.0", ".zattrs"]}
    with pytest.raises(OSError, match=r"\Areading 1\.0\.0 of memory:.*zarr failed: no route"):
        movie[100]
    assert movie.verify() == ["1.0.0", ".zattrs"]

    fs.faults = {name: always(fault) for name in CHUNKS}
    with pytest.raises((ConnectionError, TimeoutError), match=r"\Areading 0\.0\.0 .*route"):
        movie.verify()


def test_a_refusal_says_which_rights_are_needed(fs, movie):
    fs.faults = {name: always(PermissionError("Forbidden")) for name in CHUNKS}

    for read in [lambda: movie[0], lambda: movie.raw[:], movie.verify]:
        with pytest.raises(PermissionError, match=r"reading \d\.0\.0 of .*GetObject.*ListBucket"):
            read()


@pytest.mark.parametrize("name", [".zarray", ".zattrs"])
def test_verify_compares_the_documents(name, fs, movie):
    path = f"{movie.movie_store.files.path}/{name}"
    document = json.loads(fs.cat_file(path))
    assert movie.verify() == []

    fs.pipe_file(path, json.dumps(document, indent=7).encode())
    assert movie.verify() == []
    fs.pipe_file(path, json.dumps(document | {"shape": [1, 1, 1]}).encode())
    assert movie.verify() == [name]
    fs.pipe_file(path, b"{")
    assert movie.verify() == [name]
    fs.rm_file(path)
    assert movie.verify() == [name]


@pytest.mark.parametrize(
    "found", [100_000 * "[", "9" * 5000, "", "null", "[]", "\udcff", "{'a': 1}"]
)
def test_verify_names_documents_that_are_none(found, tmp_path):
    movie = store_movie(photon_counts((20, 3, 4)), local_files(), tmp_path / "movie.zarr")
    (tmp_path / "movie.zarr" / ".zattrs").write_text(found, errors="surrogateescape")

    assert movie.verify() == [".zattrs"]


# ---------------------------------------------------------------------------- chunks by number

KINDS = [
    ((250, 6, 7), (100, 6, 7)),
    ((5, 6, 7), (2, 3, 4)),
    ((3,), (5,)),
    ((4, 2, 2, 9), (3, 2, 1, 4)),
]


@pytest.mark.parametrize(("shape", "chunks"), KINDS, ids=str)
def test_keys_numbers_and_checksums_belong_together(shape, chunks):
    grid = [-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True)]
    keys = [".".join(map(str, place)) for place in np.ndindex(*grid)]
    digits = [f"{number:08x}" for number in range(len(keys))]
    zarray = {"shape": list(shape), "chunks": list(chunks)}

    index = ChunkIndex(Documents(zarray=zarray, zattrs={"crc32c": "".join(digits)}))

    assert list(index) == keys
    assert [index.number(key) for key in keys] == list(range(len(keys)))
    assert [index.checksum(number) for number in range(len(keys))] == digits
    for stray in ["", "x", "zarr.json", keys[-1] + "0", keys[0] + ".0", "0" + keys[0], "-1.0.0"]:
        assert index.number(stray) is None


def test_a_chunk_among_very_many_is_found_without_listing_them():
    zarray = {"shape": [10**13, 1, 1], "chunks": [100, 1, 1]}

    index = ChunkIndex(Documents(zarray=zarray, zattrs={}))

    assert index.number(index.key(10**10)) == 10**10
    assert index.number(f"{10**11}.0.0") is None


# ---------------------------------------------------------------------------- Zarr


def test_opening_a_store_leaves_what_is_compared_as_it_was(movie, counts):
    before = dict(vars(movie.movie_store))

    array = zarr.open_array(movie.movie_store, mode="r")

    np.testing.assert_array_equal(array[:], anscombe(counts))
    assert vars(movie.movie_store) == before


WITHOUT_PRIVATE_NAMES = """
import sys, zarr.abc.store, zarr.core.sync, zarr.core.buffer
del zarr.abc.store.Store._get_many, zarr.core.sync.sync
del zarr.core.buffer.default_buffer_prototype
import dj_photon_codecs.arrays.photon_array
print("imported")
"""


def test_the_store_imports_without_private_names_of_zarr():
    command = [sys.executable, "-c", WITHOUT_PRIVATE_NAMES]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "imported\n"


def test_a_compressor_that_its_user_defines_anew_is_used_from_then_on(counts, tmp_path):
    store = store_movie(counts, local_files(), tmp_path / "movie.zarr").movie_store
    documents = store.documents | {
        "zarray": store.documents["zarray"] | {"compressor": {"id": "anew", "level": 1}}
    }

    for _ in range(2):  # as a cell of a notebook that is executed once more
        defined = type("Anew", (Zlib,), {"codec_id": "anew"})
        register_codec(defined)

        (used,) = zarr_array(store.with_documents(documents)).compressors
        assert type(used) is defined


def test_attributes_of_movies_that_are_much_alike_are_their_own(counts, tmp_path):
    one, other = (store_movie(counts, local_files(), tmp_path / name) for name in "ab")
    assert one.metadata.attributes == one.movie_store.documents["zattrs"]

    one.metadata.attributes["units"] = "ADU"

    assert "units" not in other.metadata.attributes
    assert "units" not in store_movie(counts, local_files(), tmp_path / "c").metadata.attributes
