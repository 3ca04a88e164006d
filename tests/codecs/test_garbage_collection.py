"""Garbage collection takes what no row refers to, and nothing else."""

from uuid import uuid4

import datajoint as dj
import numpy as np
import pytest

from dj_photon_codecs import PhotonCodec
from tests.conftest import connected
from tests.tables import (
    CONNECT,
    contents,
    declare_recording,
    filesystem,
    on_write,
    photons,
    row_of,
    run_python,
    settings,
    transformed,
)

FILES = 5  # of a movie of 120 frames: two chunks, two documents and the picture


@pytest.fixture
def recording(schema):
    table = declare_recording(schema)
    table.insert1({"recording_id": 1, "movie": photons()})
    return table


def collect(schema, store=None):
    """Collect garbage, and return how many files were taken; a second time there are none."""
    taken = dj.gc.GarbageCollector(schema, store=store).collect(dry_run=False)
    again = dj.gc.GarbageCollector(schema, store=store).collect()
    assert taken["errors"] == again["schema_paths_orphaned_bytes"] == 0
    return taken["schema_paths_deleted"]


def assert_intact(recording, *, rows=1):
    assert len(recording()) == rows
    for row in recording.to_dicts():
        np.testing.assert_array_equal(row["movie"][:], transformed(photons()))


@pytest.mark.parametrize("name", [None, "imaging"])
def test_live_movies_stay(schema, recording, store, name):
    before = contents(store)

    assert collect(schema, name) == 0
    assert contents(store) == before
    assert_intact(recording)


@pytest.mark.parametrize("name", [None, "imaging"])
def test_movies_in_the_default_store_stay(schema, store, name):
    @schema
    class Scan(dj.Manual):
        definition = """
        recording_id : int32
        ---
        movie : <photon@>
        """

    Scan.insert1({"recording_id": 1, "movie": photons()})

    assert row_of(Scan)["store"] == "imaging"
    assert collect(schema, name) == 0
    assert_intact(Scan)


@pytest.mark.parametrize("name", [None, "imaging"])
def test_deleted_movies_are_taken(schema, recording, store, name):
    recording.delete(prompt=False)

    assert collect(schema, name) == FILES
    assert not [path for path in contents(store) if path.endswith((".zarray", ".0.0"))]


def test_another_default_store_leaves_movies_where_they_are(database, new_store):
    ours, theirs = new_store(), new_store()
    with connected(database, {"default": "ours", "ours": ours, "theirs": theirs}) as connection:
        schema = dj.Schema("photon_test_default", connection=connection)

        @schema
        class Scan(dj.Manual):
            definition = """
            recording_id : int32
            ---
            movie : <photon@>
            """

        Scan.insert1({"recording_id": 1, "movie": photons()})
        with dj.config.override(stores={"default": "theirs", "ours": ours, "theirs": theirs}):
            Scan.insert1({"recording_id": 2, "movie": photons()})
            stores = [row_of(Scan() & {"recording_id": number})["store"] for number in (1, 2)]

            assert stores == ["ours", "theirs"]
            for name in (None, "ours", "theirs"):
                assert collect(schema, name) == 0
            assert_intact(Scan, rows=2)


def test_types_of_ones_own_must_be_imported_where_garbage_is_collected(database, schema, store):
    class Ours(PhotonCodec):
        name = f"photon_{uuid4().hex[:8]}"

    @schema
    class Scan(dj.Manual):
        definition = f"""
        recording_id : int32
        ---
        movie : <{Ours.name}@imaging>
        """

    Scan.insert1({"recording_id": 1, "movie": photons()})
    collect_elsewhere = f"""{CONNECT}
schema = dj.Schema(sys.argv[2])
print(dj.gc.GarbageCollector(schema).collect()["schema_paths_orphaned"])
"""
    arguments = settings(database, store), schema.database

    assert collect(schema) == 0
    assert run_python(collect_elsewhere, *arguments).stdout.splitlines()[-1] == str(FILES)
    ours = (
        f"from dj_photon_codecs import PhotonCodec\nclass Ours(PhotonCodec): name = {Ours.name!r}\n"
    )
    assert run_python(ours + collect_elsewhere, *arguments).stdout.splitlines()[-1] == "0"


# ---------------------------------------------------------------------------- failed inserts


def duplicate_key(schema, recording):
    with pytest.raises(dj.errors.DuplicateError, match=r"recording_id|PRIMARY"):
        recording.insert1({"recording_id": 1, "movie": photons(seed=2)})


def skipped_duplicate(schema, recording):
    recording.insert1({"recording_id": 1, "movie": photons(seed=2)}, skip_duplicates=True)


def foreign_key(schema, recording):
    @schema
    class Derived(dj.Manual):
        definition = """
        -> Recording
        ---
        movie : <photon@>
        """

    with pytest.raises(dj.errors.IntegrityError, match=r"(?i)foreign key"):
        Derived.insert1({"recording_id": 404, "movie": photons(seed=2)})


def rolled_back(schema, recording):
    recording.connection.start_transaction()
    recording.insert1({"recording_id": 2, "movie": photons(seed=2)})
    recording.connection.cancel_transaction()


def updated(schema, recording):
    recording.update1({"recording_id": 1, "movie": photons()})


@pytest.mark.parametrize(
    "orphan", [duplicate_key, skipped_duplicate, foreign_key, rolled_back, updated]
)
def test_orphans_are_taken_and_the_row_stays(schema, recording, store, orphan):
    orphan(schema, recording)
    assert len([path for path in contents(store) if path.endswith(".zarray")]) == 2

    assert collect(schema, "imaging") == FILES
    assert len([path for path in contents(store) if path.endswith(".zarray")]) == 1
    assert_intact(recording)


# ---------------------------------------------------------------------------- shared and odd


def test_rows_copied_in_the_database_share_one_movie(schema, recording, store):
    @schema
    class Copied(dj.Manual):
        definition = """
        recording_id : int32
        ---
        movie : <photon@imaging>
        """

    Copied.insert(recording())

    assert row_of(Copied) == row_of(recording)
    recording.delete(prompt=False)
    assert collect(schema) == 0
    assert_intact(Copied)
    Copied.delete(prompt=False)
    assert collect(schema) == FILES


@pytest.mark.parametrize("name", ["a[1]", "m*use", "qu?te", "[!a]"])
def test_wildcards_in_a_key_touch_no_other_movie(schema, store, name):
    # DataJoint deletes with wildcards, so that on S3 it cannot take a path with "[": it says so,
    # and the files stay. What must not happen is that it takes another movie's.
    @schema
    class Subject(dj.Manual):
        definition = """
        name : varchar(20)
        ---
        movie : <photon@imaging>
        """

    for subject in (name, "a1", "mouse", "quote", "b"):
        Subject.insert1({"name": subject, "movie": photons()})
    (Subject() & {"name": name}).delete(prompt=False)

    taken = dj.gc.GarbageCollector(schema).collect(dry_run=False)

    cannot = store["protocol"] == "s3" and "[" in name
    assert taken["schema_paths_deleted"] == (0 if cannot else FILES)
    assert_intact(Subject, rows=4)


def test_garbage_collected_during_an_insert_fails_it(schema, recording, store, monkeypatch):
    def collect_before_the_last_document(path, _):
        if path.endswith("/.zarray"):
            assert dj.gc.GarbageCollector(schema).collect(dry_run=False)["schema_paths_deleted"]

    with monkeypatch.context() as patch:
        on_write(patch, store, collect_before_the_last_document)
        with pytest.raises(OSError, match=r"lacks .* If garbage was collected meanwhile, insert"):
            recording.insert1({"recording_id": 2, "movie": photons(seed=2)})

    assert_intact(recording)
    assert len([path for path in contents(store) if path.endswith((".zarray", ".0.0"))]) == 3


@pytest.mark.parametrize("lost", ["0.0.0", "1.0.0", ".zattrs"])
def test_a_file_that_vanishes_during_an_insert_fails_it(
    schema, recording, store, monkeypatch, lost
):
    fs = filesystem(store)
    before = contents(store)

    def lose(path, _):
        if path.endswith("/.zarray"):
            fs.rm_file(path.replace(".zarray", lost))

    with monkeypatch.context() as patch:
        on_write(patch, store, lose)
        with pytest.raises(OSError, match=f"lacks {lost} just after it was written"):
            recording.insert1({"recording_id": 2, "movie": photons(seed=2)})

    assert contents(store) == before
    assert_intact(recording)
