"""Every test, in two runs side by side: those on real sites wait for machines most of the time, and the others use what they leave free.

`python tests/support/side_by_side.py [OPTION ...]`, options as pytest knows them. The other tests are shown as they run; what the sites' tests said is shown at their end, and lies in `.pytest-sites.log`
meanwhile. Exit code 0: every test of both passed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SITES = "tests/e2e"
LOG = Path(".pytest-sites.log")


def main(options: Sequence[str]) -> int:
    """Run both, with these options of pytest. An interrupt reaches both from the terminal, so that each takes down what it brought up."""
    pytest = [sys.executable, "-P", "-m", "pytest", *options]
    print(f"the tests on real sites run beside the others; `tail -f {LOG}` shows them", flush=True)
    with LOG.open("wb") as log:
        sites = subprocess.Popen([*pytest, SITES], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        others = subprocess.Popen([*pytest, f"--ignore={SITES}"], stdin=subprocess.DEVNULL)
        codes = [_ended(process) for process in (others, sites)]
    print(f"\nthe tests on real sites ({LOG}):\n{LOG.read_text(errors='replace')}", flush=True)
    return max(abs(code) for code in codes)


def _ended(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
