"""Run the data API: `python -m commonweal_runtime.data_api`. COMMONWEAL_LISTEN and COMMONWEAL_PORT say where (all addresses, 8080)."""

from __future__ import annotations

import os

from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

PORT = 8080


def main() -> None:
    """Serve until SIGTERM. One process: what it does is wait for the store, and the pod is what is multiplied."""
    Server(
        "commonweal_runtime.data_api.app:create",
        factory=True,
        address=os.environ.get("COMMONWEAL_LISTEN", "0.0.0.0"),  # noqa: S104 - the pod's own address; a NetworkPolicy says who reaches it
        port=int(os.environ.get("COMMONWEAL_PORT", str(PORT))),
        interface=Interfaces.ASGI,
        workers=1,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main()
