"""A home of a bench's own, in which nothing else runs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_home(down: Callable[[], Sequence[str]]) -> Iterator[Path]:
    """Set COMMONWEAL_HOME to a new directory; afterwards `down` ends what runs in it and says what was left, and the directory is removed."""
    home, before = Path(tempfile.mkdtemp(prefix="commonweal-bench-")), os.environ.get("COMMONWEAL_HOME")
    os.environ["COMMONWEAL_HOME"] = str(home)
    try:
        yield home
    finally:
        left = down()
        shutil.rmtree(home, ignore_errors=True)
        os.environ.pop("COMMONWEAL_HOME")
        if before:
            os.environ["COMMONWEAL_HOME"] = before
        if left:
            print(f"left behind: {left}", file=sys.stderr)
