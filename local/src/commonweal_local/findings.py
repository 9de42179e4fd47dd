"""What was looked at on this machine, and the one place that turns a look that fails into a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from commonweal_local.exceptions import LocalError


class Verdict(StrEnum):
    """`MISSING` stops something from working; `NOTE` costs time or a feature."""

    GOOD = "ok"
    NOTE = "note"
    MISSING = "MISSING"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. The remedy is empty when nothing needs doing."""

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""

    def line(self) -> str:
        """It in one line, with its remedy."""
        remedy = f" -> {self.remedy}" if self.remedy else ""
        return " ".join(f"{self.verdict.value:<7} {self.subject}: {self.found}{remedy}".splitlines())


@dataclass(frozen=True)
class Look:
    """Something to look at. `unseen` is what it means when the look itself is not possible, and `remedy` what to do then."""

    subject: str
    ask: Callable[[], Finding | Iterable[Finding]]
    remedy: str
    unseen: Verdict = Verdict.NOTE


def look(looks: Iterable[Look]) -> list[Finding]:
    """Take each look. Never raises: what a look raises is its finding."""
    return [finding for one in looks for finding in _taken(one)]


def _taken(one: Look) -> list[Finding]:
    try:
        found = one.ask()
        return [found] if isinstance(found, Finding) else list(found)
    except LocalError as error:
        return [Finding(one.subject, one.unseen, error.what, error.remedy)]
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a machine must not keep a person from hearing what else is
        said = str(error) or type(error).__name__
        return [Finding(one.subject, one.unseen, f"could not be looked at: {said}", one.remedy)]
