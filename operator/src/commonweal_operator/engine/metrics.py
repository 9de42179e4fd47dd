"""What the operator counts, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

_HELP = {
    "reconciles": "Passes over one object.",
    "applies": "Children written.",
    "skips": "Children found as desired and not written.",
    "unchanged_applies": "Applies that changed nothing at the server.",
    "statuses": "Status patches written.",
    "errors": "Passes that failed and are tried again.",
    "resyncs": "Full lists of our kinds.",
}


@dataclass(slots=True)
class Counters:
    """Counted since the process started. Each is added to without an await in between, so that no count is lost."""

    reconciles: int = 0
    applies: int = 0
    skips: int = 0
    unchanged_applies: int = 0
    statuses: int = 0
    errors: int = 0
    resyncs: int = 0


def exposition(counters: Counters, gauges: Mapping[str, float]) -> str:
    """Return all counters and gauges in the text format; names get the prefix `commonweal_operator_`."""
    lines: list[str] = []
    for name, value in asdict(counters).items():
        full = f"commonweal_operator_{name}_total"
        lines += [f"# HELP {full} {_HELP[name]}", f"# TYPE {full} counter", f"{full} {value}"]
    for name, gauge in gauges.items():
        full = f"commonweal_operator_{name}"
        lines += [f"# TYPE {full} gauge", f"{full} {gauge:g}"]
    return "\n".join(lines) + "\n"
