"""The schema of a folder of Parquet files: the union of its files' columns and of what their paths say, each of the widest type that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import pyarrow as pa

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.arrow_text import former_of, natural_of
from commonweal_runtime.store.sources.contract import UNREADABLE, Wanted, check_types, wanted
from commonweal_runtime.store.sources.places import shown

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_NAMED = 3  # files that a message names
_WIDER = {
    frozenset({FieldType.INTEGER, FieldType.NUMBER}): FieldType.NUMBER,
    frozenset({FieldType.DATE, FieldType.TIMESTAMP}): FieldType.TIMESTAMP,
}


def partition_of(name: str) -> dict[str, str | None]:
    """Return the columns that a file's path holds as Hive and Spark write them, `year=2024/part-0.parquet`; their values are text."""
    parts = (part.partition("=") for part in name.split("/")[:-1])
    return {column: _value(value) for key, equals, value in parts if equals and (column := _value(key))}


def _value(written: str) -> str | None:
    if written == _NO_VALUE:
        return None
    try:
        return unquote_to_bytes(written).decode()
    except UnicodeDecodeError:
        return UNREADABLE


@dataclass(frozen=True, slots=True)
class _Column:
    """What is known of a column, and of which file. `natural` is None while all that was seen of it is empty or stands in paths."""

    natural: FieldType | None
    type_: str
    file: str

    @property
    def described(self) -> str:
        return f"{self.type_} in «{self.file}»"


@dataclass(slots=True)
class Folder:
    """The files of one location as one table: `add` each, then ask. Whatever does not fit is a SourceReadError that names file and column."""

    spec: DataProductSpec
    where: str
    former: dict[str, Callable[[str], str]] = field(default_factory=dict)
    _files: list[str] = field(default_factory=list)
    _columns: dict[str, _Column] = field(default_factory=dict)
    _without: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, schema: pa.Schema) -> None:
        """Take a file's schema into the union."""
        self._files.append(shown(name))
        path = partition_of(name)
        for want in wanted(self.spec):
            column = self._column(shown(name), schema, path, want)
            if column is None:
                self._without.setdefault(want.column, shown(name))
            else:
                self._columns[want.column] = self._widest(want, column)

    def _column(self, name: str, schema: pa.Schema, path: Mapping[str, str | None], want: Wanted) -> _Column | None:
        at = schema.get_all_field_indices(want.column)
        if len(at) > 1:
            detail = f"«{self.where}»: {name} has {len(at)} columns «{want.column}», which {want.what} names; write it with one."
            raise SourceReadError(Reason.COLUMN_MISSING, detail)
        if not at:
            return _Column(None, "text", f"the path of {name}") if want.column in path else None
        type_ = schema.field(at[0]).type
        natural = natural_of(type_)
        if natural is None:
            detail = f"The column «{want.column}», which {want.what} names, is {type_} in «{name}»; only plain values can be served."
            raise SourceReadError(Reason.COLUMN_TYPE_MISMATCH, detail)
        former = former_of(type_)
        if former is not None and want.column in self._keys():
            self.former[want.column] = former
        return _Column(None if pa.types.is_null(type_) else natural, str(type_), name)

    def _widest(self, want: Wanted, new: _Column) -> _Column:
        old = self._columns.get(want.column, new)
        if old.natural is None or new.natural is None:
            return new if old.natural is None else old
        if old.natural is new.natural:
            return old
        wider = _WIDER.get(frozenset({old.natural, new.natural}))
        if wider is None:
            detail = f"The column «{want.column}», which {want.what} names, is {old.described} and {new.described}"
            raise SourceReadError(Reason.COLUMN_TYPE_MISMATCH, f"{detail}; write both with one type, or move one of them to another place.")
        return new if new.natural is wider else old

    def types(self) -> dict[str, FieldType]:
        """Return the natural types of the columns that expressions read, once all files are added."""
        for want in wanted(self.spec):
            if want.column not in self._columns:
                more = f" and {len(self._files) - _NAMED} more" if len(self._files) > _NAMED else ""
                detail = f"«{self.where}» has no column «{want.column}», which {want.what} names; looked at: "
                raise SourceReadError(Reason.COLUMN_MISSING, f"{detail}{', '.join(self._files[:_NAMED])}{more}.")
            if want.column in self._without and want.column in self._keys():
                detail = f"«{self.where}»: {self._without[want.column]} has no column «{want.column}», which {want.what} names"
                raise SourceReadError(Reason.COLUMN_MISSING, f"{detail} and other files have. Add it, or move the file to another place.")
        natural = {name: column.natural or FieldType.STRING for name, column in self._columns.items()}
        return check_types(self.spec, natural, {name: column.described for name, column in self._columns.items()})

    def _keys(self) -> set[str | None]:
        return {self.spec.subject.column, self.spec.subject.record_key}
