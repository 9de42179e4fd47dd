"""A source's rows as the store takes them, or why it does not: the subject's value becomes a pairwise id here and is kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.pairwise import pairwise
from commonweal_runtime.exceptions import ValueMismatchError
from commonweal_runtime.store.loading.columns import checked
from commonweal_runtime.store.sources.contract import UNREADABLE, Batch
from commonweal_runtime.store.values import key_of

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
class Read:
    """What one batch comes to.

    `taken` are columns of text that PostgreSQL reads as the store's types: subject, record where there are many, fields with a column, what mapping
    expressions read, then the row's own key and its place in the load. `members` are block, person's id and the key of a row without one, of all rows, where
    the source divides them.
    """

    taken: pa.Table
    refused: Sequence[Refused]
    members: pa.Table | None = None

    @property
    def rows(self) -> int:
        """How many rows of the source it is."""
        return int(self.taken.num_rows) + len(self.refused)


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of a batch's rows: the person's id, also as text, the record's text, and what the row itself is told apart by; None where there is none."""

    subjects: Sequence[UUID | None]
    ids: Sequence[str | None]
    records: Sequence[str | None]
    rows: Sequence[str | None]


class Reading:
    """Turns the rows of one load, in the order in which they come."""

    def __init__(self, spec: DataProductSpec, types: Mapping[str, FieldType], sector_key: bytes, begun: int) -> None:
        """`types` are those of `Survey.types`; `begun` is how many rows were read before."""
        self._many, self._key, self._place = spec.subject.records == "Many", sector_key, begun
        plain = [(f.name, f.required, f.type) for f in spec.fields if f.column is not None and f.type is not None]
        self._fields = plain + [(name, False, type_) for name, type_ in types.items()]

    def read(self, batch: Batch) -> Read:
        """Return the rows that keep the contract, and the others."""
        keys, faults = self._keys(batch), dict[int, tuple[str, Flaw]]()
        for row, (who, record) in enumerate(zip(keys.subjects, keys.records, strict=True)):
            if who is None or record is None:
                faults[row] = "spec.subject.column" if who is None else "spec.subject.recordKey", Flaw.NO_KEY
            elif len(record.encode()) > LONGEST_KEY:
                faults[row] = "spec.subject.recordKey", Flaw.LONG_KEY
        columns = self._columns(batch.columns[2 if self._many else 1 :], faults)
        begun, count = self._place + 1, len(keys.subjects)
        self._place += count
        ids, records = pa.array(keys.ids, pa.string()), [pa.array(keys.records, pa.string())] if self._many else []
        arrays = [ids, *records, *columns, pa.array(keys.rows, pa.string()), pa.array(range(begun, begun + count), pa.int64())]
        taken = pa.table(arrays, names=[str(n) for n in range(len(arrays))])
        members = None if batch.blocks is None else _members(batch, ids, begun)
        if not faults:
            return Read(taken, [], members)
        refused = [
            Refused(keys.rows[row] or _unkeyed(batch, begun, row), field, flaw, keys.subjects[row], begun + row)
            for row, (field, flaw) in sorted(faults.items())
        ]
        return Read(taken.filter(pa.array([row not in faults for row in range(count)])), refused, members)

    def _keys(self, batch: Batch) -> _Keys:
        roots = [_key(text) for text in batch.columns[0].to_pylist()]
        subjects = [None if root is None else pairwise(self._key, root) for root in roots]
        ids = [None if who is None else str(who) for who in subjects]
        if not self._many:
            return _Keys(subjects, ids, [""] * len(roots), ids)
        records = [_key(text) for text in batch.columns[1].to_pylist()]
        # a zero byte is in no source key, so no person's id comes out of this
        rows = [
            None if root is None or record is None else str(pairwise(self._key, f"{root}\0{record}"))
            for root, record in zip(roots, records, strict=True)
        ]
        return _Keys(subjects, ids, records, rows)

    def _columns(self, columns: Sequence[pa.Array], faults: dict[int, tuple[str, Flaw]]) -> list[pa.Array]:
        """Return the columns as texts of their types, and note the first fault of each row."""
        out = []
        for column, (name, required, type_) in zip(columns, self._fields, strict=True):
            found = checked(column, type_)
            for row in found.bad:
                flaw = Flaw.UNREADABLE if column[row].as_py() == UNREADABLE else Flaw.MISMATCH
                faults.setdefault(row, (name, flaw))
            if required and column.null_count:
                for row in pc.indices_nonzero(column.is_null()).to_pylist():
                    faults.setdefault(row, (name, Flaw.MISSING))
            out.append(found.column)
        return out


def _members(batch: Batch, ids: pa.StringArray, begun: int) -> pa.Table:
    """Return which block each row is in: by the person's id, else by what tells the row apart."""
    keys = pa.nulls(len(ids), pa.string())
    if ids.null_count:
        keys = pa.array(
            [_unkeyed(batch, begun, row) if absent else None for row, absent in enumerate(ids.is_null().to_pylist())], pa.string()
        )
    return pa.table([batch.blocks, ids, keys], names=["number", "subject", "key"])


def _unkeyed(batch: Batch, begun: int, row: int) -> str:
    """Return what tells a row without a key apart: its place, and its block where only some are read, for places then begin again."""
    place = f"at {begun + row}"
    return place if batch.blocks is None else f"{place} of {batch.blocks[row].as_py()}"


def _key(text: str | None) -> str | None:
    try:
        return key_of(text)
    except ValueMismatchError:
        return None
