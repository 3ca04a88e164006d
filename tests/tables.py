"""What tests of the codec share: a table, small movies, and a look at all that a store holds."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import datajoint as dj
import numpy as np

from tests import services

StoreSpec = dict[str, Any]


def photons(frames=120, *, seed=0, rate=10, shape=(8, 8)):
    """Simulated photon counts, int64 as NumPy makes them; 120 frames are two chunks."""
    return np.random.default_rng(seed).poisson(rate, (frames, *shape))


def transformed(counts):
    return 2 * np.sqrt(counts + 3 / 8)


def declare_recording(schema):
    @schema
    class Recording(dj.Manual):
        definition = """
        recording_id : int32
        ---
        movie : <photon@imaging>
        """

    schema.context = {"Recording": Recording}  # what other tables may refer to
    return Recording


# ---------------------------------------------------------------------------- the store


def filesystem(store: StoreSpec) -> Any:
    """Return the filesystem that DataJoint itself uses for a store."""
    return dj.storage.StorageBackend(store).fs


def root(store: StoreSpec) -> str:
    return str(dj.storage.StorageBackend(store).get_fsmap("").root).rstrip("/")


def contents(store: StoreSpec) -> set[str]:
    """Name all that lies on a store; on disk, empty directories included."""
    if store["protocol"] == "file":
        parent = Path(store["location"])
        return {path.relative_to(parent).as_posix() for path in parent.rglob("*")}
    fs = filesystem(store)
    fs.invalidate_cache()
    files = fs.find(root(store), detail=True)
    # SeaweedFS lists, for a while, the places where files were, as files of no bytes.
    return {path.removeprefix(f"{root(store)}/") for path in files if files[path]["size"]}


def size(store: StoreSpec, path: str) -> int:
    """Return the bytes of all chunks of a movie."""
    files = filesystem(store).find(f"{root(store)}/{path}", detail=True)
    return sum(file["size"] for name, file in files.items() if "/.z" not in name)


def on_write(monkeypatch, store: StoreSpec, action: Callable[[str, int], None]) -> None:
    """Call ``action(path, number)`` before each file that is written to a store from now on."""
    fs = filesystem(store)
    write, number = fs.pipe_file, iter(range(1_000_000))

    def observed(path, value, **options):
        action(path, next(number))
        return write(path, value, **options)

    monkeypatch.setattr(fs, "pipe_file", observed)


# ---------------------------------------------------------------------------- the database


def row_of(table, attribute: str = "movie") -> dict[str, Any]:
    """Return what the database holds of the one movie in a table, undecoded."""
    (row,) = table.proj(attribute).cursor(as_dict=True)
    stored = row[attribute]
    found: dict[str, Any] = json.loads(stored) if isinstance(stored, str) else stored
    return found


def rewrite(table, **changes: Any) -> None:
    """Change the one row of a table behind DataJoint's back."""
    quote = table.connection.adapter.quote_identifier
    table.connection.query(
        f"UPDATE {table.full_table_name} SET {quote('movie')} = %s",  # noqa: S608
        args=[json.dumps(row_of(table) | changes)],
    )


# ---------------------------------------------------------------------------- other processes


def settings(database: services.Database, store: StoreSpec) -> str:
    """Return as JSON what `CONNECT` in another process needs."""
    connection = {f"database.{name}": value for name, value in asdict(database).items()}
    connection["database.use_tls"] = database.use_tls
    connection["stores"] = {"default": "imaging", "imaging": store}
    return json.dumps(connection)


CONNECT = """
import json, sys
import datajoint as dj
for name, value in json.loads(sys.argv[1]).items():
    dj.config[name] = value
"""


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr
    return done
