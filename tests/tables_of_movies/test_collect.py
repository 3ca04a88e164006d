"""`collect` takes movies that have had no row for a grace period, and nothing else."""

import json
import os
import re
import subprocess
import sys
import time
import tracemalloc
from datetime import timedelta
from functools import partial
from uuid import uuid4

import datajoint as dj
import numpy as np
import pytest
from datajoint.codecs import unregister_codec

from dj_photon_codecs import PhotonCodec
from dj_photon_codecs import collect as collect_beside_inserts
from dj_photon_codecs.tables.references import NAME
from dj_photon_codecs.tables.section import MARKS, Section
from tests.conftest import new_schema_name
from tests.movies_at_hand import local_files
from tests.tables import (
    CONNECT,
    contents,
    declare_recording,
    filesystem,
    on_write,
    photons,
    root,
    settings,
    transformed,
)

collect = partial(collect_beside_inserts, nothing_inserts=True)  # after seconds, or at once
AT_ONCE = timedelta(0)
SHORT = timedelta(seconds=0.3)


@pytest.fixture
def recording(schema):
    table = declare_recording(schema)
    table.insert({"recording_id": number, "movie": photons(seed=number)} for number in (1, 2))
    return table


@pytest.fixture
def wait(store):
    """Wait until a movie has been left alone for `SHORT`; S3 servers count in seconds."""
    return lambda: time.sleep(0.4 if store["protocol"] == "file" else 1.4)


def orphan(recording, number=1):
    (recording() & {"recording_id": number}).delete(prompt=False)


def states(found):
    return [each.state for each in found.orphans]


def movies(store):
    return {path.rpartition("/")[0] for path in contents(store) if path.endswith("/.zarray")}


def is_whole(movie):
    try:
        return movie.verify() == []
    except FileNotFoundError:
        return False


def assert_intact(recording, number=2):
    movie = (recording() & {"recording_id": number}).fetch1("movie")
    np.testing.assert_array_equal(movie[:], transformed(photons(seed=number)))


# ---------------------------------------------------------------------------- when


@pytest.mark.slow
def test_what_two_runs_found_without_a_row_is_deleted(schema, recording, store, wait):
    orphan(recording)
    wait()
    first = collect(schema, grace=SHORT, dry_run=False)
    wait()
    look = collect(schema, grace=SHORT)
    second = collect(schema, grace=SHORT, dry_run=False)

    assert [states(each) for each in (first, look, second)] == [
        ["waiting"],
        ["due"],
        ["deleted"],
    ]
    assert len(movies(store)) == 1
    assert_intact(recording)
    assert not collect(schema, grace=SHORT).orphans


@pytest.mark.parametrize("new_store", ["local"], indirect=True)
def test_a_movie_that_had_a_row_between_two_runs_waits_again(schema, recording, store, wait):
    orphan(recording)
    wait()
    collect(schema, grace=SHORT, dry_run=False)
    (path,) = {each.path for each in collect(schema, grace=SHORT).orphans}
    row = {"recording_id": 3, "movie": json.dumps({"path": path})}
    quote = schema.connection.adapter.quote_identifier
    columns = ", ".join(map(quote, row))
    schema.connection.query(
        f"INSERT INTO {recording.full_table_name} ({columns}) VALUES (%s, %s)",  # noqa: S608
        args=list(row.values()),
    )
    assert not collect(schema, grace=SHORT, dry_run=False).orphans
    (recording() & {"recording_id": 3}).delete_quick()
    wait()

    assert states(collect(schema, grace=SHORT, dry_run=False)) == ["waiting"]


def test_a_dry_run_changes_nothing(schema, recording, store):
    orphan(recording)
    before = contents(store)

    assert states(collect(schema, schema, grace=AT_ONCE)) == ["due"]  # once
    assert states(collect(schema)) == ["waiting"]
    assert contents(store) == before


def test_a_movie_that_is_being_inserted_stays(schema, recording, store, monkeypatch):
    found = []

    def collect_before_the_last_document(path, _):
        if path.endswith("/.zarray"):
            found.append(collect(schema, grace=timedelta(minutes=1), dry_run=False))

    with monkeypatch.context() as patch:
        on_write(patch, store, collect_before_the_last_document)
        recording.insert1({"recording_id": 3, "movie": photons(seed=3)})

    assert states(found[0]) == ["waiting"]
    marks = filesystem(store).cat_file(f"{root(store)}/{MARKS}/{schema.database}.json")
    assert json.loads(marks) == {}  # it does not count as seen yet
    assert_intact(recording, 3)


# ---------------------------------------------------------------------------- what


def test_a_document_with_many_checksums_is_looked_through_once():
    document = json.dumps({"path": "lab/movie_x-7_b3Zq.zarr", "crc32c": "0123abcd" * 4000})
    begun = time.process_time()

    assert NAME.findall(document) == ["movie_x-7_b3Zq.zarr"]
    assert time.process_time() - begun < 0.5  # from each of its letters it takes 2 s


def test_the_result_names_sizes_and_paths(schema, recording, store):
    orphan(recording)
    before = movies(store)

    found = collect(schema, grace=AT_ONCE, dry_run=False)

    (path,) = before - movies(store)
    assert found.to_dict()["orphans"][0]["path"] == path
    assert json.loads(found.to_json())["dry_run"] is False
    assert found.sizes("deleted").keys() == {schema.database}
    assert found.sizes("deleted")[schema.database] == found.orphans[0].size > 1000
    assert str(found) == f"{schema.database} in imaging: 1 deleted, 0.0 MB"
    assert repr(collect(schema)) == "no movie is without a row"
    if store["protocol"] == "file":  # nor is an empty directory left of its key
        assert len([each for each in contents(store) if "recording_id=" in each]) == 7


def test_rows_of_other_schemas_count(schema, recording, store):
    other = dj.Schema(new_schema_name(), connection=schema.connection)
    copied = declare_recording(other)
    copied.insert(recording())
    recording.delete(prompt=False)

    assert not collect(schema, grace=AT_ONCE, dry_run=False).orphans
    assert_intact(copied, 1)
    other.drop(prompt=False)
    assert states(collect(schema, grace=AT_ONCE, dry_run=False)) == ["deleted"] * 2


def test_what_is_not_ours_stays(schema, store):
    @schema
    class Other(dj.Manual):
        definition = """
        other_id : int32
        ---
        array : <npy@imaging>
        """

    Other.insert1({"other_id": 1, "array": np.arange(9)})
    Other.delete(prompt=False)
    section = f"{root(store)}/_schema/{schema.database}/other/other_id=1"
    foreign = [
        "zarr_aBcDeFgH.zarr/zarr.json",
        "zarr_aBcDeFgJ.zarr/.zarray",
        "zarr_aBcDeFgK.zarr/0.0",
        "zarr_aBcDeFgL.zarr/.zarray",
        "zarr_aBcDeFgL.zarr/.zattrs",
        "zarr_aBcDeFgK.zarr/notes.txt",
        "folder_aBcDeFgH/raw_aBcDeFgH.zarr/0.0",
    ]
    for name in foreign:
        if store["protocol"] == "file":
            filesystem(store).makedirs(f"{section}/{name}".rpartition("/")[0], exist_ok=True)
        filesystem(store).pipe_file(f"{section}/{name}", b"{}")
    before = contents(store)

    assert not collect(schema, grace=AT_ONCE, dry_run=False).orphans
    assert {each for each in contents(store) if MARKS not in each} == before


@pytest.mark.parametrize("location", ["", "/calcium//movies/"])
def test_slashes_in_a_location_on_s3_hide_nothing(schema, s3, location):
    spec = s3.spec(uuid4().hex) | {"location": location}
    with dj.config.override(stores={"default": "imaging", "imaging": spec}):
        recording = declare_recording(schema)
        recording.insert({"recording_id": each, "movie": photons(seed=each)} for each in (1, 2))
        orphan(recording)

        assert states(collect(schema, grace=AT_ONCE, dry_run=False)) == ["deleted"]
        assert_intact(recording)


@pytest.mark.parametrize("name", ["a[1]", "m*use"])
def test_wildcards_in_a_key_are_no_wildcards(schema, store, name):
    @schema
    class Subject(dj.Manual):
        definition = """
        name : varchar(20)
        ---
        movie : <photon@imaging>
        """

    for subject in (name, "a1", "mouse"):
        Subject.insert1({"name": subject, "movie": photons()})
    (Subject() & {"name": name}).delete(prompt=False)

    assert states(collect(schema, grace=AT_ONCE, dry_run=False)) == ["deleted"]
    assert len(movies(store)) == 2


def test_two_names_of_a_place_are_one_place(schema, recording, store):
    with dj.config.override(stores={"default": "imaging", "imaging": store, "other": store}):
        orphan(recording)
        for name in ("other", None):
            assert len(collect(schema, grace=AT_ONCE, store=name).orphans) == 1


# ---------------------------------------------------------------------------- failures


def test_a_deletion_that_was_cut_short_is_finished(schema, recording, store, monkeypatch):
    orphan(recording)
    fs = filesystem(store)
    remove = fs.rm_file

    def fail_at_the_second_chunk(path):
        if path.endswith("/1.0.0"):
            raise PermissionError(13, "denied")
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(fs, "rm_file", fail_at_the_second_chunk)
        with pytest.raises(PermissionError, match=r"deleting .* in the store 'imaging' failed"):
            collect(schema, grace=AT_ONCE, dry_run=False)

    assert len(movies(store)) == 1  # what is left is no array to anybody
    assert states(collect(schema, grace=AT_ONCE, dry_run=False)) == ["deleted"]
    assert not collect(schema).orphans
    assert_intact(recording)


def test_a_movie_that_may_not_be_deleted_keeps_no_other(schema, recording, store, monkeypatch):
    for number in (1, 2):
        orphan(recording, number)
    fs = filesystem(store)
    remove = fs.rm_file

    def refuse(path):
        if "recording_id=1/" in path:
            raise PermissionError(f"{path} is another user's")
        remove(path)

    monkeypatch.setattr(fs, "rm_file", refuse)
    with pytest.raises(PermissionError, match="recording_id=1/"):
        collect(schema, grace=AT_ONCE, dry_run=False)

    (left,) = movies(store)
    assert "recording_id=1/" in left


@pytest.mark.parametrize("new_store", ["local"], indirect=True)
def test_what_a_cluster_left_in_the_middle_of_a_chunk_is_garbage(schema, recording, store):
    orphan(recording)
    (path,) = (each.path for each in collect(schema).orphans)
    half = f"{root(store)}/{path}/1.0.0.{uuid4().hex}.unfinished"
    filesystem(store).pipe_file(half, b"half")

    assert states(collect(schema, grace=AT_ONCE, dry_run=False)) == ["deleted"]
    assert not [each for each in contents(store) if path in each]
    assert_intact(recording, 2)


def test_a_listing_keeps_little_of_each_file(tmp_path):
    for number in range(20):
        movie = tmp_path / f"lab/table{number % 2}/id={number}/movie_{number:08}.zarr"
        movie.mkdir(parents=True)
        for chunk in range(100):
            (movie / f"{chunk}.0.0").touch()
    section = Section(local_files(), str(tmp_path), "", "imaging", "lab", dry_run=True)
    section.movies()
    tracemalloc.start()

    found = section.movies()
    kept, _ = tracemalloc.get_traced_memory()

    tracemalloc.stop()
    assert [len(movie.files) for movie in found] == [100] * 20
    assert kept / 2000 < 100  # bytes; whole entries of a listing took 327


@pytest.mark.slow
def test_marks_that_were_cut_short_begin_anew(schema, recording, store, wait):
    orphan(recording)
    wait()
    collect(schema, grace=SHORT, dry_run=False)
    place = f"{root(store)}/{MARKS}/{schema.database}.json"
    for wrong in (b"[]", b'{"a": 1}', b'{"a": "then"}', b"\xff"):
        filesystem(store).pipe_file(place, wrong)
        assert states(collect(schema, grace=SHORT)) == ["waiting"]
    filesystem(store).pipe_file(place, b'{"_sche')
    wait()

    assert states(collect(schema, grace=SHORT, dry_run=False)) == ["waiting"]


def test_types_that_are_not_loaded_are_refused(schema, recording, store):
    class Ours(PhotonCodec):
        name = f"photon_{uuid4().hex[:8]}"

    @schema
    class Scan(dj.Manual):
        definition = f"""
        scan_id : int32
        ---
        movie : <{Ours.name}@imaging>
        """

    orphan(recording)
    unregister_codec(Ours.name)
    before = contents(store)

    with pytest.raises(dj.DataJointError, match=rf"movie of .*scan has the type <{Ours.name}@"):
        collect(schema, grace=AT_ONCE, dry_run=False)
    assert contents(store) == before


def test_a_missing_plugin_is_refused(schema, recording, store, monkeypatch):
    orphan(recording)
    monkeypatch.delitem(dj.codecs._codec_registry, "photon")
    before = contents(store)

    with pytest.raises(dj.DataJointError, match="Unknown codec: <photon>"):
        collect(schema, grace=AT_ONCE, dry_run=False)
    assert contents(store) == before


def test_rows_that_cannot_be_read_are_an_error(schema, recording, store, monkeypatch):
    orphan(recording)
    query = schema.connection.query

    def refuse(statement, *args, **options):
        if "UNION" in statement or "POSITION" in statement:
            raise dj.errors.AccessError("permission denied for table scan")
        return query(statement, *args, **options)

    monkeypatch.setattr(schema.connection, "query", refuse)
    before = movies(store)

    with pytest.raises(dj.errors.AccessError, match="permission denied"):
        collect(schema, grace=AT_ONCE, dry_run=False)
    assert movies(store) == before


def test_a_store_that_is_not_there_is_an_error_and_is_not_made(schema, tmp_path):
    missing = tmp_path / "unmounted"
    stores = {"default": "imaging", "imaging": {"protocol": "file", "location": str(missing)}}
    with (
        dj.config.override(stores=stores),
        pytest.raises(FileNotFoundError, match="unmounted"),
    ):
        collect(schema, dry_run=False)
    assert not missing.exists()


def test_rows_that_are_hidden_from_the_user_are_refused(schema, recording, store):
    query, name = schema.connection.query, f'"{schema.database}"'
    if schema.connection.adapter.backend != "postgresql":
        pytest.skip("MySQL does not tell of tables that are hidden")
    before, role = movies(store), f"role_{uuid4().hex[:8]}"
    query(f"CREATE ROLE {role}")
    try:
        query(f"GRANT USAGE ON SCHEMA {name} TO {role}")
        query(f"SET ROLE {role}")
        with pytest.raises(dj.DataJointError, match=r"are hidden from .*, those of recording"):
            collect(schema, grace=AT_ONCE, dry_run=False)
    finally:
        query("RESET ROLE")
        query(f"DROP OWNED BY {role}")
        query(f"DROP ROLE {role}")
    assert movies(store) == before


def test_answers_of_a_cache_are_refused(schema, recording, store, tmp_path):
    with dj.config.override(query_cache=str(tmp_path)):
        schema.connection.set_query_cache("yesterday")
        with pytest.raises(dj.DataJointError, match="query caching is on"):
            collect(schema, grace=AT_ONCE, dry_run=False)
        schema.connection.set_query_cache()


def test_an_open_transaction_is_refused(schema, recording):
    with schema.connection.transaction, pytest.raises(ValueError, match="a transaction is open"):
        collect(schema)


@pytest.mark.parametrize("new_store", ["local"], indirect=True)
def test_less_than_an_hour_is_refused_unless_nothing_inserts(schema, recording, store):
    orphan(recording)
    before = contents(store)

    with pytest.raises(ValueError, match=r"grace is 0:59:59; .* 1:00:00 or more.* nothing_inserts"):
        collect_beside_inserts(schema, grace=timedelta(seconds=3599), dry_run=False)
    assert contents(store) == before
    assert states(collect_beside_inserts(schema, grace=AT_ONCE)) == ["due"]
    hour = collect_beside_inserts(schema, grace=timedelta(hours=1), dry_run=False)
    assert states(hour) == ["waiting"]


def test_schemas_of_several_connections_are_refused(schema, new_instance, store):
    other = dj.Schema(new_schema_name(), connection=new_instance({"imaging": store}).connection)

    with pytest.raises(ValueError, match="several connections; collect for each by itself"):
        collect(schema, other)


def test_bad_arguments_are_refused(schema):
    with pytest.raises(ValueError, match="no schema is given"):
        collect()
    with pytest.raises(TypeError, match="grace is 7; it must be a timedelta"):
        collect(schema, grace=7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must not be negative"):
        collect(schema, grace=timedelta(days=-1))
    with pytest.raises(ValueError, match="nor above a century"):
        collect(schema, grace=timedelta.max)
    with pytest.raises(ValueError, match=r"the store is 'old'; the configured ones are"):
        collect(schema, store="old")


# ---------------------------------------------------------------------------- beside inserts

INSERTS = int(os.environ.get("DJ_TEST_INSERTS", "8"))  # of each process; hundreds by hand
INSERT = f"""{CONNECT}
import multiprocessing, random, time
import numpy as np, s3fs
from dj_photon_codecs.storage import writing

def insert(first, number):
    schema = dj.Schema(sys.argv[2])
    Recording = dj.VirtualModule("rows", sys.argv[2]).Recording
    longest = 0
    for key in ({{"recording_id": first + each}} for each in range(number)):
        movies = {{name: np.random.poisson(3, (120, 8, 8)) for name in ("movie", "other")}}
        begun = time.monotonic()
        try:
            with schema.connection.transaction:
                Recording.insert1(key | movies)
                if random.random() < .2 and key["recording_id"] > first:
                    raise RuntimeError("roll back")
        except RuntimeError:
            continue
        if key["recording_id"] > first:
            longest = max(longest, time.monotonic() - begun)
            if random.random() < .4:
                (Recording & key).delete_quick()
    print(f"longest={{longest}}")

new, number = multiprocessing.get_context("fork").Process, int(sys.argv[3])
processes = [new(target=insert, args=(number * each, number)) for each in range(4)]
for process in processes:
    process.start()
for process in processes:
    process.join()
sys.exit(any(process.exitcode for process in processes))
"""


@pytest.mark.slow
@pytest.mark.parametrize("new_store", ["local"], indirect=True)
def test_rows_committed_beside_a_collector_lose_nothing(database, schema, store, s3):
    grace = timedelta(seconds=2 + INSERTS / 50)  # the longest insert of many is longer
    dj.config.stores["objects"] = s3.spec(uuid4().hex)

    @schema
    class Recording(dj.Manual):
        definition = """
        recording_id : int32
        ---
        movie : <photon@imaging>
        other : <photon@objects>
        """

    connection = json.loads(settings(database, store)) | {"stores": dict(dj.config.stores)}
    program = [sys.executable, "-W", "ignore", "-c", INSERT, json.dumps(connection)]
    inserting = subprocess.Popen(
        [*program, schema.database, str(INSERTS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while len(Recording()) < 4 and inserting.poll() is None:  # their first inserts connect
        time.sleep(0.1)
    deleted = runs = 0
    while inserting.poll() is None:
        found = collect(schema, grace=grace, dry_run=False)
        deleted += states(found).count("deleted")
        runs += 1

    said, _ = inserting.communicate()
    assert inserting.returncode == 0, said
    longest = max(map(float, re.findall(r"longest=([\d.]+)", said)))
    fetched = Recording.to_dicts()
    damaged = [row for row in fetched if not is_whole(row["movie"]) or not is_whole(row["other"])]
    print(f"{len(fetched)} rows, {deleted} movies deleted by {runs} runs, longest {longest:.1f} s")
    if damaged and longest > grace.total_seconds():
        pytest.skip(f"an insert took {longest:.1f} s on this busy machine, longer than the grace")
    assert not damaged
    assert len(fetched) > INSERTS
    # with nobody inserting, all the rest is taken, and exactly the rows' movies are left
    collect(schema, grace=AT_ONCE, dry_run=False)
    assert len(movies(store)) == len(movies(dj.config.stores["objects"])) == len(fetched)
