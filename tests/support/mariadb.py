"""A real MariaDB server for tests: somebody else's database, on loopback, in a directory of its own; and its reader, without a store."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import pymysql

from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.store.sources import Credentials, Source, open_source
from support import room
from support.data_api import PASSWORD, USER
from support.loopback import until_it_listens
from support.postgres import free_port

NOBODY = pwd.getpwnam("nobody")
SERVER = "/usr/sbin/mariadbd"


class MariaDb:
    """One server; root, without a password, comes in over its socket only. MariaDB refuses to run as root, so root starts it as another user."""

    def __init__(self) -> None:
        self.directory, self.port = room.directory("my"), free_port()
        self._user: dict[str, Any] = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(self.directory, NOBODY.pw_uid, NOBODY.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={self.directory / 'data'}", *options],
            check=True,
            capture_output=True,
            cwd="/",
            **self._user,
        )
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start the server and return when it answers."""
        settings = {
            "datadir": self.directory / "data",
            "socket": self.directory / "socket",
            "pid-file": self.directory / "pid",
            "port": self.port,
            "bind-address": "127.0.0.1",
            "innodb-buffer-pool-size": "32M",
            "innodb-flush-log-at-trx-commit": 0,
            "skip-name-resolve": "on",
        }
        command = [SERVER, "--no-defaults", *(f"--{k}={v}" for k, v in settings.items())]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._user)
        until_it_listens(self._process, self.port, self.directory / "log")

    def stop(self) -> None:
        """Stop the server; data stay until the context ends."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """Kill the server as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as root and return the rows of the last one."""
        connection = pymysql.connect(
            unix_socket=str(self.directory / "socket"), user="root", database=database, charset="utf8mb4", autocommit=True
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    @asynccontextmanager
    async def reader(
        self,
        table: str,
        fields: Mapping[str, str],
        *,
        key: str = "ref",
        record: str | None = None,
        login: tuple[str, str] = (USER, PASSWORD),
    ) -> AsyncIterator[Source]:
        """Open a table of the database `heritage` as the source of a product with fields named as their columns."""
        source = {"host": "127.0.0.1", "port": self.port, "database": "heritage", "table": table, "credentials": {"name": "heritage"}}
        many = {} if record is None else {"records": "Many", "recordKey": record}
        spec = {
            "title": "People",
            "version": "1.0.0",
            "class": "Person",
            "source": {"mysql": source},
            "subject": {"column": key, **many},
            "fields": [{"name": name, "column": name, "type": type_} for name, type_ in fields.items()],
        }
        async with open_source(DataProductSpec.model_validate(spec), Credentials(*login)) as opened:
            yield opened
