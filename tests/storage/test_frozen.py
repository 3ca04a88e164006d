"""A stored movie is for ever: whatever a version that landed has written is read by this one."""

import base64
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import fsspec
import google_crc32c
import numcodecs
import numpy as np
import pytest
import zarr

from dj_photon_codecs import PhotonArray, generalized_anscombe, open_stored
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.storage.documents.checks import check_documents
from dj_photon_codecs.storage.documents.description import Documents
from dj_photon_codecs.storage.documents.rows import read_row

pytestmark = pytest.mark.usefixtures("backend")

ROOT = Path(__file__).parents[2]
FROZEN = ROOT / "tests" / "frozen"
FIXTURES = sorted(path.parent for path in FROZEN.glob("*/*/movie.zarr"))
ARRAYS = [path for path in FIXTURES if path.parent.name == "1.0"]
STEPPED = [path for path in ARRAYS if path.name.startswith("step")]
LOSSLESS = [path for path in ARRAYS if path not in STEPPED]
DIGESTS = [path for path in FIXTURES if path not in ARRAYS]

INTEGERS = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("u", "")]
KINDS = ["bool", *INTEGERS, "float16", "float32", "float64"]
LAYOUTS = ("plain", "grouped", "dense")
NAMES = {
    "1.0": {
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
    },
    "1.1": {
        *(f"plain-{kind}" for kind in KINDS),
        *(f"grouped-{kind}" for kind in INTEGERS),
        *(f"dense-{kind}" for kind in [*INTEGERS, "float32"]),
        *(f"{layout}-4-dimensions" for layout in ("plain", "grouped", "dense")),
        *(
            f"steps-{kind}"
            for kind in ("plain", "grouped", "dense", "counts", "clipped", "float32")
        ),
        "grouped-whole",
        "plain-big-endian-float32",
        "plain-big-endian-int16",
        "plain-camera-int16",
        "plain-counts-int64",
        "plain-delta",
        "plain-uncompressed",
        "plain-whole-float32",
        "plain-zlib",
    },
    "static": {
        *(f"static-{kind}" for kind in INTEGERS),
        *(f"static-{kind}" for kind in ("bands", "classes", "clipped", "escapes", "holes")),
        *(f"static-{kind}" for kind in ("4-dimensions", "dark-frames", "few-frames", "steps")),
    },
    "adaptive": {
        *(f"adaptive-{kind}" for kind in INTEGERS),
        *(f"adaptive-{kind}" for kind in ("changing", "clipped", "escapes", "holes", "one-row")),
        *(f"adaptive-{kind}" for kind in ("4-dimensions", "dark-frames", "few-frames", "steps")),
        "adaptive-one-frame",
    },
}

every_movie = pytest.mark.parametrize(
    "fixture", FIXTURES, ids=lambda path: f"{path.parent.name}-{path.name}"
)


def loaded(fixture: Path, name: str) -> Any:
    return json.loads((fixture / name).read_text(encoding="utf-8"))


def opened(fixture: Path) -> PhotonArray:
    folder = fixture / "movie.zarr"
    documents = Documents(zarray=loaded(folder, ".zarray"), zattrs=loaded(folder, ".zattrs"))
    return open_movie(fsspec.filesystem("file"), folder.as_posix(), documents)


def inserted(fixture: Path) -> np.ndarray:
    return np.load(fixture / "inserted.npy")


def digest(values: np.ndarray) -> list[str]:
    return [str(values.dtype), hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()]


@pytest.mark.parametrize("version", NAMES)
def test_every_kind_of_movie_is_frozen(version):
    assert {path.name for path in FIXTURES if path.parent.name == version} == NAMES[version]


@every_movie
def test_the_stored_bytes_are_those_whose_checksums_were_written(fixture):
    assert opened(fixture).verify() == []


@pytest.mark.slow
@every_movie
def test_plain_zarr_reads_what_we_read(fixture):
    plain = zarr.open_array(fixture / "movie.zarr", mode="r")
    np.testing.assert_array_equal(plain[:], opened(fixture)[:], strict=True)


# ---------------------------------------------------------------------------- version 1.0


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
    given, step = movie.calibration, float(movie.attrs["quantization_step"])
    y = generalized_anscombe(values, given.gain, given.offset, given.variance)
    assert np.abs(movie[:] - y).max() <= step / 2 * (1 + 1e-12)


@pytest.mark.parametrize("fixture", ARRAYS, ids=lambda path: path.name)
def test_an_array_of_version_1_0_opens_by_its_path(fixture):
    movie = open_stored(fixture / "movie.zarr")

    assert movie == opened(fixture)
    with pytest.raises(ValueError, match="leave them out, or give a URL"):
        open_stored(fixture / "movie.zarr", storage_options={"anon": True})


@pytest.mark.parametrize("fixture", STEPPED, ids=lambda path: path.name)
@pytest.mark.parametrize("shift", [2**-15, 8.0])
def test_a_table_of_version_1_0_must_fit_its_transform(fixture, shift):
    documents = opened(fixture).movie_store.documents
    table = documents["zattrs"]["decode_table"]
    photons = np.frombuffer(base64.b64decode(table["table"]), "<f4") + np.float32(shift)
    table["table"] = base64.b64encode(photons.tobytes()).decode()

    with pytest.raises(ValueError, match="decode_table does not fit the transform"):
        check_documents(documents)


# ---------------------------------------------------------------------------- later versions


@pytest.mark.parametrize(
    "fixture",
    [
        pytest.param(path, marks=[pytest.mark.slow] if "dense-" in path.name else [], id=path.name)
        for path in DIGESTS
    ],
)
def test_a_movie_decodes_to_the_very_bits_that_it_did(fixture):
    movie = opened(fixture)

    for name, expected in loaded(fixture, "expected.json").items():
        assert digest((movie if name == "values" else getattr(movie, name))[:]) == expected, name


@pytest.mark.parametrize("fixture", DIGESTS, ids=lambda path: path.name)
def test_its_row_opens_the_movie(fixture):
    row = read_row(loaded(fixture, "row.json"))

    assert row.documents == opened(fixture).movie_store.documents


@pytest.mark.parametrize("fixture", DIGESTS, ids=lambda path: path.name)
def test_movies_are_in_the_layout_that_they_are_named_for(fixture):
    layout = fixture.name.partition("-")[0]
    forms = {"grouped": 1, "dense": 2, "static": 3, "adaptive": 3}
    if layout not in forms or fixture.name == "dense-float32":
        return

    folder = fixture / "movie.zarr"

    stored = decompressed_chunks(folder, loaded(folder, ".zarray"))[0]
    assert stored[0] == forms[layout]


def decompressed_chunks(folder: Path, zarray: dict[str, Any]) -> list[np.ndarray]:
    """Return what the compressor and the checksum, if there is one, leave of each chunk."""
    found = []
    for number in range(math.ceil(zarray["shape"][0] / zarray["chunks"][0])):
        key = ".".join([str(number)] + ["0"] * (len(zarray["shape"]) - 1))
        stored = (folder / key).read_bytes()
        if zarray["compressor"] is not None:
            stored = bytes(numcodecs.get_codec(zarray["compressor"]).decode(stored))
        found.append(np.frombuffer(stored, "u1"))
        if zarray["filters"][-1]["id"] != "photon.crc32c":
            continue
        crc = google_crc32c.value(stored[:-4])
        masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) % (1 << 32)
        assert int.from_bytes(stored[-4:], "little") == masked
        size = int.from_bytes(stored[-8:-4], "little")
        found[-1] = found[-1][: len(stored) - size]
    return found
