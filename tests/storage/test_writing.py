"""Whole or not at all: movies on a local disk and on S3, without a database."""

import _thread
import asyncio
import json
import pickle
import subprocess
import sys
import threading
import time
from typing import Any, ClassVar

import dask.array
import google_crc32c
import numpy as np
import pytest
import zarr
from datajoint.storage import StorageBackend
from numcodecs import Blosc, Delta
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.buffer import default_buffer_prototype

from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.layouts.choice import GROUPED, Compression
from dj_photon_codecs.layouts.grouped.layout import GroupedLayout
from dj_photon_codecs.layouts.threads import WAITING
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.transform import anscombe, generalized_anscombe
from dj_photon_codecs.storage import chunking, writing
from dj_photon_codecs.storage.filters.anscombe import AnscombeFilter
from dj_photon_codecs.storage.filters.checksum import ChecksumFilter
from dj_photon_codecs.storage.movie_store import ChunkError, MovieStore
from dj_photon_codecs.storage.plan import StoragePlan
from tests.movies_at_hand import (
    BLOSC,
    CAMERA,
    DTYPES,
    WatchedFiles,
    camera_values,
    local_files,
    photon_counts,
    store_movie,
    tree,
)
from tests.storage.damages import (
    DAMAGES,
    DiskFullError,
    failing_at,
    flip,
    remove,
    swap,
    truncate,
)

CHUNKS = ["0.0.0", "1.0.0", "2.0.0"]
DOCUMENTS = [".zarray", ".zattrs"]
PROTOTYPE = default_buffer_prototype()


# ---------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("dtype", DTYPES)
def test_photon_counts_of_every_dtype_come_back(dtype, place):
    values = photon_counts((130, 4, 5), dtype=dtype)

    movie = store_movie(values, place.fs, place.path)

    np.testing.assert_array_equal(movie[:], anscombe(values), strict=True)
    np.testing.assert_array_equal(movie.raw[:], values, strict=True)
    assert movie.raw.dtype.str == values.dtype.str


@pytest.mark.parametrize("dtype", ["<i2", ">i4", "<f2", "<f4", ">f4", "<f8"])
def test_camera_values_come_back(dtype, place):
    values = camera_values(dtype=dtype)

    movie = store_movie(CameraMovie(values, CAMERA), place.fs, place.path)

    assert movie.calibration == CAMERA
    np.testing.assert_array_equal(
        movie[:], generalized_anscombe(values, CAMERA.gain, CAMERA.offset, CAMERA.variance)
    )
    np.testing.assert_array_equal(movie.raw[:], values, strict=True)
    photons = (values.astype("f8") - CAMERA.offset) / CAMERA.gain
    np.testing.assert_array_equal(movie.photons[:], photons.astype("f4"), strict=True)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 5), (3, 2, 2, 3), (101, 2, 1, 2, 1)], ids=str)
def test_movies_of_every_shape_come_back(shape, place):
    values = photon_counts(shape)

    movie = store_movie(values, place.fs, place.path)

    assert movie.shape == shape
    np.testing.assert_array_equal(movie[:], anscombe(values))


COMPRESSIONS = {
    "none": Compression(None),
    "zstd": Compression(BLOSC),
    "lz4": Compression(Blosc("lz4", 1, Blosc.NOSHUFFLE)),
    "layout": Compression(None, Delta(dtype="|u1")),
    "layout and zstd": Compression(BLOSC, GroupedLayout()),
    "chosen": None,
}


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_movies_come_back_through_any_compression(compression, counts, target):
    movie = store_movie(counts, local_files(), target, compression=compression)

    np.testing.assert_array_equal(movie[:], anscombe(counts), strict=True)
    np.testing.assert_array_equal(movie.raw[:], counts, strict=True)
    np.testing.assert_array_equal(movie.photons[:], counts.astype("f4"), strict=True)
    np.testing.assert_array_equal(movie[249], anscombe(counts[249]), strict=True)


# ---------------------------------------------------------------------------- on the store


def test_documents_on_the_store_are_those_in_memory(place, counts):
    movie = store_movie(counts, place.fs, place.path)

    written = {name: json.loads(place.fs.cat_file(f"{place.path}/{name}")) for name in DOCUMENTS}

    assert written[".zarray"] == movie.movie_store.documents["zarray"]
    assert written[".zattrs"] == movie.movie_store.documents["zattrs"]


def test_checksums_are_those_of_the_stored_bytes(stored):
    checksums = [google_crc32c.value((stored.folder / key).read_bytes()) for key in CHUNKS]

    assert stored.movie.attrs["crc32c"] == "".join(f"{checksum:08x}" for checksum in checksums)


def test_chunks_are_those_that_zarr_would_write(tmp_path, counts):
    store_movie(counts[:200], local_files(), tmp_path / "ours.zarr")
    plain = zarr.create_array(
        tmp_path / "plain.zarr",
        shape=(200, 6, 7),
        chunks=(100, 6, 7),
        dtype="float64",
        zarr_format=2,
        filters=[AnscombeFilter(codes="|u1"), ChecksumFilter()],
        compressors=[BLOSC],
        fill_value=float("nan"),
    )
    plain[:] = anscombe(counts[:200])

    for key in ["0.0.0", "1.0.0"]:
        ours, theirs = (tmp_path / name / key for name in ("ours.zarr", "plain.zarr"))
        assert ours.read_bytes() == theirs.read_bytes()


PLAIN_READER = """
import sys, numpy, zarr
movie = zarr.open_array(sys.argv[1], mode="r")
numpy.save(sys.argv[2], movie[:])
print("datajoint" in sys.modules, movie.chunks, movie.attrs["codec_name"])
"""


def test_plain_zarr_reads_a_movie_without_datajoint(stored, counts, tmp_path):
    command = [sys.executable, "-c", PLAIN_READER, str(stored.folder), str(tmp_path / "read.npy")]

    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert said.strip() == "False (100, 6, 7) photon"
    np.testing.assert_array_equal(np.load(tmp_path / "read.npy"), anscombe(counts), strict=True)


def test_the_document_without_which_it_is_no_movie_is_written_last(counts, target):
    files = WatchedFiles()

    store_movie(counts, files, target)

    assert sorted(files.written[:-1]) == [".zattrs", *CHUNKS]
    assert files.written[-1] == ".zarray"


def test_the_other_document_is_written_beside_the_last_chunk(counts, target):
    attributes = threading.Event()

    def at_write(write):
        if write.name == ".zattrs":
            attributes.set()
        assert write.name != CHUNKS[-1] or attributes.wait(10)

    store_movie(counts, WatchedFiles(at_write), target)


def test_dark_chunks_are_written_too(target):
    store_movie(np.zeros((250, 6, 7), "u2"), local_files(), target)

    assert set(tree(target)) == {*CHUNKS, *DOCUMENTS}


# ---------------------------------------------------------------------------- chunks

GEOMETRIES = [
    (1, 100, (1, 1)),
    (99, 100, (99, 1)),
    (100, 100, (100, 1)),
    (101, 100, (100, 2)),
    (250, 100, (100, 3)),
    (250, 1, (1, 250)),
    (7, 3, (3, 3)),
]


@pytest.mark.parametrize(("frames", "wanted", "chunks"), GEOMETRIES)
def test_chunks_hold_as_many_frames_as_wanted(frames, wanted, chunks, target):
    values = photon_counts((frames, 2, 3)) + np.uint16(1)

    movie = store_movie(values, local_files(), target, frames_per_chunk=wanted)

    assert movie.chunks == (chunks[0], 2, 3)
    assert movie.cdata_shape == (chunks[1], 1, 1)
    np.testing.assert_array_equal(movie.raw[:], values)


@pytest.mark.parametrize(
    ("dtype", "frames"), [("u1", 35), ("u2", 17), ("u4", 8), ("f8", 4)], ids=str
)
def test_chunks_hold_fewer_frames_where_blosc_cannot_take_more(dtype, frames, target, monkeypatch):
    monkeypatch.setattr(chunking, "CHUNK_BYTES", 35 * 60)
    top = 0.5 if dtype == "f8" else np.iinfo(dtype).max
    values = np.broadcast_to(np.array(top, dtype), (120, 6, 10))

    movie = store_movie(values, local_files(), target)

    assert movie.chunks == (frames, 6, 10)
    np.testing.assert_array_equal(movie.raw[:], values)


@pytest.mark.slow
def test_a_hundred_large_frames_lie_in_chunks_that_fit_the_memory(target):
    frame = (np.arange(4096 * 4096) % 1000).astype("u2").reshape(4096, 4096)
    values = np.broadcast_to(frame, (9, 4096, 4096))

    movie = store_movie(values, local_files(), target)

    assert movie.chunks[0] == 8
    assert 8 * frame.nbytes == chunking.CHUNK_BYTES
    np.testing.assert_array_equal(movie.raw[8], frame, strict=True)


def test_what_counts_is_the_size_of_the_codes(target, monkeypatch):
    monkeypatch.setattr(chunking, "CHUNK_BYTES", 35 * 60)
    values = np.ones((120, 6, 10), "f8")

    assert store_movie(values, local_files(), target).chunks == (35, 6, 10)


def test_frames_that_blosc_cannot_take_are_refused(folder, target, monkeypatch):
    monkeypatch.setattr(chunking, "LARGEST_FRAME", 59)
    before = tree(folder)

    with pytest.raises(
        ValueError, match=r"a frame of shape \(6, 10\) takes 60 bytes, more than the 59 .* in tiles"
    ):
        store_movie(np.ones((3, 6, 10), "u1"), local_files(), target)

    assert tree(folder) == before


# ---------------------------------------------------------------------------- nothing is left


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "error", [DiskFullError("the disk is full"), KeyboardInterrupt("Ctrl-C")], ids=repr
)
def test_a_write_that_fails_leaves_nothing(error, number, folder, target, counts):
    before = tree(folder)

    with pytest.raises((OSError, KeyboardInterrupt), match=str(error)):
        store_movie(counts, WatchedFiles(failing_at(number, error)), target)

    assert tree(folder) == before


def objects(s3, location):
    """List what is on S3, in its own words: SeaweedFS keeps empty directories for a while."""
    files = StorageBackend(s3.spec(location)).fs
    listed = files.call_s3("list_objects_v2", Bucket=s3.bucket, Prefix=f"{location}/")
    return [each["Key"] for each in listed.get("Contents", [])]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_write_that_fails_on_s3_leaves_nothing(number, relayed_store, s3, relay, counts):
    backend = StorageBackend(relayed_store)
    path = backend._full_path("recording/id=2/movie.zarr")
    puts = []

    def refuse(request):
        puts.extend([request] if request.method == "PUT" else [])
        return request.method == "PUT" and len(puts) == number

    relay.refuse = refuse
    with pytest.raises(PermissionError, match="refused by a test"):
        store_movie(counts, backend.fs, path)

    assert objects(s3, relayed_store["location"]) == []


def test_values_that_fail_while_they_are_read_leave_nothing(folder, target, counts):
    before = tree(folder)
    changing = counts.astype("i4")

    def change(write):
        changing[200:] = 70_000

    with pytest.raises(ValueError, match="it has changed since it was first read"):
        store_movie(changing, WatchedFiles(change), target, frames_per_chunk=5)

    assert tree(folder) == before


@pytest.mark.parametrize("error", [DiskFullError("full"), KeyboardInterrupt("Ctrl-C")], ids=repr)
def test_a_removal_that_fails_too_is_noted_on_the_error(error, target, counts):
    files = WatchedFiles(failing_at(3, error), removes=False)

    with pytest.raises((OSError, KeyboardInterrupt), match=str(error)) as caught:
        store_movie(counts, files, target)

    note = caught.value.__notes__[-1]
    assert f"Part of the movie may be left at {target}" in note
    assert "may not be removed" in note
    assert ".zarray" not in tree(target)


@pytest.mark.parametrize("lost", [*CHUNKS, ".zattrs"])
@pytest.mark.parametrize("loss", [remove, truncate])
def test_a_file_that_goes_meanwhile_is_noticed(loss, lost, folder, target, counts):
    before = tree(folder)

    def at_write(write):
        if write.name == ".zarray":
            loss(target / lost)

    with pytest.raises(OSError, match=f"{lost} just after it was written. If garbage was collect"):
        store_movie(counts, WatchedFiles(at_write), target)

    assert tree(folder) == before


def test_no_more_chunks_are_encoded_at_once_than_there_are_processors(counts, target, monkeypatch):
    encoding, encode = Counter(), StoragePlan.encode_chunk

    def watched(plan, codes):
        with encoding:
            time.sleep(0.02)
        return encode(plan, codes)

    monkeypatch.setattr(StoragePlan, "encode_chunk", watched)
    monkeypatch.setattr("dj_photon_codecs.storage.writing.usable_processors", lambda: 2)
    store_movie(counts, local_files(), target, frames_per_chunk=25)
    assert encoding.most == 2


def test_what_a_listing_remembers_is_not_believed(target, counts):
    class Remembering(WatchedFiles):
        known: ClassVar[dict[str, list[dict[str, Any]]]] = {}

        def ls(self, path, detail=False, **options):
            if path not in self.known:
                self.known[path] = super().ls(path, detail=True, **options)
            return self.known[path] if detail else [each["name"] for each in self.known[path]]

        def invalidate_cache(self, path=None):
            self.known.clear() if path is None else self.known.pop(path, None)

    def at_write(write):
        if write.name == ".zarray":
            write_size = len(write.value)
            names = [*CHUNKS, ".zattrs"]
            seen = [{"name": name, "size": (target / name).stat().st_size} for name in names]
            files.known[target.as_posix()] = [*seen, {"name": ".zarray", "size": write_size}]
            remove(target / "1.0.0")

    files = Remembering(at_write)
    with pytest.raises(OSError, match=r"lacks 1\.0\.0 just after it was written"):
        store_movie(counts, files, target)


def test_all_files_that_go_meanwhile_are_counted(target, counts):
    def at_write(write):
        if write.name == ".zarray":
            for name in CHUNKS:
                remove(target / name)

    with pytest.raises(OSError, match=r"lacks 0\.0\.0 and 2 more just after it was written"):
        store_movie(counts, WatchedFiles(at_write), target)


@pytest.mark.parametrize("content", [{}, {"0.0.0": b"another movie"}], ids=["empty", "a movie"])
def test_a_directory_that_is_there_already_is_left_alone(content, folder, target, counts):
    target.mkdir(parents=True)
    for name, stored in content.items():
        (target / name).write_bytes(stored)
    before = tree(folder)

    with pytest.raises(FileExistsError, match=r"exists already, .* another movie; insert again"):
        store_movie(counts, local_files(), target)

    assert tree(folder) == before


def test_what_is_there_already_is_left_alone(place, counts):
    place.fs.makedirs(place.path, exist_ok=True)
    place.fs.pipe_file(f"{place.path}/0.0.0", b"another movie")

    with pytest.raises(FileExistsError, match="exists already, and belongs to another movie"):
        store_movie(counts, place.fs, place.path)

    assert place.fs.cat_file(f"{place.path}/0.0.0") == b"another movie"
    assert len(place.fs.find(place.path)) == 1


def test_directories_that_others_use_meanwhile_are_left(folder, target, counts):
    other = target.parent / "movie_other.zarr"

    def at_write(write):
        other.mkdir(exist_ok=True)
        if write.number == 2:
            raise DiskFullError("full")

    with pytest.raises(OSError, match="full"):
        store_movie(counts, WatchedFiles(at_write), target)

    assert other.is_dir()
    assert not target.exists()


# ---------------------------------------------------------------------------- at the same time


class Counter:
    """How many are in a block at a time."""

    def __init__(self):
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self):
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_):
        with self._lock:
            self.now -= 1


# What a chunk of one frame of 6 pixels of 1 byte holds.
HELD = 6 * (writing.COPIES + writing.NUMBER_BYTES + writing.PIXEL_BYTES)


@pytest.mark.parametrize(("budget", "most"), [(10**9, WAITING), (3 * HELD, 3), (1, 1)], ids=str)
def test_as_many_chunks_are_under_way_as_fit_the_budget(budget, most, target, monkeypatch):
    monkeypatch.setattr(writing, "BUDGET", budget)
    under_way = Counter()

    def at_write(write):
        with under_way:
            time.sleep(0.01)

    store_movie(np.ones((40, 2, 3), "u1"), WatchedFiles(at_write), target, frames_per_chunk=1)

    assert under_way.most == most


@pytest.mark.slow
def test_an_interrupt_leaves_no_thread_that_writes(folder, target, counts):
    before = tree(folder)

    def at_write(write):
        if write.number == 20:
            _thread.interrupt_main()
        time.sleep(0.05)

    files = WatchedFiles(at_write)
    with pytest.raises(KeyboardInterrupt):
        store_movie(counts, files, target, frames_per_chunk=2)

    written = len(files.begun)
    time.sleep(0.2)
    assert len(files.begun) == written < 125
    assert tree(folder) == before


# ---------------------------------------------------------------------------- damage


READERS = {
    "slice": lambda movie: movie[100:200],
    "frame": lambda movie: movie[150],
    "pixel": lambda movie: movie[150, 2, 3],
    "coordinates": lambda movie: movie[[150, 151], :, :],
    "raw": lambda movie: movie.raw[150],
    "photons": lambda movie: movie.photons[100:120],
    "numpy": np.asarray,
    "iteration": list,
    "pickled": lambda movie: pickle.loads(pickle.dumps(movie))[150:160],
    "dask": lambda movie: dask.array.from_zarr(movie)[150].compute(scheduler="threads"),
}


@pytest.mark.parametrize(("damage", "fault"), DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_damage_is_never_read(read, damage, fault, stored):
    damage(stored.folder / "1.0.0")

    with pytest.raises(ChunkError, match=rf"chunk [01]\.0\.0 of .*movie_new\.zarr {fault}"):
        read(stored.movie)


@pytest.mark.parametrize(("damage", "fault"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_named_by_verify(damage, fault, stored):
    assert stored.movie.verify() == []

    damage(stored.folder / "1.0.0")

    assert stored.movie.verify() == (["0.0.0", "1.0.0"] if damage is swap else ["1.0.0"])


def test_damage_on_either_store_is_never_read(place, counts):
    movie = store_movie(counts, place.fs, place.path)
    whole = place.fs.cat_file(f"{place.path}/1.0.0")
    place.fs.pipe_file(f"{place.path}/1.0.0", whole[:-1] + bytes([whole[-1] ^ 64]))
    place.fs.rm_file(f"{place.path}/2.0.0")

    for view in [movie, movie.raw, movie.photons]:
        assert view[:100].shape == (100, 6, 7)
        with pytest.raises(
            ChunkError, match=r"chunk 1\.0\.0 of .* is damaged \(CRC-32C [0-9a-f]{8}, "
        ):
            view[100:200]
        with pytest.raises(ChunkError, match=r"chunk 2\.0\.0 of .* is missing\. movie\.verify\(\)"):
            view[200:]
    assert movie.verify() == ["1.0.0", "2.0.0"]


def test_not_one_of_a_hundred_flipped_bits_is_read(stored):
    chunk = stored.folder / "0.0.0"
    whole = chunk.read_bytes()

    for bit in np.random.default_rng(4).integers(0, 8 * len(whole), 100):
        flip(chunk, bit=int(bit))
        with pytest.raises(ChunkError, match=r"chunk 0\.0\.0 .* is damaged"):
            stored.movie[0:1]
        chunk.write_bytes(whole)

    assert stored.movie.verify() == []


def test_chunk_errors_are_errors_of_the_store():
    assert issubclass(ChunkError, OSError)


# ---------------------------------------------------------------------------- MovieStore


def get(store, key, byte_range=None):
    value = asyncio.run(store.get(key, PROTOTYPE, byte_range))
    return None if value is None else value.to_bytes()


def test_opening_a_movie_needs_no_request(stored, counts, folder):
    documents = stored.movie.movie_store.documents
    stored.folder.rename(folder / "elsewhere")

    movie = open_movie(local_files(), str(stored.folder), documents)

    assert (movie.shape, movie.chunks, movie.dtype) == (counts.shape, (100, 6, 7), np.dtype("f8"))
    assert movie.attrs.asdict() == documents["zattrs"]
    assert movie.raw.dtype == counts.dtype
    assert movie.calibration == Calibration()
    assert len(movie) == 250
    with pytest.raises(ChunkError, match=r"nothing of the movie is at .*movie_new\.zarr"):
        movie[0]
    (folder / "elsewhere").rename(stored.folder)
    np.testing.assert_array_equal(movie[249], anscombe(counts[249]))


def test_opening_a_movie_on_s3_needs_no_request(relayed_store, relay, counts):
    backend = StorageBackend(relayed_store)
    path = backend._full_path("recording/id=2/movie.zarr")
    documents = store_movie(counts, backend.fs, path).movie_store.documents
    relay.requests.clear()

    movie = open_movie(backend.fs, path, documents)
    repr(movie), movie.raw.dtype, pickle.dumps(movie), movie.attrs.asdict()
    assert relay.requests == []

    np.testing.assert_array_equal(movie[100:200], anscombe(counts[100:200]))
    assert {request.target.rpartition("/")[2] for request in relay.requests} == {"1.0.0"}
    assert [request.method for request in relay.requests].count("GET") == 1


def test_documents_are_served_from_memory(stored):
    store = stored.movie.movie_store
    for name in DOCUMENTS:
        remove(stored.folder / name)

    assert json.loads(get(store, ".zarray")) == store.documents["zarray"]
    assert json.loads(get(store, ".zattrs")) == store.documents["zattrs"]
    assert asyncio.run(store.exists(".zarray"))
    plain = zarr.open_array(store, mode="r")
    assert plain.shape == stored.movie.shape


@pytest.mark.parametrize("key", ["zarr.json", ".zgroup", ".zmetadata"])
def test_what_zarr_looks_for_elsewhere_is_not_there(key, stored):
    (stored.folder / key).write_text("{}", encoding="utf-8")
    store = stored.movie.movie_store

    assert get(store, key) is None
    assert not asyncio.run(store.exists(key))


def test_chunks_exist_where_they_lie(stored):
    store = stored.movie.movie_store
    remove(stored.folder / "2.0.0")

    assert [asyncio.run(store.exists(key)) for key in [*CHUNKS, "3.0.0"]] == [
        True,
        True,
        False,
        False,
    ]


def test_keys_are_listed(stored):
    async def listed(keys):
        return sorted([key async for key in keys])

    everything = sorted([*DOCUMENTS, *CHUNKS])
    store = stored.movie.movie_store
    assert asyncio.run(listed(store.list())) == everything
    assert asyncio.run(listed(store.list_dir(""))) == everything
    assert asyncio.run(listed(store.list_prefix(""))) == everything


RANGES = [
    (None, slice(None)),
    (RangeByteRequest(2, 7), slice(2, 7)),
    (RangeByteRequest(0, 1), slice(0, 1)),
    (OffsetByteRequest(5), slice(5, None)),
    (SuffixByteRequest(4), slice(-4, None)),
    (SuffixByteRequest(10**9), slice(None)),
]


@pytest.mark.parametrize("key", ["1.0.0", ".zarray"])
@pytest.mark.parametrize(("part", "expected"), RANGES, ids=str)
def test_parts_of_values_are_parts_of_checked_values(part, expected, key, stored):
    store = stored.movie.movie_store
    whole = get(store, key)

    async def ranges():
        groups = store.get_ranges(key, [part, None], prototype=PROTOTYPE)
        return [(place, value.to_bytes()) async for group in groups for place, value in group]

    assert get(store, key, part) == whole[expected]
    partial = asyncio.run(store.get_partial_values(PROTOTYPE, [(key, part), (key, None)]))
    assert [value.to_bytes() for value in partial] == [whole[expected], whole]
    if hasattr(Store, "get_ranges"):  # of Zarr 3.2 and later
        assert sorted(asyncio.run(ranges())) == [(0, whole[expected]), (1, whole)]


@pytest.mark.parametrize("part", [part for part, _ in RANGES], ids=str)
def test_parts_of_damaged_values_are_refused(part, stored):
    store = stored.movie.movie_store
    flip(stored.folder / "1.0.0")

    with pytest.raises(ChunkError, match=r"chunk 1\.0\.0"):
        get(store, "1.0.0", part)
    with pytest.raises(ChunkError, match=r"chunk 1\.0\.0"):
        asyncio.run(store.get_partial_values(PROTOTYPE, [("0.0.0", part), ("1.0.0", part)]))


def test_many_values_at_once_are_checked(stored):
    store = stored.movie.movie_store
    requests = [(key, PROTOTYPE, None) for key in [".zarray", *CHUNKS]]

    async def many():
        return {key: value.to_bytes() async for key, value in store._get_many(requests)}

    assert json.loads(asyncio.run(many())[".zarray"]) == store.documents["zarray"]
    flip(stored.folder / "1.0.0")
    with pytest.raises(ChunkError, match=r"chunk 1\.0\.0"):
        asyncio.run(many())


def test_stores_are_equal_where_chunks_and_documents_are(stored, counts, folder):
    store = stored.movie.movie_store
    again = pickle.loads(pickle.dumps(store))
    other = store_movie(counts, local_files(), folder / "other.zarr", compression=GROUPED)

    assert again == store
    assert hash(again) == hash(store)
    assert other.movie_store != store
    assert store.with_documents(other.movie_store.documents) == store
    assert store.with_documents(stored.movie.raw.store.documents) != store
    assert repr(store) == f"MovieStore('{store}')"
    assert str(stored.folder) in str(store)


# ---------------------------------------------------------------------------- for reading only

WHOLE = slice(0, 100)
WRITERS = {
    "movie[...]": lambda movie: movie.__setitem__(0, 0),
    "movie[:]": lambda movie: movie.__setitem__(slice(None), movie[:]),
    "raw[...]": lambda movie: movie.raw.__setitem__(0, 0),
    "raw[chunk]": lambda movie: movie.raw.__setitem__(WHOLE, 0),
    "photons[...]": lambda movie: movie.photons.__setitem__(0, 0),
    "set_basic_selection": lambda movie: movie.set_basic_selection(WHOLE, movie[WHOLE]),
    "set_mask_selection": lambda movie: movie.set_mask_selection(np.ones(movie.shape, bool), 2.0),
    "oindex": lambda movie: movie.oindex.__setitem__(WHOLE, movie[WHOLE]),
    "vindex": lambda movie: movie.vindex.__setitem__(([0], [0], [0]), movie[0, 0, 0]),
    "blocks": lambda movie: movie.blocks.__setitem__(0, movie[WHOLE]),
    "attrs[...]": lambda movie: movie.attrs.__setitem__("gain", 2),
    "attrs.update": lambda movie: movie.attrs.update({"gain": 2}),
    "attrs.put": lambda movie: movie.attrs.put({}),
    "del attrs": lambda movie: movie.attrs.__delitem__("crc32c"),
    "raw.attrs": lambda movie: movie.raw.attrs.__setitem__("gain", 2),
    "update_attributes": lambda movie: movie.update_attributes({"gain": 2}),
    "resize": lambda movie: movie.resize((1, 6, 7)),
    "append": lambda movie: movie.append(movie[:1]),
    "raw.append": lambda movie: movie.raw.append(movie.raw[:1]),
    "open r+": lambda movie: zarr.open_array(movie.movie_store, mode="r+"),
    "open a": lambda movie: zarr.open_array(movie.movie_store, mode="a"),
    "open w": lambda movie: zarr.open_array(
        movie.movie_store, mode="w", shape=(1,), dtype="u1", zarr_format=2
    ),
    "open group": lambda movie: zarr.open_group(movie.movie_store, mode="a"),
    "save_array": lambda movie: zarr.save_array(movie.movie_store, np.ones(3)),  # type: ignore[arg-type]
    "with_read_only": lambda movie: movie.movie_store.with_read_only(read_only=False),
    "store.set": lambda movie: asyncio.run(
        movie.movie_store.set("0.0.0", PROTOTYPE.buffer.from_bytes(b"x"))
    ),
    "store.delete": lambda movie: asyncio.run(movie.movie_store.delete("0.0.0")),
    "store.delete_dir": lambda movie: asyncio.run(movie.movie_store.delete_dir("")),
    "store.clear": lambda movie: asyncio.run(movie.movie_store.clear()),
}


@pytest.mark.parametrize("pickled", [False, True], ids=["", "pickled"])
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_stored_movie_cannot_be_written(write, pickled, stored):
    before = tree(stored.folder)
    movie = pickle.loads(pickle.dumps(stored.movie)) if pickled else stored.movie

    with pytest.raises(ValueError, match=r"read-only|for reading only|not the transform of any"):
        write(movie)

    assert tree(stored.folder) == before


def test_a_stored_movie_on_either_store_cannot_be_written(place, counts):
    movie = store_movie(counts, place.fs, place.path)

    with pytest.raises(ValueError, match="read-only"):
        movie.set_basic_selection(WHOLE, movie[WHOLE])
    with pytest.raises(ValueError, match="read-only"):
        movie.resize((1, 6, 7))
    with pytest.raises(ValueError, match="insert the changed movie as a row of its own"):
        movie[0] = 0
    assert movie.verify() == []


def test_a_store_for_reading_stays_as_it_is(stored):
    store = stored.movie.movie_store

    assert store.read_only
    assert store.with_read_only(read_only=True) is store
    with pytest.raises(ValueError, match="a stored movie is read-only; insert the changed movie"):
        store.with_read_only()


def test_movie_stores_wrap_what_they_were_given(stored):
    store = stored.movie.movie_store

    assert isinstance(store, MovieStore)
    assert asyncio.run(store.is_empty("")) is False
