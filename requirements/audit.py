"""Ask a public database which locked packages have known weaknesses: `make audit`. It needs a network, so no test does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lock import LOCKS

FOLDER = Path(__file__).resolve().parent
# How the program says that it was not told: no connection, or an index that knows of no weaknesses, as a mirror may.
SILENT = ("ConnectionError", "Timeout", "Could not connect", "ProxyError", "ServiceError", "could not be audited")


def main() -> int:
    """Return 0 if nothing is known, 1 if something is, 3 if the database could not be asked."""
    locks = [word for name in LOCKS for word in ("--requirement", str(FOLDER / f"{name}.txt"))]
    done = subprocess.run(
        [sys.argv[1], "--strict", "--require-hashes", "--disable-pip", *locks], capture_output=True, text=True, check=False
    )
    print(done.stdout + done.stderr, end="")
    if done.returncode and any(word in done.stderr for word in SILENT):
        print(
            "The database of weaknesses did not answer for all, so too little is known. Run `make audit` where the public package index can be reached."
        )
        return 3
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
