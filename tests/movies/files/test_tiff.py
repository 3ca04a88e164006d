"""Movies in TIFF files of many writers, whole and damaged ones."""

import os
import sys
from typing import Any

import numpy as np
import pytest
import tifffile

from benchmarks.scanimage_files import volumes, write_scanimage
from dj_photon_codecs import CameraMovie, calibrate, read_movie, report
from dj_photon_codecs.movies.files import open_files
from dj_photon_codecs.movies.sources import Source
from tests.movies.files.reading import check_movie, inserted
from tests.movies_at_hand import CAMERA, photon_counts, tree

SHAPE = (20, 32, 48)
TYX = {"metadata": {"axes": "TYX"}}

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def write(path, values, **how):
    tifffile.imwrite(path, values, **{"photometric": "minisblack", **how})
    return path


# ---------------------------------------------------------------------------- kinds of files

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "BigTIFF": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
    "strips": {"rowsperstrip": 5},
    "one page for all": {"truncate": True},
    "ImageJ": {"imagej": True, **TYX},
    "OME": {"ome": True, **TYX},
    "tiles": {"tile": (16, 16)},
    "Deflate": {"compression": "zlib"},
    "LZW": {"compression": "lzw", "predictor": True},
    "Zstandard, tiles": {"compression": "zstd", "tile": (16, 16)},
}
MAPPED = ("plain", "BigTIFF", "strips", "one page for all", "ImageJ", "OME")


@pytest.mark.parametrize("dtype", ["u2", "i2", "f4", "u1"])
@pytest.mark.parametrize("way", WAYS)
def test_files_of_every_kind_are_read(way, dtype, tmp_path):
    values = photon_counts(SHAPE, dtype=dtype)
    if way == "LZW" and dtype == "f4":
        pytest.skip("this predictor is of integers")

    movie = read_movie(write(tmp_path / "movie.tif", values, **WAYS[way]))

    check_movie(movie, values)
    one_byte = dtype == "u1" and way == "big-endian"
    assert Source(movie).is_direct == (way in MAPPED or one_byte)


@pytest.mark.parametrize("how", [{"compression": "zlib"}, {"metadata": None}, {}], ids=str)
def test_pages_that_were_written_one_by_one_are_one_movie(how, tmp_path):
    values = photon_counts(SHAPE)
    with tifffile.TiffWriter(tmp_path / "movie.tif") as writer:
        for frame in values:
            writer.write(frame, photometric="minisblack", **how)

    check_movie(read_movie(tmp_path / "movie.tif"), values)


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}], ids=str)
def test_files_of_a_folder_are_in_natural_order(how, tmp_path, monkeypatch):
    monkeypatch.setattr(open_files, "MOST", 3)  # open at a time
    values = photon_counts((24, 16, 16))
    for number in range(12):
        write(tmp_path / f"movie_{number}.tif", values[2 * number : 2 * number + 2], **how)
    (tmp_path / "notes.txt").touch()

    check_movie(read_movie(tmp_path), values)
    check_movie(read_movie(f"{tmp_path}/movie_*.tif"), values)
    few = [tmp_path / "movie_11.tif", str(tmp_path / "movie_2.tif")]
    np.testing.assert_array_equal(read_movie(few)[:], values[[22, 23, 4, 5]])
    assert repr(read_movie(few)).endswith("_11.tif' and 1 more, shape=(4, 16, 16), dtype=uint16)")


def test_files_with_a_single_page_each_are_a_movie(tmp_path):
    values = photon_counts(SHAPE)
    for number, frame in enumerate(values):
        write(tmp_path / f"{number}.tif", frame)

    check_movie(read_movie(tmp_path), values)


def test_files_of_a_folder_may_be_compressed_or_not(tmp_path):
    values = photon_counts(SHAPE)
    write(tmp_path / "1.tif", values[:8])
    write(tmp_path / "2.tif", values[8:], compression="zlib", byteorder=">")

    check_movie(read_movie(tmp_path), values)


def test_an_ome_file_reads_those_that_it_refers_to_once(tmp_path):
    values = photon_counts(SHAPE)
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{n}" for n in range(2)]
    refers = "".join(
        f'<TiffData FirstT="{10 * n}" PlaneCount="10"><UUID FileName="{n}.ome.tif">{uuid}</UUID>'
        "</TiffData>"
        for n, uuid in enumerate(uuids)
    )
    for n, uuid in enumerate(uuids):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
            f'SizeX="48" SizeY="32" SizeC="1" SizeZ="1" SizeT="20">{refers}</Pixels></Image></OME>'
        )
        part = values[10 * n : 10 * n + 10]
        write(tmp_path / f"{n}.ome.tif", part, description=xml.encode(), metadata=None)

    check_movie(read_movie(tmp_path), values)
    check_movie(read_movie(tmp_path / "0.ome.tif"), values)

    (tmp_path / "1.ome.tif").unlink()
    with pytest.raises(ValueError, match=r"0\.ome\.tif cannot be read .*page 10 is missing"):
        read_movie(tmp_path)


# ---------------------------------------------------------------------------- channels and planes


@pytest.mark.parametrize("header", [True, False], ids=["ScanImage", "saved again"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_channels_of_scanimage_are_asked_for(header, compression, tmp_path):
    values = photon_counts((40, 16, 16), dtype="i2")
    how = {"channels": (1, 3), "header": header, "compression": compression}
    path = write_scanimage(tmp_path / "scan_00001.tif", values, **how)

    with pytest.raises(
        ValueError, match=r"holds 2 channels, 0 \('Channel 1'\) and 1 \('Channel 3'\); say chann"
    ):
        read_movie(path)
    with pytest.raises(ValueError, match=r"channel is 2, and .* holds 2 channels"):
        read_movie(path, channel=2)
    with pytest.raises(ValueError, match=r"channel is 'red', and .* holds 2 channels"):
        read_movie(path, channel="red")
    check_movie(read_movie(path, channel=0), values[::2])
    movie = read_movie(path, channel="Channel 3")
    check_movie(movie, values[1::2])
    assert repr(movie).endswith("dtype=int16, channel='Channel 3')")


def test_a_recording_of_scanimage_goes_on_in_the_next_file(tmp_path):
    values = photon_counts((36, 16, 16), dtype="i2")
    for n, part in enumerate(np.split(values, 3), start=1):
        write_scanimage(tmp_path / f"scan_{n:05}.tif", part, channels=(1, 2), first=12 * (n - 1))

    check_movie(read_movie(tmp_path, channel=1), values[1::2])
    check_movie(read_movie(f"{tmp_path}/scan_*.tif", channel=0), values[::2])


@pytest.mark.parametrize(("frames", "flyback"), [(1, 0), (1, 1), (3, 0), (2, 2)])
def test_planes_of_scanimage_are_asked_for(frames, flyback, tmp_path):
    pages = photon_counts((9, 4 * frames + flyback, 2, 16, 16), dtype="i2")
    settings = volumes(4, frames=frames, flyback=flyback)
    path = write_scanimage(
        tmp_path / "scan.tif", pages.reshape(-1, 16, 16), channels=(1, 2), settings=settings
    )

    with pytest.raises(ValueError, match=r"holds 4 planes, 0, 1, 2 and 3; say plane=0"):
        read_movie(path, channel=0)
    for plane in range(4):
        expected = pages[:, plane * frames : (plane + 1) * frames, 1].reshape(-1, 16, 16)
        check_movie(read_movie(path, channel=1, plane=plane), expected)
    assert "plane='2'" in repr(read_movie(path, channel=1, plane=2))


def test_a_volume_that_is_not_whole_is_left_out(tmp_path):
    pages = photon_counts((23, 16, 16), dtype="i2")
    path = write_scanimage(tmp_path / "scan.tif", pages, settings=volumes(4))

    with pytest.warns(UserWarning, match=r"ends within a volume of 4 x 1 pages, which is left out"):
        movie = read_movie(path, plane=3)

    np.testing.assert_array_equal(movie[:], pages[3:20:4])


OLD = {
    "5": "scanimage.SI5.channelsSave = [1 2]\nscanimage.SI5.fastZEnable = false",
    "4": "scanimage.SI4.channelsSave = [1;2]\nscanimage.SI4.channelsName = {'g';'r'}",
    "3.8": "state.configPath='C:/'\nstate.acq.numberOfChannelsSave=2\nstate.acq.numberOfZSlices=1",
}


@pytest.mark.parametrize("description", OLD.values(), ids=OLD)
def test_files_of_older_scanimage_are_known(description, tmp_path):
    values = photon_counts(SHAPE, dtype="i2")
    with tifffile.TiffWriter(tmp_path / "movie.tif") as writer:
        for page in values:
            writer.write(page, contiguous=False, metadata=None, description=description)

    with pytest.raises(ValueError, match="holds 2 channels, 0 "):
        read_movie(tmp_path / "movie.tif")
    check_movie(read_movie(tmp_path / "movie.tif", channel=1), values[1::2])


@pytest.mark.parametrize("kind", ["imagej", "ome"])
@pytest.mark.parametrize("axes", ["TZCYX", "TCZYX", "CTZYX"])
def test_channels_and_planes_of_imagej_and_ome_are_asked_for(kind, axes, tmp_path):
    if kind == "imagej" and axes != "TZCYX":
        pytest.skip("it has one order")
    values = photon_counts((7, 3, 2, 16, 16))  # TZCYX
    stored = values.transpose(["TZCYX".index(axis) for axis in axes])
    path = write(tmp_path / "m.tif", stored, **{kind: True}, metadata={"axes": axes})

    for chosen in ({}, {"channel": 0}, {"plane": 1}):
        with pytest.raises(ValueError, match=r"m\.tif holds [23] (planes|channels), 0,? "):
            read_movie(path, **chosen)
    check_movie(read_movie(path, channel=1, plane=2)[:], values[:, 2, 1])
    np.testing.assert_array_equal(read_movie(path, channel=1, plane=2)[:], values[:, 2, 1])


def test_channels_of_ome_have_names(tmp_path):
    values = photon_counts((7, 2, 16, 16))
    names = {"axes": "TCYX", "Channel": {"Name": ["GCaMP", "tdTomato"]}}
    path = write(tmp_path / "movie.ome.tif", values, ome=True, metadata=names)

    with pytest.raises(ValueError, match=r"0 \('GCaMP'\) and 1 \('tdTomato'\); say channel=0"):
        read_movie(path)
    np.testing.assert_array_equal(read_movie(path, channel="tdTomato")[:], values[:, 1])


@pytest.mark.parametrize(("axes", "what"), [("ZYX", "plane"), ("CYX", "channel")])
def test_pages_without_time_are_frames_with_a_warning(axes, what, tmp_path):
    values = photon_counts(SHAPE)
    path = write(tmp_path / "movie.tif", values, imagej=True, metadata={"axes": axes})

    with pytest.warns(
        UserWarning, match=f"the 20 pages .* marked as {what}s, and read as"
    ) as warned:
        movie = read_movie(path)

    check_movie(movie, values)
    assert warned[0].filename == __file__
    np.testing.assert_array_equal(read_movie(path, **{what: 4})[:], values[4:5])


def test_two_channels_without_time_are_no_frames(tmp_path):
    path = write(tmp_path / "a.tif", photon_counts((2, 16, 16)), metadata={"axes": "CYX"})

    with pytest.raises(ValueError, match="holds 2 channels, 0 and 1; say channel=0"):
        read_movie(path)


def test_other_axes_are_refused(tmp_path):
    values = photon_counts((5, 3, 16, 16))
    path = write(tmp_path / "movie.tif", values, metadata={"axes": "TRYX"})

    with pytest.raises(ValueError, match=r"have the axes \{'T': 5, 'R': 3\}; beside time there"):
        read_movie(path)


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}], ids=str)
def test_axes_without_names_are_all_counted(how, tmp_path):
    values = photon_counts((6, 1, 32, 48))
    check_movie(read_movie(write(tmp_path / "movie.tif", values, **how)), values[:, 0])

    two = write(tmp_path / "two.tif", values.reshape(3, 2, 32, 48), **how)
    with pytest.raises(ValueError, match=r"axes \{'Q': 3, 'Q1': 2\}; beside time there may be"):
        read_movie(two)


def test_colours_are_refused(tmp_path):
    path = write(tmp_path / "a.tif", photon_counts((5, 16, 16, 3), dtype="u1"), photometric="rgb")

    with pytest.raises(ValueError, match=r"a\.tif holds colour pictures, of shape \(16, 16, 3\)"):
        read_movie(path)


def test_several_images_are_asked_for(tmp_path):
    values = photon_counts(SHAPE)
    with tifffile.TiffWriter(tmp_path / "movie.tif") as writer:
        writer.write(values[:, :8], photometric="minisblack")
        writer.write(values, photometric="minisblack")

    with pytest.raises(ValueError, match=r"holds 2 datasets, 0 \('Q 20, \(8, 48\) uint16'\) and 1"):
        read_movie(tmp_path / "movie.tif")
    check_movie(read_movie(tmp_path / "movie.tif", dataset=1), values)


# ---------------------------------------------------------------------------- damage


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("way", WAYS)
def test_files_that_were_cut_short_are_refused(way, share, tmp_path):
    path = write(tmp_path / "movie.tif", photon_counts(SHAPE), **WAYS[way])
    if way == "ImageJ" and share > 0.9:
        pytest.skip("what is missing tells of the pages behind the first, and it is not needed")
    os.truncate(path, int(path.stat().st_size * share))

    with pytest.raises(ValueError, match=r"movie\.tif cannot be read as TIFF \(.*cut short\. Copy"):
        read_movie(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 0.99, 0.999])
def test_files_of_scanimage_that_were_cut_short_are_refused(share, tmp_path):
    path = write_scanimage(tmp_path / "scan.tif", photon_counts((40, 16, 16)), channels=(1, 2))
    os.truncate(path, int(path.stat().st_size * share))

    with pytest.raises(ValueError, match=r"scan\.tif cannot be read as TIFF \(.*cut short\. Copy"):
        read_movie(path, channel=0)


def test_what_is_no_tiff_is_refused(tmp_path):
    (tmp_path / "movie.tif").write_bytes(b"no TIFF file, but something else")

    with pytest.raises(ValueError, match=r"movie\.tif cannot be read as TIFF"):
        read_movie(tmp_path / "movie.tif")


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}], ids=str)
def test_files_that_shrink_leave_nothing(how, parts, tmp_path, store):
    values = photon_counts((40, 32, 48))
    for number, part in enumerate(np.split(values, parts)):
        path = write(tmp_path / f"movie_{number}.tif", part, **how)
    movie = read_movie(f"{tmp_path}/movie_*.tif")
    os.truncate(path, path.stat().st_size // 2)

    with pytest.raises(ValueError, match=r"movie_\d\.tif(, which became shorter| cannot be read)"):
        inserted(movie)

    assert not tree(store)


def test_files_of_other_shapes_or_dtypes_are_refused(tmp_path):
    write(tmp_path / "1.tif", photon_counts(SHAPE))
    write(tmp_path / "2.tif", photon_counts((20, 32, 40)))

    with pytest.raises(
        ValueError, match=r"2\.tif holds frames of \(32, 40\) uint16, and .*1\.tif of \(32, 48\)"
    ):
        read_movie(tmp_path)
    write(tmp_path / "2.tif", photon_counts(SHAPE, dtype="u1"))
    with pytest.raises(ValueError, match="all files of a movie must be alike"):
        read_movie(tmp_path)


def test_files_that_are_missing_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*movie\.tif"):
        read_movie(tmp_path / "movie.tif")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*movie_\*\.tif"):
        read_movie(f"{tmp_path}/movie_*.tif")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_movie([])


def test_missing_libraries_are_named_with_their_extra(tmp_path, monkeypatch):
    path = write(tmp_path / "movie.tif", photon_counts(SHAPE), compression="zstd")
    monkeypatch.setitem(sys.modules, "tifffile", None)

    with pytest.raises(ImportError, match=r"needs tifffile .*pip install 'dj-photon-codecs\[form"):
        read_movie(path)


# ---------------------------------------------------------------------------- what takes them


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}], ids=str)
def test_movies_of_files_are_inserted_calibrated_and_reported(how, tmp_path, store):
    rates = np.linspace(1, 30, 32 * 32).reshape(32, 32)
    values = np.random.default_rng(0).poisson(rates, (200, 32, 32)).astype("u2")
    for number, part in enumerate(np.split(values, 2)):
        write(tmp_path / f"movie_{number}.tif", part, **how)
    movie = read_movie(f"{tmp_path}/movie_*.tif")

    np.testing.assert_array_equal(inserted(movie).raw[:], values, strict=True)
    np.testing.assert_array_equal(inserted(CameraMovie(movie, CAMERA)).raw[:], values)
    assert calibrate(movie).gain == calibrate(values).gain
    assert str(report(movie)) == str(report(values))
