"""Rows of separated values in a text, one by one, so that a row that is wrong spoils no other."""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple, Self

from commonweal_api.data_files import CsvSource, LineEnd
from commonweal_runtime.exceptions import LineTooLongError
from commonweal_runtime.store.sources.csv_blocks import LINE_ENDS, Block

LONGEST_ROW = 8 << 20  # characters: a quote that is open for longer is one that does not close
_ENDS = {LineEnd.ANY: "\r?\n", LineEnd.LF: "\n", LineEnd.CRLF: "\r\n", LineEnd.CR: "\r"}
Value = str | tuple[str] | None  # a tuple is a text that would stand for null were it not quoted


class Row(NamedTuple):
    """A row, the number of the line it begins in, and its values; None where it cannot be told what they are."""

    line: int
    values: list[Value] | None
    size: int


class _Line:
    """One line, once: after it the text ends."""

    text: str | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line, self.text = self.text, None
        if line is None:
            raise StopIteration
        return line


class Dialect:
    """How rows are written, as the product says."""

    def __init__(self, source: CsvSource) -> None:
        self.delimiter, self.quote, self.escape, self.comment = source.delimiter, source.quote, source.escape, source.comment
        self.line_end = source.line_end
        self.separator, self.strips = LINE_ENDS[source.line_end], source.line_end is LineEnd.ANY
        self.nulls, self._quoted_nulls = frozenset(source.nulls), source.quoted_nulls
        self._line = _Line()
        self._reader = self._common(source)

    def _common(self, source: CsvSource) -> Iterator[list[str]] | None:
        """Return what splits the lines that `_line` holds; None where escapes have another meaning to it."""
        if source.escape or not source.quote:
            return None
        return csv.reader(self._line, delimiter=source.delimiter, quotechar=source.quote, doublequote=True, strict=True)

    @cached_property
    def _doubtful(self) -> re.Pattern[str]:
        """Where a line may hold a quoted value that would stand for null were it not quoted: that difference the module csv does not tell."""
        quote, delimiter = re.escape(self.quote), re.escape(self.delimiter)
        return re.compile(f"(?:^|{delimiter}){quote}(?:{'|'.join(map(re.escape, self.nulls))}){quote}(?:{delimiter}|$)")

    def quick(self, line: str) -> list[Value] | None:
        """Return the values of a line with quotes, where it is a whole row of the common kind; None where it has to be looked at closely."""
        if self._reader is None or "\r" in line or "\n" in line or (self.nulls and not self._quoted_nulls and self._doubtful.search(line)):
            return None
        self._line.text = line
        try:
            found = next(self._reader)
        except (csv.Error, StopIteration):
            return None
        nulls = self.nulls
        return [None if value in nulls else value for value in found]

    @cached_property
    def plain(self) -> re.Pattern[str]:
        """A value that is not quoted, as it is written."""
        escaped = f"{re.escape(self.escape)}." if self.escape else "(?!)"
        held = re.escape(self.delimiter + (self.escape or ""))
        return re.compile(f"(?:{escaped}|(?!{_ENDS[self.line_end]})[^{held}])*+", re.DOTALL)

    @cached_property
    def quoted(self) -> re.Pattern[str]:
        """A value with its quotes."""
        quote = re.escape(self.quote)
        inside = f"[^{quote}{re.escape(self.escape)}]++|{re.escape(self.escape)}." if self.escape else f"[^{quote}]++|{quote}{quote}"
        return re.compile(f"{quote}((?:{inside})*+){quote}", re.DOTALL)

    @cached_property
    def after(self) -> re.Pattern[str]:
        """What may follow a value: another one, or the end of the row."""
        end = r"\r?\Z" if self.strips else r"\Z"
        return re.compile(f"({re.escape(self.delimiter)})|{_ENDS[self.line_end]}|{end}")

    def odd(self, text: str) -> bool:
        """Return whether more than delimiters and line ends has a meaning in a text."""
        return (self.quote != "" and self.quote in text) or (self.escape is not None and self.escape in text)

    def split(self, line: str) -> list[Value]:
        """Return the values of a line in which only delimiters have a meaning."""
        nulls = self.nulls
        return [None if value in nulls else value for value in line.split(self.delimiter)]

    def unquoted(self, raw: str) -> Value:
        """Return what a value that is not quoted says."""
        if raw in self.nulls:
            return None
        return self._unescaped(raw)

    def inside(self, raw: str) -> Value:
        """Return what stands between quotes."""
        text = self._unescaped(raw) if self.escape else raw.replace(self.quote * 2, self.quote)
        if text in self.nulls:
            return None if self._quoted_nulls else (text,)
        return text

    def _unescaped(self, raw: str) -> str:
        return re.sub(f"{re.escape(self.escape)}(.)", r"\1", raw, flags=re.DOTALL) if self.escape and self.escape in raw else raw


class Rows:
    """The rows of a file. `offset`, `line` and `since` say how to come to the row after the last one: read on there, and pass over that many rows."""

    def __init__(self, dialect: Dialect, line: int = 1) -> None:
        self._dialect, self._next_line = dialect, line
        self.offset, self.line, self.since = 0, line, 0

    def of(self, blocks: Iterable[Block], skip: int = 0) -> Iterator[Row]:
        """Yield the rows, but for that many lines at the beginning. A row that is left open by a quote is read on in the next block."""
        try:
            yield from self._of(blocks, skip)
        except LineTooLongError as error:
            error.line = self._next_line
            raise

    def _of(self, blocks: Iterable[Block], skip: int) -> Iterator[Row]:
        text, separator = "", self._dialect.separator
        for block in blocks:
            if not text and not skip:
                self.offset, self.line, self.since = block.offset, self._next_line, 0
            text += block.text
            while skip and text:
                text, skip = text.partition(separator)[2], skip - 1
                self._next_line += 1
            text = text[(yield from self._whole(text, last=False)) :]
        yield from self._whole(text, last=True)

    def _whole(self, text: str, *, last: bool) -> Generator[Row, None, int]:
        """Yield the rows that are whole, and return where the first one begins that is not; in the `last` text each is."""
        if not self._dialect.odd(text):
            lines = text.split(self._dialect.separator)
            for line in lines if lines[-1] else lines[:-1]:
                if (row := self._plain(line)) is not None:
                    yield row
            return len(text)
        at = 0
        while at < len(text):
            row, end = self._row(text, at, ended=last or len(text) - at > LONGEST_ROW)
            if end is None:
                break
            if row is not None:
                yield row
            at = end
        return at

    def _plain(self, line: str) -> Row | None:
        """Return the row of a line in which only delimiters have a meaning; None where it is left out."""
        dialect, at = self._dialect, self._next_line
        self._next_line += 1
        if dialect.strips and line.endswith("\r"):
            line = line[:-1]
        if not line or (dialect.comment and line[0] == dialect.comment):
            return None
        self.since += 1
        return Row(at, dialect.split(line), len(line))

    def _row(self, text: str, at: int, *, ended: bool) -> tuple[Row | None, int | None]:
        """Return the row at a place, None for a line that is left out, and where the next begins; None where the text does not say."""
        dialect, number = self._dialect, self._next_line
        found = text.find(dialect.separator, at)
        end, after = (len(text), len(text)) if found < 0 else (found, found + len(dialect.separator))
        line = text[at:end]
        if not dialect.odd(line) or (dialect.comment and line.startswith(dialect.comment)):
            return self._plain(line), after
        if (quick := dialect.quick(line[:-1] if dialect.strips and line.endswith("\r") else line)) is not None:
            self._next_line, self.since = number + 1, self.since + 1
            return Row(number, quick, len(line)), after
        values, stop = self._values(text, at, ended=ended)
        if stop is None and not ended:
            return None, None
        self.since += 1
        if values is None or stop is None:  # where a quote went wrong is not known, so it is this line and no other
            self._next_line += 1
            return Row(number, None, len(line)), after
        self._next_line += max(1, text.count(dialect.separator, at, stop) + (not text.endswith(dialect.separator, at, stop)))
        return Row(number, values, stop - at), stop

    def _values(self, text: str, at: int, *, ended: bool) -> tuple[list[Value] | None, int | None]:
        """Return the values of a row and where it ends: no values where quotes are not as they have to be, no end where the text ends before them."""
        dialect, values = self._dialect, list[Value]()
        while True:
            if dialect.quote and text.startswith(dialect.quote, at):
                found = dialect.quoted.match(text, at)
                if found is None:
                    return None, None
                values.append(dialect.inside(found[1]))
            else:
                found = dialect.plain.match(text, at)
                values.append(dialect.unquoted(found[0]) if found else None)
            then = dialect.after.match(text, found.end() if found else at)
            if then is None:
                return None, at
            at = then.end()
            if then[1] is None:
                open_ = not ended and not text.endswith(dialect.separator, then.start(), at)
                return (None, None) if open_ else (values, at)
