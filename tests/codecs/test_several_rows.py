"""What an insert of several rows, or of a row that the database refuses, leaves on the store."""

import datajoint as dj
import pytest

from dj_photon_codecs import PhotonCodec
from tests.tables import contents, declare_recording, photons

FILES = 5  # of a movie of 120 frames: two chunks, two documents and the picture

pytestmark = pytest.mark.parametrize("new_store", ["local"], indirect=True)


def negative():
    movie = photons().astype(float)
    movie[57, 3, 4] = -1
    return movie


@pytest.fixture
def recording(schema):
    return declare_recording(schema)


def rows(*movies):
    return [{"recording_id": number, "movie": movie} for number, movie in enumerate(movies)]


def left(store):
    return sum(path.endswith((".zarray", ".zattrs", ".0.0", ".png")) for path in contents(store))


def test_rows_before_one_that_is_refused_leave_their_movies(schema, store, recording):
    # DataJoint writes the movies row by row, and all rows at once when it has all of them.
    with pytest.raises(ValueError, match=r"movie holds -1\.0 at frame 57"):
        recording.insert(rows(photons(), photons(), negative()))

    assert len(recording()) == 0
    assert left(store) == 2 * FILES
    taken = dj.gc.GarbageCollector(schema).collect(dry_run=False)
    assert taken["schema_paths_deleted"] == 2 * FILES


@pytest.mark.parametrize("key", [{}, {"recording_id": None}], ids=["missing", "null"])
def test_a_row_without_its_key_leaves_its_movie(schema, store, recording, key):
    with pytest.raises(Exception, match=r"(?i)recording_id"):
        recording.insert1({**key, "movie": photons()})

    assert len(recording()) == 0
    assert left(store) == FILES
    assert dj.gc.GarbageCollector(schema).collect(dry_run=False)["schema_paths_deleted"] == FILES


def test_movies_that_were_checked_first_leave_nothing(store, recording):
    good, bad = photons(), negative()

    PhotonCodec.check(good)
    with pytest.raises(ValueError, match=r"movie holds -1\.0 at frame 57"):
        PhotonCodec.check(bad)

    assert contents(store) == set()


def test_a_fetched_movie_passes_the_check(recording):
    recording.insert1({"recording_id": 1, "movie": photons()})

    PhotonCodec.check(recording.fetch1("movie"))
