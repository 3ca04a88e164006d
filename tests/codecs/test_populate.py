"""Movies are fetched and inserted in ``make``, under ``populate`` in one process and in several."""

import json
import re

import datajoint as dj
import numpy as np
import pytest

from tests.tables import (
    CONNECT,
    contents,
    declare_recording,
    photons,
    run_python,
    settings,
    transformed,
)


@pytest.fixture
def recording(schema):
    table = declare_recording(schema)
    for number in (1, 2):
        table.insert1({"recording_id": number, "movie": photons(seed=number)})
    return table


def test_imported_tables_insert_movies_in_make(schema):
    @schema
    class Scan(dj.Manual):
        definition = """
        scan_id : int32
        """

    @schema
    class Recording(dj.Imported):
        definition = """
        -> Scan
        ---
        movie : <photon@imaging>
        """

        def make(self, key):
            self.insert1({**key, "movie": photons(seed=key["scan_id"])})

    Scan.insert([{"scan_id": 1}, {"scan_id": 2}])

    Recording.populate()

    for number in (1, 2):
        movie = (Recording() & {"scan_id": number}).fetch1("movie")
        np.testing.assert_array_equal(movie[:], transformed(photons(seed=number)))


def test_computed_tables_fetch_and_insert_movies_in_make(schema, recording):
    @schema
    class Cropped(dj.Computed):
        definition = """
        -> Recording
        ---
        movie : <photon@>
        total : float64
        """

        def make(self, key):
            movie = (recording & key).fetch1("movie")
            total = sum(frame.sum() for frame in movie)
            self.insert1({**key, "movie": movie.raw[:, 2:6, 2:6], "total": total})

    Cropped.populate()

    for number in (1, 2):
        movie, total = (Cropped() & {"recording_id": number}).fetch1("movie", "total")
        counts = photons(seed=number)
        np.testing.assert_array_equal(movie[:], transformed(counts[:, 2:6, 2:6]))
        assert total == pytest.approx(transformed(counts).sum(), rel=1e-12)


def declare_mean(schema, recording, between=lambda _: None):
    @schema
    class Mean(dj.Computed):
        definition = """
        -> Recording
        ---
        mean : float64
        """

        def make_fetch(self, key):
            return ((recording & key).fetch1("movie"),)

        def make_compute(self, key, movie):
            mean = float(movie[:].mean())
            between(key)
            return (mean,)

        def make_insert(self, key, mean):
            self.insert1({**key, "mean": mean})

    return Mean


def test_three_part_make_reads_a_movie_between_its_fetches(schema, recording):
    mean = declare_mean(schema, recording)

    mean.populate()

    expected = [transformed(photons(seed=number)).mean() for number in (1, 2)]
    np.testing.assert_allclose(mean.to_arrays("mean", order_by="KEY"), expected, rtol=1e-12)


def test_three_part_make_notices_that_its_movie_was_exchanged(schema, recording):
    def exchange(key):
        recording.update1({**key, "movie": photons(seed=99)})

    mean = declare_mean(schema, recording, between=exchange)

    with pytest.raises(dj.DataJointError, match="The `make_fetch` data has changed"):
        mean.populate({"recording_id": 1})
    assert len(mean()) == 0


def test_failing_make_leaves_no_row(schema, recording, store):
    before = contents(store)

    @schema
    class Copied(dj.Computed):
        definition = """
        -> Recording
        ---
        movie : <photon@>
        """

        def make(self, key):
            self.insert1({**key, "movie": (recording & key).fetch1("movie")})
            raise RuntimeError("the lights went out")

    result = Copied.populate(suppress_errors=True)

    assert len(result["error_list"]) == 2
    assert len(Copied()) == 0
    collector = dj.gc.GarbageCollector(schema)
    assert collector.collect(dry_run=False)["schema_paths_deleted"] == 10
    assert before <= contents(store)
    assert collector.collect()["schema_paths_orphaned_bytes"] == 0


# ---------------------------------------------------------------------------- processes

PIPELINE = f"""{CONNECT}
dj.config["safemode"] = False
schema = dj.Schema(sys.argv[2])

@schema
class Recording(dj.Manual):
    definition = '''
    recording_id : int32
    ---
    movie : <photon@imaging>
    '''

@schema
class Copied(dj.Computed):
    definition = '''
    -> Recording
    ---
    movie : <photon@>
    total : float64
    '''

    def make(self, key):
        movie = (Recording & key).fetch1("movie")
        total = sum(frame.sum() for frame in movie)
        self.insert1({{**key, "movie": movie.raw[:], "total": total}})

first = (Recording() & {{"recording_id": 1}}).fetch1("movie")
Recording.insert1({{"recording_id": 9, "movie": first}})
first[:]
result = Copied.populate(processes=2, reserve_jobs=sys.argv[3] == "reserve")
Recording.insert1({{"recording_id": 10, "movie": first.raw[:]}})
first[:]
print(json.dumps(result))
"""


@pytest.mark.parametrize("jobs", ["direct", "reserve"])
def test_processes_populate_and_end_quietly(database, store, recording, jobs):
    # Both processes and the one that forked them use the store: what one inherits, it must leave
    # alone, or the other waits for ever for an answer to its next request.
    done = run_python(PIPELINE, settings(database, store), recording.database, jobs)

    assert json.loads(done.stdout.splitlines()[-1]) == {"success_count": 3, "error_list": []}
    # DataJoint's own handler, if the pool ends a process while that is ending by itself
    complaints = re.sub(r"(?s)Exception ignored.*?SystemExit: SIGTERM received\n", "", done.stderr)
    for words in ("Task exception", "Traceback", "different loop", "Unclosed", "Error"):
        assert words not in complaints
    schema = dj.Schema(recording.database)
    copied = schema.get_table("__copied")
    for number, seed in [(1, 1), (2, 2), (9, 1)]:
        movie, total = (copied & {"recording_id": number}).fetch1("movie", "total")
        counts = photons(seed=seed)
        np.testing.assert_array_equal(movie.raw[:], counts)
        assert total == pytest.approx(transformed(counts).sum(), rel=1e-12)
    last = recording & {"recording_id": 10}
    np.testing.assert_array_equal(last.fetch1("movie").raw[:], photons(seed=1))
