"""Movies lie under the values of their rows' keys, whatever these are."""

import datetime as dt
import uuid

import datajoint as dj
import numpy as np
import pytest

from tests.tables import contents, photons, row_of, transformed

TEXTS = {
    "unicode": "Müller-λ 🧠",
    "spaces": "  two words ",
    "hash": "a#b",
    "percent": "50%",
    "percent code": "a%2Fb",
    "question": "what?x=1",
    "ampersand": "a&b=c;d",
    "dots": "..",
    "dot": ".",
    "slashes": "a/../../b",
    "backslash": "a\\b",
    "brackets": "[x]",
    "braces": "{x}",
    "quotes": 'it\'s "quoted" `here`',
    "colon": "s3://bucket/key",
    "long": "m" * 180,
    "empty": "",
    "newline": "a\nb",
}


@pytest.mark.parametrize("name", TEXTS.values(), ids=TEXTS)
def test_texts_as_keys(subject, store, name):
    if store["protocol"] == "s3" and name == "a\nb":
        pytest.skip("S3 servers and clients do not agree on line breaks")

    subject.insert1({"name": name, "movie": photons()})

    np.testing.assert_array_equal(subject.fetch1("movie")[:], transformed(photons()))
    path = row_of(subject)["path"]
    assert f"{path}/0.0.0" in contents(store)
    assert dj.gc.GarbageCollector(subject.owner).collect()["schema_paths_orphaned"] == 0


@pytest.fixture
def subject(schema):
    @schema
    class Subject(dj.Manual):
        definition = """
        name : varchar(200)
        ---
        movie : <photon@imaging>
        """
        owner = schema

    return Subject


def test_key_too_long_for_the_store_fails_and_leaves_nothing(subject, store):
    # DataJoint takes 50 characters of a long key, and writes each as nine: more than a file's
    # name may hold. S3 has room for it.
    row = {"name": "細胞" * 60, "movie": photons()}

    if store["protocol"] == "s3":
        subject.insert1(row)
        np.testing.assert_array_equal(subject.fetch1("movie").raw[:], photons())
        return
    with pytest.raises(OSError, match="too long"):
        subject.insert1(row)
    assert contents(store) == set()
    assert len(subject()) == 0


def test_several_values_as_a_key(schema, store):
    @schema
    class Scan(dj.Manual):
        definition = """
        day : date
        start : datetime
        depth : float64
        flag : bool
        ---
        movie : <photon@imaging>
        """

    key = {
        "day": dt.date(2026, 1, 31),
        "start": dt.datetime(2026, 1, 31, 23, 59, 58),  # noqa: DTZ001
        "depth": -1.5,
        "flag": True,
    }
    Scan.insert1({**key, "movie": photons()})

    expected = "/day=2026-01-31/start=2026-01-31T23-59-58/depth=-1.5/flag="
    assert expected in row_of(Scan)["path"]
    np.testing.assert_array_equal((Scan() & key).fetch1("movie")[:], transformed(photons()))


def test_uuid_as_a_key(schema, database):
    if database.backend == "postgresql":
        pytest.skip("DataJoint 2.3.5 inserts no UUID into PostgreSQL")

    @schema
    class Scan(dj.Manual):
        definition = """
        scan_id : uuid
        ---
        movie : <photon@imaging>
        """

    key = {"scan_id": uuid.UUID("12345678-1234-5678-1234-567812345678")}
    Scan.insert1({**key, "movie": photons()})

    assert "/scan_id=12345678-1234-5678-1234-567812345678/" in row_of(Scan)["path"]
    np.testing.assert_array_equal((Scan() & key).fetch1("movie")[:], transformed(photons()))


def test_keys_that_the_database_counts_up(schema, database):
    counter = {"postgresql": "serial", "mysql": "int auto_increment"}[database.backend]

    class Scan(dj.Manual):
        definition = f"""
        scan_id : {counter}
        ---
        movie : <photon@imaging>
        """

    table = schema(Scan)
    for seed in (1, 2):
        table.insert1({"movie": photons(seed=seed)})

    movies = [row["movie"] for row in table.to_dicts(order_by="scan_id")]
    for seed, movie in enumerate(movies, start=1):
        np.testing.assert_array_equal(movie.raw[:], photons(seed=seed))
