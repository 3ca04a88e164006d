"""What a row of the database may say: nothing that is wrong is read without an error."""

import copy
import functools
import json
import random
import string
from typing import Any

import numpy as np
import pytest
from numcodecs import Zlib

from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.layouts.choice import GROUPED, PLAIN, Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.storage.documents.description import Documents
from dj_photon_codecs.storage.documents.rows import documents_checksum, read_row, write_row
from dj_photon_codecs.storage.movie_store import ChunkError
from tests.movies_at_hand import CAMERA, camera_values, local_files, photon_counts, store_movie

MOVIES: dict[str, tuple[Any, Compression]] = {
    "counts": (photon_counts((23, 3, 4)), PLAIN),
    "grouped": (photon_counts((20, 6, 7)), GROUPED),
    "dense": (photon_counts((20, 6, 7)), Compression(None, DenseLayout())),
    "floats": (photon_counts((20, 3, 4), dtype="f4") / np.float32(7), PLAIN),
    "steps": (CameraMovie(camera_values((20, 3, 4)), CAMERA, step=0.5), PLAIN),
}


@pytest.fixture(scope="module", params=MOVIES)
def stored(request, tmp_path_factory):
    """Store a movie, and return its row and the folder that the row's path begins from."""
    movie, compression = MOVIES[request.param]
    folder = tmp_path_factory.mktemp("stored")
    where = {"frames_per_chunk": 10, "compression": compression}
    array = store_movie(movie, local_files(), folder / "movie.zarr", **where)
    return write_row(array.movie_store.documents, path="movie.zarr", store="imaging"), folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    movie = CameraMovie(camera_values((20, 3, 4)), CAMERA, step=0.5)
    folder = tmp_path_factory.mktemp("written") / "movie.zarr"
    array = store_movie(movie, local_files(), folder, frames_per_chunk=10)
    return write_row(array.movie_store.documents, path="movie.zarr", store="imaging")


@pytest.fixture
def row(written):
    return copy.deepcopy(written)


def opened(row, folder):
    found = read_row(row)
    return open_movie(local_files(), str(folder / found.path), found.documents)


def all_of(movie):
    """Return all that a user sees of a movie."""
    seen = [movie.dtype, movie.shape, movie.step, movie.calibration, dict(movie.attrs)]
    seen += [
        movie[:].tobytes(),
        movie.raw.dtype,
        movie.raw[:].tobytes(),
        movie.photons[:].tobytes(),
    ]
    return seen


def edited(text, chance):
    """Replace, delete or insert one character of a text."""
    place = chance.randrange(len(text))
    letter = chance.choice(string.digits + string.ascii_letters + '"[]{},.:-+ /_<>|\\')
    return chance.choice(
        [
            text[:place] + letter + text[place + 1 :],
            text[:place] + text[place + 1 :],
            text[:place] + letter + text[place:],
        ]
    )


def signed(row):
    """Return a row with the right checksum, whatever its documents say."""
    documents = Documents(zarray=row[".zarray"], zattrs=row[".zattrs"])
    return row | {"crc32c": documents_checksum(documents)}


# ---------------------------------------------------------------------------- edits


def test_no_edit_of_one_character_changes_a_movie_without_an_error(stored):
    row, folder = stored
    text, chance, expected = json.dumps(row), random.Random(0), all_of(opened(row, folder))

    for _ in range(150):
        try:
            changed = json.loads(edited(text, chance))
        except ValueError:
            continue
        try:
            seen = all_of(opened(changed, folder))
        except (ValueError, OSError):
            continue
        assert seen == expected, changed


def places(value, place=()):
    """Yield where all values of a JSON document are."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield (*place, key)
        if isinstance(value[key], dict | list):
            yield from places(value[key], (*place, key))


def test_what_is_wrong_is_shown_in_short(row):
    for place in places(row):
        changed = copy.deepcopy(row)
        holder = functools.reduce(lambda value, key: value[key], place[:-1], changed)
        holder[place[-1]] = 100_000 * "\u0663"  # a digit in Arabic
        if place not in [("path",), ("store",)]:  # names, which the codec looks at
            with pytest.raises(ValueError, match=r"\A.{40,900}\Z"):
                read_row(changed)


def nested(depth=5000):
    inside: list[Any] = []
    for _ in range(depth):
        inside = [inside]
    return inside


@pytest.mark.parametrize("wrong", [{3: 4}, {"a": b"x"}, {"a": {1, 2}}, {"a": nested()}], ids="abcd")
@pytest.mark.parametrize("name", [".zarray", ".zattrs"])
def test_documents_must_be_plain_json(name, wrong, row):
    row[name] |= wrong

    with pytest.raises(ValueError, match=r"must be plain JSON, and are not \(.*row is damaged"):
        read_row(row)


def test_what_is_nested_too_deep_is_no_movie():
    # how deep a list can be shown differs between versions of Python
    with pytest.raises(
        ValueError, match=r"holds the list (a list that is nested too deep|\[{9,}.*\.\.\.), and no"
    ):
        read_row(nested())


def test_what_databases_rewrite_leaves_the_checksum_as_it_is(row):
    rewritten = json.loads(json.dumps(row, sort_keys=True, indent=3).replace("50.0", "50"))

    assert list(rewritten[".zattrs"]) != list(row[".zattrs"])
    assert read_row(rewritten).documents == read_row(row).documents


def test_the_checksum_is_that_of_the_canonical_text():
    documents = Documents(zarray={"gain": 2.0, "a": [0.1, None]}, zattrs={"µ": 1e22})
    text = '{".zarray":{"a":[0.10000000000000001,null],"gain":2},'
    text += '".zattrs":{"\\u00b5":10000000000000000000000}}'

    assert documents_checksum(documents) == f"{crc32c_bit_by_bit(text.encode()):08x}"


def crc32c_bit_by_bit(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_a_row_of_version_1_1_needs_its_checksum(row):
    del row["crc32c"]

    with pytest.raises(ValueError, match="crc32c is None, and the documents of the row have"):
        read_row(row)


def test_the_version_stands_twice(row):
    row["codec_version"] = "1.0"

    with pytest.raises(ValueError, match=r"codec_version is '1\.0'; by the documents .* '1\.1'"):
        read_row(row)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shape", [20, 3, 5]),
        ("shape", [20, 3, True]),
        ("shape", None),
        ("dtype", "float32"),
        ("transform", None),
        ("path", None),
        ("path", 7),
        ("store", ""),
        ("store", ["imaging"]),
    ],
)
def test_what_the_row_says_of_its_movie_must_be_true(name, value, row):
    row[name] = value

    with pytest.raises(ValueError, match=f"{name} is .*; .*The database row is damaged: restore"):
        read_row(row)


@pytest.mark.parametrize("name", [".zarray", ".zattrs"])
@pytest.mark.parametrize("value", [None, [], "{}", 3])
def test_documents_must_be_objects(name, value, row):
    row[name] = value

    with pytest.raises(ValueError, match=r"must be JSON objects\. The database row is damaged"):
        read_row(signed(row))


# ---------------------------------------------------------------------------- documents

ZARRAY: list[tuple[str, Any, str]] = [
    ("shape", [10**9, 3, 4], "movie has 100000000 chunks, and checksums for 2"),
    ("shape", [10**18, 3, 4], "shape is .* must be a list of positive integers"),
    ("shape", [20, 3, 4, 5], "must have the same number of dimensions"),
    ("shape", [20, 3], "must have the same number of dimensions"),
    ("shape", [], "must be a list of positive integers"),
    ("shape", [20, 3, 0], "must be a list of positive integers"),
    ("shape", [20, 3, -4], "must be a list of positive integers"),
    ("shape", [20, True, 4], "must be a list of positive integers"),
    ("shape", [20, 3, 4.0], "must be a list of positive integers"),
    ("shape", "20", "must be a list of positive integers"),
    ("chunks", [9, 3, 4], "movie has 3 chunks, and checksums for 2"),
    ("chunks", [10, 3, 2], "movie has 4 chunks, and checksums for 2"),
    ("chunks", [10, 6, 8], "a chunk must hold whole frames"),
    ("chunks", None, "must be a list of positive integers"),
    ("order", "F", "must be format 2 of '<f8' in order 'C'"),
    ("fill_value", 0, "must be 'NaN'"),
    ("fill_value", "nan", "must be 'NaN'"),
    ("fill_value", [], "must be 'NaN'"),
    ("dimension_separator", "/", r"must be 'NaN' and '\.'"),
    ("dimension_separator", 1, r"must be '\.'"),
    ("filters", {}, "must be a list of codecs"),
    ("filters", "photon.anscombe", "must be a list of codecs"),
    ("filters", [None], "must be an object with an id"),
    ("filters", [{"codes": "|u1"}], "must be an object with an id"),
    ("compressor", [], "must be an object with an id"),
    ("compressor", {"id": "photon.absent"}, "cannot be made .* If it is of another package"),
    ("compressor", {"id": "zlib", "level": {}, "more": 1}, "cannot be made"),
    ("compressor", {"id": "pickle"}, "does not give back, or not safely"),
    ("compressor", {"id": "astype", "encode_dtype": "<f8", "decode_dtype": "<f8"}, "does not give"),
    ("compressor", {"id": "delta", "dtype": "<U100000"}, "codes are numbers of at most 8 bytes"),
    ("compressor", {"id": "delta", "dtype": "<f8,"}, "names no dtype|of at most 8 bytes"),
    ("compressor", {"id": "delta", "dtype": "photons"}, "names no dtype: .*photons"),
    ("filters", [{"id": "photon.linear", "codes": "|u1", "dtype": "<f4"}], "must be the first"),
]


@pytest.mark.parametrize(("name", "value", "message"), ZARRAY)
def test_arrays_that_no_movie_is_are_refused(name, value, message, row):
    row[".zarray"][name] = value
    row["shape"] = row[".zarray"]["shape"]

    with pytest.raises(ValueError, match=message):
        read_row(signed(row))


@pytest.mark.parametrize(
    "name", ["shape", "chunks", "filters", "compressor", "fill_value", "order", "dtype"]
)
def test_a_key_that_is_missing_in_zarray_is_named(name, row):
    del row[".zarray"][name]

    with pytest.raises(ValueError, match=rf"{name}|{{None!r}}"):
        read_row(signed(row))


ANSCOMBE: list[tuple[str, Any, str]] = [
    ("gain", 2, "anscombe_gain is 50.0 in .zattrs; by .zarray it must be 2"),
    ("gain", 1e-300, "gain is 1e-300; it must be between 1e-30 and 1e.30"),
    ("gain", 10**400, "cannot be made"),
    ("gain", None, "cannot be made"),
    ("offset", 1, "anscombe_offset is 100.0"),
    ("variance", 401, "anscombe_variance is 400.0"),
    ("step", 0.25, "quantization_step is 0.5"),
    ("step", None, "quantization_step is 0.5"),
    ("step", "0.5", "cannot be made"),
    ("codes", ">u2", "cannot be made"),
    ("codes", "(2,2)u1", "cannot be made"),
    ("codes", 3, "cannot be made"),
    ("more", 3, "cannot be made"),
]


@pytest.mark.parametrize(("name", "value", "message"), ANSCOMBE)
def test_a_transform_that_is_not_the_movies_is_refused(name, value, message, row):
    row[".zarray"]["filters"][0][name] = value

    with pytest.raises(ValueError, match=message):
        read_row(signed(row))


ZATTRS: list[tuple[str, Any, str]] = [
    ("codec_name", "npy", "codec_name is 'npy'"),
    ("anscombe_gain", 2.0, "anscombe_gain is 2.0"),
    ("anscombe_gain", True, "anscombe_gain is True"),
    ("anscombe_offset", "100", "anscombe_offset is '100'"),
    ("anscombe_variance", None, "anscombe_variance is None"),
    ("quantization_step", 0.25, "quantization_step is 0.25"),
    ("_ARRAY_DIMENSIONS", ["y", "x", "time"], "_ARRAY_DIMENSIONS is"),
    ("original_dtype", "M8[ns]", r"original_dtype is 'M8\[ns\]'"),
    ("original_dtype", "float128", "original_dtype is 'float128'"),
    ("original_dtype", ["int16"], "original_dtype is"),
    ("original_dtype", None, "original_dtype is None"),
    ("crc32c", "", "movie has 2 chunks, and checksums for 0"),
    ("crc32c", [], "must be a string of hexadecimal digits"),
    ("crc32c", None, "must be a string of hexadecimal digits"),
    ("crc32c", "0123456789ABCDEF", "must be a string of hexadecimal digits"),
    ("crc32c", "0123456789abcde ", "must be a string of hexadecimal digits"),
    ("decode_table", None, "a movie has a decode table if, and only if"),
    ("decode_table", {}, "decode_table is {}; it must hold"),
    ("decode_table", [], "it must hold"),
]


SHOWN: list[tuple[str, Any, str]] = [
    ("anscombe_gain_stderr", "<script>", "anscombe_gain_stderr is '<script>'; it must be a number"),
    ("anscombe_offset_stderr", None, "anscombe_offset_stderr is None"),
    ("stored_bytes", 0, "stored_bytes is 0; it must be a positive whole number"),
    ("stored_bytes", 12.5, "stored_bytes is 12.5"),
    ("stored_bytes", True, "stored_bytes is True"),
]


@pytest.mark.parametrize(("name", "value", "message"), [*ZATTRS, *SHOWN])
def test_attributes_that_are_not_the_movies_are_refused(name, value, message, row):
    row[".zattrs"][name] = value

    with pytest.raises(ValueError, match=message):
        read_row(signed(row))


@pytest.mark.parametrize("name", [name for name, _, _ in ZATTRS])
def test_attributes_that_are_missing_are_named(name, row):
    del row[".zattrs"][name]

    with pytest.raises(ValueError, match=name):
        read_row(signed(row))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gain", 2),
        ("step", 0.25),
        ("whole", 1),
        ("first", 1.0),
        ("first", 10**20),
        ("first", True),
        ("table", None),
        ("table", "AAAA"),
        ("table", "?"),
    ],
)
def test_a_decode_table_that_is_not_the_movies_is_refused(name, value, row):
    row[".zattrs"]["decode_table"][name] = value

    with pytest.raises(ValueError, match=r"decode_table is .* must hold|table is not base64"):
        read_row(signed(row))


@pytest.mark.parametrize(
    ("original", "codes"),
    [("bool", "<u2"), ("uint8", "<u2"), ("uint8", "|i1"), ("int8", "<i2"), ("float32", "<f8")],
)
def test_the_inserted_dtype_must_hold_the_codes(original, codes, tmp_path):
    array = store_movie(photon_counts((20, 3, 4)), local_files(), tmp_path / "movie.zarr")
    row = copy.deepcopy(write_row(array.movie_store.documents, path="movie.zarr", store="imaging"))
    row[".zarray"]["filters"][0]["codes"] = codes
    row[".zattrs"]["original_dtype"] = original

    with pytest.raises(ValueError, match=f"original_dtype is '{original}', and the dtype of"):
        read_row(signed(row))


def test_a_view_never_wraps_codes_that_its_dtype_does_not_hold(tmp_path):
    values = photon_counts((20, 3, 4), dtype="u1") + np.uint8(200)
    array = store_movie(values, local_files(), tmp_path / "movie.zarr")
    row = copy.deepcopy(write_row(array.movie_store.documents, path="movie.zarr", store="imaging"))
    row[".zattrs"]["original_dtype"] = "int8"

    movie = opened(signed(row), tmp_path)

    with pytest.raises(ChunkError, match=r"codes from 200 to .* do not fit into int8"):
        movie.raw[:]


@pytest.mark.parametrize("own", [Zlib(1), None], ids=["zlib", "none"])
def test_a_compressor_of_the_users_own_is_read(own, tmp_path):
    counts = photon_counts((20, 3, 4))
    where = {"compression": Compression(own)}
    array = store_movie(counts, local_files(), tmp_path / "movie.zarr", **where)
    row = write_row(array.movie_store.documents, path="movie.zarr", store="imaging")

    np.testing.assert_array_equal(opened(row, tmp_path).raw[:], counts, strict=True)


# ---------------------------------------------------------------------------- other types

PATH = {"path": "_schema/lab/scan/movie_a.npy", "store": "imaging"}
FOREIGN: list[tuple[Any, str]] = [
    (PATH | {"dtype": "uint16", "shape": [20, 3, 4]}, "<npy@> or <zarr@>"),
    (PATH | {"hash": "x", "schema": "lab", "size": 3}, "<blob@>, <attach@> or <hash@>"),
    (
        PATH | {"size": 3, "ext": ".h5", "is_dir": False, "item_count": None, "timestamp": "now"},
        "<object@>",
    ),
    (PATH | {"size": 3, "is_dir": False, "timestamp": "now"}, "<filepath@>"),
    (PATH, "another type"),
    ({}, "another type .its keys: none"),
    ({"a": 1}, "another type .its keys: a"),
    (b"dj0\0blob", "8 bytes, as <blob> or <attach> write them"),
    (bytearray(3), "3 bytes"),
    ("text", "the str 'text'"),
    (0, "the int 0, .* default of the column"),
    (1.5, "the float 1.5"),
    (True, "the bool True"),
    (None, "the NoneType None"),
    ([1, 2], r"the list \[1, 2\]"),
]


@pytest.mark.parametrize(("foreign", "writer"), FOREIGN)
def test_what_another_type_wrote_says_how_to_move_it(foreign, writer):
    with pytest.raises(ValueError, match=f"{writer}.*Insert row by row what was fetched"):
        read_row(foreign)
