"""What the values of a column have in common, gathered batch by batch. Only ranges and shapes are kept of them, and a few examples if they are asked for."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from commonweal_api.data_product import FieldType
from commonweal_runtime.store.loading.columns import checked
from commonweal_runtime.store.sources.contract import UNREADABLE

MOST_DISTINCT = 1_000_000  # values of a column that are told apart, as hashes, while no two rows have the same one
MANY_DISTINCT = 10_000  # and of one where two have
SHAPED = 500  # values of a batch whose shape is looked at
EXAMPLES = 3
_TYPES = (FieldType.BOOLEAN, FieldType.INTEGER, FieldType.NUMBER, FieldType.DATE, FieldType.TIMESTAMP)
_LOCAL_DATE = re.compile(r"[0-9]{1,2}([/.-])[0-9]{1,2}\1[0-9]{4}")
_COMMA = r"^-?(0|[1-9][0-9]{0,14})(,[0-9]{1,6})?$"
_PADDED = r"^-?0[0-9]"
_SPOKEN = re.compile(r"[0-9]{8}|[0-9]{4}-?W.*")  # what is a date to a calendar and a number to people


@dataclass(slots=True)
class Profile:
    """One column. `natural` is its type at the source; of text, its values say what it can be read as."""

    name: str
    natural: FieldType
    rows: int = 0
    nulls: int = 0
    unreadable: int = 0
    shortest: int | None = None
    longest: int = 0
    least: str | None = None
    most: str | None = None
    separators: set[str] = field(default_factory=set)  # of dates in a local form, while every value is one
    month_first: bool = False
    day_first: bool = False
    shapes: Counter[str] = field(default_factory=Counter)
    seen: list[str] = field(default_factory=list)  # for proposals and examples; printed only when asked for
    fits: set[FieldType] = field(default_factory=lambda: set(_TYPES))
    _hashes: set[int] | None = field(default_factory=set)
    _local: bool = True
    _commas: bool = True

    def add(self, column: pa.Array) -> None:
        """Take a batch in."""
        self.rows += len(column)
        self.nulls += column.null_count
        there = column.drop_null()
        bad = pc.equal(there, UNREADABLE)
        if pc.any(bad).as_py():
            self.unreadable += int(pc.sum(bad).as_py())
            there = there.filter(pc.invert(bad))
        if len(there):
            self._measure(there)

    def _measure(self, there: pa.Array) -> None:
        lengths = pc.utf8_length(there)
        least, most = pc.min(lengths).as_py(), pc.max(lengths).as_py()
        self.shortest, self.longest = least if self.shortest is None else min(self.shortest, least), max(self.longest, most)
        if self._hashes is not None:
            self._hashes.update(map(hash, there.unique().to_pylist()))
            single = len(self._hashes) == self.rows - self.nulls - self.unreadable
            if len(self._hashes) > (MOST_DISTINCT if single else MANY_DISTINCT):
                self._hashes = None
        self.fits = {type_ for type_ in self.fits if not checked(there, type_).bad}
        if pc.any(pc.match_substring_regex(there, _PADDED)).as_py() and self.natural is FieldType.STRING:
            self.fits -= {FieldType.INTEGER, FieldType.NUMBER}  # what has zeros before it is a text that people know by them
        few = there.slice(0, SHAPED).to_pylist()
        if self.natural is FieldType.STRING and any(_SPOKEN.fullmatch(v) for v in few):
            self.fits -= {FieldType.DATE, FieldType.TIMESTAMP}
        self.shapes.update(map(_shape, few))
        self.seen = list(dict.fromkeys([*self.seen, *few[:SHAPED]]))[:SHAPED]
        self._look_for_dates(there)
        self._commas = self._commas and pc.all(pc.match_substring_regex(there, _COMMA)).as_py()
        self._bound(there)

    def _look_for_dates(self, there: pa.Array) -> None:
        """Note whether all are dates in a local form. Which number is the day only a day above 12 says."""
        if not self._local or self.longest > 10:
            self._local = False
            return
        for value in there.unique().to_pylist():
            found = _LOCAL_DATE.fullmatch(value)
            if found is None:
                self._local = False
                return
            first, second, _ = map(int, value.split(found[1]))
            self.separators.add(found[1])
            self.day_first, self.month_first = self.day_first or first > 12, self.month_first or second > 12

    def _bound(self, there: pa.Array) -> None:
        """Keep the ends of numbers and days: not of texts, whose ends are somebody's."""
        kinds = self.fits if self.natural is FieldType.STRING else {self.natural}
        if kinds & {FieldType.INTEGER, FieldType.NUMBER}:
            values = [*there.to_pylist(), *(v for v in (self.least, self.most) if v is not None)]
            self.least, self.most = min(values, key=_number), max(values, key=_number)
        elif kinds & {FieldType.DATE, FieldType.TIMESTAMP}:
            values = [*there.to_pylist(), *(v for v in (self.least, self.most) if v is not None)]
            self.least, self.most = min(values), max(values)

    @property
    def distinct(self) -> int | None:
        """How many values there are; None for more than are counted."""
        return None if self._hashes is None else len(self._hashes)

    @property
    def unique(self) -> bool:
        """Whether each row has a value that no other has, as far as was read."""
        return self.rows > 0 and not self.nulls and not self.unreadable and self.distinct == self.rows

    @property
    def type_(self) -> FieldType:
        """What to read it as."""
        if self.natural is not FieldType.STRING or self.rows == self.nulls + self.unreadable:
            return self.natural
        return next((type_ for type_ in _TYPES if type_ in self.fits), FieldType.STRING)

    @property
    def decimal_comma(self) -> bool:
        """Whether all its values are numbers, some of them with a comma for the point."""
        return self.type_ is FieldType.STRING and self.shortest is not None and self._commas

    @property
    def date_format(self) -> str | None:
        """The format of to_date that all its values have; None where there is none, or no day says which number is the month."""
        if not self._local or len(self.separators) != 1 or self.day_first == self.month_first:
            return None
        (separator,) = self.separators
        return separator.join(("DD", "MM", "YYYY") if self.day_first else ("MM", "DD", "YYYY"))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _shape(value: str) -> str:
    """Return a value with A for capitals, a for small letters and 9 for digits, each once for how ever many."""
    letters = "".join("9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else " " if c.isspace() else c for c in value[:60])
    return re.sub(r"(.)\1+", r"\1+", letters)
