"""Real PostgreSQL servers for tests: the department's own, started by the product's program, and a heritage one.

The first server of a kind in a process is made as the product makes it; the others begin with a copy of its directory (0.2 s of processor time).
Each module so has roles, access rules and a log of its own: a store's roles belong to the whole server, and its access rules name its databases, so
that databases of one server could not stand for several stores.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg

import commonweal_runtime
from commonweal_runtime.keeper import store_tls
from commonweal_runtime.store import certificate
from commonweal_runtime.store.postgres import PEM, binary
from commonweal_stacks.management.certificates import issue
from support import room
from support.waiting import EVERY, HANG

DATABASE_KEY = b"d" * 32
NOBODY = pwd.getpwnam("nobody")
SOURCES = str(Path(commonweal_runtime.__file__).parents[1])


def free_port() -> int:
    """Return a TCP port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One PostgreSQL on 127.0.0.1 and on a socket in a directory of its own. PostgreSQL refuses root, so root starts it as another user."""

    def __init__(self) -> None:
        self.directory = room.directory("pg")
        self.sockets, self.port = self.directory / "run", free_port()
        self.sockets.mkdir()
        self._user: dict[str, Any] = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        if self._user:
            for path in (self.directory, self.sockets):
                shutil.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
            self.directory.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    def command(self) -> list[str]:
        """Return the program that becomes, or runs, the server."""
        raise TypeError("choose StoreServer or HeritageServer")

    def environment(self) -> Mapping[str, str]:
        return {"PGPORT": str(self.port)}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start the server and return when it answers. The first start begins with a copy of what the first server of the kind was made of."""
        if not self.data.exists():
            subprocess.run(["cp", "--archive", _first(type(self)), self.data], check=True)
        self.run()

    def initialise(self) -> None:
        """Make the data directory of the first server of the kind, unless the program does."""

    def run(self) -> None:
        """Run the program on what lies in the data directory, if anything; return when it answers."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), env={**os.environ, **self.environment()}, stdout=log, stderr=log, cwd="/", **self._user
            )
        asyncio.run(self._answers())

    def stop(self) -> None:
        """Stop the server; data stay until the context ends."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    async def _answers(self) -> None:
        try:
            async with asyncio.timeout(HANG):
                while True:
                    try:
                        await (await self.superuser("postgres")).close()
                    except (OSError, asyncpg.PostgresError):
                        if self._process is None or self._process.poll() is not None:
                            raise RuntimeError(f"PostgreSQL ended: {(self.directory / 'log').read_text()}") from None
                        await asyncio.sleep(EVERY)
                    else:
                        return
        except TimeoutError:
            raise RuntimeError(f"PostgreSQL does not answer: {(self.directory / 'log').read_text()}") from None

    async def superuser(self, database: str) -> Any:
        """Return a connection as superuser over the socket."""
        return await asyncpg.connect(host=str(self.sockets), port=self.port, user="postgres", database=database)

    def value(self, query: str, *values: Any, database: str = "department") -> Any:
        """Return one value as the superuser sees it, over a connection of its own."""

        async def asked() -> Any:
            root = await self.superuser(database)
            try:
                return await root.fetchval(query, *values)
            finally:
                await root.close()

        return asyncio.run(asked())


@cache
def _first(kind: type[Server]) -> Path:
    """The data directory of a server that was made, started and stopped: what each further one starts with."""
    first = kind()
    atexit.register(shutil.rmtree, first.directory, ignore_errors=True)
    first.initialise()
    first.run()
    first.stop()
    return first.data


class StoreServer(Server):
    """The department's PostgreSQL, made and started by `commonweal_runtime.store.postgres` itself, with the certificate that its keeper makes at its start."""

    def run(self) -> None:
        """Run the program, and give the store a certificate unless it has one."""
        super().run()
        if not (self.data / PEM).exists():
            asyncio.run(self.certify(datetime.now(UTC)))

    async def certify(self, now: datetime) -> None:
        """Give the store another certificate, as its keeper does in time."""
        root = await self.superuser("department")
        try:
            await store_tls.place(root, certificate.issue(DATABASE_KEY, "127.0.0.1", now))
        finally:
            await root.close()

    def command(self) -> list[str]:
        # root's own Python may lie where an unprivileged user cannot reach it; the program needs the standard library only
        python = sys.executable if os.geteuid() else "/usr/bin/python3"
        return [python, "-m", "commonweal_runtime.store.postgres"]

    def environment(self) -> Mapping[str, str]:
        own = {"PGDATA": str(self.data), "COMMONWEAL_SOCKET_DIR": str(self.sockets), "COMMONWEAL_LISTEN": "127.0.0.1"}
        return {**super().environment(), **own, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": SOURCES}


CERTIFICATE = issue(b"somebody else's key", "heritage", ["localhost"], year=datetime.now(UTC).year)


class HeritageServer(Server):
    """Somebody else's PostgreSQL: password logins over TCP, with TLS for whoever wants it and a certificate for `localhost`."""

    def certificate(self) -> tuple[str, str]:
        """Return the certificate and its key."""
        return CERTIFICATE.certificate, CERTIFICATE.key

    def initialise(self) -> None:
        options = [
            "--username=postgres",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        subprocess.run([binary("initdb"), f"--pgdata={self.data}", *options], check=True, stdout=subprocess.DEVNULL, cwd="/", **self._user)
        for name, text in zip(("server.crt", "server.key"), self.certificate(), strict=True):
            (self.data / name).write_text(text)
            (self.data / name).chmod(0o600)
            if self._user:
                shutil.chown(self.data / name, NOBODY.pw_uid, NOBODY.pw_gid)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "ssl": "on",
            "unix_socket_directories": str(self.sockets),
            "fsync": "off",
            "shared_buffers": "32MB",
        }
        return [binary("postgres"), "-D", str(self.data), *(part for k, v in settings.items() for part in ("-c", f"{k}={v}"))]

    def stop(self) -> None:
        """Stop the server at once, whoever is connected; data stay until the context ends."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # to PostgreSQL, SIGTERM is: wait until every client has left
        super().stop()

    def log_everything(self) -> None:
        """Write every statement from now on to the log, with its parameters."""

        async def go() -> None:
            root = await self.superuser("postgres")
            await root.execute("alter system set log_min_duration_statement = 0")
            await root.execute("select pg_reload_conf()")
            await root.close()

        asyncio.run(go())

    async def make(self, database: str, script: str) -> None:
        """Make a database from a script."""
        root = await self.superuser("postgres")
        await root.execute(f'create database "{database}"')
        await root.close()
        connection = await self.superuser(database)
        await connection.execute(script)
        await connection.close()
