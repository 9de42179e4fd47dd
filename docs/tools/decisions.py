"""Write the table of docs/adr/README.md from what each decision's page says of itself; `--check` fails when it drifted."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from commonweal_api.generated import write_or_check

ADR = Path(__file__).parents[1] / "adr"
TABLE = "| no | decision | status | decided |\n|---|---|---|---|\n"
PAGE = re.compile(r"# (\d{4}): (.+)\n\n\*\*Status\.\*\* ((?:In force|Superseded|Proposed).*)\. Decided (\d{4}-\d{2}-\d{2})\.\n")


def row(page: Path) -> str:
    """Return a decision's row. ValueError says how a page has to begin."""
    found = PAGE.match(page.read_text(encoding="utf-8"))
    if found is None or found[1] != page.stem[:4]:
        raise ValueError(
            f"{page.name}: begin with «# {page.stem[:4]}: Title», an empty line, and «**Status.** In force. Decided 2026-12-31.»"
        )
    number, title, status, day = found.groups()
    return f"| [{number}]({page.name}) | {title} | {status[0].lower()}{status[1:]} | {day} |\n"


def index(text: str) -> str:
    """Return the index with the table of all decisions at its end."""
    return text.partition("| no |")[0] + TABLE + "".join(row(page) for page in sorted(ADR.glob("[0-9]*.md")))


def main(arguments: list[str]) -> int:
    """Write the table, or with --check say whether it is as it would be written."""
    file = ADR / "README.md"
    return write_or_check({file: index(file.read_text(encoding="utf-8"))}, arguments, "python docs/tools/decisions.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
