"""A source's rows as the store takes them, or why it does not: the subject's value becomes a pairwise id here and is kept nowhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.pairwise import pairwise_bytes
from commonweal_runtime.exceptions import ValueMismatchError
from commonweal_runtime.store.loading.columns import checked
from commonweal_runtime.store.sources.arrow_text import uuids
from commonweal_runtime.store.sources.contract import UNREADABLE, Batch
from commonweal_runtime.store.values import key_of

_SOME = 256  # rows, which take a third of a millisecond
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
    expressions read, then the row's own key and its place in the load. `lines` are those of them that are sent, as COPY reads them (`Staging.written`).
    `origin` returns where a row stands in the source, by its number in the batch; None where the source has no such place. `members` are block, person's id
    and the key of a row without one, of all rows, where the source divides them; `member_lines` are they as they are sent.
    """

    taken: pa.Table
    refused: Sequence[Refused]
    origin: Callable[[int], str] | None = None
    members: pa.Table | None = None
    lines: bytes = b""
    member_lines: bytes = b""

    @property
    def rows(self) -> int:
        """How many rows of the source it is."""
        return int(self.taken.num_rows) + len(self.refused)


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of a batch's rows: the person's id, the record's text, and what the row itself is told apart by; null where there is none."""

    subjects: pa.StringArray
    records: pa.StringArray | None
    rows: pa.StringArray


class Reading:
    """Turns the rows of one load, in the order in which they come."""

    def __init__(self, spec: DataProductSpec, types: Mapping[str, FieldType], sector_key: bytes, begun: int) -> None:
        """`types` are those of `Survey.types`; `begun` is how many rows were read before."""
        self._source = f"spec.source.{spec.source.files.kind}" if spec.source.files is not None else "spec.source"
        self._many, self._key, self._place = spec.subject.records == "Many", sector_key, begun
        plain = [(f.name, f.required, f.type) for f in spec.fields if f.column is not None and f.type is not None]
        self._fields = plain + [(name, False, type_) for name, type_ in types.items()]

    def read(self, batch: Batch) -> Read:
        """Return the rows that keep the contract, and the others."""
        keys = self._keys(batch)
        faults = _key_faults(keys) | dict.fromkeys(batch.broken, (self._source, Flaw.UNREADABLE))
        columns = self._columns(batch.columns[2 if self._many else 1 :], faults)
        begun, count = self._place + 1, len(keys.subjects)
        self._place += count
        records = [] if keys.records is None else [keys.records]
        arrays = [keys.subjects, *records, *columns, keys.rows, pa.array(range(begun, begun + count), pa.int64())]
        taken = pa.table(arrays, names=[str(n) for n in range(len(arrays))])
        members = None if batch.blocks is None else _members(batch, keys.subjects, begun)
        if not faults:
            return Read(taken, [], batch.origin, members)
        refused = []
        for row, (field, flaw) in sorted(faults.items()):
            key, who = keys.rows[row].as_py(), keys.subjects[row].as_py()
            refused.append(Refused(key or _unkeyed(batch, begun, row), field, flaw, UUID(who) if who else None, begun + row))
        return Read(taken.filter(pa.array([row not in faults for row in range(count)])), refused, batch.origin, members)

    def _keys(self, batch: Batch) -> _Keys:
        roots = _written(batch.columns[0])
        subjects = self._ids(roots)
        if not self._many:
            return _Keys(subjects, None, subjects)
        records = _written(batch.columns[1])
        # a zero byte is in no source key, so no person's id comes out of this
        return _Keys(subjects, records, self._ids(pc.binary_join_element_wise(roots, records, "\0")))

    def _ids(self, texts: pa.StringArray) -> pa.StringArray:
        roots = [text or b"" for text in texts.cast(pa.binary()).to_pylist()]
        ids = []
        for first in range(0, len(roots), _SOME):
            ids.append(pairwise_bytes(self._key, roots[first : first + _SOME]))
            time.sleep(0)  # lets the thread that talks to the store have its turn, for which it would wait 5 ms
        return uuids(b"".join(ids), texts.is_valid())

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


def _key_faults(keys: _Keys) -> dict[int, tuple[str, Flaw]]:
    faults: dict[int, tuple[str, Flaw]] = {}
    if keys.records is not None:
        long = pc.fill_null(pc.greater(pc.binary_length(keys.records), LONGEST_KEY), False)
        faults |= dict.fromkeys(_numbers(long), ("spec.subject.recordKey", Flaw.LONG_KEY))
        faults |= dict.fromkeys(_numbers(keys.records.is_null()), ("spec.subject.recordKey", Flaw.NO_KEY))
    return faults | dict.fromkeys(_numbers(keys.subjects.is_null()), ("spec.subject.column", Flaw.NO_KEY))


def _numbers(of: pa.BooleanArray) -> list[int]:
    return pc.indices_nonzero(of).to_pylist() if of.true_count else []


def _written(column: pa.Array) -> pa.StringArray:
    """Return the keys of a column, null where a text is no key. A visible letter of ASCII and no zero byte make one; others are looked at one by one."""
    texts = column.cast(pa.string())
    sure = pc.and_(pc.match_substring_regex(texts, "[!-~]"), pc.invert(pc.match_substring(texts, "\0")))
    if texts.null_count or sure.false_count:
        return pa.array(map(_key, texts.to_pylist()), pa.string())
    return texts


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
