"""Verifying a whole table: every movie that is not as it was written is in the report."""

import json
import os
from datetime import date

import datajoint as dj
import pytest

from dj_photon_codecs import verify
from dj_photon_codecs.tables import queries, verification
from dj_photon_codecs.tables.row_progress import RowTask
from dj_photon_codecs.tables.verification import VerifiedRow
from tests.tables import declare_recording, filesystem, photons, root, row_of
from tests.tables_of_movies.test_migration import watched

on_a_local_store = pytest.mark.parametrize("new_store", ["local"], indirect=True)


@pytest.fixture
def recording(schema):
    table = declare_recording(schema)
    table.insert({"recording_id": number, "movie": photons(seed=number)} for number in range(1, 6))
    return table


def place_of(table, store, number):
    return f"{root(store)}/{row_of(table & {'recording_id': number})['path']}"


def damage(table, store):
    """Spoil four of five movies, each in another way; return what a report must say of them."""
    fs = filesystem(store)
    fs.rm(place_of(table, store, 1), recursive=True)
    fs.pipe_file(f"{place_of(table, store, 2)}/1.0.0", b"no chunk of a movie")
    fs.rm_file(f"{place_of(table, store, 4)}/.zattrs")
    spoil(table, 5, path="../../etc")
    return [
        (1, "missing", ()),
        (2, "damaged", ("1.0.0",)),
        (4, "damaged", (".zattrs",)),
        (5, "row", ()),
    ]


def spoil(table, number, **changes):
    """Change the row of one movie behind DataJoint's back."""
    quote = table.connection.adapter.quote_identifier
    row = row_of(table & {"recording_id": number}) | changes
    table.connection.query(
        f"UPDATE {table.full_table_name} SET {quote('movie')} = %s "  # noqa: S608
        f"WHERE {quote('recording_id')} = %s",
        args=[json.dumps(row), number],
    )


def found_by(report):
    return [(each.key["recording_id"], each.problem, each.parts) for each in report.damaged]


@pytest.mark.slow
def test_every_damaged_movie_is_named_in_the_order_of_the_keys(recording, store, monkeypatch):
    processes = 2 if store["protocol"] == "s3" else 1
    expected = damage(recording, store)
    monkeypatch.setattr(queries, "BATCH", 2)  # several batches, one of them with a hostile row

    with watched() as seen:
        report = verify(recording, processes=processes)

    assert found_by(report) == expected
    assert (report.rows, report.movies, report.empty) == (5, 5, 0)
    assert {each.task for each in seen} == {"verify"}
    assert (seen[-1].frames, seen[-1].finished) == (seen[-1].total, True)
    assert str(report).startswith("4 of 5 movies are not as they were written (1 missing")
    assert "leads out of its store" in str(report)
    assert json.loads(report.to_json())["damaged"][1] == {
        "key": {"recording_id": 2},
        "attribute": "movie",
        "problem": "damaged",
        "parts": ["1.0.0"],
        "message": "missing or damaged: 1.0.0",
    }


def test_a_sound_table_is_told_in_one_sentence(recording):
    done: list[VerifiedRow] = []

    report = verify(recording & "recording_id > 3", on_row=done.append)

    assert repr(report) == "All 2 movies are as they were written."
    assert report.to_dict()["problems"] == {}
    assert [str(row) for row in done] == [f"recording_id={n}: all is well" for n in (4, 5)]


@on_a_local_store
@pytest.mark.parametrize(
    "changes",
    [
        {"store": "elsewhere"},
        {"codec_version": "9.0"},
        {"shape": [10**9] * 3},
        {".zarray": None},
        {"crc32c": "00000000"},
        {"path": "movie\ud800.zarr"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_hostile_row_is_a_finding(schema, changes):
    table = declare_recording(schema)
    table.insert([{"recording_id": number, "movie": photons()} for number in (1, 2)])
    if "path" in changes and table.connection.adapter.backend == "postgresql":
        changes = {"path": "/etc"}  # it takes no half of a pair of surrogates

    spoil(table, 1, **changes)

    assert found_by(verify(table)) == [(1, "row", ())]


@on_a_local_store
def test_a_column_of_rows_that_were_copied_holds_no_movies(schema):
    @schema
    class Old(dj.Manual):
        definition = """
        recording_id : int32
        ---
        movie : <npy@imaging>
        """

    new = declare_recording(schema)
    Old.insert1({"recording_id": 1, "movie": photons()})
    new.insert(Old)

    (finding,) = verify(new).damaged

    assert finding.problem == "row"
    assert "holds no movie of <photon@>" in finding.message


@on_a_local_store
def test_several_attributes_null_and_keys_of_any_kind(schema, store):
    @schema
    class Scan(dj.Manual):
        definition = """
        scan : varchar(20)
        day : date
        ---
        green : <photon@imaging>
        red = null : <photon_dense@imaging>
        note = "" : varchar(20)
        """

    scan = "a b"
    Scan.insert1({"scan": scan, "day": date(2026, 1, 2), "green": photons()})
    Scan.insert1({"scan": scan, "day": date(2026, 1, 3), "green": photons(), "red": photons()})
    (path,) = [row["red"]["path"] for row in (Scan() & "red IS NOT NULL").cursor(as_dict=True)]
    filesystem(store).rm(f"{root(store)}/{path}", recursive=True)

    report = verify(Scan)

    assert (report.rows, report.movies, report.empty) == (2, 3, 1)
    assert json.loads(report.to_json())["damaged"][0]["key"] == {
        "scan": str(scan),
        "day": "2026-01-03",
    }
    assert "1 attributes hold no movie (NULL)" in str(report)
    assert verify(Scan, "green").damaged == ()


@on_a_local_store
def test_what_is_no_table_of_movies_is_refused(schema, recording):
    with pytest.raises(TypeError, match=r"table is a list; it must be a table of DataJoint"):
        verify([recording])
    with pytest.raises(ValueError, match=r"'note' is no attribute of a photon type.*: movie"):
        verify(recording, "note")
    with pytest.raises(ValueError, match=r"has no attribute of a photon type.*: none"):
        verify(recording.proj())
    with pytest.raises(ValueError, match="processes is 0; it must be 1 or more"):
        verify(recording, processes=0)


@on_a_local_store
def test_a_store_that_is_away_says_nothing_of_its_movies(recording, store):
    dj.config["stores"]["imaging"]["location"] += "/elsewhere"

    report = verify(recording)

    assert found_by(report) == [(number, "unreached", ()) for number in range(1, 6)]
    assert "Is it mounted?" in report.damaged[0].message


class Fatal:
    """What ends the process that verifies it."""

    def verify(self):
        os._exit(1)


@pytest.mark.slow
def test_a_process_that_ends_is_an_error_that_says_what_to_do():
    task = RowTask("verify")
    with task, pytest.raises(RuntimeError, match=r"has ended.*take fewer processes"):
        list(verification._checked([[({}, {"movie": Fatal()})]], task, processes=2))
