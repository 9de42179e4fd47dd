"""What a source has, for who does not know it yet: `commonweal source inspect` asks, and no load does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from commonweal_api.data_product import FieldType
from commonweal_runtime.store.sources.contract import Source


@dataclass(frozen=True, slots=True)
class Listed:
    """A column: its type at the source in the source's words, the field's type that holds it (None: no field can), and whether the source keeps it unique."""

    name: str
    natural: FieldType | None
    described: str
    unique: bool = False


class Listing(Source, Protocol):
    """A source that can say what it has; instead of `inspect`, not after it."""

    async def listed(self) -> list[Listed]:
        """Return the columns that the login may read, in the source's order. Raises SourceReadError as `inspect` does."""
        ...
