"""Lists of several bodies as one: the order, where each body goes on, and what one that does not answer does to it."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from commonweal_runtime.portal.departments import Department, Reply, State
from commonweal_runtime.portal.merging import Part, Places, merged, places_of, question, written

Bodies = dict[str, list[dict[str, Any]]]


def department(name: str) -> Department:
    return Department(name, name, "", f"https://{name}.example")


def page(bodies: Bodies, places: Places, limit: int) -> list[Reply]:
    """Return what bodies answer, as their data APIs do: newest first, before a place."""
    replies = []
    for name, items in bodies.items():
        if places and name not in places:
            continue
        before = places.get(name, 0) or 10**18
        found = [item for item in items if int(item["id"]) < before][:limit]
        following = found[-1]["id"] if len(found) == limit else None
        replies.append(Reply(department(name), State.ANSWERED, {"items": found, "next": following}))
    return replies


def of(seed: int) -> Bodies:
    chance = random.Random(seed)
    bodies: Bodies = {}
    for name in ("a", "b-1", "c"):
        seconds = sorted(chance.sample(range(3000), chance.randrange(60)), reverse=True)
        bodies[name] = [
            {"id": str(len(seconds) - n), "at": f"2026-11-30T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}+00:00"}
            for n, s in enumerate(seconds)
        ]
    return bodies


def read(bodies: Bodies, most: int) -> list[Part]:
    """Return all parts, as a person reads them by following `older`."""
    parts: list[Part] = []
    places: Places = {}
    for _ in range(500):
        parts.append(merged(page(bodies, places, most), places, number="id", most=most))
        if not parts[-1].older:
            return parts
        places = places_of(parts[-1].older)
    raise AssertionError("it never ends")


@pytest.mark.parametrize("seed", range(20))
def test_every_entry_comes_once_and_the_newest_first(seed: int) -> None:
    bodies = of(seed)
    read_items = [item for part in read(bodies, 7) for item in part.items]
    whole = sorted(((item["at"], name, item["id"]) for name, items in bodies.items() for item in items), reverse=True)
    assert [item.value["at"] for item in read_items] == [at for at, _, _ in whole]
    assert {(item.department.name, item.value["id"]) for item in read_items} == {(name, number) for _, name, number in whole}


def test_a_filter_leaves_out_and_goes_on() -> None:
    bodies = of(3)
    odd = [merged(page(bodies, {}, 10), {}, number="id", most=3, wanted=lambda item: int(item.value["id"]) % 2 == 1)]
    assert all(int(item.value["id"]) % 2 for item in odd[0].items)
    assert odd[0].older


def test_a_body_that_does_not_answer_is_asked_again_from_its_place() -> None:
    bodies = of(5)
    replies = [*page(bodies, {}, 5), Reply(department("down"), State.DOWN)]
    places = places_of(merged(replies, {}, number="id", most=5).older)
    assert places["down"] == 0
    kept = merged([*page(bodies, places, 5), Reply(department("down"), State.SLOW)], {**places, "down": 7}, number="id", most=5)
    assert places_of(kept.older)["down"] == 7


def test_only_silent_bodies_are_no_further_part() -> None:
    assert merged([Reply(department("down"), State.DOWN)], {}, number="id", most=5) == Part([], "")


@pytest.mark.parametrize("text", ["", "x", "a.1~", "a.b", "A.1", "../a.1", "a.1~b", "a." + "1" * 19, "a.1&x=2"])
def test_what_is_no_place_of_ours_is_the_beginning(text: str) -> None:
    assert places_of(text) == {}


def test_places_are_written_as_they_are_read() -> None:
    for names in itertools.permutations(("a", "b-1", "c")):
        places = {name: number for number, name in enumerate(names)}
        assert places_of(written(places)) == places
    assert question("/me/uses", 20, 0) == "/me/uses?limit=20"
    assert question("/me/uses", 20, 7) == "/me/uses?limit=20&before=7"
