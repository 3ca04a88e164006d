"""Migrating whole tables: every old type, each row compared, continued after whatever stops it."""

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import Any

import datajoint as dj
import numpy as np
import psycopg2  # type: ignore[import-untyped]
import pytest
import zarr
from datajoint import blob

from dj_photon_codecs import (
    Calibration,
    CameraMovie,
    PhotonCodec,
    migrate,
    read_movie,
    report,
    set_progress,
)
from tests.movies_at_hand import camera_values
from tests.tables import (
    CONNECT,
    contents,
    declare_recording,
    filesystem,
    photons,
    root,
    row_of,
    settings,
)

on_a_local_store = pytest.mark.parametrize("new_store", ["local"], indirect=True)
CAMERA = Calibration(gain=50, offset=100, variance=400)


class ZarrCodec(dj.SchemaCodec):
    """What <zarr@> of dj-zarr-codecs does."""

    name = "zarr_of_tests"

    def encode(self, value, *, key=None, context=None, store_name=None):
        config = self._codec_config(key, context)
        place = self._extract_context(key, context)
        path, _ = self._build_path(*place, ext=".zarr", store_name=store_name, config=config)
        files = self._get_backend(store_name, config=config).get_fsmap(path)
        zarr.create_array(files, data=value, chunks=(50, *value.shape[1:]), zarr_format=2)
        return {"path": path, "store": store_name, "shape": [*value.shape]}

    def decode(self, stored, *, key=None, context=None):
        config = self._codec_config(key, context)
        backend = self._get_backend(stored["store"], config=config)
        return zarr.open_array(backend.get_fsmap(stored["path"]), mode="r")


def declare_old(schema, kind, values, *, more="", null="= null"):
    """Declare a table of movies of some type, and fill it."""

    @schema
    class Old(dj.Manual):
        definition = f"""
        recording_id : int32
        ---
        movie {null} : {kind}
        {more}
        """

    Old.insert({"recording_id": number, **row} for number, row in enumerate(values, start=1))
    return Old


def old_table(schema, kind="<blob@imaging>", number=3):
    return declare_old(schema, kind, [{"movie": photons(seed=n + 1)} for n in range(number)])


def assert_moved(new, numbers):
    for number in numbers:
        movie = (new & {"recording_id": number}).fetch1("movie")
        np.testing.assert_array_equal(movie.raw[:], photons(seed=number))
        assert movie.verify() == []


def as_file(values, folder):
    path = folder / f"movie_{values[0, 0, 0]}_{values.sum()}.npy"
    np.save(path, values)
    return path


@contextmanager
def watched():
    """List how far tasks are in a block."""
    seen: list[Any] = []
    set_progress(seen.append, after=0)
    try:
        yield seen
    finally:
        set_progress("auto")


OLD_KINDS = [  # and what is inserted for values, with a folder for files
    ("<blob@imaging>", lambda values, _: values),
    ("<npy@imaging>", lambda values, _: values),
    ("<zarr_of_tests@imaging>", lambda values, _: values),
    ("<attach@imaging>", as_file),
    ("bytes", lambda values, _: blob.pack(values, compress=True)),  # longblob of 0.14
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "stored"),
    [*OLD_KINDS, ("<photon_dense@imaging>", lambda values, _: values)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_movies_of_every_type_move_and_nothing_of_the_old_is_touched(
    schema, store, tmp_path, kind, stored
):
    rows = [{"movie": stored(photons(seed=n), tmp_path)} for n in (1, 2)]
    old, new = declare_old(schema, kind, rows), declare_recording(schema)
    before = contents(store)

    done = migrate(old, new, "movie")

    assert repr(done) == (
        "2 of 2 rows were moved, read back and compared; 0 were there before; 0 failed."
    )
    assert_moved(new, [1, 2])
    assert before <= contents(store)
    assert len(old()) == 2


def test_another_call_continues_and_moves_nothing_twice(schema, store):
    old, new = old_table(schema), declare_recording(schema)

    with watched() as seen:
        first = migrate(old & "recording_id < 3", new, "movie")
    before = contents(store)
    again = migrate(old & "recording_id < 3", new, "movie")
    rest = migrate(old, new, "movie")

    assert {each.task for each in seen} == {"migrate"}
    assert (seen[-1].frames, seen[-1].total, seen[-1].finished) == (240, 240, True)
    assert (first.moved, again.moved, again.there) == (2, 0, 2)
    assert before <= contents(store)
    assert (rest.moved, rest.there) == (1, 2)
    assert_moved(new, [1, 2, 3])


INTERRUPTED = f"""{CONNECT}
from dj_photon_codecs import migrate
schema = dj.Schema(sys.argv[2])
Old, New = schema.get_table("old"), schema.get_table("recording")
migrate(Old, New, "movie", on_row=lambda row: print(json.dumps(row.key), flush=True))
"""


@pytest.mark.slow
@on_a_local_store
def test_a_migration_whose_process_was_killed_is_continued(database, store, schema):
    number = 30  # so many that it is not over too soon
    old, new = old_table(schema, number=number), declare_recording(schema)
    command = [sys.executable, "-c", INTERRUPTED, settings(database, store), schema.database]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        keys = (line for line in process.stdout if line.startswith("{"))  # DataJoint logs, too
        lines = [next(keys) for _ in range(3)]
        time.sleep(0.01)  # into the middle of a row
        process.kill()
    there = set(new.to_arrays("recording_id").tolist())
    done = migrate(old, new, "movie")

    assert process.returncode == -signal.SIGKILL
    assert {json.loads(line)["recording_id"] for line in lines} <= there
    assert 3 <= len(there) < number
    assert (done.moved, done.there, done.failed) == (number - len(there), len(there), ())
    dj.gc.GarbageCollector(schema).collect(dry_run=False)
    assert_moved(new, range(1, number + 1))


@on_a_local_store
def test_an_interrupt_leaves_whole_rows_only(schema, store):
    old, new = old_table(schema), declare_recording(schema)

    def interrupt(row):
        if row.key["recording_id"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(old, new, "movie", on_row=interrupt)

    assert_moved(new, [1, 2])
    assert migrate(old, new, "movie").moved == 1


def test_a_movie_that_reads_back_otherwise_is_no_row(schema, store, monkeypatch):
    old, new = old_table(schema), declare_recording(schema)
    insert = dj.Table.insert

    def damaging(table, rows, **options):
        insert(table, rows, **options)
        if table.table_name == new.table_name and (second := new & {"recording_id": 2}):
            place = row_of(second)["path"]
            filesystem(store).pipe_file(f"{root(store)}/{place}/1.0.0", b"garbled on its way")

    monkeypatch.setattr(dj.Table, "insert", damaging)

    done = migrate(old, new, "movie")

    assert [row.key["recording_id"] for row in done.failed] == [2]
    assert "chunk 1.0.0" in done.failed[0].error
    assert len(new & {"recording_id": 2}) == 0
    monkeypatch.undo()
    assert migrate(old, new, "movie").moved == 1
    assert_moved(new, [1, 2, 3])


@on_a_local_store
def test_a_row_that_fails_stops_no_other_and_is_reported(schema):
    values = [{"movie": photons(seed=1)}, {"movie": "no movie"}, {"movie": photons() - 99}]
    old = declare_old(schema, "<blob>", [*values, {"movie": None}, {"movie": photons(seed=5)}])
    new = declare_recording(schema)

    done = migrate(old, new, "movie")

    assert (done.moved, len(done.failed)) == (2, 3)
    assert "photon counts must be >= 0" in str(done)
    assert "null" in done.failed[2].error  # the new column takes none
    assert json.loads(done.to_json())["failed"][0]["key"] == {"recording_id": 2}
    assert_moved(new, [1, 5])


@on_a_local_store
def test_rows_of_something_else_are_looked_at_and_compared_where_that_is_asked_for(schema):
    old, new = old_table(schema, "<npy@imaging>"), declare_recording(schema)
    new.insert(old & "recording_id = 1")  # copies what the database holds, and no movie
    new.insert1({"recording_id": 2, "movie": photons(seed=3)})  # another movie
    new.insert1({"recording_id": 3, "movie": photons(seed=3)[:-1]})

    done = migrate(old, new, "movie")
    compared = migrate(old, new, "movie", recheck=True)

    assert [row.outcome for row in done.outcomes] == ["failed", "there", "there"]
    assert "holds no movie of <photon@>" in done.failed[0].error
    assert [row.outcome for row in compared.outcomes] == ["failed"] * 3
    assert "differs from what was inserted at frame 0, pixel" in compared.failed[1].error
    assert "has shape (119, 8, 8)" in compared.failed[2].error


class StepCodec(PhotonCodec):
    name = "photon_steps_of_tests"
    step = 0.5


@on_a_local_store
def test_camera_movies_get_their_calibration_and_their_steps(schema):
    values = [{"movie": camera_values(seed=n), "gain": 50.0 + n} for n in (0, 1)]
    old = declare_old(schema, "<blob>", values, more='gain : float64\nnote = "" : varchar(9)')

    @schema
    class New(dj.Manual):
        definition = """
        recording_id : int32
        ---
        exact : <photon@imaging>
        coarse : <photon_steps_of_tests@imaging>
        gain : float64
        """

    def calibrated(row, movie):
        return CameraMovie(movie, Calibration(gain=row["gain"], offset=100, variance=400))

    query = (old() * old.proj(second="movie")).proj("movie", "second", "gain")
    done = migrate(query, New, {"movie": "exact", "second": "coarse"}, convert=calibrated)

    assert done.moved == 2
    for number, row in enumerate(New.to_dicts(order_by="KEY")):
        np.testing.assert_array_equal(row["exact"].raw[:], camera_values(seed=number))
        assert row["exact"].calibration.gain == row["gain"] == 50 + number
        assert (row["exact"].step, row["coarse"].step) == (None, 0.5)
    names = {"movie": "exact", "second": "coarse"}
    assert migrate(query, New, names, recheck=True, convert=calibrated).failed == ()
    wrong = migrate(
        query, New, names, recheck=True, convert=lambda _, movie: CameraMovie(movie, CAMERA)
    )
    assert "has calibration Calibration(gain=51" in wrong.failed[0].error


@on_a_local_store
def test_a_step_is_compared_within_half_of_it(schema):
    old = declare_old(schema, "<blob>", [{"movie": camera_values()}])
    new = declare_recording(schema)

    done = migrate(old, new, "movie", calibration=CAMERA, step=0.25)

    assert (done.moved, new.fetch1("movie").step) == (1, 0.25)
    moved_by_one_step = camera_values() + np.int16(40)
    old.update1({"recording_id": 1, "movie": moved_by_one_step})
    (row,) = migrate(old, new, "movie", calibration=CAMERA, step=0.25, recheck=True).failed
    assert "differs from what was inserted" in row.error


@on_a_local_store
def test_a_new_column_of_the_same_table_is_filled(schema):
    rows = [{"movie": photons(seed=number)} for number in (1, 2, 3)]
    old = declare_old(schema, "<blob>", rows, null="")
    old.definition = """
    recording_id : int32
    ---
    movie : <blob>
    photons = null : <photon@imaging>
    """
    old().alter(prompt=False)
    done = migrate(old, old, {"movie": "photons"})

    assert (done.moved, done.failed) == (3, ())
    assert migrate(old, old, {"movie": "photons"}, recheck=True).there == 3
    for number in (1, 2, 3):
        movie = (old & {"recording_id": number}).fetch1("photons")
        np.testing.assert_array_equal(movie.raw[:], photons(seed=number))


@on_a_local_store
def test_computed_tables_are_filled_and_rows_of_another_process_are_left(schema):
    old = old_table(schema, "<blob>")
    schema.context = {"Old": old}

    @schema
    class Copied(dj.Computed):
        definition = """
        -> Old
        ---
        movie : <photon@imaging>
        """

    def meanwhile(row, movie):
        if row["recording_id"] == 2:
            Copied.insert1({"recording_id": 2, "movie": movie}, allow_direct_insert=True)
        return movie

    done = migrate(old, Copied, "movie", convert=meanwhile)

    assert [row.outcome for row in done.outcomes] == ["moved", "there", "moved"]
    assert_moved(Copied, [1, 2, 3])


@on_a_local_store
def test_a_file_that_needs_a_choice_is_converted_from_its_path(schema, tmp_path):
    np.savez(tmp_path / "two.npz", shutter=np.zeros((4, 8, 8)), counts=photons())
    old = declare_old(schema, "<attach@imaging>", [{"movie": tmp_path / "two.npz"}])
    new = declare_recording(schema)
    (refused,) = migrate(old, new, "movie").failed
    assert "two.npz holds 2 datasets" in refused.error
    assert refused.error.endswith("say dataset=0. migrate(convert=...) is given the path")
    assert "say dataset=0. migrate(convert=...)" in str(report(old))

    def convert(_, path):
        return read_movie(path, dataset="counts")

    rehearsed = migrate(old, new, "movie", convert=convert, dry_run=True)
    assert not any(row.error for row in rehearsed.costs[0].sampled)
    assert migrate(old, new, "movie", convert=convert).moved == 1
    np.testing.assert_array_equal(new.fetch1("movie").raw[:], photons())
    assert migrate(old, new, "movie", convert=convert, recheck=True).there == 1


@on_a_local_store
def test_a_database_that_is_lost_stops_a_migration(schema):
    old, new = old_table(schema), declare_recording(schema)
    connection = schema.connection
    try:
        with pytest.raises((dj.errors.LostConnectionError, psycopg2.Error), match="closed"):
            migrate(old, new, "movie", on_row=lambda _: connection.close())
    finally:
        connection.connect()
    assert migrate(old, new, "movie").moved == 2
    assert_moved(new, [1, 2, 3])


def test_movies_in_several_files_of_one_row_are_not_mistaken_for_each_other(schema, store):
    np.save(filesystem(store).open(f"{root(store)}/raw.npy", "wb"), photons(seed=3))

    @schema
    class Old(dj.Manual):
        definition = """
        recording_id : int32
        ---
        first : <npy@imaging>
        second : <npy@imaging>
        third : <filepath@imaging>
        mask : <npy@imaging>
        notes : <filepath@imaging>
        """

    @schema
    class New(dj.Manual):
        definition = Old.definition.replace("npy", "photon", 2).replace("filepath", "photon", 1)

    first, second = photons(seed=1), photons(seed=2)
    row = {"recording_id": 1, "first": first, "second": second, "mask": np.eye(8)}
    Old.insert1(row | {"third": "raw.npy", "notes": "raw.npy"})

    assert migrate(Old, New, {name: name for name in ("first", "second", "third")}).failed == ()

    moved = New.fetch1()
    for seed, name in enumerate(("first", "second", "third"), start=1):
        np.testing.assert_array_equal(moved[name].raw[:], photons(seed=seed))
    np.testing.assert_array_equal(moved["mask"].load(), np.eye(8))
    assert moved["notes"].path == "raw.npy"


@on_a_local_store
def test_what_does_not_fit_is_refused_before_anything_is_written(schema, store):
    old = declare_old(schema, "<blob>", [{"movie": photons()}], more='note = "" : varchar(9)')
    new, before = declare_recording(schema), contents(store)

    @schema
    class Needy(dj.Manual):
        definition = """
        recording_id : int32
        ---
        movie : <photon@imaging>
        gain : float64
        """

    @schema
    class Other(dj.Manual):
        definition = """
        scan_id : int32
        ---
        movie : <photon@imaging>
        """

    @schema
    class Both(dj.Manual):
        definition = """
        recording_id : int32
        ---
        movie : <blob>
        photons : <photon@imaging>
        """

    movie, clash = old.proj("movie"), old.proj("movie", photons="note")
    refused: list[tuple[Any, dict[str, Any], Any, str]] = [
        ((old, new, "movie"), {}, ValueError, "has no attribute 'note'; add it, or leave it out"),
        ((movie, Needy, "movie"), {}, ValueError, "needs 'gain', and the old rows have none"),
        ((movie, Other, "movie"), {}, ValueError, r"primary key \(recording_id\), and the new"),
        ((movie, new, "film"), {}, ValueError, "'film' is no attribute with movies.*have movie"),
        ((movie, new, ["movie"]), {}, TypeError, r"attribute is \['movie'\]; it must be the name"),
        ((old, new, {"movie": "movie", "note": "movie"}), {}, ValueError, "two movies into one"),
        ((clash, Both, {"movie": "photons"}), {}, ValueError, "have an attribute 'photons', too"),
        ((movie, Both, {"movie": "photons"}), {}, ValueError, "needs 'movie', and the old rows"),
        ((movie, old, "movie"), {}, ValueError, "'movie' is no attribute of a photon type"),
        ((movie, new & "recording_id = 1", "movie"), {}, TypeError, "without a restriction"),
        ((movie, [new], "movie"), {}, TypeError, "table is a list"),
        ((movie, new, "movie"), {"step": 0.5}, ValueError, "step needs the calibration"),
        ((movie, new, "movie"), {"calibration": 50}, TypeError, "it must be a Calibration"),
        ((movie, new, "movie"), {"convert": 50}, TypeError, "convert must be a function"),
    ]
    for given, options, kind, words in refused:
        with pytest.raises(kind, match=words):
            migrate(*given, **options)
    with new.connection.transaction, pytest.raises(ValueError, match="call it outside of any"):
        migrate(movie, new, "movie")
    assert contents(store) == before
