"""A heritage machine: PostgreSQL in a network namespace of its own, outside every cluster, as an old virtual machine is.

The sites reach it over the same bridge that joins them. Commonweal only ever reads it, with a login that may only read.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import select
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from commonweal_local.sites.site import BRIDGE, HOST_ADDRESS, NEIGHBOURS

NAMESPACE = "cw-heritage"
LINK = "cwh0"
ADDRESS = NEIGHBOURS["heritage"]
PORT = 5432

# The data directory is bound to /mnt in a private mount namespace: the server's user need not be able to walk to it.
START = """
set -eu
mount --bind "$1" /mnt
run="setpriv --reuid=$2 --regid=$3 --clear-groups --no-new-privs"
[ -s /mnt/data/PG_VERSION ] || $run "$4/initdb" -D /mnt/data -U postgres -A scram-sha-256 --pwfile=/mnt/password -E UTF8 --locale=C.UTF-8 >/dev/null
printf 'host all all 0.0.0.0/0 scram-sha-256\\n' > /mnt/data/pg_hba.conf
exec $run "$4/postgres" -D /mnt/data -c listen_addresses='*' -c unix_socket_directories= -c max_connections=60 -c shared_buffers=64MB -c jit=off
"""


class HeritageError(RuntimeError):
    """The heritage machine can't be had; the message says what to do."""


@dataclass(frozen=True)
class HeritageMachine:
    """One PostgreSQL server under `home`, at ADDRESS:PORT. Needs root and the sites' bridge."""

    home: Path

    @property
    def _pid_file(self) -> Path:
        return self.home / "pid"

    def running(self) -> bool:
        """Return whether the server's first process lives."""
        try:
            pid = int(self._pid_file.read_text())
            return Path(f"/proc/{pid}/ns/net").stat().st_ino == Path(f"/run/netns/{NAMESPACE}").stat().st_ino
        except (OSError, ValueError):
            return False

    def up(self) -> None:
        """Start the machine unless it runs; return when it answers. Safe after a half-finished earlier run."""
        if self.running():
            return
        binaries = _server_binaries()
        self._unlink()
        user = _server_user()
        self.home.mkdir(parents=True, exist_ok=True)
        os.chown(self.home, user.pw_uid, user.pw_gid)
        password = self.home / "password"
        if not password.exists():
            password.write_text(secrets.token_hex(16))
        password.chmod(0o600)
        os.chown(password, user.pw_uid, user.pw_gid)
        self._link()
        words = ["ip", "netns", "exec", NAMESPACE, "unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
        script = ["sh", "-c", START, "heritage", str(self.home), str(user.pw_uid), str(user.pw_gid), str(binaries)]
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen([*words, *script], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._pid_file.write_text(str(process.pid))
        asyncio.run(self._answers(process))

    async def _answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise HeritageError(f"The heritage database ended with {process.returncode}; read {self.home / 'log'}.")
            try:
                async with self.connection("postgres"):
                    return
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
        raise HeritageError(f"The heritage database did not answer at {ADDRESS}:{PORT} within 60 s; read {self.home / 'log'}.")

    def down(self) -> None:
        """Stop the machine and take its link and namespace away; its data stays in `home`."""
        if self.running():
            pid = int(self._pid_file.read_text())
            os.kill(pid, signal.SIGKILL)  # `unshare --kill-child` takes everything inside along
            _gone(pid)
        self._pid_file.unlink(missing_ok=True)
        self._unlink()

    @asynccontextmanager
    async def connection(self, database: str) -> AsyncIterator[Any]:
        """Yield an administrator's connection."""
        connection = await asyncpg.connect(
            host=ADDRESS, port=PORT, user="postgres", password=(self.home / "password").read_text(), database=database, timeout=5
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def databases(self, scripts: Mapping[str, Iterable[str]]) -> list[str]:
        """Create each database that is missing, from its SQL scripts; return the names of the new ones."""
        new = []
        for name, texts in scripts.items():
            async with self.connection("postgres") as admin:
                if await admin.fetchval("select true from pg_database where datname = $1", name):
                    continue
                await admin.execute(f'create database "{name}"')
            async with self.connection(name) as connection, connection.transaction():
                for text in texts:
                    await connection.execute(text)
            new.append(name)
        return new

    def _link(self) -> None:
        mac = "02:00:" + ":".join(f"{int(part):02x}" for part in ADDRESS.split("."))
        for words in (
            ["ip", "netns", "add", NAMESPACE],
            ["ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", NAMESPACE],
            ["ip", "link", "set", LINK, "master", BRIDGE, "up"],
            ["ip", "-n", NAMESPACE, "link", "set", "lo", "up"],
            ["ip", "-n", NAMESPACE, "addr", "add", f"{ADDRESS}/24", "dev", "eth0"],
            ["ip", "-n", NAMESPACE, "link", "set", "eth0", "up"],
            ["ip", "-n", NAMESPACE, "route", "add", "default", "via", HOST_ADDRESS],
        ):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise HeritageError(f"`{' '.join(words)}`: {done.stderr.strip()}. Run `make down`, then try again.")

    def _unlink(self) -> None:
        """Remove link and namespace; what is not there is not an error."""
        subprocess.run(["ip", "link", "del", LINK], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", NAMESPACE], capture_output=True, check=False)


def _gone(pid: int) -> None:
    """Wait until the process has ended; it may be our child or somebody else's."""
    descriptor = os.pidfd_open(pid) if Path(f"/proc/{pid}").exists() else None
    if descriptor is None:
        return
    try:
        select.select([descriptor], [], [], 10)
    finally:
        os.close(descriptor)


def _server_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    if on_path is None:
        raise HeritageError("No PostgreSQL server on this machine. Run `commonweal doctor`, or `apt-get install postgresql`.")
    return Path(on_path).parent


def _server_user() -> pwd.struct_passwd:
    """A user that is not root, for PostgreSQL refuses to run as root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise HeritageError("This machine has neither a user «postgres» nor a user «nobody»; create one of them.")
