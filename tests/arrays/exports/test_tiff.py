"""BigTIFF as Bio-Formats, ImageJ and tifffile read it."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile

from dj_photon_codecs import export
from tests.movies_at_hand import local_files, photon_counts, store_movie, tree

OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


def metadata(path):
    with tifffile.TiffFile(path) as file:
        return ET.fromstring(str(file.ome_metadata))  # noqa: S314 - our own


def test_ome_says_axes_type_and_frame_rate(movie, tmp_path):
    path = export(movie, tmp_path / "movie.ome.tif", frame_rate=20)

    pixels = metadata(path).find(f"{OME}Image/{OME}Pixels")
    assert pixels is not None
    sizes = {axis: pixels.get(f"Size{axis}") for axis in "TCZYX"}
    assert sizes == {"T": "120", "C": "1", "Z": "1", "Y": "6", "X": "7"}
    assert pixels.get("Type") == "int16"
    assert (pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit")) == ("0.05", "s")


def test_ome_says_what_the_values_are(stepped, tmp_path):
    path = export(stepped, tmp_path / "movie.tif", values="photons")

    said = {each.get("K"): each.text for each in metadata(path).iter(f"{OME}M")}
    assert (said["units"], said["quantization_step"]) == ("photon", "0.5")
    assert (said["anscombe_gain"], said["anscombe_offset"]) == ("50.0", "100.0")
    assert said["source"] == str(stepped.movie_store)


def test_every_frame_is_a_page(movie, tmp_path):
    path = export(movie, tmp_path / "movie.tif")

    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 120
        np.testing.assert_array_equal(file.pages[110].asarray(), movie.raw[110], strict=True)


@pytest.mark.parametrize("dtype", ["i8", "u8"])
def test_long_integers_become_the_shortest_that_hold_the_values(dtype, tmp_path):
    movie = store_movie(photon_counts(dtype=dtype), local_files(), tmp_path / "stored.zarr")

    copied = tifffile.imread(export(movie, tmp_path / "movie.tif"))

    assert copied.dtype == np.uint8
    np.testing.assert_array_equal(copied, movie.raw[:])


def test_longer_integers_than_tiff_has_are_refused(tmp_path):
    counts = photon_counts((4, 6, 7), dtype="i8") + 2**40
    movie = store_movie(counts, local_files(), tmp_path / "stored.zarr")
    before = tree(tmp_path)

    with pytest.raises(
        TypeError, match=r"need .*int64, and TIFF holds integers of 32 bits at most"
    ):
        export(movie, tmp_path / "movie.tif")
    assert tree(tmp_path) == before
