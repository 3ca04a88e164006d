"""What the codec promises DataJoint: registration, what it refuses, and what a row holds."""

import importlib
import inspect
import json
import math
import types
from fractions import Fraction

import datajoint as dj
import numpy as np
import pytest
import zarr
from datajoint.codecs import get_codec
from numcodecs import Blosc, Zstd

from dj_photon_codecs import Calibration, CameraMovie, PhotonArray, PhotonCodec
from tests.tables import (
    contents,
    declare_recording,
    filesystem,
    photons,
    root,
    row_of,
    run_python,
    transformed,
)

# ---------------------------------------------------------------------------- registration


@pytest.mark.slow
def test_codec_is_found_in_a_fresh_process_that_imports_only_datajoint():
    said = run_python("import datajoint as dj; print(dj.list_codecs())").stdout

    assert "'photon'" in said


def test_signatures_are_those_that_datajoint_looks_for():
    encode, decode = (inspect.signature(f) for f in (PhotonCodec.encode, PhotonCodec.decode))

    assert list(encode.parameters) == ["self", "value", "key", "context", "store_name"]
    assert list(decode.parameters) == ["self", "stored", "key", "context"]
    for signature in (encode, decode):
        options = list(signature.parameters.values())[2:]
        assert all(each.kind is each.KEYWORD_ONLY and each.default is None for each in options)


def test_second_registration_is_refused_and_leaves_the_first(schema):
    recording = declare_recording(schema)
    registered = get_codec("photon")

    with pytest.raises(dj.DataJointError, match="<photon> already registered by dj_photon"):
        type("Second", (PhotonCodec,), {"name": "photon", "__module__": "elsewhere"})

    assert get_codec("photon") is registered
    recording.insert1({"recording_id": 1, "movie": photons()})
    assert isinstance(recording.fetch1("movie"), PhotonArray)


@pytest.mark.slow
def test_reloading_the_module_is_refused_and_leaves_the_codec_at_work():
    reload = """
import importlib, datajoint as dj
import dj_photon_codecs.codecs as codecs
registered = dj.get_codec("photon")
try:
    importlib.reload(codecs)
except dj.DataJointError as error:
    print(error)
assert dj.get_codec("photon") is registered
registered.validate(__import__("numpy").zeros((2, 3, 4)))
"""
    assert "<photon> already registered by dj_photon" in run_python(reload).stdout


def test_codec_keeps_no_state(schema, store):
    recording = declare_recording(schema)
    codec = get_codec("photon")

    recording.insert1({"recording_id": 1, "movie": photons()})
    recording.fetch1("movie")[:]

    assert vars(codec) == {}
    assert type(codec)() is not codec


def test_codec_needs_a_store(schema):
    with pytest.raises(dj.DataJointError, match=r"<photon> requires @"):

        @schema
        class Inline(dj.Manual):
            definition = """
            inline_id : int32
            ---
            movie : <photon>
            """


@pytest.mark.slow
def test_module_imports_without_a_configuration(tmp_path):
    # Where the codec fails to import, garbage collection takes every movie for an orphan.
    importlib.import_module("dj_photon_codecs.codecs")
    run_python(f"import os; os.chdir({str(tmp_path)!r}); import dj_photon_codecs.codecs")


# ---------------------------------------------------------------------------- rows


def test_row_is_plain_json_with_both_documents(schema, store):
    recording = declare_recording(schema)
    recording.insert1({"recording_id": 1, "movie": photons(230)})

    row = row_of(recording)

    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["store"] == "imaging"
    assert row["codec_version"] == "1.1"
    assert row["shape"] == [230, 8, 8]
    assert row["dtype"] == "float64"
    assert row["transform"] == "anscombe"
    for name in (".zarray", ".zattrs"):
        written = filesystem(store).cat_file(f"{root(store)}/{row['path']}/{name}")
        assert json.loads(written) == row[name]


@pytest.mark.parametrize("context", ["given", "missing"])
def test_encode_needs_no_key(connection, store, context):
    codec = get_codec("photon")
    lab = {"schema": "lab", "table": "scan", "field": "movie", "config": connection._config}
    given = lab if context == "given" else None
    counts = photons()

    row = codec.encode(counts, context=given, store_name="imaging")

    assert json.dumps(row, allow_nan=False)
    expected = "_schema/lab/scan/movie_" if given else "_schema/unknown/unknown/data_"
    assert row["path"].startswith(expected)
    np.testing.assert_array_equal(codec.decode(row, context=given)[:], transformed(counts))


@pytest.mark.parametrize(
    ("given", "resolved"), [("", "imaging"), (None, "imaging"), ("imaging", "imaging")]
)
def test_store_is_recorded_by_its_own_name(connection, given, resolved):
    assert get_codec("photon").encode(photons(), store_name=given)["store"] == resolved


def test_default_store_must_be_named(connection, monkeypatch, store):
    with (
        dj.config.override(stores={"imaging": store}),
        pytest.raises(ValueError, match=r"there is none; set dj.config\['stores.default'\]"),
    ):
        get_codec("photon").encode(photons())
    assert contents(store) == set()


# ---------------------------------------------------------------------------- subclasses


class SmallChunks(PhotonCodec):
    name = "photon_small_chunks"
    frames_per_chunk = 25
    compressor = Zstd(level=1)


class Archived(PhotonCodec):
    name = "photon_archived"
    compressor = Blosc("zstd", clevel=9, shuffle=Blosc.BITSHUFFLE)


def test_subclasses_change_the_policy(schema, store):
    @schema
    class Scan(dj.Manual):
        definition = """
        scan_id : int32
        ---
        small : <photon_small_chunks@imaging>
        archived : <photon_archived@>
        """

    counts = photons()
    Scan.insert1({"scan_id": 1, "small": counts, "archived": counts})

    small, archived = Scan.fetch1("small", "archived")
    assert small.chunks == (25, 8, 8)
    assert small.compressors == (SmallChunks.compressor,)
    assert archived.chunks == (100, 8, 8)
    assert row_of(Scan, "archived")[".zarray"]["compressor"] == Archived.compressor.get_config()
    for movie in (small, archived):
        np.testing.assert_array_equal(movie[:], transformed(counts))
    assert {type(get_codec(name)) for name in ("photon_small_chunks", "photon_archived")} == {
        SmallChunks,
        Archived,
    }


POLICIES = {
    "no frames": (
        {"frames_per_chunk": 0},
        ValueError,
        "frames_per_chunk of Lab is 0; it must be a w",
    ),
    "fewer than none": ({"frames_per_chunk": -1}, ValueError, "whole number, at least 1"),
    "a bool of frames": ({"frames_per_chunk": True}, ValueError, "frames_per_chunk of Lab is True"),
    "half a frame": ({"frames_per_chunk": 2.5}, ValueError, "frames_per_chunk of Lab is 2.5"),
    "frames as text": ({"frames_per_chunk": "9"}, ValueError, "frames_per_chunk of Lab is '9'"),
    "no number of frames": ({"frames_per_chunk": None}, TypeError, "is None; it must be a whole"),
    "a name": (
        {"compressor": "zstd"},
        ValueError,
        "compressor of Lab is 'zstd'; it must be 'auto', N",
    ),
    "a class": ({"compressor": Zstd}, TypeError, "compressor of Lab is <class"),
    "a dict": ({"compressor": {"id": "zstd"}}, TypeError, "as numcodecs.Zstd"),
    "a layout besides": (
        {"layout": "photon.dense"},
        ValueError,
        "'auto', which has a layout of its own",
    ),
    "no layout": ({"layout": 3, "compressor": None}, ValueError, "layout of Lab is 3"),
    "empty layout": ({"layout": "", "compressor": None}, ValueError, "numcodecs or its codec_id"),
    "step of nothing": (
        {"step": 0},
        ValueError,
        "step of Lab is 0; it must be None, or a number abo",
    ),
    "large step": ({"step": 1.5}, ValueError, "above 0 and at most 1"),
    "step that is no number": ({"step": math.nan}, ValueError, "step of Lab is nan"),
    "step as text": ({"step": "0.5"}, ValueError, "step of Lab is '0.5'"),
    "bool of a step": ({"step": True}, ValueError, "step of Lab is True"),
    "durable at times": (
        {"durable": "yes"},
        ValueError,
        "durable of Lab is 'yes'; it must be True",
    ),
    "preview of a size": ({"preview": 64}, ValueError, "preview of Lab is 64; it must be True or"),
    "no name": ({"name": None}, TypeError, "Lab has no name of its own; give it one"),
}


@pytest.mark.parametrize(("attributes", "error", "words"), POLICIES.values(), ids=list(POLICIES))
def test_a_policy_that_cannot_be_followed_is_refused_when_the_class_is_defined(
    attributes, error, words
):
    named = {"name": "photon_refused", **attributes}
    with pytest.raises(error, match=words):
        type(
            "Lab",
            (PhotonCodec,),
            {key: each for key, each in named.items() if key != "name" or each},
        )

    assert "photon_refused" not in dj.list_codecs()


def test_a_base_class_without_a_name_is_not_registered():
    before = dj.list_codecs()

    numbers = {"frames_per_chunk": np.int64(10), "step": np.float32(0.5)}
    Base = types.new_class("Base", (PhotonCodec,), {"register": False}, lambda c: c.update(numbers))  # noqa: N806

    assert dj.list_codecs() == before
    with pytest.raises(ValueError, match="step of Coarse is 2"):
        type("Coarse", (Base,), {"step": 2, "name": "photon_coarse"})


# ---------------------------------------------------------------------------- what is refused


def with_value(value, frame=57):
    movie = photons().astype(float)
    movie[frame, 3, 4] = value
    return movie


def structured():
    return np.zeros((3, 4, 5), [("a", "i4"), ("b", "f4")])


REFUSED = {
    "list": (photons(3).tolist(), TypeError, "movie is a list; it must be an array"),
    "bytes": (b"photons", TypeError, "movie is a bytes"),
    "text": ("movie.tif", TypeError, "movie is a str"),
    "dict": ({"movie": photons(3)}, TypeError, "movie is a dict"),
    "number": (3, TypeError, "movie is a int"),
    "fraction": (Fraction(1, 3), TypeError, "movie is a Fraction"),
    "object": (photons(3).astype(object), TypeError, "dtype object; it must be bool, an integer"),
    "complex": (photons(3).astype(complex), TypeError, "dtype complex128"),
    "characters": (photons(3).astype(str), TypeError, "dtype <U"),
    "datetimes": (photons(3).astype("M8[s]"), TypeError, "dtype datetime64"),
    "durations": (photons(3).astype("m8[s]"), TypeError, "dtype timedelta64"),
    "structured": (structured(), TypeError, "dtype "),
    "long double": (photons(3).astype("g"), TypeError, "float of 16, 32"),
    "masked": (np.ma.masked_equal(photons(3), 9), TypeError, r"fill it \(movie.filled\(0\)\)"),
    "scalar": (np.float64(3), ValueError, r"shape \(\); it must be"),
    "1-D": (np.zeros(9), ValueError, r"shape \(9,\); it must be \(frames, height, width, ...\)"),
    "2-D": (np.zeros((8, 8)), ValueError, r"A single image is image\[numpy.newaxis\]"),
    "no frames": (photons(0), ValueError, r"shape \(0, 8, 8\).*nothing empty"),
    "empty frames": (np.zeros((9, 8, 0)), ValueError, r"shape \(9, 8, 0\).*nothing empty"),
    "NaN": (with_value(math.nan), ValueError, "nan at frame 57; every value must be finite"),
    "infinity": (with_value(math.inf), ValueError, "inf at frame 57; every value must be finite"),
    "negative": (
        with_value(-3, frame=101),
        ValueError,
        r"-3.0 at frame 101; photon counts must be >= 0. Subtract the camera offset with CameraM",
    ),
    "negative integer": (photons() - 5 * (photons() == 0), ValueError, "holds -5 at frame"),
    "NaN in camera values": (
        CameraMovie(with_value(math.nan), Calibration(gain=30.0)),
        ValueError,
        "nan at frame 57; every value must be finite",
    ),
}


@pytest.mark.parametrize(("value", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_movies_are_refused_before_anything_is_written(refusing, value, error, words):
    recording, store = refusing

    with pytest.raises(error, match=words):
        recording.insert1({"recording_id": 1, "movie": value})

    assert contents(store) == set()
    assert len(recording()) == 0


@pytest.fixture
def refusing(schema, store):
    return declare_recording(schema), store


def test_validation_of_rows_names_what_is_no_movie_and_writes_nothing(schema, store):
    recording = declare_recording(schema)
    movies = [photons(), with_value(-1), photons(3).tolist(), None]

    found = recording().validate(
        [{"recording_id": number, "movie": movie} for number, movie in enumerate(movies)]
    )

    words = {row: words for row, _, words in found.errors}
    # DataJoint 2.3.5 wants every value of a column that is kept as JSON to be JSON itself; values
    # are looked at by `encode` only, so that an insert reads its movie no more often than it must.
    for number in (0, 1):
        assert words.pop(number).startswith("Value not JSON serializable: Object of type ndarray")
    assert words.pop(2).startswith("Codec validation failed: movie is a list; it must be an array")
    assert words == {3: "NULL value not allowed for non-nullable field 'movie'"}
    assert contents(store) == set()


def test_movie_opened_without_us_is_refused(schema, store):
    recording = declare_recording(schema)
    recording.insert1({"recording_id": 1, "movie": photons()})
    before = contents(store)
    path = f"{root(store)}/{row_of(recording)['path']}"
    plain = zarr.open_array(filesystem(store).get_mapper(path), mode="r")

    with pytest.raises(
        TypeError, match=r"would be transformed twice\. .*; .* insert what fetch1 returned"
    ):
        recording.insert1({"recording_id": 2, "movie": plain})

    assert contents(store) == before
    assert len(recording()) == 1
