"""A store of a movie keeps Zarr's contract of stores: Zarr's own tests of it, those for reading."""

import pickle
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.buffer import cpu, default_buffer_prototype
from zarr.testing.store import StoreTests

from dj_photon_codecs.storage.documents.description import Documents
from dj_photon_codecs.storage.files.movie_files import MovieFiles
from dj_photon_codecs.storage.movie_store import MovieStore

PROTOTYPE = default_buffer_prototype()
# Some of Zarr's tests name keys in their bodies: those of a movie with one axis are "0" to "9".
ZARRAY = {"zarr_format": 2, "shape": [10], "chunks": [1], "dtype": "|u1"}
KEYS = ["0", "7"]

READ_ONLY = "a movie is read-only; test_nothing_can_be_written says so"
NOT_EMPTY = "a movie has its documents and chunks from the start"
ASYNCHRONOUS = "a movie is read by the asynchronous methods only"
LEFT_OUT = {
    "test_serializable_store": "writes; test_a_pickle_reads_the_same reads",
    "test_read_only_store_raises": READ_ONLY,
    "test_with_read_only_store": READ_ONLY,
    "test_set": READ_ONLY,
    "test_set_not_open": READ_ONLY,
    "test_set_many": READ_ONLY,
    "test_set_if_not_exists": READ_ONLY,
    "test_delete": READ_ONLY,
    "test_delete_dir": READ_ONLY,
    "test_delete_nonexistent_key_does_not_raise": READ_ONLY,
    "test_clear": READ_ONLY,
    "test_is_empty": NOT_EMPTY,
    "test_list": NOT_EMPTY,
    "test_list_prefix": NOT_EMPTY,
    "test_list_empty_path": NOT_EMPTY,
    "test_list_dir": NOT_EMPTY,
    "test_getsize_prefix": NOT_EMPTY,
    "test_get_bytes": "zarr.json is no file of a movie",
    "test_get_bytes_sync": "zarr.json is no file of a movie",
    "test_get_json": "zarr.json is no file of a movie",
    "test_get_json_sync": "zarr.json is no file of a movie",
    "test_get_sync": ASYNCHRONOUS,
    "test_get_sync_missing": ASYNCHRONOUS,
    "test_set_sync": ASYNCHRONOUS,
    "test_delete_sync": ASYNCHRONOUS,
    "test_delete_sync_missing": ASYNCHRONOUS,
    "test_sync_async_set_get_parity": ASYNCHRONOUS,
    "test_delete_sync_visible_to_async_get": ASYNCHRONOUS,
    "test_get_sync_byte_range_parity": ASYNCHRONOUS,
}


class TestMovieStore(StoreTests[MovieStore, cpu.Buffer]):
    store_cls = MovieStore
    buffer_cls = cpu.Buffer

    async def set(self, store, key, value):
        Path(store.files.path, key).write_bytes(value.to_bytes())

    async def get(self, store, key):
        return cpu.Buffer.from_bytes(Path(store.files.path, key).read_bytes())

    @pytest.fixture
    def store_kwargs(self, tmp_path):
        files = MovieFiles(LocalFileSystem(), str(tmp_path))
        return {"files": files, "documents": Documents(zarray=ZARRAY, zattrs={})}

    # -------------------------------------------------------------------- what it can

    def test_store_repr(self, store):
        assert repr(store) == f"MovieStore('file://{Path(store.files.path).as_posix()}')"

    def test_store_supports_writes(self, store):
        assert not store.supports_writes
        assert not store.supports_deletes

    def test_store_supports_listing(self, store):
        assert store.supports_listing

    def test_store_read_only(self, store):
        assert store.read_only
        with pytest.raises(AttributeError):
            store.read_only = False

    async def test_store_open_read_only(self, store):
        assert store.read_only

    async def test_a_pickle_reads_the_same(self, store):
        await self.set(store, "0", cpu.Buffer.from_bytes(b"\x01\x02"))
        copy = pickle.loads(pickle.dumps(store))
        assert copy == store
        assert copy.read_only
        for key in ("0", ".zarray"):
            stored, read = await store.get(key, PROTOTYPE), await copy.get(key, PROTOTYPE)
            assert read.to_bytes() == stored.to_bytes()

    async def test_nothing_can_be_written(self, store):
        value = cpu.Buffer.from_bytes(b"x")
        writes = [
            *[store.set("0", value), store.set_if_not_exists("0", value), store.delete("0")],
            *[store.delete_dir(""), store.clear()],
        ]
        for write in writes:
            with pytest.raises(ValueError, match="a stored movie is read-only"):
                await write
        with pytest.raises(ValueError, match="a stored movie is read-only"):
            store.with_read_only(read_only=False)
        assert store.with_read_only(read_only=True) == store

    # -------------------------------------------------------------------- reading

    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize(
        ("data", "byte_range"),
        [
            (b"\x01\x02\x03\x04", None),
            (b"\x01\x02\x03\x04", RangeByteRequest(1, 4)),
            (b"\x01\x02\x03\x04", RangeByteRequest(2, 9)),
            (b"\x01\x02\x03\x04", OffsetByteRequest(1)),
            (b"\x01\x02\x03\x04", SuffixByteRequest(1)),
            (b"\x01\x02\x03\x04", SuffixByteRequest(9)),
            (b"", None),
        ],
    )
    async def test_get(self, store, key, data, byte_range):
        await super().test_get(store, key, data, byte_range)

    async def test_get_not_open(self, store_not_open):
        await self.set(store_not_open, "0", cpu.Buffer.from_bytes(b"\x01\x02"))
        assert (await store_not_open.get("0", PROTOTYPE)).to_bytes() == b"\x01\x02"

    async def test_get_raises(self, store):
        await self.set(store, "0", cpu.Buffer.from_bytes(b"\x01\x02"))
        with pytest.raises((TypeError, ValueError), match=r"Unexpected byte_range, got.*"):
            await store.get("0", PROTOTYPE, byte_range=(0, 2))

    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("data", [b"\x01\x02\x03\x04", b""])
    async def test_getsize(self, store, key, data):
        await super().test_getsize(store, key, data)

    @pytest.mark.parametrize(
        "key_ranges",
        [
            [],
            [("3", RangeByteRequest(0, 2))],
            [("0", RangeByteRequest(0, 1)), ("1", None)],
            [
                ("0", RangeByteRequest(0, 2)),
                ("1", SuffixByteRequest(2)),
                ("2", OffsetByteRequest(0)),
            ],
        ],
    )
    async def test_get_partial_values(self, store, key_ranges):
        await super().test_get_partial_values(store, key_ranges)

    async def test_exists(self, store):
        assert not await store.exists("foo")
        assert not await store.exists("0")
        await self.set(store, "0", cpu.Buffer.from_bytes(b"bar"))
        assert await store.exists("0")

    async def test_a_movie_lists_its_own(self, store):
        keys = {".zarray", ".zattrs", *map(str, range(10))}
        assert {key async for key in store.list()} == keys
        assert {key async for key in store.list_prefix("")} == keys
        assert {key async for key in store.list_dir("")} == keys
        assert [key async for key in store.list_prefix(".zarr")] == [".zarray"]
        assert [key async for key in store.list_dir("none")] == []
        assert not await store.is_empty("")
        assert await store.is_empty("none")


for name in LEFT_OUT:
    setattr(TestMovieStore, name, None)
