"""`python -m commonweal_runtime.models`: serve the models of one department until told to stop."""

from __future__ import annotations

import logging
import os

from granian import Granian
from granian.constants import Interfaces, Loops

PORT = 8081


def main() -> None:
    """Serve in one worker: one process owns one set of weights, and more of them would only hold the same bits again."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # threads cost more than matrices of this size gain
        os.environ.setdefault(name, "1")
    Granian(
        "commonweal_runtime.models.service:application",
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
