"""Start the department's PostgreSQL: `python -m commonweal_runtime.store.postgres`. Makes the cluster on first start, then runs the server.

The superuser exists on the unix socket only, whose directory no one but this pod's containers sees; over TCP every login needs TLS and SCRAM, and only
into the database that is meant for it. The keeper makes the certificate; until it has, nobody comes in over TCP. fsync stays on.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import which

from commonweal_runtime import core_dumps

DATABASES = ("department", "models")
SYNCS_AT_ONCE = 8
READY = "commonweal-arrived"  # in a copy from another site that was tried and may take this store's place
PYTHON = "STORE_PYTHON"  # by which the server runs `present`
PEM, PRESENTED = "server.pem", "tls.conf"  # certificate with its key, and the setting that presents it; both are written by the keeper
SETTINGS = {
    "ssl_cert_file": f"'{PEM}'",
    "ssl_key_file": f"'{PEM}'",
    "ssl_min_protocol_version": "'TLSv1.3'",
    "password_encryption": "'scram-sha-256'",
    "max_connections": "200",
    "shared_buffers": "'64MB'",
    "effective_cache_size": "'256MB'",
    "work_mem": "'4MB'",
    "maintenance_work_mem": "'32MB'",
    "wal_buffers": "'4MB'",
    "max_wal_size": "'256MB'",
    "min_wal_size": "'32MB'",
    "max_worker_processes": "4",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",  # statements are short; compiling them costs more than running them
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "'60s'",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements and parameters can hold people's data
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_timezone": "'UTC'",
    "timezone": "'UTC'",
    "datestyle": "'ISO, YMD'",
}
ACCESS = """\
# Written at each start. The superuser comes in over the socket of this pod only.
local  all         postgres               trust
local  all         all                    reject
host   all         postgres  all          reject
hostssl  department  all     all          scram-sha-256
hostssl  models      models  all          scram-sha-256
host   all         all       all          reject
"""


def binary(name: str) -> str:
    """Return the path of a PostgreSQL program: on PATH, or where Debian keeps it."""
    found = which(name)
    if found:
        return found
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3]), reverse=True)
    if not candidates:
        raise FileNotFoundError(f"{name}: not on PATH nor in /usr/lib/postgresql; install PostgreSQL 15 or later.")
    return str(candidates[0])


def initialise(data: Path, databases: Sequence[str] = DATABASES) -> None:
    """Make the cluster and its databases unless they are there. A run that was cut short is begun anew: the version file comes with a rename, last."""
    if (data / "PG_VERSION").exists():
        return
    data.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=data.parent))
    options = [
        "--username=postgres",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
        # Each program would wait for the disk file by file, seconds in all. What they made is not used before all of it is there, by `persist`.
        "--no-sync",
    ]
    subprocess.run([binary("initdb"), f"--pgdata={fresh}", *options], check=True, stdout=subprocess.DEVNULL)
    statements = "".join(f"create database {name} strategy file_copy;\n" for name in databases)
    _single(fresh, "postgres", statements, "-F")
    persist(fresh)
    if data.exists():
        data.rmdir()  # an empty mount point's directory; anything else in it is an error to look at
    fresh.rename(data)
    _sync(data.parent)


def alone(data: Path, database: str, statements: Sequence[str]) -> None:
    """Run statements as the superuser before anybody can connect. Raises RuntimeError with what the server says of one that it refuses."""
    told = _single(data, database, "".join(f"{each}\n" for each in statements))
    refused = [line for line in told.splitlines() if "ERROR:" in line]
    if refused:
        raise RuntimeError(f"{data}: {refused[0]}")


def _single(data: Path, database: str, statements: str, *flags: str) -> str:
    command = [binary("postgres"), "--single", *flags, "-D", str(data), "-c", "log_checkpoints=off", database]
    done = subprocess.run(command, input=statements, text=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return done.stderr


def persist(directory: Path) -> None:
    """Return when every file and directory below is on the disk. Several are asked for at a time: the disk then writes its journal once for them."""
    everything = [Path(where, name) for where, _, files in os.walk(directory) for name in (*files, ".")]
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
        list(pool.map(_sync, everything))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def arrived_beside(data: Path) -> Path:
    """Return where the copy of another site's store is laid, on the same volume."""
    return data.parent / "arrived"


def adopt(data: Path) -> None:
    """Put a copy that is ready in this store's place. Cut short at any point, the next start completes it.

    What it replaces is a store that has never served: the mover asks for that before it lays anything.
    """
    arrived, replaced = arrived_beside(data), data.parent / "replaced"
    if (arrived / READY).exists():
        if data.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            data.rename(replaced)
        arrived.rename(data)
    if (data / "PG_VERSION").exists():
        (data / READY).unlink(missing_ok=True)
        shutil.rmtree(replaced, ignore_errors=True)


def configure(data: Path, socket_directory: Path, settings: dict[str, str], access: str = ACCESS) -> None:
    """Write settings and access rules at each start, so that a release's settings reach a cluster made by an earlier one."""
    # A certificate that a failing disk cut short would keep the server from starting: without one it starts, and the keeper makes another.
    if not _whole(data / PEM):
        (data / PRESENTED).unlink(missing_ok=True)
    lines = [f"{key} = {value}" for key, value in {**settings, "unix_socket_directories": f"'{socket_directory}'"}.items()]
    included = f"include_if_exists = '{PRESENTED}'\n"
    (data / "postgresql.conf").write_text("# Written at each start.\n" + "\n".join(lines) + "\n" + included)
    (data / "pg_hba.conf").write_text(access)


def _whole(pem: Path) -> bool:
    text = pem.read_text(errors="replace") if pem.exists() else ""
    return "END PRIVATE KEY" in text and "END CERTIFICATE" in text


def serve(data: Path, beside: Callable[[subprocess.Popen[bytes]], None] | None = None) -> int | None:
    """Run the server until it ends. Return its exit status, or None when it ended by itself because a copy is ready to take its place.

    `beside` is called once with the server's process, and returns at once. A pod is stopped with SIGTERM, which to PostgreSQL means «wait until every client has left»: the services' pools never do. So it is passed on as
    SIGINT, a fast shutdown: transactions are rolled back and everything committed is on disk.
    """
    # A client within the server, which reads live products, looks for certificates and passwords of its user in the home directory: none are to be there.
    server = subprocess.Popen([binary("postgres"), "-D", str(data)], env={**os.environ, "HOME": str(data), PYTHON: sys.executable})
    if beside is not None:
        beside(server)
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        asked = True
        server.send_signal(signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, lambda *_: server.send_signal(signal.SIGHUP))
    status = server.wait()
    return None if not asked and (arrived_beside(data) / READY).exists() else status


def main() -> int:
    """Prepare the data directory and run PostgreSQL."""
    core_dumps.forbid()
    data = Path(os.environ.get("PGDATA", "/var/lib/postgresql/data/pgdata"))
    sockets = Path(os.environ.get("COMMONWEAL_SOCKET_DIR", "/run/postgresql"))
    listen = os.environ.get("COMMONWEAL_LISTEN", "*")
    os.umask(0o077)
    status = None
    while status is None:
        adopt(data)
        initialise(data)
        configure(data, sockets, {**SETTINGS, "listen_addresses": f"'{listen}'"})
        status = serve(data)
    return status


if __name__ == "__main__":
    sys.exit(main())
