"""Start the issuer's PostgreSQL: `python -m commonweal_runtime.identity_store`. Makes the cluster on the first start, then runs the server.

Over the network one role comes in, `identity`, which owns the one database and is no superuser, and with TLS only. The superuser exists on the unix
socket alone, whose directory no other container sees. COMMONWEAL_TLS_DIR holds the certificate; a renewed one is presented within seconds, and no
connection ends for it. Without COMMONWEAL_TLS_DIR the server listens on loopback only, in the clear.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from commonweal_api.people_issuer import STORE
from commonweal_runtime import core_dumps
from commonweal_runtime.certificates import CERTIFICATE, KEY, VARIABLE
from commonweal_runtime.exceptions import CertificateMissingError
from commonweal_runtime.identity_store.access import ROLE, SETTINGS, access, statements
from commonweal_runtime.store import postgres
from commonweal_runtime.store.logins import read_key
from commonweal_runtime.store.present import present

LOOK_SECONDS = 5.0


def main() -> int:
    """Prepare the data directory and run PostgreSQL; return its exit status."""
    core_dumps.forbid()
    data = Path(os.environ.get("PGDATA", "/var/lib/postgresql/data/pgdata"))
    sockets = Path(os.environ.get("COMMONWEAL_SOCKET_DIR", "/run/postgresql"))
    key = read_key(Path(os.environ.get("COMMONWEAL_IDENTITY_STORE_DIR", "/etc/commonweal/identity-store")), STORE)
    told = os.environ.get(VARIABLE)
    certificates = Path(told) if told else None
    os.umask(0o077)
    postgres.initialise(data, (ROLE,))
    presented = Presented(data, certificates) if certificates else None
    listen = "*" if presented else "127.0.0.1"
    settings = {**postgres.SETTINGS, **SETTINGS, "listen_addresses": f"'{listen}'"}
    postgres.configure(data, sockets, settings, access(encrypted=presented is not None))
    postgres.alone(data, ROLE, statements(key))
    return postgres.serve(data, presented.follow if presented else None) or 0


class Presented:
    """The certificate that the server presents, beside its data. Raises CertificateMissingError when there is none at first."""

    def __init__(self, data: Path, directory: Path) -> None:
        self._data, self._directory = data, directory
        try:
            self._text = self._place()
        except OSError as error:
            raise CertificateMissingError(
                f"{directory}: no certificate that can be presented ({error}). Mount the Secret commonweal-identity-store-tls there: the operator makes it,"
                " or cert-manager where certificates.issuerRef is set (kubectl get secrets,certificates)."
            ) from None

    def follow(self, server: subprocess.Popen[bytes]) -> None:
        """Have the server present each later certificate, in a thread of this process, until the server ends."""
        threading.Thread(target=self._watch, args=(server,), daemon=True).start()

    def _watch(self, server: subprocess.Popen[bytes]) -> None:
        while True:
            try:
                server.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                self.look(server)
            else:
                return

    def look(self, server: subprocess.Popen[bytes]) -> None:
        """Take what lies there now, if it is another one; one that cannot be read leaves the one before."""
        try:
            if self._read() != self._text:
                self._text = self._place()
                server.send_signal(signal.SIGHUP)
        except OSError:
            return

    def _read(self) -> str:
        return "".join((self._directory / name).read_text(encoding="utf-8") for name in (KEY, CERTIFICATE))

    def _place(self) -> str:
        text = self._read()
        present(self._data, text)
        return text


if __name__ == "__main__":
    sys.exit(main())
