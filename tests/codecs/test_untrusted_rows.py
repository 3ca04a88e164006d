"""What a row says of its movie is data: it may be newer than the library, or another's work."""

import datajoint as dj
import numpy as np
import pytest

from dj_photon_codecs.codecs import PhotonCodec
from dj_photon_codecs.storage.documents.description import Documents
from dj_photon_codecs.storage.documents.rows import documents_checksum
from tests.tables import declare_recording, photons, rewrite, row_of, transformed


@pytest.fixture
def one_movie(schema):
    recording = declare_recording(schema)
    recording.insert1({"recording_id": 1, "movie": photons()})
    return recording


@pytest.mark.parametrize("version", ["2.0", "0.9"])
def test_other_format_versions_are_refused(one_movie, version):
    zattrs = row_of(one_movie)[".zattrs"] | {"codec_version": version}
    rewrite(one_movie, **{"codec_version": version, ".zattrs": zattrs})

    with pytest.raises(ValueError, match=rf"format version {version}; this dj.* reads 1.x. Upgra"):
        one_movie.fetch1("movie")


def test_later_versions_of_the_same_format_are_read(one_movie):
    row = row_of(one_movie)
    zattrs = row[".zattrs"] | {"codec_version": "1.7", "added_later": 1}
    checksum = documents_checksum(Documents(zarray=row[".zarray"], zattrs=zattrs))
    changes = {"codec_version": "1.7", ".zattrs": zattrs, "added_later": 1, "crc32c": checksum}
    rewrite(one_movie, **changes)

    np.testing.assert_array_equal(one_movie.fetch1("movie")[:], transformed(photons()))


@pytest.mark.parametrize(
    "path",
    [
        "/etc",
        "../elsewhere/movie.zarr",
        "_schema/../../elsewhere.zarr",
        "_schema/lab/..",
        "C:/movies/movie.zarr",
        "..\\elsewhere.zarr",
        "\\\\server\\share",
    ],
)
def test_paths_that_leave_the_store_are_refused(one_movie, path):
    rewrite(one_movie, path=path)

    with pytest.raises(ValueError, match="leads out of its store, or is none; it must be relative"):
        one_movie.fetch1("movie")


@pytest.mark.parametrize("path", ["movie\0.zarr", "movie\ud800.zarr", 5000 * "movie"], ids=ascii)
def test_paths_that_no_store_takes_are_refused(one_movie, path):
    with pytest.raises(ValueError, match=r"the path of a movie is '.{,90}', which .* or is none"):
        PhotonCodec().decode(row_of(one_movie) | {"path": path})


def test_a_store_that_is_not_configured_is_named(one_movie):
    rewrite(one_movie, store="elsewhere")

    with pytest.raises(ValueError, match="in the store 'elsewhere', and the configured ones are"):
        one_movie.fetch1("movie")


def test_a_database_leaves_the_checksum_of_the_documents_as_it_is(one_movie):
    row = row_of(one_movie)
    documents = Documents(zarray=row[".zarray"], zattrs=row[".zattrs"])

    assert row["crc32c"] == documents_checksum(documents)


def test_a_row_that_was_changed_is_refused(one_movie):
    zarray = row_of(one_movie)[".zarray"]
    rewrite(one_movie, **{".zarray": zarray | {"shape": [119, 8, 8]}, "shape": [119, 8, 8]})

    with pytest.raises(ValueError, match=r"crc32c is '.*', and the documents of the row have"):
        one_movie.fetch1("movie")


@pytest.mark.parametrize("other", ["<blob@imaging>", "<npy@imaging>"])
def test_a_row_that_another_type_wrote_says_how_to_move_it(schema, other):
    @schema
    class Old(dj.Manual):
        definition = f"""
        recording_id : int32
        ---
        movie : {other}
        """

    new = declare_recording(schema)
    Old.insert1({"recording_id": 1, "movie": photons()})
    new.insert(Old)

    with pytest.raises(ValueError, match=r"holds no movie of <photon@>.*Insert row by row") as told:
        new.fetch1("movie")
    assert other.partition("@")[0] in str(told.value)

    new.delete(prompt=False)
    for key in Old.keys():  # noqa: SIM118 - a table is no dictionary
        new.insert1({**key, "movie": (Old & key).fetch1("movie")[:]})
    np.testing.assert_array_equal(new.fetch1("movie").raw[:], photons())
