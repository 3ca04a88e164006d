"""Movies in every kind of table, updated, copied and inserted again."""

import datajoint as dj
import numpy as np
import pytest

from dj_photon_codecs import Calibration, CameraMovie
from tests.conftest import connected, new_schema_name
from tests.tables import (
    contents,
    declare_recording,
    filesystem,
    photons,
    root,
    row_of,
    size,
    transformed,
)


@pytest.fixture
def recording(schema):
    return declare_recording(schema)


# ---------------------------------------------------------------------------- kinds of tables


@pytest.mark.parametrize("tier", [dj.Manual, dj.Lookup], ids=lambda tier: tier.__name__)
def test_tables_that_are_inserted_into_hold_movies(schema, tier):
    class Scan(tier):  # type: ignore[valid-type, misc]
        definition = """
        scan_id : int32
        ---
        movie : <photon@imaging>
        """

    table = schema(Scan)

    table.insert({"scan_id": seed, "movie": photons(seed=seed)} for seed in (1, 2))

    for row in table.to_dicts():
        np.testing.assert_array_equal(row["movie"].raw[:], photons(seed=row["scan_id"]))


def test_lookup_tables_hold_movies_from_their_contents(schema):
    @schema
    class Example(dj.Lookup):
        definition = """
        name : varchar(20)
        ---
        movie : <photon@imaging>
        """
        contents = ({"name": "dark", "movie": np.zeros((3, 4, 5), "u1")},)

    np.testing.assert_array_equal(Example.fetch1("movie")[:], transformed(np.zeros((3, 4, 5))))


def test_part_tables_hold_movies(schema, store):
    @schema
    class Session(dj.Manual):
        definition = """
        session : int32
        """

        class Plane(dj.Part):
            definition = """
            -> master
            plane : int32
            ---
            movie : <photon@imaging>
            """

    Session.insert1({"session": 1})
    for plane in (0, 1):
        Session.Plane.insert1({"session": 1, "plane": plane, "movie": photons(seed=plane)})

    for plane in (0, 1):
        movie = (Session.Plane() & {"plane": plane}).fetch1("movie")
        np.testing.assert_array_equal(movie[:], transformed(photons(seed=plane)))
    Session.delete(prompt=False)
    assert dj.gc.GarbageCollector(schema).collect(dry_run=False)["schema_paths_deleted"] == 10


def test_movies_may_be_missing_and_several(schema, store):
    @schema
    class Scan(dj.Manual):
        definition = """
        scan_id : int32
        ---
        green : <photon@imaging>
        red = null : <photon@>
        """

    Scan.insert1({"scan_id": 1, "green": photons(seed=1), "red": None})
    Scan.insert1({"scan_id": 2, "green": photons(seed=2)})
    Scan.insert1({"scan_id": 3, "green": photons(seed=3), "red": photons(seed=4)})

    assert [row["red"] is None for row in Scan.to_dicts(order_by="scan_id")] == [True, True, False]
    green, red = (Scan() & {"scan_id": 3}).fetch1("green", "red")
    np.testing.assert_array_equal(green.raw[:], photons(seed=3))
    np.testing.assert_array_equal(red.raw[:], photons(seed=4))
    assert dj.gc.GarbageCollector(schema, store="imaging").collect()["schema_paths_orphaned"] == 0


def test_movie_that_must_be_there_must_be_there(recording, store):
    with pytest.raises(dj.errors.MissingAttributeError, match="movie"):
        recording.insert1({"recording_id": 1, "movie": None})
    assert contents(store) == set()


# ---------------------------------------------------------------------------- update1


def test_update_exchanges_a_movie(recording):
    recording.insert1({"recording_id": 1, "movie": photons(seed=1)})
    before = recording.fetch1("movie")

    recording.update1({"recording_id": 1, "movie": photons(300, seed=2).astype("u2")})

    after = recording.fetch1("movie")
    np.testing.assert_array_equal(after.raw[:], photons(300, seed=2))
    assert row_of(recording)["shape"] == [300, 8, 8]
    np.testing.assert_array_equal(before.raw[:], photons(seed=1))  # until garbage is collected


# ---------------------------------------------------------------------------- inserted again


def test_fetched_movie_is_copied_exactly(recording, store):
    recording.insert1({"recording_id": 1, "movie": photons()})
    movie = recording.fetch1("movie")

    recording.insert1({"recording_id": 2, "movie": movie})

    copy = (recording & {"recording_id": 2}).fetch1("movie")
    np.testing.assert_array_equal(copy[:], transformed(photons()))
    np.testing.assert_array_equal(copy.raw[:], photons())
    assert copy.raw.dtype == np.int64
    rows = [row_of(recording & {"recording_id": number}) for number in (1, 2)]
    assert rows[0]["path"] != rows[1]["path"]
    for name in (".zarray", ".zattrs", "shape", "store"):
        assert rows[0][name] == rows[1][name]
    fs = filesystem(store)
    for name in ("0.0.0", "1.0.0"):
        first, second = (fs.cat_file(f"{root(store)}/{row['path']}/{name}") for row in rows)
        assert first == second


def test_raw_values_of_a_fetched_movie_are_a_movie(recording, store):
    recording.insert1({"recording_id": 1, "movie": photons()})

    recording.insert1({"recording_id": 2, "movie": recording.fetch1("movie").raw})

    copy = (recording & {"recording_id": 2}).fetch1("movie")
    np.testing.assert_array_equal(copy.raw[:], photons())
    assert copy.raw.dtype == np.int64
    paths = [row_of(recording & {"recording_id": number})["path"] for number in (1, 2)]
    assert size(store, paths[0]) == size(store, paths[1])


def test_camera_movie_is_copied_with_its_calibration(recording):
    values = (photons().astype("i2") - 12) * 30
    given = Calibration(gain=30.0, offset=-360.0, variance=25.0)
    recording.insert1({"recording_id": 1, "movie": CameraMovie(values, given)})

    recording.insert1({"recording_id": 2, "movie": recording.fetch1("movie")})

    first, second = ((recording & {"recording_id": number}).fetch1("movie") for number in (1, 2))
    np.testing.assert_array_equal(second[:], first[:])
    np.testing.assert_array_equal(second.raw[:], values)
    kept = second.calibration
    assert (kept.gain, kept.offset, kept.variance) == (30.0, -360.0, 25.0)


@pytest.mark.parametrize("direction", ["to s3", "to local"])
def test_fetched_movie_is_copied_between_kinds_of_stores(database, s3, tmp_path, direction):
    local, remote = {"protocol": "file", "location": str(tmp_path)}, s3.spec(new_schema_name())
    source, target = (local, remote) if direction == "to s3" else (remote, local)
    with connected(database, {"source": source, "target": target}):
        schema = dj.Schema(new_schema_name())

        @schema
        class Move(dj.Manual):
            definition = """
            move_id : int32
            ---
            here : <photon@source>
            there = null : <photon@target>
            """

        Move.insert1({"move_id": 1, "here": photons()})
        Move.update1({"move_id": 1, "there": Move.fetch1("here")})

        here, there = Move.fetch1("here", "there")
        np.testing.assert_array_equal(there[:], here[:])
        np.testing.assert_array_equal(there.raw[:], photons())
        rows = [row_of(Move, name) for name in ("here", "there")]
        assert rows[0][".zattrs"] == rows[1][".zattrs"]
        assert [row["store"] for row in rows] == ["source", "target"]
        assert f"{rows[1]['path']}/1.0.0" in contents(target)
