"""What a demonstration measured, as JSON for other programs: `commonweal demo --json FILE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from commonweal_cli.demo.report import Row
from commonweal_cli.demo.stages import Span
from commonweal_local import paths


@dataclass(frozen=True)
class Record:
    """One demonstration. Times are seconds, `stages` in the order in which they began; `memory_mib` is each site's.

    `spans` say when each stage began, counted from `since` (seconds since 1970).
    """

    mode: str
    ok: bool
    seconds: float
    stages: Mapping[str, float]
    memory_mib: Mapping[str, int]
    alike: bool
    journeys: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    spans: Sequence[Span] = ()
    since: float = 0.0

    def write(self, file: Path) -> None:
        """Write it as one JSON object, whole or not at all."""
        paths.write(file.absolute(), asdict(self))
