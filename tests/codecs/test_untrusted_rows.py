"""What a row says of its movie is data: it may be newer than the library, or another's work."""

import numpy as np
import pytest

from tests.tables import declare_recording, photons, rewrite, row_of, transformed


@pytest.fixture
def one_movie(schema):
    recording = declare_recording(schema)
    recording.insert1({"recording_id": 1, "movie": photons()})
    return recording


@pytest.mark.parametrize("version", ["2.0", "0.9", None])
def test_other_format_versions_are_refused(one_movie, version):
    zattrs = row_of(one_movie)[".zattrs"] | {"codec_version": version}
    rewrite(one_movie, **{"codec_version": version, ".zattrs": zattrs})

    with pytest.raises(ValueError, match=rf"format version {version}; this dj.* reads 1.x. Upgra"):
        one_movie.fetch1("movie")


def test_later_versions_of_the_same_format_are_read(one_movie):
    zattrs = row_of(one_movie)[".zattrs"] | {"codec_version": "1.7", "added_later": 1}
    rewrite(one_movie, **{"codec_version": "1.7", ".zattrs": zattrs, "added_later": 1})

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

    with pytest.raises(ValueError, match="leads out of its store; it must be relative"):
        one_movie.fetch1("movie")


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_codecs_that_run_what_they_read_are_refused(one_movie, place):
    pickle = {"id": "pickle", "protocol": 5}
    zarray = row_of(one_movie)[".zarray"]
    zarray[place] = [*zarray["filters"], pickle] if place == "filters" else pickle
    rewrite(one_movie, **{".zarray": zarray})

    with pytest.raises(ValueError, match="the codec 'pickle', which runs what it reads"):
        one_movie.fetch1("movie")
