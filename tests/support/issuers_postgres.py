"""The issuer's own PostgreSQL for tests, made and started by `commonweal_runtime.identity_store` itself."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg

from commonweal_runtime.identity_store.__main__ import main
from support import room
from support.postgres import NOBODY, free_port
from support.waiting import EVERY, HANG

FORK = multiprocessing.get_context("fork")
KEY = bytes(range(32))


class IdentityStore:
    """A server on 127.0.0.1. With `certificates`, a folder of tls.crt and tls.key, it speaks TLS; without, it is open to this machine alone."""

    def __init__(self, key: bytes = KEY, certificates: Path | None = None) -> None:
        self.directory, self.port = room.directory("identity"), free_port()
        self.data, self.sockets, self.held = (self.directory / name for name in ("data", "run", "held"))
        self.password, self._certificates = key.hex(), certificates
        self._process: Any = None
        for folder in (self.sockets, self.held):
            folder.mkdir()
        (self.held / "store").write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.directory, self.sockets, self.held, self.held / "store"):
                shutil.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start the server and return when it takes connections."""
        self._process = FORK.Process(target=self._become)
        self._process.start()
        asyncio.run(self._answers())

    def stop(self) -> None:
        """Stop the server; what is in it stays."""
        self._process.terminate()
        self._process.join(HANG)

    @property
    def running(self) -> bool:
        return bool(self._process.is_alive())

    async def superuser(self, database: str = "identity") -> Any:
        """Return a connection of the superuser over the socket."""
        return await asyncpg.connect(host=str(self.sockets), port=self.port, user="postgres", database=database)

    async def _answers(self) -> None:
        async with asyncio.timeout(HANG):
            while True:
                try:
                    await (await self.superuser()).close()
                except (OSError, asyncpg.PostgresError):
                    assert self.running, "the server ended: its last words are above"
                    await asyncio.sleep(EVERY)
                else:
                    return

    def _become(self) -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY.pw_gid)
            os.setuid(NOBODY.pw_uid)
        os.environ |= {
            "PGDATA": str(self.data),
            "PGPORT": str(self.port),
            "COMMONWEAL_SOCKET_DIR": str(self.sockets),
            "COMMONWEAL_IDENTITY_STORE_DIR": str(self.held),
        }
        if self._certificates is not None:
            os.environ["COMMONWEAL_TLS_DIR"] = str(self._certificates)
        os.chdir("/")
        os._exit(main())
