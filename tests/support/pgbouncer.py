"""A real PgBouncer before a heritage database, as a department's administrators put one there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from types import TracebackType
from typing import Any, Self

from support import room
from support.data_api import PASSWORD, USER
from support.loopback import until_it_listens
from support.postgres import HeritageServer, free_port

NOBODY = pwd.getpwnam("nobody")
PROGRAM = "/usr/sbin/pgbouncer"


class PgBouncer:
    """One pooler with one login, in session or in transaction mode. It refuses to run as root, so root starts it as another user."""

    def __init__(self, heritage: HeritageServer, mode: str, **settings: Any) -> None:
        self.directory, self.port = room.directory("pgbouncer"), free_port()
        self._user: dict[str, Any] = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        own = {"listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "", "pool_mode": mode} | settings
        own |= {"auth_type": "scram-sha-256", "auth_file": self.directory / "users"}
        listed = "\n".join(f"{k} = {v}" for k, v in own.items())
        (self.directory / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        (self.directory / "ini").write_text(f"[databases]\nheritage = host=127.0.0.1 port={heritage.port}\n[pgbouncer]\n{listed}\n")
        if self._user:
            for path in (self.directory, *self.directory.iterdir()):
                shutil.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, self.directory / "ini"], stdout=log, stderr=log, cwd="/", **self._user)
        until_it_listens(self._process, self.port, self.directory / "log")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
        shutil.rmtree(self.directory, ignore_errors=True)
