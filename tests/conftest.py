"""Fixtures: real parts, no mocks.

Every test that touches DataJoint gets a real database, and, one after the other, a local store and
a real S3 store. ``DJ_TEST_POSTGRESQL`` (a URL) replaces the embedded PostgreSQL; ``DJ_TEST_MYSQL``
adds a MySQL server, against which the same tests then run once more.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import services
from tests.backends import use_backend

# Before DataJoint is imported: no configuration file of the developer's may reach the tests, and
# no proxy may stand before the servers on this machine.
os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

import datajoint as dj
import datajoint.instance
import distributed

StoreSpec = dict[str, Any]

DATABASES = ["postgresql", "mysql"] if "DJ_TEST_MYSQL" in os.environ else ["postgresql"]
SERVICES = {"database", "s3", "new_store"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, so that ``-m "not services"`` works."""
    for item in items:
        its_own = item.path.name == "test_services.py"  # starts servers of its own
        if its_own or SERVICES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("services")


# ---------------------------------------------------------------------------- the kernel


@pytest.fixture(scope="module", params=["compiled", "numpy"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Encode and decode by the compiled kernel, then by its reference in NumPy."""
    with use_backend(request.param):
        yield request.param


# ---------------------------------------------------------------------------- servers


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Return what lists the arguments of the calls of a function, which does what it does."""

    def note(owner: Any, name: str, what: Callable[..., Any]) -> list[Any]:
        calls: list[Any] = []
        function = getattr(owner, name)

        def noting(*given: Any, **options: Any) -> Any:
            calls.append(what(*given))
            return function(*given, **options)

        monkeypatch.setattr(owner, name, noting)
        return calls

    return note


@pytest.fixture(scope="session", params=DATABASES)
def database(request: pytest.FixtureRequest) -> Iterator[services.Database]:
    """A database server: the one the environment names, else an embedded PostgreSQL."""
    url = os.environ.get(f"DJ_TEST_{request.param.upper()}")
    if url is not None:
        yield services.Database.from_url(url)
    else:
        with services.postgresql() as embedded:
            yield embedded


@pytest.fixture(scope="session")
def s3() -> Iterator[services.S3]:
    """A real S3 server with one bucket."""
    with services.seaweedfs() as server:
        yield server


@pytest.fixture
def relay(s3: services.S3) -> Iterator[services.Relay]:
    """A relay before the S3 server: ``relay.requests`` holds all that reached it."""
    with services.relay(s3.endpoint) as server:
        yield server


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[distributed.LocalCluster]:
    """Two processes of dask with a thread each, which say nothing of what fails in a test."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host=services.HOST,
        dashboard_address=f"{services.HOST}:0",  # None takes 8787, which another run may have
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster


@pytest.fixture
def client(dask_cluster: distributed.LocalCluster) -> Iterator[distributed.Client]:
    """A client of the cluster, with which dask computes for the length of a test."""
    with distributed.Client(dask_cluster) as made:
        made.wait_for_workers(1)
        yield made


# ---------------------------------------------------------------------------- stores


@pytest.fixture(params=["local", "s3"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], StoreSpec]:
    """Make a new, empty store at each call; a test that uses it runs on both kinds."""
    if request.param == "local":
        return lambda: _local_store(tmp_path)
    server: services.S3 = request.getfixturevalue("s3")
    return lambda: server.spec(uuid4().hex)


@pytest.fixture
def store(new_store: Callable[[], StoreSpec]) -> StoreSpec:
    """One new, empty store, as an entry of ``dj.config['stores']``."""
    return new_store()


@pytest.fixture
def relayed_store(s3: services.S3, relay: services.Relay) -> StoreSpec:
    """A new S3 store that can be reached through the relay only."""
    return replace(s3, endpoint=relay.endpoint).spec(uuid4().hex)


def _local_store(parent: Path) -> StoreSpec:
    location = parent / uuid4().hex
    location.mkdir()
    return {"protocol": "file", "location": str(location)}


# ---------------------------------------------------------------------------- DataJoint


@pytest.fixture
def connection(database: services.Database, store: StoreSpec) -> Iterator[dj.Connection]:
    """DataJoint connected to the database; the store is named ``imaging`` and is the default.

    The schemas made with it are dropped, and ``dj.config`` is put back, when the test ends.
    """
    with connected(database, {"default": "imaging", "imaging": store}) as made:
        yield made


@pytest.fixture
def schema(connection: dj.Connection) -> dj.Schema:
    """A new, empty schema."""
    return dj.Schema(new_schema_name(), connection=connection)


@pytest.fixture
def new_instance(database: services.Database) -> Iterator[Callable[[StoreSpec], dj.Instance]]:
    """Make a ``dj.Instance``, a tenant with a connection and stores of its own, at each call."""
    with ExitStack() as opened:

        def instance(stores: StoreSpec) -> dj.Instance:
            made = dj.Instance(
                database.host,
                database.user,
                database.password,
                port=database.port,
                use_tls=database.use_tls,
                backend=database.backend,
                safemode=False,
                stores=stores,
            )
            opened.callback(_close, made.connection)
            return made

        yield instance


def new_schema_name() -> str:
    return f"photon_test_{uuid4().hex[:12]}"


@contextmanager
def connected(database: services.Database, stores: StoreSpec) -> Iterator[dj.Connection]:
    settings = {
        "database__backend": database.backend,
        "database__host": database.host,
        "database__port": database.port,
        "database__user": database.user,
        "database__password": database.password,
        "database__use_tls": database.use_tls,
        "safemode": False,
        "stores": stores,
    }
    with dj.config.override(**settings), pytest.MonkeyPatch.context() as patch:
        # dj.Schema("name"), as users write it, takes the one connection of the process.
        patch.setattr(datajoint.instance, "_singleton_connection", None)
        connection = dj.conn()
        try:
            yield connection
        finally:
            _close(connection)


def _close(connection: dj.Connection) -> None:
    if not connection.is_connected:
        connection.connect()
    if connection.in_transaction:
        connection.cancel_transaction()
    for schema in list(connection.schemas.values()):
        schema.drop(prompt=False)
    connection.close()
