"""The table that a journey prints: what was tried, what had to happen, what happened, how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commonweal_cli.site.operations import Outcome


@dataclass(frozen=True)
class Row:
    """One thing that was tried. `milliseconds` is the time of the call that answered, or None where none was made."""

    step: str
    expected: str
    got: str
    ok: bool
    milliseconds: float | None = None

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the row as text."""
        time = "" if self.milliseconds is None else f"{self.milliseconds:.1f}"
        return ("yes" if self.ok else "NO", self.step, self.expected, self.got if len(self.got) <= 60 else self.got[:57] + "...", time)


HEAD = ("ok", "what was tried", "what must happen", "what happened", "ms")


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table of aligned columns."""
    cells = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]

    def line(values: Sequence[str]) -> str:
        *left, time = (value.ljust(width) for value, width in zip(values, widths, strict=True))
        return "  ".join([*left, time.strip().rjust(widths[-1])]).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(HEAD), rule, *(line(row.cells()) for row in rows)])


def changes(outcome: Outcome) -> int:
    """Return how many resources a `pulumi up` did not find as they should be."""
    return sum(count for kind, count in outcome.counts.items() if kind != "same")
