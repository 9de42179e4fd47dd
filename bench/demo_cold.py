"""How long `make demo` takes where nothing was ever installed, fetched or built: the first thing that anybody sees of this.

    python bench/demo_cold.py [--keep]

Clones HEAD and runs `make demo` in the clone with an empty home: no Python environment, no Go modules, no compiled packages, no programs, no images, no wheels.
Debian packages that are installed stay (fetching and installing them takes half a minute more). Needs root, for the sites run real pods. Takes down what it brought up. Writes
bench/results/demo-cold.json; the exit status is 1 when the demonstration failed or a target is missed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from results_file import Figure, write

COMMAND = "python bench/demo_cold.py"
SECONDS = 15 * 60
# Of the person's session only what says how to reach the outside; where things are kept follows from the home.
HANDED_ON = re.compile(
    r"PATH|LANG|TERM|(HTTPS?|ALL|NO)_PROXY|PIP_(?!CACHE).*|GOPROXY|GOSUMDB|GONOSUMDB|GOFLAGS|SSL_CERT_.*|REQUESTS_CA_BUNDLE", re.IGNORECASE
)
STEP = re.compile(r"^ok (building .*|images: .*|image .*|the management cluster.*) \(([0-9.]+) s\)$", re.MULTILINE)
FIRST_READ = re.compile(r"^  start to the first consented read +([0-9.]+) s$", re.MULTILINE)


def environment(home: Path, session: Mapping[str, str]) -> dict[str, str]:
    """What a person has who logs in for the first time."""
    return {name: value for name, value in session.items() if HANDED_ON.fullmatch(name)} | {"HOME": str(home), "CI": "true"}


def figures(said: str, seconds: float) -> list[Figure]:
    """What is reported of a run, from what it said. Raises ValueError when no person's record was read."""
    first = FIRST_READ.search(said)
    if first is None:
        raise ValueError("the demonstration came to no consented read")
    found = [Figure("`make demo` from empty caches, two journeys included", round(seconds / 60, 1), "min", "<= 15", seconds <= SECONDS)]
    found += [Figure("of it from the command to the first consented read", round(float(first[1]) / 60, 1), "min")]
    return found + [
        Figure(f"of it {title}", round(float(taken), 1), "s") for title, taken in STEP.findall(said) if title.startswith("building")
    ]


def run() -> int:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the sites up, and the clone with all that was made")
    keep = parser.parse_args().keep
    place = Path(tempfile.mkdtemp(prefix="commonweal-cold-"))
    clone, home, log = place / "commonweal", place / "home", place / "make-demo.log"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", Path(__file__).parents[1], clone], check=True)
    known = environment(home, os.environ)
    started = time.monotonic()
    print(f"what it says is written to {log}", flush=True)
    with log.open("wb") as output:
        code = subprocess.run(
            ["make", "demo"], cwd=clone, env=known, stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False
        ).returncode
    seconds = time.monotonic() - started
    said = log.read_text(errors="replace")
    if not keep:
        subprocess.run(["make", "down"], cwd=clone, env=known, check=False)
    if code:
        print(f"bench/demo_cold.py: `make demo` failed after {seconds:.0f} s; it said:\n{said[-3000:]}", file=sys.stderr)
        return 1
    print(write("demo-cold", COMMAND, figures(said, seconds), datetime.now(UTC)).read_text())
    if not keep:
        subprocess.run(["chmod", "-R", "u+w", str(place)], check=False)  # Go keeps its modules read-only
        shutil.rmtree(place)
    return int(seconds > SECONDS)


if __name__ == "__main__":
    sys.exit(run())
