"""How a CSV file is written, guessed from its beginning: what reads most of its rows with equally many values. Pure; the draft says that it is a guess."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from commonweal_api.data_files import CsvSource, Encoding
from commonweal_runtime.store.sources.csv_blocks import Block
from commonweal_runtime.store.sources.csv_rows import Dialect, Row, Rows, Value

_DELIMITERS, _QUOTES = (",", ";", "\t", "|", ":"), ('"', "'", "")
_MOST_ROWS, _MOST_TITLES = 2000, 20
_NULLS = ("NULL", "\\N")
_VALUE = re.compile(r"[-+]?[0-9][0-9.,:/ -]*|[^@\s]+@[^@\s]+|true|false", re.IGNORECASE)
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_UNUSED_1252 = {0x81, 0x8D, 0x8F, 0x90, 0x9D}


@dataclass(frozen=True, slots=True)
class Guess:
    """The part of spec.source.csv that says how the file is written, without what is as by default, and the names of its columns."""

    written: dict[str, Any]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def guessed(sample: bytes) -> Guess:
    """Return how the file is written that begins so."""
    encoding, notes = _encoding(sample)
    text = sample.decode(_codec(encoding), "replace").removeprefix("\ufeff")
    text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    written = {"encoding": encoding.value} | _dialect(text)
    rows = list(_rows(text, written))
    width = _width(rows)
    titles = next((n for n, row in enumerate(rows[:_MOST_TITLES]) if len(row.values or ()) == width), 0)
    if titles:
        written["skipLines"] = rows[titles].line - 1
        notes.append(f"The first {rows[titles].line - 1} lines have fewer values than the others, and are left out.")
    rows = rows[titles:]
    names = _headed(rows, width, written, notes)
    _nulls(text, rows, written, notes)
    usual = {"encoding": Encoding.UTF_8.value, "delimiter": ",", "quote": '"'}
    return Guess({k: v for k, v in written.items() if usual.get(k) != v}, names, tuple(notes))


def _encoding(sample: bytes) -> tuple[Encoding, list[str]]:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding.UTF_16, []
    if sample[1:400:2].count(0) > len(sample[:400]) // 4:
        return Encoding.UTF_16LE, []
    if sample[0:400:2].count(0) > len(sample[:400]) // 4:
        return Encoding.UTF_16BE, []
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(sample)
    except UnicodeDecodeError:
        found = Encoding.ISO_8859_1 if _UNUSED_1252 & set(sample) else Encoding.WINDOWS_1252
        return found, [
            f"encoding {found.value} is a guess: the file is no UTF-8, and nothing in it says what it is. Look at names with accents."
        ]
    return Encoding.UTF_8, []


def _codec(encoding: Encoding) -> str:
    return {Encoding.UTF_16LE: "utf-16-le", Encoding.UTF_16BE: "utf-16-be"}.get(encoding, encoding.value)


def _dialect(text: str) -> dict[str, Any]:
    """Return what reads most rows with equally many values; of what reads as many, what finds more values."""
    ends = {} if "\n" in text else {"lineEnd": "CR"} if "\r" in text else {}
    ends_ = [ends, {"lineEnd": "CRLF"}] if "\r\n" in text and re.search(r"[^\r]\n", text) else [ends]
    escapes: list[dict[str, Any]] = [{}, {"escape": "\\"}] if '\\"' in text or "\\," in text else [{}]
    comments: dict[str, Any] = {"comment": "#"} if text.startswith("#") else {}
    tried = [
        {"delimiter": delimiter, "quote": quote, **end, **escape, **comments}
        for delimiter in _DELIMITERS for quote in _QUOTES if quote == '"' or (quote or '"') in text for end in ends_ for escape in escapes
    ]  # fmt: skip
    return max(tried, key=lambda written: _score(text, written))


def _score(text: str, written: dict[str, Any]) -> tuple[float, int, int]:
    rows = list(_rows(text, written))
    width = _width(rows)
    if width < 2:
        return 0.0, 0, -len(written)
    good = [row for row in rows if row.values is not None and len(row.values) == width]
    # what stands in quotes that are not read as such still has them
    left = sum(isinstance(v, str) and v[:1] in {'"', "'"} and v[:1] == v[-1:] != "" for row in good[:200] for v in row.values or ())
    return round(len(good) / len(rows), 2), -left, width - len(written)


def _rows(text: str, written: dict[str, Any]) -> Iterator[Row]:
    dialect = Dialect(CsvSource.model_validate({"location": "volume://a/b", **{k: v for k, v in written.items() if k != "skipLines"}}))
    for number, row in enumerate(Rows(dialect).of([Block(0, text)])):
        if number >= _MOST_ROWS:
            return
        yield row


def _width(rows: list[Row]) -> int:
    counts = Counter(len(row.values) for row in rows if row.values is not None)
    return max(counts, key=lambda n: (counts[n], n), default=0)


def _text(value: Value) -> str:
    return value[0] if isinstance(value, tuple) else value or ""


def _headed(rows: list[Row], width: int, written: dict[str, Any], notes: list[str]) -> tuple[str, ...]:
    """Return the names of the columns, and write down how they come about."""
    first = [_text(v) for v in rows[0].values or ()] if rows else []
    cells = [c for c in first if c]
    if not first or len(set(cells)) != len(cells) or len(cells) < len(first) - 1 or any(_VALUE.fullmatch(c) for c in cells):
        names = tuple(f"column_{n}" for n in range(1, width + 1))
        notes.append("The first row looks like values and not like headings: give the columns their names in spec.source.csv.columns.")
        written["columns"] = list(names)
        return names
    renamed = renamings(cells)
    if renamed:
        written["headings"] = [{"heading": h, "column": c} for h, c in renamed.items()]
    return tuple(renamed.get(c, c) for c in cells)


def renamings(headings: Sequence[str]) -> dict[str, str]:
    """Return a name for each heading that fields cannot refer to."""
    taken, renamed = {h for h in headings if _COLUMN.fullmatch(h)}, dict[str, str]()
    for number, heading in enumerate(headings, 1):
        if heading and heading not in taken and heading not in renamed:
            name = _name(heading)
            renamed[heading] = name if name not in taken else f"{name}_{number}"
            taken.add(renamed[heading])
    return renamed


def _name(heading: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", heading.lower()).strip("_")[:50] or "column"
    return plain if _COLUMN.fullmatch(plain) else f"column_{plain}"


def _nulls(text: str, rows: list[Row], written: dict[str, Any], notes: list[str]) -> None:
    """Write down what stands for null besides nothing, and whether nothing in quotes does."""
    values = Counter(_text(v) for row in rows for v in row.values or () if v is not None)
    words = [word for word in _NULLS if values[word] or (word == "\\N" and written.get("escape") and values["N"])]
    if words:
        written["nulls"] = ["", *words]
        notes.append(f"{' and '.join(words)} stand for null: take them out of spec.source.csv.nulls where they are words.")
    quote, delimiter = written["quote"], written["delimiter"]
    empty = re.compile(f"(^|{re.escape(delimiter)}){quote}{quote}({re.escape(delimiter)}|\r?$)", re.MULTILINE) if quote else None
    if empty is not None and empty.search(text) and not any(v is None for row in rows for v in row.values or ()):
        written["quotedNulls"] = True
        notes.append("Empty values stand in quotes, so these are taken for null: leave quotedNulls out where they are empty texts.")
