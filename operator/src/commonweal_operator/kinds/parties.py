"""The departments that one has to do with: what ends with it, and whose end it has to be told of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from commonweal_api.department import MOST_NAMED, MOST_PARTIES, Party
from commonweal_kube.objects import Record
from commonweal_kube.queue import Key
from commonweal_operator.kinds.reading import department_of

Pair = tuple[str, str, str]  # the other department, field of Party, text


def counterparts(record: Record) -> set[str]:
    """Return the departments that an agreement or a model names."""
    spec = record.parsed.spec
    if record.key.kind == "ConsentPolicy":
        return {spec.consumer.department}
    return {f.department for f in spec.features} | {c.department for c in spec.callers}


def parties(name: str, records: Iterable[Record], ending: Mapping[str, datetime]) -> tuple[Party, ...]:
    """Return the other departments that these agreements and models tie `name` to; those that are ending come first."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        for other, field, text in _pairs(name, record):
            found[other][field].add(text)
    made = [
        Party(department=other, ending=ending.get(other), **{field: sorted(texts)[:MOST_NAMED] for field, texts in named.items()})
        for other, named in found.items()
    ]
    return tuple(sorted(made, key=lambda p: (p.ending is None, p.department))[:MOST_PARTIES])


def told(party: Record, name: str, since: datetime) -> bool:
    """Return whether a department's status says that `name` has been ending since then: what it says of an earlier one of that name tells nobody."""
    known: Iterable[Mapping[str, Any]] = party.status.get("parties") or ()
    return any(
        entry.get("department") == name and entry.get("ending") and datetime.fromisoformat(entry["ending"]) == since for entry in known
    )


def _pairs(name: str, record: Record) -> Iterator[Pair]:
    field, text = "agreements" if record.key.kind == "ConsentPolicy" else "models", _text(record.key)
    owner = department_of(record.key.tenant)
    others = counterparts(record) if owner == name else {owner}
    yield from ((other, field, text) for other in others - {name})


def _text(key: Key) -> str:
    return f"{department_of(key.tenant)}/{key.name}"
