"""Write the tables of figures in README.md from bench/results/*.json; `--check` fails when they drifted. No figure is typed by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PICTURES = {
    "data": {
        "data-rates.svg": "requests per second as a share of the bare read",
        "data-growth.svg": "time of a read over people and agreements",
    },
    "fleet": {"fleet-growth.svg": "what a fleet of 10, 100 and 465 sites takes"},
    "demo": {"demo.svg": "the demonstration's stages, one site's pods, and who used the processor meanwhile"},
    "move": {"move.svg": "the steps of a move, and when uses were refused"},
}
START, END = "<!-- figures:start -->", "<!-- figures:end -->"
MET = {True: "met", False: "**missed**", None: ""}


def number(value: float) -> str:
    """Return a figure with three significant digits, or as a whole number when it is one."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e6 else f"{value:.3g}"


def section(result: dict[str, Any]) -> str:
    """Return one bench's table."""
    lines = [f"`{result['command']}`, {result['date']}, {result['machine']}:", "", "| figure | value | target | |", "|---|---|---|---|"]
    for figure in result["figures"]:
        against = f" (against {figure['rival']})" if figure.get("rival") else ""
        value = f"{number(figure['value'])} {figure['unit']}".strip()
        lines.append(f"| {figure['figure']}{against} | {value} | {figure.get('target') or ''} | {MET[figure.get('met')]} |")
    return "\n".join(lines)


def rendered(readme: str, results: dict[str, dict[str, Any]]) -> str:
    """Return the README with each bench's table, and its pictures, between the markers."""
    before, rest = readme.split(START)
    after = rest.split(END)[1]
    shown = {name: [f"![{said}](docs/pictures/{file})" for file, said in PICTURES.get(name, {}).items()] for name in results}
    body = "\n\n".join("\n\n".join([section(result), *shown[name]]) for name, result in results.items())
    middle = f"\n## Figures\n\nMissed targets stay in the tables.\n\n{body}\n\n" if results else "\n"
    return before + START + middle + END + after


def main(arguments: list[str]) -> int:
    """Write README.md, or with --check say whether it is true of the results."""
    path = ROOT / "README.md"
    results = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / "bench" / "results").glob("*.json"))}
    text = rendered(path.read_text(), results)
    if "--check" in arguments:
        if text != path.read_text():
            print("README.md does not show what bench/results holds; run `python bench/figures.py`.")
            return 1
        return 0
    path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
