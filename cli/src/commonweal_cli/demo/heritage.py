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
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from commonweal_cli.demo import cleanup
from commonweal_cli.exceptions import HeritageError
from commonweal_local import machine
from commonweal_local.paths import write
from commonweal_local.shell import run
from commonweal_local.sites.site import BRIDGE, HOST_ADDRESS, NEIGHBOURS

NAMESPACE = "cw-heritage"
LINK = "cwh0"
ADDRESS = NEIGHBOURS["heritage"]
PORT = 5432

# The data directory is bound to /mnt in a private mount namespace: the server's user need not be able to walk to it. It gets its name when it is
# whole, so that an initdb that was killed is done again.
START = """
set -eu
mount --bind "$1" /mnt
run="setpriv --reuid=$2 --regid=$3 --clear-groups --no-new-privs"
if [ ! -s /mnt/data/PG_VERSION ]; then
  rm -rf /mnt/data.new
  $run "$4/initdb" --no-sync -D /mnt/data.new -U postgres -A scram-sha-256 --pwfile=/mnt/password -E UTF8 --locale=C.UTF-8 >/dev/null
  sync -f /mnt/data.new
  mv -T /mnt/data.new /mnt/data
fi
printf 'host all all 0.0.0.0/0 scram-sha-256\\n' > /mnt/data/pg_hba.conf
exec $run "$4/postgres" -D /mnt/data -c listen_addresses='*' -c unix_socket_directories= -c max_connections=60 -c shared_buffers=64MB -c jit=off
"""
HOLDS_A_TABLE = "select exists (select from pg_tables where schemaname not in ('pg_catalog', 'information_schema'))"


# Kept so that a process that outlives this call is not reported as forgotten by the interpreter; `down` collects them.
_launched: list[subprocess.Popen[bytes]] = []


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
            asyncio.run(self._answers(self.running))  # a run that was killed may have left it starting
            return
        self.refuse_foreign()
        binaries = _server_binaries()
        self._end_inhabitants()
        self._unlink()
        user = _server_user()
        self.home.mkdir(parents=True, exist_ok=True)
        os.chown(self.home, user.pw_uid, user.pw_gid)
        password = self.home / "password"
        if not password.exists():
            write(password, secrets.token_hex(16), mode=0o600)
        os.chown(password, user.pw_uid, user.pw_gid)
        self._link()
        words = ["ip", "netns", "exec", NAMESPACE, "unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
        script = ["sh", "-c", START, "heritage", str(self.home), str(user.pw_uid), str(user.pw_gid), str(binaries)]
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(
                [*words, *script], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=cleanup.unmarked()
            )
        _launched.append(process)
        self._pid_file.write_text(str(process.pid))
        asyncio.run(self._answers(lambda: process.poll() is None))

    async def _answers(self, lives: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if not lives():
                raise HeritageError(f"The heritage database ended; read {self.home / 'log'}, then run `make down` and try again.")
            try:
                async with self.connection("postgres"):
                    return
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
        raise HeritageError(f"The heritage database did not answer at {ADDRESS}:{PORT} within 60 s; read {self.home / 'log'}.")

    def down(self) -> None:
        """Stop the machine and take its link and namespace away; its data stays in `home`. The machine of another home is left alone."""
        if os.geteuid() != 0 or machine.program("ip") is None or self._foreign():
            return
        self._end_inhabitants()
        _launched[:] = [process for process in _launched if process.poll() is None]
        self._pid_file.unlink(missing_ok=True)
        self._unlink()

    def _end_inhabitants(self) -> None:
        """End the server, also one whose start was cut short before its process was written down."""
        for pid in _inhabitants():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # `unshare --kill-child` takes everything inside along
            _gone(pid)

    def refuse_foreign(self) -> None:
        """Raise HeritageError, which says what to do, while the heritage machine of another home has the address."""
        other = self._foreign()
        if other:
            raise HeritageError(
                f"The heritage machine of {other} has the address {ADDRESS}. "
                f"End that one first: `COMMONWEAL_HOME={Path(other).parent} commonweal demo down`."
            )

    def _foreign(self) -> str | None:
        """Return the directory of the heritage machine that runs for another home, if one does."""
        return next((home for home in map(_home_of, _inhabitants()) if home not in (None, str(self.home))), None)

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
        """Create and fill each database that is missing or was left empty, from its SQL scripts; return the names of those."""
        new = []
        for name, texts in scripts.items():
            async with self.connection("postgres") as admin:
                if not await admin.fetchval("select true from pg_database where datname = $1", name):
                    await admin.execute(f'create database "{name}"')
            async with self.connection(name) as connection, connection.transaction():
                # Filled in one transaction: a database that holds a table holds all of it.
                if await connection.fetchval(HOLDS_A_TABLE):
                    continue
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


def _inhabitants() -> list[int]:
    """Return the processes in the machine's network namespace; none when there is no such namespace."""
    return [int(word) for word in run("ip", "netns", "pids", NAMESPACE, check=False).split()]


def _home_of(pid: int) -> str | None:
    """Return the directory that a machine's first process was started for, or None for any other process."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return argv[argv.index(START) + 2] if START in argv else None


def _gone(pid: int) -> None:
    """Wait until the process has ended; it may be our child or somebody else's."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
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
