"""`python -m commonweal_runtime.models`: serve the models of one department until told to stop."""

from __future__ import annotations

import os

from commonweal_runtime.server import serve

PORT = 8081


def main() -> None:
    """Serve in one process: one process owns one set of weights, and more of them would only hold the same bits again."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # threads cost more than matrices of this size gain
        os.environ.setdefault(name, "1")
    serve("commonweal_runtime.models.app:create", PORT)


if __name__ == "__main__":
    main()
