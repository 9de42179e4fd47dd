"""What changes for a reader between two versions of a contract, and what of it breaks what they rely on.

The view is the consumer's: a promise that is loosened breaks, one that is tightened does not. What a change of column or expression means nobody can tell
from here, so it is said and not refused: the steward who keeps the name says that it is the same thing. A classification may be raised at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from commonweal_api.data_product import DataProductSpec
from commonweal_api.offer import MASK_OUTPUT, Answer, Classification, FieldType, Mask, Offer, ProductField
from commonweal_api.quality import OnFail, QualityCheck


class Rule(StrEnum):
    """One way in which a contract can change."""

    FIELD_ADDED = "FieldAdded"
    FIELD_REMOVED = "FieldRemoved"
    TYPE_CHANGED = "TypeChanged"
    KIND_CHANGED = "KindChanged"
    MASK_CHANGED = "MaskChanged"
    ANSWER_CHANGED = "AnswerChanged"
    REQUIRED_ADDED = "RequiredAdded"
    REQUIRED_DROPPED = "RequiredDropped"
    MEANING_CHANGED = "MeaningChanged"
    MEANING_STATED = "MeaningStated"
    ORIGIN_CHANGED = "OriginChanged"
    CLASSIFICATION_RAISED = "ClassificationRaised"
    CLASSIFICATION_LOWERED = "ClassificationLowered"
    DESCRIPTION_CHANGED = "DescriptionChanged"
    CLASS_CHANGED = "ClassChanged"
    CHECK_ADDED = "CheckAdded"
    CHECK_REMOVED = "CheckRemoved"
    CHECK_LOOSENED = "CheckLoosened"
    CHECK_TIGHTENED = "CheckTightened"
    FRESHNESS_LOOSENED = "FreshnessLoosened"
    FRESHNESS_TIGHTENED = "FreshnessTightened"


BREAKING = frozenset(
    {
        Rule.FIELD_REMOVED, Rule.TYPE_CHANGED, Rule.KIND_CHANGED, Rule.MASK_CHANGED, Rule.ANSWER_CHANGED, Rule.REQUIRED_DROPPED,
        Rule.MEANING_CHANGED, Rule.CLASS_CHANGED, Rule.CHECK_REMOVED, Rule.CHECK_LOOSENED,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `field` is the field or answer that it concerns, empty when it concerns every reader."""

    rule: Rule
    field: str
    sentence: str

    @property
    def breaking(self) -> bool:
        """Whether a reader of the field may rely on what is changed."""
        return self.rule in BREAKING


class Item(NamedTuple):
    """What a reader sees of one field or answer. `kind` is raw, mask or answer."""

    kind: str
    type: FieldType
    required: bool
    classification: Classification
    semantic: str | None
    description: str | None
    origin: str
    mask: Mask | None


def items(offer: Offer) -> dict[str, Item]:
    """Return what an offer holds by name, fields before answers."""
    types = {f.name: f.type for f in offer.fields if f.type is not None}
    return {f.name: _field(f, types) for f in offer.fields} | {a.name: _answer(a) for a in offer.answers}


def changes(old: Offer, new: Offer) -> tuple[Change, ...]:
    """Return all that changes from `old` to `new`; classes, checks and freshness are compared when both are whole products."""
    was, now = items(old), items(new)
    found = [Change(Rule.FIELD_REMOVED, name, f"{name} is no longer offered.") for name in was if name not in now]
    found += [Change(Rule.FIELD_ADDED, name, f"{name} is offered now.") for name in now if name not in was]
    for name, item in was.items():
        if name in now:
            found += _item(name, item, now[name])
    if isinstance(old, DataProductSpec) and isinstance(new, DataProductSpec):
        found += [*_class(old, new), *_checks(old.quality, new.quality), *_freshness(old, new)]
    return tuple(found)


def breaking(old: Offer, new: Offer, fields: Collection[str] | None = None) -> tuple[Change, ...]:
    """Return the changes that break a reader of `fields` (of any field when None); those that concern every reader are always among them."""
    return tuple(c for c in changes(old, new) if c.breaking and (fields is None or not c.field or c.field in fields))


def _field(field: ProductField, types: dict[str, FieldType]) -> Item:
    if field.mask is not None:
        kind, type_ = "mask", MASK_OUTPUT[field.mask.kind]
    else:
        kind, type_ = "raw", types[field.name]
    required = field.required if field.mask is None else False
    origin = field.column if field.column is not None else " ".join((field.from_ or "").split())
    return Item(kind, type_, required, field.classification, field.semantic, field.description, origin, field.mask)


def _answer(answer: Answer) -> Item:
    origin = " ".join(answer.expression.split())
    return Item("answer", FieldType.BOOLEAN, False, Classification.OFFICIAL, None, answer.description, origin, None)


def _item(name: str, old: Item, new: Item) -> Iterator[Change]:
    if old.type != new.type:
        yield Change(Rule.TYPE_CHANGED, name, f"{name} was {old.type} and is {new.type}.")
    if old.kind != new.kind:
        yield Change(Rule.KIND_CHANGED, name, f"{name} was a {_KINDS[old.kind]} and is a {_KINDS[new.kind]}.")
    else:
        yield from _origin(name, old, new)
    if old.required != new.required:
        rule, words = (Rule.REQUIRED_ADDED, "is never empty now") if new.required else (Rule.REQUIRED_DROPPED, "may be empty now")
        yield Change(rule, name, f"{name} {words}.")
    yield from _words(name, old, new)


_KINDS = {"raw": "raw field", "mask": "mask", "answer": "yes-or-no answer"}


def _origin(name: str, old: Item, new: Item) -> Iterator[Change]:
    """Yield what becomes of where a value comes from, kinds being equal."""
    if old.mask is not None and new.mask is not None and old.mask != new.mask:
        yield Change(Rule.MASK_CHANGED, name, f"{name} was {old.mask.kind} of {old.mask.of} and is {new.mask.kind} of {new.mask.of}.")
    if old.origin == new.origin:
        return
    if old.kind == "answer":
        yield Change(Rule.ANSWER_CHANGED, name, f"{name} answers another question: its expression has changed.")
    else:
        yield Change(Rule.ORIGIN_CHANGED, name, f"{name} is read from somewhere else in the source.")


def _words(name: str, old: Item, new: Item) -> Iterator[Change]:
    """Yield what becomes of the words about a field."""
    if old.semantic != new.semantic:
        both = old.semantic is not None and new.semantic is not None
        rule = Rule.MEANING_CHANGED if both else Rule.MEANING_STATED
        yield Change(rule, name, f"{name} meant {old.semantic or 'what its name says'} and means {new.semantic or 'what its name says'}.")
    if old.classification != new.classification:
        raised = new.classification == Classification.OFFICIAL_SENSITIVE
        rule = Rule.CLASSIFICATION_RAISED if raised else Rule.CLASSIFICATION_LOWERED
        yield Change(rule, name, f"{name} is classified {new.classification} now.")
    if old.description != new.description:
        yield Change(Rule.DESCRIPTION_CHANGED, name, f"{name} is described in other words.")


def _class(old: DataProductSpec, new: DataProductSpec) -> Iterator[Change]:
    if old.data_class != new.data_class:
        yield Change(Rule.CLASS_CHANGED, "", f"The records were of class {old.data_class} and are of class {new.data_class}.")


def _freshness(old: DataProductSpec, new: DataProductSpec) -> Iterator[Change]:
    was, now = (float("inf") if s.sla is None else s.sla.freshness_seconds for s in (old, new))
    if was != now:
        rule = Rule.FRESHNESS_LOOSENED if now > was else Rule.FRESHNESS_TIGHTENED
        yield Change(rule, "", "The records may be older than before." if now > was else "The records are promised to be fresher.")


def _checks(old: Collection[QualityCheck], new: Collection[QualityCheck]) -> Iterator[Change]:
    """Yield what becomes of the checks that readers can rely on: those that stop serving when they fail."""
    was, now = ({q.name: q for q in checks if q.on_fail == OnFail.STOP_SERVING} for checks in (old, new))
    for name, check in was.items():
        if name not in now or _subject(check) != _subject(now[name]):
            yield Change(Rule.CHECK_REMOVED, check.field or "", f"The check {name} no longer stops what fails it.")
        elif not _implies(now[name], check):
            yield Change(Rule.CHECK_LOOSENED, check.field or "", f"The check {name} lets through what it stopped before.")
        elif not _implies(check, now[name]):
            yield Change(Rule.CHECK_TIGHTENED, check.field or "", f"The check {name} stops more than before.")
    for name, check in now.items():
        if name not in was or _subject(was[name]) != _subject(check):
            yield Change(Rule.CHECK_ADDED, check.field or "", f"The check {name} stops what fails it.")


def _subject(check: QualityCheck) -> tuple[str, str | None]:
    return check.metric, check.field


def _implies(one: QualityCheck, other: QualityCheck) -> bool:
    """Return whether all that passes `one` passes `other`, both being of one metric and field."""
    low, high = (one.at_least or 0), (one.at_most if one.at_most is not None else float("inf"))
    within = low >= (other.at_least or 0) and high <= (other.at_most if other.at_most is not None else float("inf"))
    valid, others = set(one.valid_values or ()), set(other.valid_values or ())
    # Fewer valid values count more invalid ones: a bound from above then says more, one from below says less.
    above = other.at_most is None or valid <= others
    below = not other.at_least or valid >= others
    return within and above and below
