"""A source is opened as a load opens it, asked what it has, and read from its beginning."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_cli.source.guessing import Guess, guessed, renamings
from commonweal_cli.source.profile import Profile
from commonweal_cli.source.whereabouts import Whereabouts
from commonweal_runtime.store.sources import Credentials, open_source
from commonweal_runtime.store.sources.csv_blocks import BLOCK, unpacked
from commonweal_runtime.store.sources.csv_files import CsvReader
from commonweal_runtime.store.sources.excel_files import ExcelReader
from commonweal_runtime.store.sources.file_reader import place_of
from commonweal_runtime.store.sources.listing import Listed, Listing
from commonweal_runtime.store.sources.own_thread import own_thread
from commonweal_runtime.store.sources.parquet import ParquetReader
from commonweal_runtime.store.sources.places import Place

MOST_COLUMNS = 100
TELL_SECONDS = 2.0


@dataclass(frozen=True)
class Seen:
    """What a source has: its columns, those of them that a product can name with their profiles, and whether all rows were read."""

    listed: Sequence[Listed]
    profiles: Mapping[str, Profile]
    rows: int
    whole: bool


def skeleton(kind: str, section: Mapping[str, Any], columns: Mapping[str, FieldType]) -> DataProductSpec:
    """Return a product of these columns, each as it is; the first one stands for the subject as well."""
    fields = [{"name": f"c{n}", "column": column, "type": type_.value} for n, (column, type_) in enumerate(columns.items())]
    source = {kind: dict(section)}
    body = {"title": "Draft", "version": "0.1.0", "class": "Person", "source": source, "subject": {"column": next(iter(columns))}}
    return DataProductSpec.model_validate({**body, "fields": fields})


def guess(where: Whereabouts, kind: str, section: Mapping[str, Any], credentials: Credentials | None) -> Guess:
    """Return how the first of the CSV files is written. Raises SourceReadError."""
    place: Place | None = where.files(kind) if where.files is not None else None
    if place is None:
        source = skeleton(kind, section, {"c": FieldType.STRING}).source.files
        assert source is not None
        place = place_of(source, credentials)
    first = place.files()[0]
    with place.open(first) as stream, unpacked(stream, first.name) as text:
        return guessed(text.read(BLOCK))


async def headings(where: Whereabouts, kind: str, section: Mapping[str, Any], credentials: Credentials | None) -> dict[str, Any]:
    """Return the names for the headings of workbooks that fields cannot refer to, as the manifest has them. Raises SourceReadError."""
    async with _opened(skeleton(kind, section, {"c": FieldType.STRING}), where, kind, credentials) as source:
        renamed = renamings([column.name for column in await source.listed()])
    return {"headings": [{"heading": h, "column": c} for h, c in renamed.items()]} if renamed else {}


@asynccontextmanager
async def _opened(spec: DataProductSpec, where: Whereabouts, kind: str, credentials: Credentials | None) -> AsyncIterator[Listing]:
    if where.files is None:
        async with open_source(spec, credentials) as source:
            yield cast("Listing", source)
        return
    async with own_thread("inspect") as thread:
        if spec.source.csv is not None:
            yield CsvReader(where.files(kind), thread, spec, spec.source.csv)
        elif spec.source.excel is not None:
            yield ExcelReader(where.files(kind), thread, spec, spec.source.excel)
        else:
            yield ParquetReader(where.files(kind), thread, spec, str(where.section["location"]))


async def seen(
    where: Whereabouts, kind: str, section: Mapping[str, Any], credentials: Credentials | None, most: int, tell: Callable[[str], None]
) -> Seen:
    """Read up to `most` rows, all of them for 0, of every column that a product can name. Raises SourceReadError."""
    async with _opened(skeleton(kind, section, {"c": FieldType.STRING}), where, kind, credentials) as source:
        listed = await source.listed()
    profiles = {c.name: Profile(c.name, c.natural) for c in listed if c.natural is not None and nameable(c.name)}
    profiles = dict(list(profiles.items())[:MOST_COLUMNS])
    if not profiles:
        return Seen(listed, {}, 0, whole=True)
    spec = skeleton(kind, section, {name: p.natural for name, p in profiles.items()})
    rows, whole = await _read(spec, where, kind, credentials, list(profiles.values()), most, tell)
    return Seen(listed, profiles, rows, whole)


async def _read(
    spec: DataProductSpec,
    where: Whereabouts,
    kind: str,
    credentials: Credentials | None,
    profiles: list[Profile],
    most: int,
    tell: Callable[[str], None],
) -> tuple[int, bool]:
    rows, told = 0, monotonic()
    async with _opened(spec, where, kind, credentials) as source:
        await source.inspect()
        async for batch in source.batches(None):
            rest = most - rows if most else len(batch.columns[0])
            for profile, column in zip(profiles, batch.columns[1:], strict=True):
                profile.add(column.slice(0, rest))
            rows += min(rest, len(batch.columns[0]))
            if monotonic() - told > TELL_SECONDS:
                told = monotonic()
                tell(f"{rows} rows are read")
            if most and rows >= most:
                return rows, False
    return rows, True


def nameable(column: str) -> bool:
    """Return whether a product can name a column."""
    return len(column) <= 63 and column.isascii() and column.isidentifier()
