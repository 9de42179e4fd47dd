"""The PostgreSQL in which made-up sources lie: `python -m commonweal_cli.dev.source_server`, with PGDATA, PGPORT and COMMONWEAL_SOCKET_DIR. Run by `commonweal dev` alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from commonweal_local import paths
from commonweal_runtime.store.postgres import initialise, serve

SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "shared_buffers": "'16MB'",
    "jit": "off",
    "fsync": "off",
    "max_connections": "40",
    "log_min_messages": "warning",
    "password_encryption": "'scram-sha-256'",
}
ACCESS = "local all postgres trust\nhost all postgres all reject\nhost all all 127.0.0.1/32 scram-sha-256\n"


def main() -> int:
    """Make the directory on the first start, then run the server."""
    os.umask(0o077)
    data = Path(os.environ["PGDATA"])
    initialise(data)
    lines = {**SETTINGS, "unix_socket_directories": f"'{os.environ['COMMONWEAL_SOCKET_DIR']}'"}
    paths.write(data / "postgresql.conf", "".join(f"{key} = {value}\n" for key, value in lines.items()), mode=0o600)
    paths.write(data / "pg_hba.conf", ACCESS, mode=0o600)
    return serve(data) or 0


if __name__ == "__main__":
    sys.exit(main())
