"""Write docs/reference/figures.md, and six of its figures into README.md, from bench/results/*.json; `--check` fails when they drifted.

No figure is typed by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS, PAGE, README = ROOT / "bench" / "results", ROOT / "docs" / "reference" / "figures.md", ROOT / "README.md"
PICTURES = {
    "data": {
        "data-rates.svg": "requests per second as a share of the bare read",
        "data-growth.svg": "time of a read over people and agreements",
    },
    "fleet": {"fleet-growth.svg": "what a fleet of 10, 100 and 465 sites takes"},
    "demo": {"demo.svg": "the demonstration's stages, one site's pods, and who used the processor meanwhile"},
    "sources": {"sources.svg": "rows a second of loads beside COPY, and one load's time by step"},
    "portal": {"portal.svg": "how long 200 people wait for a page, and a consumer's refusal after the click"},
    "move": {"move.svg": "the steps of a move, and when uses were refused"},
}
# What the README shows: the bench, its figure, and what a reader without the page is told.
HEADLINES = (
    ("demo-cold", "`make demo` from empty caches, two journeys included", "the first `make demo`, which builds Kubernetes"),
    ("demo", "from nothing running to the first consented read", "every later one, to the first consented read"),
    (
        "data",
        "consented point read, 32 connections, durable audit",
        "reads per second, everything enforced and audited, as a share of a bare read",
    ),
    ("data", "withdrawal answered and next read refused, p99", "withdrawal answered and the next read refused, p99, against a bare commit"),
    ("move", "uses refused meanwhile (read-only)", "reads refused while a department moves to another site"),
    ("fleet", "465 Clusters Available from one `pulumi up`", "465 clusters declared and available, one API server for all"),
)
HEAD = """\
# Figures

<!-- Made by `python bench/figures.py` from bench/results; run a bench again to change a figure. -->

Measured by `make scale`, or by the command above each table, on the day and the machine that stand there. Missed targets stay in the tables. What the figures
do not show is in [limits](limits.md).
"""
START, END = "<!-- figures:start -->", "<!-- figures:end -->"
MET = {True: "met", False: "**missed**", None: ""}


def number(value: float) -> str:
    """Return a figure with three significant digits, or as a whole number when it is one."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e6 else f"{value:.3g}"


def row(figure: Mapping[str, Any], named: str) -> str:
    """Return a figure's row of a table, under the name given."""
    value = f"{number(figure['value'])} {figure['unit']}".strip()
    return f"| {named} | {value} | {figure.get('target') or ''} | {MET[figure.get('met')]} |"


def section(result: Mapping[str, Any]) -> str:
    """Return one bench's table."""
    lines = [f"`{result['command']}`, {result['date']}, {result['machine']}:", "", "| figure | value | target | |", "|---|---|---|---|"]
    for figure in result["figures"]:
        against = f" (against {figure['rival']})" if figure.get("rival") else ""
        lines.append(row(figure, f"{figure['figure']}{against}"))
    return "\n".join(lines)


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page of all figures: each bench's table, and its pictures."""
    parts = [HEAD.rstrip()]
    for name, result in results.items():
        shown = [f"![{said}](../pictures/{file})" for file, said in PICTURES.get(name, {}).items()]
        parts += [f"## {name}", section(result), *shown]
    return "\n\n".join(parts) + "\n"


def headlines(readme: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the README with the headline figures between its markers. KeyError names one that no bench measures any more."""
    before, rest = readme.split(START)
    after = rest.split(END)[1]
    found = {(name, figure["figure"]): figure for name, result in results.items() for figure in reversed(result["figures"])}
    rows = [row(found[bench, figure], said) for bench, figure, said in HEADLINES]
    return "\n".join([before + START, "| figure | value | target | |", "|---|---|---|---|", *rows, END + after])


def main(arguments: list[str]) -> int:
    """Write the page and the README, or with --check say whether they are true of the results."""
    results = {file.stem: json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))}
    wanted = {PAGE: page(results), README: headlines(README.read_text(), results)}
    drifted = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" not in arguments:
        for path in drifted:
            path.write_text(wanted[path])
        return 0
    for path in drifted:
        print(f"{path.relative_to(ROOT)} does not show what bench/results holds; run `python bench/figures.py`.")
    return int(bool(drifted))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
