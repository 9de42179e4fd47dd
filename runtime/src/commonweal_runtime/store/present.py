"""Lay the store's certificate beside its data: `python -m commonweal_runtime.store.present`, which PostgreSQL runs in its data directory with the text as its input.

The image has no other programs that could. Certificate and key are one file, so that no crash leaves one of them without the other; it is on the disk before it has its name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from commonweal_runtime.store.postgres import PEM, PRESENTED


def present(directory: Path, text: str) -> None:
    """Write the file, readable by the server's user alone, and the setting by which it is presented from the next reload on."""
    fresh = directory / f"{PEM}.new"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / PEM)
    (directory / PRESENTED).write_text("ssl = on\n")


if __name__ == "__main__":
    present(Path(), sys.stdin.read())
