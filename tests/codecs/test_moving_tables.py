"""From <blob@> and <npy@> to <photon@>: what copies the movie, and what copies its row only."""

import datajoint as dj
import numpy as np
import pytest

from tests.tables import contents, declare_recording, photons

OTHERS = ["<blob@imaging>", "<npy@imaging>", "<blob>"]
others = pytest.mark.parametrize("other", OTHERS)
on_a_local_store = pytest.mark.parametrize("new_store", ["local"], indirect=True)


def declare_old(schema, other):
    @schema
    class Old(dj.Manual):
        definition = f"""
        recording_id : int32
        ---
        movie : {other}
        """

    Old.insert({"recording_id": number, "movie": photons(seed=number)} for number in (1, 2))
    return Old


@on_a_local_store
@pytest.mark.parametrize("other", OTHERS[:2])
def test_a_row_copied_from_another_type_says_how_to_move_its_movie(schema, store, other):
    old, new = declare_old(schema, other), declare_recording(schema)
    before = contents(store)

    new.insert(old())  # DataJoint copies rows in the database: no movie is written

    assert contents(store) == before
    with pytest.raises(ValueError, match=r"holds no movie of <photon@>.*Insert row by row"):
        (new & {"recording_id": 1}).fetch1("movie")


@others
def test_movies_move_to_a_new_table_row_by_row(schema, store, other):
    old, new = declare_old(schema, other), declare_recording(schema)

    for key in old.keys():  # noqa: SIM118 - a table is no dict
        if not new & key:
            new.insert1({**key, "movie": (old & key).fetch1("movie")})

    for seed in (1, 2):
        movie = (new & {"recording_id": seed}).fetch1("movie")
        np.testing.assert_array_equal(movie.raw[:], photons(seed=seed))
    old.drop(prompt=False)
    dj.gc.GarbageCollector(schema).collect(dry_run=False)
    assert [row["movie"].verify() for row in new.to_dicts()] == [[], []]


@on_a_local_store
def test_movies_move_to_a_new_column_row_by_row(schema, store):
    old = declare_old(schema, "<blob@imaging>")

    old.definition = """
    recording_id : int32
    ---
    movie : <blob@imaging>
    photon_movie = null : <photon@imaging>
    """
    old().alter(prompt=False)
    for key in old.keys():  # noqa: SIM118 - a table is no dict
        old.update1({**key, "photon_movie": (old & key).fetch1("movie")})

    for seed in (1, 2):
        movie = (old & {"recording_id": seed}).fetch1("photon_movie")
        np.testing.assert_array_equal(movie.raw[:], photons(seed=seed))


# ---------------------------------------------------------------------------- no movie


@on_a_local_store
def test_a_movie_may_be_left_out_where_the_column_says_so(schema, store):
    @schema
    class Scan(dj.Manual):
        definition = """
        scan_id : int32
        ---
        movie = null : <photon@imaging>
        """

    Scan.insert1({"scan_id": 1})
    Scan.insert([{"scan_id": 2, "movie": None}, {"scan_id": 3, "movie": photons()}])

    assert [(Scan() & {"scan_id": number}).fetch1("movie") for number in (1, 2)] == [None, None]
    np.testing.assert_array_equal((Scan() & {"scan_id": 3}).fetch1("movie").raw[:], photons())
    Scan.update1({"scan_id": 3, "movie": None})
    assert dj.gc.GarbageCollector(schema).collect(dry_run=False)["schema_paths_deleted"] == 5


@on_a_local_store
@pytest.mark.parametrize(
    ("default", "words"),
    [
        ("0", r"If it is the default of the column, declare the column without"),
        ("{}", "holds no movie of <photon@>"),
    ],
)
def test_a_default_value_is_no_movie_and_fetch_says_so(database, schema, store, default, words):
    if database.backend != "postgresql":
        pytest.skip("MySQL refuses any default value of such a column when the table is declared")

    # DataJoint does not show a codec the default value.
    @schema
    class Scan(dj.Manual):
        definition = f"""
        scan_id : int32
        ---
        movie = {default} : <photon@imaging>
        """

    Scan.insert1({"scan_id": 1})

    with pytest.raises(ValueError, match=words):
        (Scan() & {"scan_id": 1}).fetch1("movie")
