"""`python -m commonweal_runtime.identity`: let people sign in until told to stop."""

from __future__ import annotations

import logging
import os

from granian import Granian
from granian.constants import Interfaces, Loops

PORT = 8082


def main() -> None:
    """Serve in one worker: codes and counts of failed attempts live in its memory."""
    Granian(
        "commonweal_runtime.identity.service:application",
        factory=True,
        address="0.0.0.0",  # noqa: S104 - it is a pod
        port=int(os.environ.get("COMMONWEAL_PORT", PORT)),
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        websockets=False,
        log_access=False,
    ).serve()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    main()
