"""Snapshots of PostgreSQL as text (`xmin:xmax:xip,...`): which transactions were over when a seal was made.

A row belongs to the first seal in whose snapshot its transaction is visible. A transaction that commits late, or a load that runs for an hour, so falls
in a later seal and holds up none.
"""

from __future__ import annotations

from dataclasses import dataclass

NOTHING = "1:1:"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Transactions below `most` are over, but for those in `running`."""

    most: int
    running: tuple[int, ...]

    @staticmethod
    def of(text: str) -> Snapshot:
        """Return the snapshot that a text describes; ValueError if it describes none."""
        _, most, running = text.split(":")
        return Snapshot(int(most), tuple(int(x) for x in running.split(",")) if running else ())

    def shows(self, transaction: int) -> bool:
        """Return whether the transaction was over."""
        return transaction < self.most and transaction not in self.running

    def cut(self, most: int) -> Snapshot:
        """Return the part of it that ends before a transaction."""
        return Snapshot(min(most, self.most), tuple(x for x in self.running if x < most))

    def __str__(self) -> str:
        return f"{min((*self.running, self.most))}:{self.most}:{','.join(map(str, self.running))}"
