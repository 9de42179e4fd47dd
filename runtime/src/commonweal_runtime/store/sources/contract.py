"""What every kind of source is to the store: it is looked at once, then read in batches, each of which says where to go on after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.mapping import source_columns
from commonweal_runtime.store.sources.blocks import Blocks

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 10_000  # rows
ENOUGH = (
    BATCH // 2
)  # rows that a reader hands on where it may choose: batches of about one size, so that none waits for a longer one before it
BATCH_BYTES = 4 << 20  # of text; a batch of one row may have more
UNREADABLE = "\0"  # stands for a value that the source holds and that cannot be read; no text of PostgreSQL holds a zero byte

# Natural types that can never become the declared one; any other is judged value by value. None is a type that no field can hold.
_NEVER: dict[FieldType, frozenset[FieldType]] = {
    FieldType.STRING: frozenset({FieldType.BOOLEAN}),
    FieldType.INTEGER: frozenset({FieldType.BOOLEAN, FieldType.DATE, FieldType.TIMESTAMP}),
    FieldType.NUMBER: frozenset({FieldType.BOOLEAN, FieldType.DATE, FieldType.TIMESTAMP}),
    FieldType.BOOLEAN: frozenset({FieldType.INTEGER, FieldType.NUMBER, FieldType.DATE, FieldType.TIMESTAMP}),
    FieldType.DATE: frozenset({FieldType.BOOLEAN, FieldType.INTEGER, FieldType.NUMBER, FieldType.TIMESTAMP}),
    FieldType.TIMESTAMP: frozenset({FieldType.BOOLEAN, FieldType.INTEGER, FieldType.NUMBER, FieldType.DATE}),
}
_OF_FLAGS = frozenset({FieldType.BOOLEAN, FieldType.INTEGER, FieldType.NUMBER})


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login of the source: username and password, or a token; and the authority that signs its certificate, as PEM; empty: one of the public ones."""

    username: str
    password: str = field(repr=False)
    authority: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, name: str, secret: Mapping[str, str] | None) -> Credentials:
        """Return the login in the values of a Secret; a SourceReadError says which Secret or key is missing."""
        if secret is None:
            raise SourceReadError(Reason.CREDENTIALS_MISSING, f"There is no Secret «{name}» that the store may read.")
        missing = [key for key in ("username", "password") if not secret.get(key)]
        if missing and not (len(missing) == 2 and (secret.get("token") or secret.get("ca.crt"))):
            raise SourceReadError(Reason.CREDENTIALS_MISSING, f"The Secret «{name}» lacks {' and '.join(missing)}.")
        return cls(secret.get("username", ""), secret.get("password", ""), secret.get("ca.crt", ""), secret.get("token", ""))

    def paired(self, name: str) -> Credentials:
        """Return it; SourceReadError where it has no username and password, which a source that is no HTTP API needs."""
        if not self.username:
            raise SourceReadError(Reason.CREDENTIALS_MISSING, f"The Secret «{name}» lacks username and password.")
        return self


@dataclass(frozen=True, slots=True)
class Survey:
    """What looking at a source has shown.

    `types` are the natural types of the columns that mapping expressions read. While `order` stays, a position of an earlier session means
    the same place; None: no position does. `version` names the content where the source can tell, so that an equal one need not be read again.
    `total` is the number of rows where that is known, and `exact` says whether it is more than an estimate. `former` returns, for the key columns
    whose text was another one up to release 0.1 (numbers as Python printed them), that text of a canonical one: ids that follow from it are renamed.
    `blocks` divides the rows, where the source can say what has changed.
    """

    types: Mapping[str, FieldType]
    order: str | None
    version: str | None = None
    total: int | None = None
    exact: bool = False
    former: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    blocks: Blocks | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as columns of text, in the order of `wanted`, all of one length, at most `BATCH` rows and about `BATCH_BYTES`.

    A text is the value's canonical form (docs/reference/types.md), the same from every kind of source; null where the source holds none, and
    `UNREADABLE` for a value that cannot be read. What has no canonical form comes as the source prints it, and is one row's fault.
    `position` is the place after the last row; None where nobody could go on from it. `broken` are the numbers of the rows of which it cannot be told
    what their values are. `origin` returns where a row stands in the source, in words that hold no value of it; None where its place in the reading says as much.
    `blocks` are the numbers of the rows' blocks, once they are divided.
    """

    columns: Sequence[pa.StringArray | pa.LargeStringArray]
    position: str | None
    broken: Sequence[int] = ()
    origin: Callable[[int], str] | None = None
    blocks: pa.StringArray | None = None


class Source(Protocol):
    """An open source. Whatever goes wrong with it is a SourceReadError."""

    async def inspect(self) -> Survey:
        """Look at the source; raise SourceReadError unless everything that the product names is there, may be read, and has a fitting type."""
        ...

    def batches(self, after: str | None) -> AsyncIterator[Batch]:
        """Read what comes after a position, or everything; only after `inspect`."""
        ...

    async def verify(self) -> None:
        """Raise SourceReadError if what has been read since `inspect` was not one and the same content."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """One column to read, and what in the product names it."""

    what: str
    column: str


def wanted(spec: DataProductSpec) -> list[Wanted]:
    """Return what is read of each row, in order: the subject, the record key, the fields with a column, then what mapping expressions read."""
    keys = [Wanted("spec.subject.column", spec.subject.column)]
    if spec.subject.record_key is not None:
        keys.append(Wanted("spec.subject.recordKey", spec.subject.record_key))
    plain = [Wanted(f.name, f.column) for f in spec.fields if f.column is not None]
    return keys + plain + [Wanted("an expression of spec.fields", c) for c in source_columns(spec)]


def watched(spec: DataProductSpec) -> list[Wanted]:
    """Return the column that is declared to change with every change of a row; nothing where there is no such one."""
    kinds = {"postgres": spec.source.postgres, "mysql": spec.source.mysql}
    marks = {kind: source.watermark for kind, source in kinds.items() if source is not None}
    return [Wanted(f"spec.source.{kind}.watermark.column", mark.column) for kind, mark in marks.items() if mark is not None]


def check_types(
    spec: DataProductSpec, natural: Mapping[str, FieldType | None], described: Mapping[str, str], flags: Container[str] = ()
) -> dict[str, FieldType]:
    """Raise SourceReadError where a column cannot hold its field; return the natural types of the columns that expressions read.

    `described` is how the source itself calls each column's type; `flags` are columns that may be read as a truth value or as a number.
    """
    for f in spec.fields:
        if f.column is None or f.type is None or (f.column in flags and f.type in _OF_FLAGS):
            continue
        if _unfit(natural[f.column], f.type):
            detail = f"«{f.name}» declares {f.type}, and its column «{f.column}» is {described[f.column]}."
            raise SourceReadError(Reason.COLUMN_TYPE_MISMATCH, detail)
    types: dict[str, FieldType] = {}
    for column in source_columns(spec):
        type_ = natural[column]
        if type_ is None:
            detail = f"An expression of spec.fields reads the column «{column}», which is {described[column]}; no expression can."
            raise SourceReadError(Reason.COLUMN_TYPE_MISMATCH, detail)
        types[column] = type_
    return types


def _unfit(natural: FieldType | None, declared: FieldType) -> bool:
    return natural is None or natural in _NEVER[declared]


def missing_column(table: str, want: Wanted) -> SourceReadError:
    """Return the error for a column that is not there."""
    return SourceReadError(Reason.COLUMN_MISSING, f"«{table}» has no column «{want.column}», which {want.what} names.")


def hidden_column(table: str, want: Wanted) -> SourceReadError:
    """Return the error for a column that the login may not read."""
    detail = f"The login may not read the column «{want.column}» of «{table}», which {want.what} names."
    return SourceReadError(Reason.CREDENTIALS_REFUSED, detail)
