"""The documents of a stored movie: what version 1.1 says, and what is refused."""

import copy
import importlib.metadata
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numcodecs import Delta

from dj_photon_codecs.layouts.choice import Compression
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.storage.documents.checks import check_documents
from dj_photon_codecs.storage.documents.description import calibration_of
from dj_photon_codecs.storage.documents.views import linear_view, split_transform
from dj_photon_codecs.storage.filters.anscombe import AnscombeFilter
from dj_photon_codecs.storage.filters.linear import LinearFilter
from tests.movies_at_hand import (
    BLOSC,
    CAMERA,
    DTYPES,
    camera_values,
    local_files,
    photon_counts,
    store_movie,
)

# What version 1.1 writes, to the letter; without a compressor its checksums are those of the codes.
COUNTS: dict[str, Any] = {
    "zarray": {
        "zarr_format": 2,
        "shape": [5, 1, 3],
        "chunks": [2, 1, 3],
        "dtype": "<f8",
        "order": "C",
        "fill_value": "NaN",
        "filters": [
            {
                "id": "photon.anscombe",
                "codes": "|u1",
                "gain": 1.0,
                "offset": 0.0,
                "variance": 0.0,
                "step": None,
            },
            {"id": "photon.crc32c"},
        ],
        "compressor": None,
        "dimension_separator": ".",
    },
    "zattrs": {
        "codec_name": "photon",
        "codec_version": "1.1",
        "anscombe_gain": 1.0,
        "anscombe_offset": 0.0,
        "anscombe_variance": 0.0,
        "quantization_step": None,
        "original_dtype": ">i4",
        "_ARRAY_DIMENSIONS": ["time", "y", "x"],
        "crc32c": "9eddaaf4e7abbefd75e1de42",
        "stored_bytes": 3 * (6 + 2 + 8),  # codes, zeros up to a multiple of 8, and the trailer
    },
}
CHECKSUM = {"id": "photon.crc32c"}
WRITERS = ["dj-photon-codecs", "zarr", "numcodecs", "numpy"]


@pytest.fixture
def documents_of(tmp_path):
    """Store a movie, and return its documents."""

    def write(movie, **how):
        path = tmp_path / "movie.zarr"
        return copy.deepcopy(store_movie(movie, local_files(), path, **how).movie_store.documents)

    return write


@pytest.fixture
def counts(documents_of):
    """Documents of 5 frames of photon counts in chunks of 2."""
    values = np.arange(15, dtype=">i4").reshape(5, 1, 3)
    return documents_of(values, frames_per_chunk=2, compression=Compression(None))


# ---------------------------------------------------------------------------- version 1.1


def test_documents_of_photon_counts_are_those_of_version_1_1(counts):
    writers = counts["zattrs"].pop("written_by")

    assert counts == COUNTS
    assert writers == {name: importlib.metadata.version(name) for name in WRITERS}


def test_documents_of_a_camera_movie_say_what_its_values_mean(documents_of):
    documents = documents_of(CameraMovie(camera_values(dtype=">i2"), CAMERA))

    parameters = {"gain": 50.0, "offset": 100.0, "variance": 400.0, "step": None}
    assert documents["zarray"]["filters"] == [
        {"id": "photon.anscombe", "codes": "<i2", **parameters},
        CHECKSUM,
    ]
    assert documents["zarray"]["compressor"] == BLOSC.get_config()
    attributes = documents["zattrs"]
    assert attributes["anscombe_gain"] == 50.0
    assert attributes["anscombe_offset"] == 100.0
    assert attributes["anscombe_variance"] == 400.0
    assert attributes["original_dtype"] == ">i2"
    assert not [name for name in attributes if name.endswith("stderr")]


def test_standard_errors_are_kept_with_a_movie(documents_of):
    known = replace(CAMERA, gain_stderr=0.25, variance_stderr=3)

    documents = documents_of(CameraMovie(camera_values(), known))

    assert documents["zattrs"]["anscombe_gain_stderr"] == 0.25
    assert documents["zattrs"]["anscombe_variance_stderr"] == 3
    assert "anscombe_offset_stderr" not in documents["zattrs"]
    assert calibration_of(documents).to_dict() == known.to_dict()


@pytest.mark.parametrize("dtype", DTYPES)
def test_documents_are_plain_finite_json(dtype, documents_of):
    documents = documents_of(photon_counts((3, 2, 2), dtype=dtype))

    assert json.loads(json.dumps(documents, allow_nan=False)) == documents
    assert documents["zattrs"]["original_dtype"] == str(np.dtype(dtype))


def test_a_layout_stands_behind_the_transform(documents_of):
    layout = Delta(dtype="|u1")

    documents = documents_of(photon_counts(), compression=Compression(None, layout))

    assert documents["zarray"]["filters"][0]["id"] == "photon.anscombe"
    assert documents["zarray"]["filters"][1:] == [layout.get_config(), CHECKSUM]
    assert documents["zarray"]["compressor"] is None


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((3, 2, 2), ["time", "y", "x"]),
        ((3, 4, 2, 2), ["time", "axis_1", "y", "x"]),
        ((3, 4, 5, 2, 2), ["time", "axis_1", "axis_2", "y", "x"]),
    ],
    ids=str,
)
def test_axes_have_names(shape, names, documents_of):
    assert documents_of(photon_counts(shape))["zattrs"]["_ARRAY_DIMENSIONS"] == names


# ---------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("version", ["1.1", "1.9", "1.10.3"])
def test_every_later_version_1_is_read(version, counts):
    counts["zattrs"]["codec_version"] = version

    check_documents(counts)


@pytest.mark.parametrize("version", ["1.0", "1"])
def test_version_1_0_has_no_checksum_in_its_chunks(version, counts):
    counts["zattrs"]["codec_version"] = version

    with pytest.raises(ValueError, match=r"version 1\.0 has no checksum\. The database row is dam"):
        check_documents(counts)

    counts["zarray"]["filters"].pop()
    check_documents(counts)


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0", "", 2, "one"])
def test_other_versions_are_refused(version, counts):
    counts["zattrs"]["codec_version"] = version

    with pytest.raises(
        ValueError, match=rf"format version {version}; .* reads 1\.x\. Upgrade it: pip install"
    ):
        check_documents(counts)


def test_documents_without_a_version_are_refused(counts):
    del counts["zattrs"]["codec_version"]

    with pytest.raises(ValueError, match="movie has no codec_version: another program wrote"):
        check_documents(counts)


@pytest.mark.parametrize(
    "damage",
    [
        {"zarr_format": 3},
        {"zarr_format": None},
        {"zarr_format": True},
        {"zarr_format": 2.0},
        {"dtype": "<f4"},
        {"dtype": "|O"},
        {"dtype": ["<f8"]},
        {"order": "F"},
        {"order": None},
    ],
    ids=str,
)
def test_other_arrays_are_refused(damage, counts):
    counts["zarray"] |= damage

    with pytest.raises(ValueError, match=r"format 2 of '<f8' in order 'C'\. The database row"):
        check_documents(counts)


@pytest.mark.parametrize(
    "harm",
    [
        {"compressor": {"id": "pickle"}},
        {"filters": [{"id": "pickle", "protocol": 5}]},
        {"filters": [COUNTS["zarray"]["filters"][0], {"id": "pickle"}]},
    ],
    ids=["compressor", "filter", "second filter"],
)
def test_a_codec_that_runs_what_it_reads_is_refused(harm, counts):
    counts["zarray"] |= harm

    with pytest.raises(ValueError, match="codec 'pickle', which does not give back, or not safely"):
        check_documents(counts)


# ---------------------------------------------------------------------------- views


def test_codes_are_an_array_of_their_own(counts):
    before = copy.deepcopy(counts)

    transform, codes = split_transform(counts)

    assert transform == AnscombeFilter(codes="|u1")
    assert codes["zarray"] == counts["zarray"] | {
        "dtype": "|u1",
        "filters": [CHECKSUM],
        "fill_value": 0,
    }
    assert codes["zattrs"] == counts["zattrs"]
    assert counts == before


@pytest.mark.parametrize(("unit", "dtype"), [("ADU", ">i2"), ("photon", "<f4")])
def test_views_decode_the_same_chunks_otherwise(unit, dtype, documents_of):
    documents = documents_of(CameraMovie(camera_values(dtype=">i2"), CAMERA))
    before = copy.deepcopy(documents)

    view = linear_view(documents, unit)

    assert view is not None
    linear = LinearFilter(codes="<i2", dtype=dtype, gain=50, offset=100, unit=unit)
    assert view["zarray"]["filters"] == [linear.get_config(), CHECKSUM]
    assert view["zarray"]["dtype"] == dtype
    assert view["zarray"]["compressor"] == documents["zarray"]["compressor"]
    assert view["zattrs"]["units"] == unit
    assert None not in view["zattrs"].values()
    assert documents == before


def test_filters_behind_the_transform_stay_where_they_are(counts):
    layout = Delta(dtype="|u1").get_config()
    counts["zarray"]["filters"].insert(1, layout)

    assert split_transform(counts)[1]["zarray"]["filters"] == [layout, CHECKSUM]
    view = linear_view(counts, "ADU")
    assert view is not None
    assert view["zarray"]["filters"][1:] == [layout, CHECKSUM]


@pytest.mark.parametrize("filters", [None, [], [{"id": "delta", "dtype": "<f8"}]], ids=str)
def test_plain_transformed_values_have_no_other_view(filters, counts):
    counts["zarray"]["filters"] = filters

    check_documents(counts)
    assert split_transform(counts) == (None, counts)
    assert linear_view(counts, "ADU") is None
    assert linear_view(counts, "photon") is None
