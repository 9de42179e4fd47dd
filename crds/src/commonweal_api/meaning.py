"""What the fields of an agreement mean: where each value comes from, about which person, and what a mask or an answer stands before. Pure.

Both parties sign it with the agreement. It is the definition and not the words about it: a description, a classification, a quality check or how often a
source is read can change without anybody signing again; where a value comes from cannot.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import Field, StringConstraints

from commonweal_api.common import FieldName, SourceColumn, Strict, Text, shown
from commonweal_api.data_product import DataProductSpec
from commonweal_api.data_source import Source
from commonweal_api.http_source import HttpSource
from commonweal_api.offer import Answer, Expression, FieldType, Mask, MaskKind, Offer, ProductField

_NAMES = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 1000
# What such a mask leaves of a person's key is the key, or nearly: a key is one word, and a decade is all of a number but its last digit.
_KEEPS_KEY = frozenset({MaskKind.FIRST_WORD, MaskKind.DECADE})


class FieldMeaning(Strict):
    """One field or answer: exactly one of column, expression, mask and answer says what is given."""

    name: FieldName = Field(description="Name under which consumers ask for it.")
    type: FieldType | None = Field(default=None, description="What a column or an expression is read as.")
    column: SourceColumn | None = Field(default=None, description="Column of the source table.")
    expression: Expression | None = Field(default=None, description="SQL expression over columns of the source table.")
    mask: Mask | None = Field(default=None, description="What is left of which raw field.")
    answer: Expression | None = Field(default=None, description="Boolean SQL expression over raw fields, which stand in `behind`.")

    @property
    def words(self) -> str:
        """What is given, in one line."""
        if self.mask is not None:
            return f"{self.mask.kind} of {self.mask.of}"
        if self.answer is not None:
            return f"whether {shown(self.answer)}"
        return f"{self.type} from column {self.column}" if self.column else f"{self.type} from {shown(self.expression or '')}"


class Meaning(Strict):
    """What both parties of an agreement sign besides its words: what each of its fields is made from."""

    source: Annotated[Text, StringConstraints(max_length=_LONGEST)] = Field(description="Where the records lie; whatever login reads them.")
    subject: SourceColumn = Field(description="Column that says who a record is about.")
    records: Literal["One", "Many"] = Field(description="How many records a subject can have.")
    fields: list[FieldMeaning] = Field(max_length=100, description="The agreement's fields and answers, in its order.")
    behind: list[FieldMeaning] = Field(
        default_factory=list, max_length=100, description="Raw fields that its masks and answers are made from."
    )

    def whole(self, fields: Sequence[str]) -> bool:
        """Return whether it says what each of these fields is."""
        return [each.name for each in self.fields] == list(fields)


def meaning_of(fields: Sequence[str], product: DataProductSpec, offer: Offer) -> Meaning:
    """Return what these fields mean in one version of a product; what the version does not offer is left out."""
    found, behind = definitions(offer, fields)
    subject = product.subject
    return Meaning(source=place_of(product.source), subject=subject.column, records=subject.records, fields=found, behind=behind)


def definitions(offer: Offer, fields: Sequence[str]) -> tuple[list[FieldMeaning], list[FieldMeaning]]:
    """Return what these fields of an offer are, and the raw fields that masks and answers among them are made from."""
    known: dict[str, ProductField | Answer] = {field.name: field for field in offer.fields} | {
        answer.name: answer for answer in offer.answers
    }
    raw = {f.name: f for f in offer.fields if f.type is not None and known[f.name] is f}
    found = [_answer(each) if isinstance(each, Answer) else _field(each) for name in fields if (each := known.get(name)) is not None]
    used = {name for each in found for name in _reads(each, raw)}
    return found, [_field(field) for name, field in raw.items() if name in used]


def place_of(source: Source) -> str:
    """Return where records lie as one line: all that decides which records they are, and nothing of the login that reads them."""
    if source.postgres is not None:
        found = source.postgres
        return f"postgres {found.host}:{found.port}/{found.database}/{found.schema_}.{found.table}"
    if source.mysql is not None:
        return f"mysql {source.mysql.host}:{source.mysql.port}/{source.mysql.database}/{source.mysql.table}"
    if source.http is not None:
        return _api(source.http)
    files = source.files
    return f"{files.kind} {files.location}{files.within}" + (f" at {files.endpoint}" if files.endpoint else "") if files is not None else ""


def _api(source: HttpSource) -> str:
    """Return the API as one line. How its pages are walked through does not decide which records they are."""
    query = urlencode([(p.name, p.value) for p in source.query])
    headers = "; ".join(f"{h.name}: {h.value}" for h in source.headers)
    parts = [f"http {source.url}", query and f"?{query}", source.records and f" records {source.records}", headers and f" with {headers}"]
    line = shown("".join(part for part in parts if part))
    return line if len(line) <= _LONGEST else f"{line[:900]}... sha256:{hashlib.sha256(line.encode()).hexdigest()}"


def differences(old: Meaning, new: Meaning) -> list[str]:
    """Return what means something else now, each as a sentence with the old meaning and the new one."""
    found = [
        f"{what} was {was} and is {now}."
        for what, was, now in (
            ("Where its records lie", old.source, new.source),
            ("The column of the person", old.subject, new.subject),
            ("How many records a person has", old.records, new.records),
        )
        if was != now
    ]
    return [*found, *_changed(old.fields, new.fields), *_changed(old.behind, new.behind)]


def gives_key(meaning: Meaning) -> str | None:
    """Return the first of its fields that would give the source's key of the person as it is, or None.

    An expression that reads the key counts, whatever it makes of it, unless it says no more than yes or no.
    """
    raw = {each.name: each for each in meaning.behind}
    return next((each.name for each in meaning.fields if _keyed(each, raw, meaning.subject)), None)


def _keyed(each: FieldMeaning, raw: Mapping[str, FieldMeaning], key: str) -> bool:
    if each.mask is not None:
        return each.mask.kind in _KEEPS_KEY and each.mask.of in raw and _keyed(raw[each.mask.of], raw, key)
    if each.answer is not None or each.type is FieldType.BOOLEAN:
        return False
    if each.column:
        return _one(each.column) == _one(key)
    text, plain = (each.expression or "").casefold(), _one(key)
    if _NAMES.fullmatch(plain):
        return plain in _NAMES.findall(text)
    # of any other name it is enough that it stands there, with its quotation marks doubled: what looks like an end of a quotation may be none
    pointer = plain.replace("~", "~0").replace("/", "~1")
    return any(form.replace('"', '""') in text for form in (plain, pointer, key.casefold()))


def _one(column: str) -> str:
    """Return the one form of a column's name: databases take it in any letters, and of JSON `id` and `/id` are one member."""
    if column.startswith("/") and "/" not in column[1:]:
        column = column[1:].replace("~1", "/").replace("~0", "~")
    return column.casefold()


def _field(field: ProductField) -> FieldMeaning:
    # White space says nothing in an expression but between quotes, where it is kept: there, other white space is another meaning.
    expression = _spaced(field.from_) if field.from_ is not None else None
    return FieldMeaning(name=field.name, type=field.type, column=field.column, expression=expression, mask=field.mask)


def _answer(answer: Answer) -> FieldMeaning:
    return FieldMeaning(name=answer.name, answer=_spaced(answer.expression))


def _spaced(expression: str) -> str:
    return expression if "'" in expression or '"' in expression else " ".join(expression.split())


def _reads(each: FieldMeaning, raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield the raw fields that a mask or an answer can be made from: for an answer every one whose name stands in it, in whatever letters."""
    if each.mask is not None:
        yield each.mask.of
    if each.answer is not None:
        named = {name.casefold() for name in _NAMES.findall(each.answer)}
        yield from (name for name in raw if name.casefold() in named)


def _changed(old: Sequence[FieldMeaning], new: Sequence[FieldMeaning]) -> Iterator[str]:
    was, now = {each.name: each for each in old}, {each.name: each for each in new}
    for name in dict.fromkeys([*was, *now]):
        if was.get(name) != now.get(name):
            yield f"{name} meant {_said(was.get(name))} and means {_said(now.get(name))}."


def _said(each: FieldMeaning | None) -> str:
    return f"«{each.words}»" if each is not None else "nothing"
