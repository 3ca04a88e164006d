"""How the values of a movie are read: each chunk once in a pass, bounded, and held to."""

import os
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from types import SimpleNamespace
from typing import Any

import dask.array
import h5py  # type: ignore[import-untyped]
import netCDF4
import numpy as np
import pytest
import tifffile
import xarray
import zarr

from dj_photon_codecs.movies import sources
from dj_photon_codecs.movies.fingerprints import fingerprints
from dj_photon_codecs.movies.sources import Source
from dj_photon_codecs.movies.survey import survey
from tests.movies.counted_blocks import CountedBlocks
from tests.movies_at_hand import SlicedFile, photon_counts

SHAPE = (60, 6, 8)
FRAME = 6 * 8 * 2  # bytes


@pytest.fixture(autouse=True)
def short_slabs(monkeypatch):
    """Slabs of five frames, so that movies of a few frames are read in many of them."""
    monkeypatch.setattr(sources, "SLAB_BYTES", 5 * FRAME)


def read_in_steps(source, step):
    """Return all frames of a movie, of which some are read at a time, as chunks are encoded."""
    parts = []
    for start in range(0, source.shape[0], step):
        stop = min(start + step, source.shape[0])
        parts += [frames for _, frames in source.slabs(start, stop)]
    return np.concatenate(parts)


# ---------------------------------------------------------------------------- how often


@pytest.mark.parametrize("step", [1, 4, 7, 20, 60])
@pytest.mark.parametrize("chunk", [None, 1, 4, 7, 25, 60])
def test_a_pass_reads_each_frame_once(chunk, step):
    values = photon_counts(SHAPE)
    reader = SlicedFile(values, chunks=chunk and (chunk, 6, 8))
    source = Source(reader)

    for passes in (1, 2):
        np.testing.assert_array_equal(read_in_steps(source, step), values, strict=True)

        frames = [n for read in reader.slices for n in range(read.start, read.stop)]
        most = 1 if chunk == 60 else passes  # a movie that is read at once is kept
        assert sorted(frames) == sorted(list(range(60)) * most)
    assert all(s.start % (chunk or 5) == 0 for s in reader.slices)


@pytest.mark.parametrize("chunks", [(7, 6, 8), ((1, 19, 30, 10), 3, 4), (1, 6, 8), (60, 2, 2)])
@pytest.mark.parametrize("inside", [lambda x: x, xarray.DataArray], ids=["", "xarray"])
def test_blocks_of_dask_are_computed_once_in_a_pass(chunks, inside):
    blocks = CountedBlocks(photon_counts(SHAPE), chunks)
    source = Source(inside(blocks.array()))

    survey(source, counts=True)
    assert blocks.most() == 1

    np.testing.assert_array_equal(read_in_steps(source, 10), blocks.values)
    assert blocks.most() <= 2


def test_a_pass_in_threads_reads_each_frame_once():
    values = photon_counts((600, 6, 8))
    reader = SlicedFile(values, chunks=(7, 6, 8))
    source = Source(reader)

    def read(start):
        return [frames for _, frames in source.slabs(start, start + 10)]

    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(read, range(0, 600, 10)))

    np.testing.assert_array_equal(np.concatenate(list(chain.from_iterable(parts))), values)
    assert len(reader.slices) == len(set(map(str, reader.slices))) == 86


def test_a_sample_is_kept_from_the_first_pass():
    values = photon_counts(SHAPE)
    reader = SlicedFile(values)
    source = Source(reader)
    source.keep([0, 30, *range(20, 28)])
    survey(source, counts=True)
    reads = len(reader.slices)

    np.testing.assert_array_equal(source[20:28], values[20:28])
    np.testing.assert_array_equal(source[30:31], values[30:31])
    assert len(reader.slices) == reads

    np.testing.assert_array_equal(source[29:31], values[29:31])
    assert len(reader.slices) == reads + 1


def test_netcdf_is_read_in_its_own_chunks(tmp_path):
    values = photon_counts(SHAPE)
    with netCDF4.Dataset(tmp_path / "movie.nc", "w") as file:
        for axis, length in zip("tyx", SHAPE, strict=True):
            file.createDimension(axis, length)
        variable = file.createVariable("movie", "u2", tuple("tyx"), chunksizes=(12, 6, 8))
        variable[:] = values

        assert Source(variable)._edges == [0, 12, 24, 36, 48, 60]
        np.testing.assert_array_equal(read_in_steps(Source(variable), 10), values)


# ---------------------------------------------------------------------------- memory


def test_no_more_than_the_limit_is_kept(monkeypatch):
    monkeypatch.setattr(sources, "BAND_LIMIT", 20 * FRAME)
    source = Source(SlicedFile(photon_counts(SHAPE), chunks=(10, 6, 8)))

    for start in (5, 15, 25, 35):  # parts of bands, whose other parts nobody asks for
        list(source.slabs(start, start + 1))
        assert sum(band.frames.nbytes for band in source._bands.values()) <= 20 * FRAME


def test_a_sample_leaves_room_for_the_bands(monkeypatch):
    monkeypatch.setattr(sources, "BAND_LIMIT", 20 * FRAME)
    values = photon_counts(SHAPE)
    source = Source(SlicedFile(values, chunks=(15, 6, 8)))
    source.keep(range(60))

    survey(source, counts=True)

    assert len(source._kept) == 5
    np.testing.assert_array_equal(source[3:9], values[3:9])


def as_zarr(values, folder, chunks):
    return zarr.create_array(folder / "movie.zarr", data=values, chunks=chunks)


def as_h5py(values, folder, chunks):
    return h5py.File(folder / "movie.h5", "w").create_dataset("m", data=values, chunks=chunks)


def as_dask(values, _, chunks):
    return dask.array.from_array(values, chunks=chunks)


LONG_CHUNKS = {"zarr": as_zarr, "h5py": as_h5py, "dask": as_dask}


@pytest.mark.parametrize("store", LONG_CHUNKS.values(), ids=LONG_CHUNKS)
def test_chunks_that_are_long_in_time_go_through_a_temporary_file(store, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BAND_LIMIT", 20 * FRAME)
    values = photon_counts(SHAPE)
    movie = store(values, tmp_path, (40, 4, 4))
    source = Source(movie)

    for _ in range(2):
        np.testing.assert_array_equal(read_in_steps(source, 10), values)

    assert isinstance(source._direct, np.memmap)


def test_chunks_that_are_long_in_time_are_computed_once(monkeypatch):
    monkeypatch.setattr(sources, "BAND_LIMIT", 20 * FRAME)
    blocks = CountedBlocks(photon_counts(SHAPE), (40, 4, 4))
    source = Source(blocks.array())

    survey(source, counts=True)
    read_in_steps(source, 10)

    assert blocks.most() == 1


def test_a_temporary_file_needs_room(monkeypatch):
    monkeypatch.setattr(sources, "BAND_LIMIT", 20 * FRAME)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=7))
    source = Source(as_dask(photon_counts(SHAPE), None, (40, 4, 4)))

    with pytest.raises(OSError, match=r"has 7 bytes left for its 5760\. Set .* TMPDIR"):
        survey(source, counts=True)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["zarr", "dask"])
def test_long_chunks_take_no_more_than_256_megabytes(store, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SLAB_BYTES", 1 << 24)
    values = np.ones((4000, 256, 256), "u2")  # 524 MB, which would be read at once
    movie = LONG_CHUNKS[store](values, tmp_path, (4000, 64, 64))

    tracemalloc.start()
    source = Source(movie)
    survey(source, counts=True)
    for start in range(0, 4000, 100):
        for _, frames in source.slabs(start, start + 100):
            assert frames.all()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert isinstance(source._direct, np.memmap)
    assert most < 256 << 20


# ---------------------------------------------------------------------------- one lock


@dataclass(frozen=True)
class SeekingFile(SlicedFile):
    """A reader that seeks and then reads: what another thread seeks meanwhile, it reads."""

    place: dict[str, slice] = field(default_factory=dict)

    def __getitem__(self, selection):
        self.place["at"] = selection
        time.sleep(0.0005)
        return self.values[self.place["at"]].copy()


def test_two_readers_of_one_file_are_not_read_at_once():
    values = photon_counts((200, 6, 8))
    place: dict[str, slice] = {}
    readers = [SeekingFile(values, place=place) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        movies = list(pool.map(lambda reader: read_in_steps(Source(reader), 5), readers))

    for movie in movies:
        np.testing.assert_array_equal(movie, values)


@dataclass(frozen=True)
class TiffPages:
    """The pages of a TIFF file, which share its position."""

    file: tifffile.TiffFile
    shape: tuple[int, ...] = SHAPE
    dtype: np.dtype[np.uint16] = field(default_factory=lambda: np.dtype("u2"))

    def __getitem__(self, frames):
        return np.stack([page.asarray() for page in self.file.pages[frames]])


def test_pages_of_a_tiff_file_are_read_one_by_one(tmp_path):
    values = photon_counts(SHAPE)
    tifffile.imwrite(tmp_path / "movie.tif", values, photometric="minisblack")

    with tifffile.TiffFile(tmp_path / "movie.tif") as file, ThreadPoolExecutor(4) as pool:
        source = Source(TiffPages(file))
        read = list(pool.map(lambda n: next(source.slabs(n, n + 5))[1], range(0, 60, 5)))

    np.testing.assert_array_equal(np.concatenate(read), values)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_does_not_inherit_the_lock():
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with sources.READING.lock:
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()
    child = os.fork()
    if not child:
        os._exit(0 if sources.READING.lock.acquire(timeout=5) else 1)
    status = os.waitpid(child, 0)[1]
    leave.set()
    thread.join()

    assert os.waitstatus_to_exitcode(status) == 0


# ---------------------------------------------------------------------------- held to


@dataclass(frozen=True)
class Liar(SlicedFile):
    """A reader that does not keep what it promises."""

    change: Callable[[Any], Any] = np.copy

    def __getitem__(self, frames):
        return self.change(self.values[frames].copy())


LIES = {
    "fewer frames": lambda frames: frames[:-1],
    "no frames": lambda frames: frames[:0],
    "more frames": lambda frames: np.concatenate([frames, frames]),
    "one column": lambda frames: frames[:, :, :1],
    "one value": lambda frames: frames.flat[0],
    "one frame": lambda frames: frames[0],
    "an axis more": lambda frames: frames[..., np.newaxis],
    "another dtype": lambda frames: frames.astype("f4"),
    "another byte order": lambda frames: frames.astype(">u2"),
    "lists": lambda frames: frames.tolist(),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("change", LIES.values(), ids=LIES)
def test_readers_are_held_to_shape_and_dtype(change):
    source = Liar(photon_counts(SHAPE), change=change)

    with pytest.raises(ValueError, match=r"promised shape \(5, 6, 8\) and dtype uint16 for fra"):
        survey(source, counts=True)


class TooShort(SlicedFile):
    """A reader that has fewer frames than it says."""

    @property
    def shape(self):
        return SHAPE


def test_frames_that_are_missing_at_the_end_are_missed():
    values = photon_counts(SHAPE)
    reader = TooShort(values[:45])

    with pytest.raises(ValueError, match=r"for frames 45 to 49, but they have shape \(0, 6, 8\)"):
        survey(reader, counts=True)


def test_a_data_set_that_grows_is_refused(tmp_path):
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        movie = file.create_dataset("m", (60, 6, 8), "u2", chunks=(5, 6, 8), maxshape=(None, 6, 8))
        source = Source(movie)
        survey(source, counts=True)
        movie.resize(70, axis=0)

        with pytest.raises(ValueError, match=r"promised shape \(60, 6, 8\) .* now has shape \(70"):
            read_in_steps(source, 10)
        with pytest.raises(ValueError, match="now has shape"):
            source.check_unchanged()


def test_a_file_that_is_closed_meanwhile_is_named(tmp_path):
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        source = Source(file.create_dataset("m", data=photon_counts(SHAPE)))

    with pytest.raises(ValueError, match=r"movie cannot be read any more \(.*\)\. Let nothing"):
        source.check_unchanged()


def as_memory_map(values, folder):
    np.save(folder / "movie.npy", values)
    return np.load(folder / "movie.npy", mmap_mode="r+")


SOURCES = {
    "array": lambda values, _: values,
    "memory map": as_memory_map,
    "reader": lambda values, _: SlicedFile(values),
    "Fortran array": lambda values, _: np.asfortranarray(values),
}


@pytest.mark.parametrize("dtype", ["u1", "<u2", "f8"])
@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_values_that_change_between_two_passes_are_refused(make, dtype, tmp_path):
    movie = make(photon_counts(SHAPE, dtype=dtype) + np.dtype(dtype).type(1), tmp_path)
    source = Source(movie)
    survey(source, counts=True)
    inside = getattr(movie, "values", movie)
    inside[37, 2, 3] = 0  # which fits

    with pytest.raises(ValueError, match="changed since it was first read: frame 37 is not"):
        read_in_steps(source, 10)


@pytest.mark.parametrize("offset", [0, 128, 5000])
@pytest.mark.parametrize("view", [lambda m: m, np.asarray, lambda m: m[3:, ::-1]])
def test_a_memory_map_of_a_file_that_was_cut_is_refused(view, offset, tmp_path):
    (tmp_path / "movie.raw").write_bytes(bytes(offset) + photon_counts((600, 6, 8)).tobytes())
    mapped = np.memmap(tmp_path / "movie.raw", "u2", "r", offset=offset, shape=(600, 6, 8))
    source = Source(view(mapped))
    survey(source, counts=True)

    os.truncate(tmp_path / "movie.raw", 20_000)

    for read in (lambda: list(source.slabs(0, source.shape[0])), lambda: source[5:6]):
        with pytest.raises(ValueError, match=r"memory map of .*movie.raw, which became shorter"):
            read()


def test_frames_that_change_places_are_refused():
    values = photon_counts(SHAPE)
    source = Source(values)
    survey(source, counts=True)
    values[[11, 12]] = values[[12, 11]]

    with pytest.raises(ValueError, match="frame 11 is not what it was"):
        read_in_steps(source, 10)


@pytest.mark.parametrize("frame", [3, 59])
def test_what_is_written_while_a_slab_is_looked_at_is_refused(frame):
    values = photon_counts(SHAPE)
    source = Source(values)
    survey(source, counts=True)

    def code():
        for first, slab in source.slabs(0, 60):
            if first <= frame < first + len(slab):
                values[frame, 2, 3] += 1  # after a look at the frame, and before its use

    with pytest.raises(ValueError, match=f"frame {frame} is not what it was"):
        code()


@pytest.mark.parametrize("dtype", ["u1", "u2", "i8", "f8"])
def test_values_that_change_places_are_seen_at_any_distance(dtype):
    values = photon_counts((1, 8, 251 * 8), rate=3).astype(dtype)
    before, rng = fingerprints(values)[0], np.random.default_rng(0)

    for _ in range(1000):
        changed = values.copy()
        first, second = rng.integers(values.size, size=2)
        if rng.random() < 0.5:
            second = (first + 251 * rng.integers(1, 64)) % values.size
        changed.flat[first], changed.flat[second] = changed.flat[second], changed.flat[first]
        same = values.flat[first] == values.flat[second]
        assert (fingerprints(changed)[0] == before) == same


@pytest.mark.parametrize("dtype", ["u1", "u2", "i8"])
def test_changes_of_which_sum_and_centre_are_the_same_are_seen(dtype):
    values = np.full((1, 16, 64), 9, dtype)
    changed = values.copy()
    changed[0, 5, 16:40:8] += np.array([1, -2, 1]).astype(dtype)

    assert fingerprints(changed)[0] != fingerprints(values)[0]


def test_a_reader_that_masks_values_is_refused():
    values = photon_counts(SHAPE)
    masked = Liar(values, change=lambda frames: np.ma.masked_equal(frames, 3))
    unmasked = Liar(values, change=lambda frames: np.ma.masked_equal(frames, 999))

    with pytest.raises(ValueError, match=r"movie holds masked values in frames 0 to 4"):
        survey(masked, counts=True)
    assert survey(unmasked, counts=True).highest == values.max()


@pytest.mark.parametrize("inside", [lambda x: x, xarray.DataArray], ids=["", "xarray"])
def test_masks_of_dask_are_seen(inside):
    movie = dask.array.from_array(photon_counts(SHAPE), chunks=(10, 6, 8))

    # xarray 2025.1 makes floats with NaN of masked integers, and says integers
    with pytest.raises(ValueError, match=r"holds (masked values|nan)|and dtype float32"):
        survey(Source(inside(dask.array.ma.masked_greater(movie, 5))), counts=True)


class OneBuffer:
    """A reader that yields the same memory each time, as those of videos do."""

    def __init__(self, values, chunks=None):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.chunks = chunks
        self._buffer = np.empty_like(values)

    def __getitem__(self, frames):
        part = self._buffer[: len(self.values[frames])]
        part[:] = self.values[frames]
        return part


def test_a_reader_may_use_its_memory_again():
    values = photon_counts(SHAPE)
    source = Source(OneBuffer(values))

    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate([f for _, f in source.slabs(0, 60)]), values)
        np.testing.assert_array_equal(read_in_steps(source, 7), values)
    kept = [frames for _, frames in source.slabs(0, 60)]
    np.testing.assert_array_equal(np.concatenate(kept), values)


@pytest.mark.parametrize(
    "chunks",
    [("a", "b", "c"), (None, 6, 8), (1.5, 6, 8), (((30, 31)), (6,), (8,)), ((np.nan,), (6,), (8,))],
    ids=str,
)
def test_chunks_that_cannot_be_are_left_alone(chunks):
    values = photon_counts(SHAPE)

    np.testing.assert_array_equal(read_in_steps(Source(OneBuffer(values, chunks)), 7), values)


def test_scaled_variables_are_refused_with_a_way_to_read_them(tmp_path):
    values = photon_counts(SHAPE, dtype="i2")
    with netCDF4.Dataset(tmp_path / "movie.nc", "w") as file:
        for axis, length in zip("tyx", SHAPE, strict=True):
            file.createDimension(axis, length)
        variable = file.createVariable("movie", "i2", tuple("tyx"))
        variable[:] = values
        variable.scale_factor = 2.0

        with pytest.raises(ValueError, match=r"dtype float64: .*set_auto_maskandscale\(False\)"):
            survey(variable, counts=True)
        variable.set_auto_maskandscale(False)
        assert survey(variable, counts=True).highest == values.max()
