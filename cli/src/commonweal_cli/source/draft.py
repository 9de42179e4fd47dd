"""The draft of a product: YAML that the project's own models take, with what was seen, and what is a guess or a proposal, as comments. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from commonweal_api import DataProduct
from commonweal_api.data_product import FieldType
from commonweal_cli.source.profile import EXAMPLES, Profile
from commonweal_cli.source.proposals import Proposal, class_of, proposed
from commonweal_runtime.store.sources.listing import Listed

NO_KEY = "choose_the_key"
_KEYS = re.compile(r"(^|_)(id|ref|reference|key|number|no|nino|nhs|uuid|code|card)($|_)|(Id|Ref|No|Number)$", re.IGNORECASE)
_SHAPES = 3
_RESERVED = {"subject", "record"}


@dataclass(frozen=True)
class Draft:
    """What goes into a draft. `rows` were read; `whole` says whether there are no more."""

    name: str
    namespace: str
    kind: str
    section: Mapping[str, Any]
    listed: Sequence[Listed]
    profiles: Mapping[str, Profile]
    rows: int
    whole: bool
    notes: Sequence[str] = ()
    key: str | None = None
    examples: bool = False

    @property
    def candidates(self) -> list[str]:
        """The columns that no two rows have in common, the likeliest key first: what the source itself keeps unique, what is named like a key."""
        unique = {c.name for c in self.listed if c.unique}
        found = [name for name, profile in self.profiles.items() if profile.unique]
        found = [name for name in found if name in unique or self.profiles[name].type_ in {FieldType.STRING, FieldType.INTEGER}]
        return sorted(found, key=lambda c: (c not in unique, _KEYS.search(c) is None))

    @property
    def chosen(self) -> str:
        """The column that says who a record is about."""
        return self.key or next(iter(self.candidates), NO_KEY)


def written(draft: Draft) -> str:
    """Return the manifest. It is valid but for a key that is still to be chosen; ValueError if it is not, which is a fault of ours."""
    text = "\n".join(_lines(draft)) + "\n"
    DataProduct.model_validate(yaml.safe_load(text))
    return text


def _lines(draft: Draft) -> Iterator[str]:
    proposals = {name: proposed(name, FieldType.DATE if p.date_format else p.type_, p.seen) for name, p in draft.profiles.items()}
    semantics = [p.semantic for p in proposals.values() if p is not None and p.semantic is not None]
    read = f"all {draft.rows} rows" if draft.whole else f"the first {draft.rows} rows"
    yield f"# A draft by `commonweal source inspect` from {read}. Guesses and proposals are marked: look at each before you apply it."
    yield from (f"# {_plain(note)}" for note in draft.notes)
    yield from (
        "apiVersion: commonweal.dev/v1alpha1",
        "kind: DataProduct",
        "metadata:",
        f"  name: {draft.name}",
        f"  namespace: {draft.namespace}",
    )
    yield from ("spec:", f"  title: {_scalar(draft.name.replace('-', ' ').capitalize())}", "  version: 0.1.0")
    yield f"  class: {class_of(semantics)}  # proposed"
    yield from ("  source:", f"    {draft.kind}:")
    yield from (f"      {key}: {_scalar(value)}" for key, value in draft.section.items())
    yield from _subject(draft)
    yield "  fields:"
    names: set[str] = set(_RESERVED)
    shown = [p for name, p in draft.profiles.items() if name != draft.chosen] or list(draft.profiles.values())
    for profile in shown:
        yield from _field(draft, profile, proposals[profile.name], names)
    yield from _left_out(draft)


def _subject(draft: Draft) -> Iterator[str]:
    yield "  subject:"
    if draft.chosen == NO_KEY:
        yield "    # No column has a value of its own in each row: name the one that says who a record is about; with records: Many and a recordKey if there are many."
    elif draft.candidates:
        yield f"    # No two rows have the same value in: {', '.join(draft.candidates)}. Its values stay at the source."
    yield f"    column: {draft.chosen}"
    profile = draft.profiles.get(draft.chosen)
    if profile is not None:
        yield f"    # {_said(draft, profile)}"


def _field(draft: Draft, profile: Profile, proposal: Proposal | None, names: set[str]) -> Iterator[str]:
    yield f"  # {_said(draft, profile)}"
    if draft.examples:
        yield f"  # such as {', '.join(_scalar(v) for v in profile.seen[:EXAMPLES])}"
    yield f"  - name: {_name(profile.name, names)}"
    yield from _origin(profile)
    if profile.rows and not profile.nulls and not profile.unreadable:
        yield "    required: true  # no row was without it"
    if proposal is not None and proposal.semantic is not None:
        yield f"    semantic: {proposal.semantic}  # proposed by {proposal.why}"
    if proposal is not None and proposal.identifier is not None:
        yield f"    classification: OfficialSensitive  # {proposal.identifier} by {proposal.why}: does a consumer need them?"


def _origin(profile: Profile) -> Iterator[str]:
    """Yield where a field's value comes from: the column, or an expression where it is written in a form of the country."""
    made, type_ = None, profile.type_
    if profile.date_format is not None:
        made, type_ = f"to_date({profile.name}, '{profile.date_format}')", FieldType.DATE
    elif profile.decimal_comma:
        made, type_ = f"cast(replace({profile.name}, ',', '.') as numeric)", FieldType.NUMBER
    yield f"    from: {_scalar(made)}  # a guess from the values" if made else f"    column: {profile.name}"
    yield f"    type: {type_}"


def _said(draft: Draft, profile: Profile) -> str:
    described = next((_plain(c.described) for c in draft.listed if c.name == profile.name), "")
    parts = [f"{profile.name}: {described}", f"{profile.nulls} null" if profile.nulls else "no null"]
    if profile.unreadable:
        parts.append(f"{profile.unreadable} cannot be read")
    distinct = profile.distinct
    parts.append(f"{distinct} distinct" if distinct is not None else "many distinct")
    if profile.least is not None:
        parts.append(f"from {_plain(profile.least)} to {_plain(profile.most or '')}")
    elif profile.shortest is not None:
        shapes = ", ".join(_plain(shape) for shape, _ in profile.shapes.most_common(_SHAPES))
        parts.append(f"{profile.shortest} to {profile.longest} characters like {shapes}")
    return "; ".join(parts)


def _left_out(draft: Draft) -> Iterator[str]:
    for column in draft.listed:
        if column.name not in draft.profiles:
            why = (
                "no field can hold it"
                if column.natural is None
                else "no field can name it, or it is one of more than a hundred; publish a view"
            )
            yield f"  # left out: {_plain(column.name)} ({_plain(column.described)}): {why}"


def _name(column: str, names: set[str]) -> str:
    words = [w for w in re.split(r"[^A-Za-z0-9]+", column) if w]
    words = [w.lower() if w.isupper() else w for w in words]
    joined = "".join(w if n == 0 else w[0].upper() + w[1:] for n, w in enumerate(words)).lstrip("0123456789") or "column"
    base = found = (joined[0].lower() + joined[1:])[:60]
    number = 1
    while found in names:
        number += 1
        found = f"{base}{number}"
    names.add(found)
    return found


def _scalar(value: Any) -> str:
    """Return a value as YAML in one line: JSON is YAML, and a plain word needs no quotes."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_./:-]*[A-Za-z0-9]", value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=True)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:200])
