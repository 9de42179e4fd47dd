"""Run a command beside eight busy loops at low priority: what a test takes for a hang must not be a slow machine.

`python tests/support/under_load.py COMMAND ...`; the exit status is the command's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

LOOPS = 8
LOWEST = 19


def main(command: Sequence[str]) -> int:
    """Run it, and end the loops whatever becomes of it."""
    loops = [subprocess.Popen(["nice", "-n", str(LOWEST), sys.executable, "-c", "while True: pass"]) for _ in range(LOOPS)]
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    os.environ.pop("MAKEFLAGS", None)
    sys.exit(main(sys.argv[1:]))
