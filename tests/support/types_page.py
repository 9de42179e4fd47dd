"""The examples of docs/reference/types.md, which the tests of each kind of source hold against what the source does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "types.md"


@dataclass(frozen=True)
class Example:
    """A value of a type (as the page names it) as the source has it, its text, a field's type, and the JSON or the reason of the quarantine."""

    type_: str
    value: str
    text: str
    field: str
    json: str


def examples(kind: str) -> list[Example]:
    """Return the examples of a section."""
    section = PAGE.read_text().split(f"\n## {kind}\n")[1].split("\n## ")[0]
    cells = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return [Example(type_.strip(), _bare(value), _bare(text), field.strip(), _bare(json)) for type_, value, text, field, json in cells]


def _bare(cell: str) -> str:
    return cell.strip().removeprefix("`").removesuffix("`")
