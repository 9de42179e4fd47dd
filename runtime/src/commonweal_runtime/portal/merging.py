"""Lists of several bodies as one, newest first. Each body is read on from a place of its own, and the places are kept in the address. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from commonweal_runtime.portal.departments import Department, Reply, State

NEWEST = 0
_PLACE = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?)\.([0-9]{1,18})")
_MOST_BODIES = 500
Places = Mapping[str, int]


class Item(NamedTuple):
    """One entry of a list, and whose it is."""

    department: Department
    value: Mapping[str, Any]


class Part(NamedTuple):
    """A part of the whole list. `older` is where the next part begins, empty at the end."""

    items: Sequence[Item]
    older: str


def places_of(text: str) -> Places:
    """Return from where each body is to be read on; empty for what an address does not say, or says in no way of ours: all from the newest."""
    found = [_PLACE.fullmatch(entry) for entry in text.split("~")[:_MOST_BODIES]]
    return {place[1]: int(place[3]) for place in found if place} if all(found) else {}


def written(places: Places) -> str:
    """Return places as an address has them."""
    return "~".join(f"{name}.{number}" for name, number in places.items())


def question(path: str, most: int, place: int) -> str:
    """Return the address that gives a body's entries from a place on."""
    return f"{path}?limit={most}" + (f"&before={place}" if place else "")


def merged(replies: Iterable[Reply], places: Places, *, number: str, most: int, wanted: Callable[[Item], bool] = lambda _: True) -> Part:
    """Return the newest `most` entries that are wanted; `number` is the member by which a body orders its own.

    Stops where a body has more than it sent: what it would send next may be newer than what others sent. A body that did not answer keeps its place.
    """
    listed = list(replies)
    answered = {r.department.name: r for r in listed if r.state is State.ANSWERED and isinstance(r.value, dict)}
    queues = {name: deque(Item(r.department, value) for value in r.value.get("items", [])) for name, r in answered.items()}
    more = {name: str(r.value.get("next") or "") for name, r in answered.items()}
    last: dict[str, int] = {}
    taken: list[Item] = []
    while len(taken) < most and any(queues.values()) and all(queue or not more[name] for name, queue in queues.items()):
        name = max((name for name, queue in queues.items() if queue), key=lambda name: moment_of(queues[name][0].value.get("at")))
        item = queues[name].popleft()
        last[name] = int(item.value[number])
        taken += [item] if wanted(item) else []
    onward = {name: last.get(name, places.get(name, NEWEST)) for name, queue in queues.items() if queue}
    onward |= {name: int(more[name]) for name, queue in queues.items() if not queue and more[name]}
    waiting = {r.department.name: places.get(r.department.name, NEWEST) for r in listed if r.state in (State.SLOW, State.DOWN)}
    return Part(taken, written({**onward, **waiting}) if onward else "")


def moment_of(text: object) -> datetime:
    """Return a time as bodies write it; the first of all for what is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
