"""A location with slashes to spare holds movies like any other, and none is collected."""

import datajoint as dj
import numpy as np
import pytest

from tests.conftest import connected, new_schema_name
from tests.tables import declare_recording, filesystem, on_write, photons, row_of


@pytest.mark.parametrize("slashes", ["{}/", "/{}", "a//{}", "{}//", "//{}"])
def test_a_location_may_have_slashes_to_spare(database, s3, slashes):
    store = s3.spec("")
    store["location"] = slashes.format(new_schema_name())
    counts = photons()
    with connected(database, {"default": "imaging", "imaging": store}) as connection:
        schema = dj.Schema(new_schema_name(), connection=connection)
        recording = declare_recording(schema)

        recording.insert1({"recording_id": 1, "movie": counts})
        # DataJoint's collector reports such files as orphans or not at all, and deletes none.
        dj.gc.GarbageCollector(schema, store="imaging").collect(dry_run=False)

        np.testing.assert_array_equal(recording.fetch1("movie").raw[:], counts)
        location = store["location"].strip("/").replace("//", "/")
        chunk = f"{store['bucket']}/{location}/{row_of(recording)['path']}/0.0.0"
        assert filesystem(store).exists(chunk)


@pytest.mark.parametrize("location", ["", "/"])
def test_a_store_may_be_a_whole_bucket(database, s3, location):
    store, counts = s3.spec("") | {"location": location}, photons()
    with connected(database, {"default": "imaging", "imaging": store}) as connection:
        schema = dj.Schema(new_schema_name(), connection=connection)
        recording = declare_recording(schema)

        recording.insert1({"recording_id": 1, "movie": counts})
        dj.gc.GarbageCollector(schema, store="imaging").collect(dry_run=False)

        np.testing.assert_array_equal(recording.fetch1("movie").raw[:], counts)


@pytest.mark.parametrize("slashes", ["{}/", "/{}", "a//{}"])
def test_an_insert_that_fails_leaves_nothing_at_any_location(database, s3, slashes, monkeypatch):
    store, name = s3.spec(""), new_schema_name()
    store["location"] = slashes.format(name)

    def fail(path, _):
        if path.endswith(".zarray"):
            raise OSError("gone")

    with connected(database, {"default": "imaging", "imaging": store}) as connection:
        recording = declare_recording(dj.Schema(new_schema_name(), connection=connection))
        with monkeypatch.context() as patch:
            on_write(patch, store, fail)
            with pytest.raises(OSError, match="gone"):
                recording.insert1({"recording_id": 1, "movie": photons()})

    files = filesystem(store)
    listed = files.call_s3("list_objects_v2", Bucket=store["bucket"], Prefix="")
    assert not [entry["Key"] for entry in listed["Contents"] if f"{name}/" in entry["Key"]]
