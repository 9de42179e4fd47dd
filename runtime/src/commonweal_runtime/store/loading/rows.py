"""A source's row as the store takes it, or why it does not: the subject's value becomes a pairwise id here and is kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.pairwise import pairwise
from commonweal_runtime.exceptions import ValueMismatchError
from commonweal_runtime.store.sources.contract import UNREADABLE, Batch
from commonweal_runtime.store.values import converter, key_of

LONGEST_KEY = 2000  # bytes of a record key: PostgreSQL keeps at most 2704 of an entry in an index, a subject's id beside it among them


class Flaw(StrEnum):
    """Why a row is in quarantine. Stable words: scripts match on them."""

    NO_KEY = "NoKey"
    LONG_KEY = "LongKey"
    MISSING = "Missing"
    MISMATCH = "Mismatch"
    UNREADABLE = "Unreadable"
    DOUBLE_KEY = "DoubleKey"
    MAPPING_FAILED = "MappingFailed"


@dataclass(frozen=True, slots=True)
class Refused:
    """One row that cannot be taken: which one, without a value of it, and the first field that is to blame."""

    key: str
    field: str
    flaw: Flaw
    subject: UUID | None
    place: int


@dataclass(frozen=True, slots=True)
class Taken:
    """One row in the store's types: subject, record where there are many, fields with a column, then what mapping expressions read."""

    key: str
    place: int
    values: tuple[Any, ...]


class Reading:
    """Turns the rows of one load, in the order in which they come."""

    def __init__(self, spec: DataProductSpec, types: Mapping[str, FieldType], sector_key: bytes, begun: int) -> None:
        """`types` are those of `Survey.types`; `begun` is how many rows were read before."""
        self._many, self._key, self._place = spec.subject.records == "Many", sector_key, begun
        plain = [(f.name, f.required, converter(f.type)) for f in spec.fields if f.column is not None and f.type is not None]
        self._convert = plain + [(name, False, converter(type_)) for name, type_ in types.items()]

    def read(self, batch: Batch) -> tuple[list[Taken], list[Refused]]:
        """Return the rows that keep the contract, and the others."""
        taken: list[Taken] = []
        refused: list[Refused] = []
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            self._place += 1
            one = self._read(row)
            if isinstance(one, Taken):
                taken.append(one)
            else:
                refused.append(one)
        return taken, refused

    def _read(self, row: Sequence[str | None]) -> Taken | Refused:
        subject, record = _key(row[0]), _key(row[1]) if self._many else ""
        who = pairwise(self._key, subject) if subject is not None else None
        if subject is None or record is None or who is None:
            named = "spec.subject.column" if subject is None else "spec.subject.recordKey"
            return Refused(f"at {self._place}", named, Flaw.NO_KEY, who, self._place)
        # a zero byte is in no source key, so no person's id comes out of this
        key = str(pairwise(self._key, f"{subject}\0{record}")) if self._many else str(who)
        if len(record.encode()) > LONGEST_KEY:
            return Refused(key, "spec.subject.recordKey", Flaw.LONG_KEY, who, self._place)
        values: list[Any] = [who, record] if self._many else [who]
        for value, (name, required, convert) in zip(row[len(values) :], self._convert, strict=True):
            try:
                converted = convert(value)
            except ValueMismatchError:
                flaw = Flaw.UNREADABLE if value == UNREADABLE else Flaw.MISMATCH
                return Refused(key, name, flaw, who, self._place)
            if required and converted is None:
                return Refused(key, name, Flaw.MISSING, who, self._place)
            values.append(converted)
        return Taken(key, self._place, tuple(values))


def _key(value: str | None) -> str | None:
    try:
        return key_of(value)
    except ValueMismatchError:
        return None
