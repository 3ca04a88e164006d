"""A stored movie is for ever: whatever a version that landed has written is read by this one."""

import json
from pathlib import Path

import fsspec
import numpy as np
import pytest
import zarr

from dj_photon_codecs import PhotonArray, generalized_anscombe
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.storage.documents import Documents

FROZEN = Path(__file__).parents[1] / "frozen"
FIXTURES = sorted(path.parent for path in FROZEN.glob("*/*/movie.zarr"))
STEPPED = [path for path in FIXTURES if path.name.startswith("step")]
LOSSLESS = [path for path in FIXTURES if path not in STEPPED]


def opened(fixture: Path) -> PhotonArray:
    folder = fixture / "movie.zarr"
    zarray, zattrs = (json.loads((folder / name).read_text()) for name in (".zarray", ".zattrs"))
    documents = Documents(zarray=zarray, zattrs=zattrs)
    return open_movie(fsspec.filesystem("file"), folder.as_posix(), documents)


def inserted(fixture: Path) -> np.ndarray:
    return np.load(fixture / "inserted.npy")


def test_every_kind_of_movie_is_frozen():
    names = {fixture.name for fixture in FIXTURES if fixture.parent.name == "1.0"}
    assert names == {
        "camera-int16",
        "dense-camera-int32",
        "dense-dark-uint8",
        "dense-holes-int16",
        "dense-long-uint8",
        "dense-plain-float32",
        "dense-uint16",
        "float32",
        "grouped-uint16",
        "grouped-whole-uint16",
        "short-last-chunk-int64",
        "step-of-half-int16",
        "step-of-one-grouped",
        "uint16",
        "uint8",
    }


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_the_stored_bytes_are_those_whose_checksums_were_written(fixture):
    assert opened(fixture).verify() == []


@pytest.mark.parametrize("fixture", LOSSLESS, ids=lambda path: path.name)
def test_a_lossless_movie_comes_back_exactly(fixture):
    movie, values = opened(fixture), inserted(fixture)
    assert movie.raw.dtype == values.dtype
    np.testing.assert_array_equal(movie.raw[:], values, strict=True)
    given = movie.calibration
    y = generalized_anscombe(values, given.gain, given.offset, given.variance)
    np.testing.assert_array_equal(movie[:], y, strict=True)


@pytest.mark.parametrize("fixture", STEPPED, ids=lambda path: path.name)
def test_a_movie_in_steps_decodes_to_the_very_photons_that_it_did(fixture):
    movie, values = opened(fixture), inserted(fixture)
    np.testing.assert_array_equal(movie.photons[:], np.load(fixture / "photons.npy"), strict=True)
    given, step = movie.calibration, float(movie.attrs["quantization_step"])  # type: ignore[arg-type]
    y = generalized_anscombe(values, given.gain, given.offset, given.variance)
    assert np.abs(movie[:] - y).max() <= step / 2 * (1 + 1e-12)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_plain_zarr_reads_what_we_read(fixture):
    plain = zarr.open_array(fixture / "movie.zarr", mode="r")
    np.testing.assert_array_equal(plain[:], opened(fixture)[:], strict=True)
