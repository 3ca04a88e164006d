"""Tenants of one process have their own stores, under names that may be the same."""

import datajoint as dj
import numpy as np
import pytest

from tests.conftest import new_schema_name
from tests.tables import contents, declare_recording, photons, row_of, transformed


@pytest.fixture
def tenants(database, new_instance, new_store):
    """Two tenants with a table and a store each; the store is called ``imaging`` by both."""
    made = []
    for _ in range(2):
        store = new_store()
        instance = new_instance({"default": "imaging", "imaging": store})
        schema = dj.Schema(new_schema_name(), connection=instance.connection)
        made.append((store, schema, declare_recording(schema)))
    return made


@pytest.fixture(params=["none", "misleading"])
def global_stores(request, new_store):
    """What the configuration of the process says, which is no tenant's business."""
    misleading = {"default": "imaging", "imaging": new_store()}
    stores = {} if request.param == "none" else misleading
    with dj.config.override(stores=stores):
        yield stores
        assert dj.config["stores"] == stores
    assert contents(misleading["imaging"]) == set()


def test_movies_go_to_the_tenants_own_store(tenants, global_stores):
    (our_store, _, ours), (their_store, _, theirs) = tenants

    ours.insert1({"recording_id": 1, "movie": photons(seed=1)})

    assert {path for path in contents(our_store) if path.startswith(row_of(ours)["path"])}
    assert contents(their_store) == set()

    theirs.insert1({"recording_id": 1, "movie": photons(seed=2)})

    assert {path for path in contents(their_store) if path.startswith(row_of(theirs)["path"])}
    for table, seed in ((ours, 1), (theirs, 2)):
        movie = (table & {"recording_id": 1}).fetch1("movie")
        np.testing.assert_array_equal(movie[:], transformed(photons(seed=seed)))


def test_movies_are_read_from_the_tenants_own_store(tenants, global_stores):
    # One row under both configurations: each looks into its own store.
    ours, theirs = (table for _, _, table in tenants)
    ours.insert1({"recording_id": 1, "movie": photons(seed=1)})
    codec = ours.heading["movie"].codec
    row = row_of(ours)

    with pytest.raises(OSError, match=r"nothing of the movie is at .*store mounted"):
        codec.decode(row, context={"config": theirs.connection._config})[:]
    movie = codec.decode(row, context={"config": ours.connection._config})
    np.testing.assert_array_equal(movie[:], transformed(photons(seed=1)))


def test_movies_move_between_tenants(tenants, global_stores):
    (_, _, ours), (their_store, _, theirs) = tenants
    ours.insert1({"recording_id": 1, "movie": photons(seed=1)})

    theirs.insert1({"recording_id": 5, "movie": ours.fetch1("movie")})
    ours.delete(prompt=False)

    np.testing.assert_array_equal(theirs.fetch1("movie").raw[:], photons(seed=1))
    assert row_of(theirs)["path"] in contents(their_store) | {
        path.rpartition("/")[0] for path in contents(their_store)
    }


def test_garbage_of_one_tenant_is_no_business_of_the_other(tenants, global_stores):
    (_, our_schema, ours), (_, their_schema, theirs) = tenants
    for table in (ours, theirs):
        table.insert1({"recording_id": 1, "movie": photons()})
    ours.delete(prompt=False)

    assert dj.gc.GarbageCollector(their_schema).collect(dry_run=False)["deleted"] == 0
    assert dj.gc.GarbageCollector(our_schema).collect(dry_run=False)["deleted"] == 5

    np.testing.assert_array_equal(theirs.fetch1("movie")[:], transformed(photons()))
