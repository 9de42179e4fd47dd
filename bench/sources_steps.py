"""Where a load's time goes: a connection to the store that notes how long each kind of statement takes."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

REST = "store: all else"
# The kinds, by how their statements begin.
STEPS = {
    "copy_to_table": "store: COPY of a batch",
    "insert into product": "store: expressions, and into the table",
    "alter table product": "store: primary key",
    "with gone as": "store: rows into quarantine",
    "insert into staging.quarantine": "store: rows into quarantine",
    "insert into pg_temp.known": "store: which values an expression fails for",
    "select pg_advisory_xact_lock": "store: locks of people",
}
WAITING = "store waits: for the source, or for Python"
PYTHON = "Python, processor time (beside the store)"


class Timed:
    """A connection whose statements are timed."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        return (
            self._timed(name, found)
            if name in {"execute", "fetch", "fetchrow", "fetchval", "copy_to_table", "copy_records_to_table"}
            else found
        )

    def _timed(self, name: str, call: Any) -> Any:
        async def timed(*arguments: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return await call(*arguments, **options)
            finally:
                said = name if name == "copy_to_table" else str(arguments[0])
                step = next((step for start, step in STEPS.items() if said.startswith(start)), REST)
                self.seconds[step] += time.perf_counter() - begun

        return timed

    def steps(self, seconds: float, processor: float, rows: int) -> dict[str, float]:
        """Return microseconds a row of each step, those of the store in order; what is left of the whole is when the store waited."""
        known = {step: self.seconds[step] for step in dict.fromkeys([*STEPS.values(), REST])}
        found = known | {WAITING: seconds - sum(known.values()), PYTHON: processor}
        return {step: round(1e6 * value / rows, 2) for step, value in found.items()}
