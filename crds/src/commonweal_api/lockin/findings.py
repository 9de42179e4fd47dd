"""`lint`: what in a set of objects binds their department to one provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from commonweal_api.lockin.exemptions import Exemption, exemption
from commonweal_api.lockin.places import PLACES, Manifest, View, mapping, texts
from commonweal_api.lockin.rules import Rule, rules


@dataclass(frozen=True)
class Found:
    """Which object, by the fields that name it; `namespace` is empty for one without."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Finding:
    """One rule on one object: every value that it found, each with its field; and the exemption, ended or not, if there is one."""

    rule: Rule
    object: Found
    values: tuple[str, ...]
    exemption: Exemption | None = None

    def exempt(self, today: date) -> bool:
        """Return whether an exemption covers it today."""
        return self.exemption is not None and self.exemption.holds(today)

    def sentence(self) -> str:
        """Return what was found, why that locks in, and the remedy; the words that the API server uses, too."""
        return f"{sentence_of(min(self.values), len(self.values))} {reason_of(self.rule)}"


def sentence_of(first: str, count: int) -> str:
    """Return one value with its field (the first by the alphabet, for maps have no order), and how many more there are."""
    return first + (f" and {count - 1} more" if count > 1 else "") + " locks in:"


def reason_of(rule: Rule) -> str:
    """Return why a rule's finding locks in, the remedy, and the rule's id."""
    return f"it is {rule.what}, and {rule.why}. {rule.remedy} (rule {rule.id})"


def lint(objects: Iterable[Manifest], *, today: date) -> list[Finding]:
    """Return every finding in the order of the objects and of the rules, also those that are exempt. Never fails: what is malformed holds nothing."""
    return [finding for obj in objects for item in items_of(obj) for finding in _of_object(item, today)]


def items_of(obj: Manifest) -> list[Manifest]:
    """Return the objects of a List, or the object itself; what is no object at all gives none."""
    if str(obj.get("kind") or "").endswith("List") and isinstance(obj.get("items"), list):
        return [item for item in obj["items"] if isinstance(item, Mapping)]
    return [obj] if obj.get("kind") else []


def _of_object(obj: Manifest, today: date) -> list[Finding]:
    view, found = View(obj), []
    metadata = mapping(obj.get("metadata"))
    held: dict[str, list[str]] = {}
    for rule in rules():
        values = tuple(text for name in rule.look for text in _values(view, name, rule, held))
        if values:
            exempted = exemption(mapping(metadata.get("annotations")), rule.id, today)
            found.append(Finding(rule, _named(obj, metadata), values, exempted))
    return found


def _values(view: View, name: str, rule: Rule, held: dict[str, list[str]]) -> Iterable[str]:
    place = PLACES[name]
    if name not in held:
        held[name] = list(place.read(view))
    prefix = view.at if place.pod else ""
    return (f"{prefix}{place.path}: {value}" for value in held[name] if rule.finds(value))


def _named(obj: Manifest, metadata: Mapping[str, Any]) -> Found:
    name = texts(metadata.get("name"), metadata.get("generateName"), "(no name)")[0]
    return Found(str(obj.get("kind")), "".join(texts(metadata.get("namespace"))), name)
