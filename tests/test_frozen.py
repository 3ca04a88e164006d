"""A stored movie is for ever: whatever a version that landed has written is read by this one."""

import json
from pathlib import Path

import fsspec
import numpy as np
import pytest
import zarr

from dj_photon_codecs import PhotonArray, generalized_anscombe
from dj_photon_codecs.array import open_movie
from dj_photon_codecs.documents import Documents

FROZEN = Path(__file__).parent / "frozen"
FIXTURES = sorted(path.parent for path in FROZEN.glob("*/*/movie.zarr"))
LOSSLESS = [path for path in FIXTURES if path.parent.name == "1.0-lossless"]


def opened(fixture: Path) -> PhotonArray:
    folder = fixture / "movie.zarr"
    zarray, zattrs = (json.loads((folder / name).read_text()) for name in (".zarray", ".zattrs"))
    documents = Documents(zarray=zarray, zattrs=zattrs)
    return open_movie(fsspec.filesystem("file"), folder.as_posix(), documents)


def inserted(fixture: Path) -> np.ndarray:
    return np.load(fixture / "inserted.npy")


def test_every_kind_of_lossless_movie_is_frozen():
    kinds = {str(inserted(fixture).dtype) for fixture in LOSSLESS}
    assert kinds == {"uint8", "uint16", "float32", "int64"}
    assert any(len(inserted(fixture)) % 10 for fixture in LOSSLESS)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_the_stored_bytes_are_those_whose_checksums_were_written(fixture):
    assert opened(fixture).verify() == []


@pytest.mark.parametrize("fixture", LOSSLESS, ids=lambda path: path.name)
def test_a_lossless_movie_comes_back_exactly(fixture):
    movie, values = opened(fixture), inserted(fixture)
    assert movie.raw.dtype == values.dtype
    np.testing.assert_array_equal(movie.raw[:], values, strict=True)
    np.testing.assert_array_equal(movie[:], generalized_anscombe(values), strict=True)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_plain_zarr_reads_what_we_read(fixture):
    plain = zarr.open_array(fixture / "movie.zarr", mode="r")
    np.testing.assert_array_equal(plain[:], opened(fixture)[:], strict=True)
