"""The local provider's caches, attempts and informers, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from commonweal_kube.exceptions import ApiError, ResourceExpiredError
from commonweal_kube.informer import Informer, pause_after
from commonweal_kube.objects import Change, ObjectCache
from commonweal_kube.queue import Key
from commonweal_local.provider.backoff import Attempts
from commonweal_local.provider.cache import KindCache
from commonweal_local.provider.facts import Mode, Problem
from commonweal_local.provider.fleet import Fleet
from commonweal_local.provider.kinds import SOURCES, Kind, key_of, read
from commonweal_local.provider.local import mib
from commonweal_stacks.blueprint import CURRENT

OLD, NEW = "v1.36.3", "v1.37.2"
OWNER = [{"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "name": "north", "uid": "u"}]


def body(kind: Kind, name: str, at: int, cluster: str = "north", /, **spec: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": "f", "uid": f"{kind}-{name}", "resourceVersion": str(at)}
    if kind in (Kind.INFRA, Kind.PLANE) and cluster:
        meta["ownerReferences"] = [OWNER[0] | {"name": cluster}]
    if kind is Kind.SECRET:
        meta["labels"] = {"cluster.x-k8s.io/cluster-name": cluster}
    return {"apiVersion": "x/v1", "kind": kind.value, "metadata": meta, "spec": spec}


def put(fleet: Fleet, made: dict[str, Any]) -> list[Key]:
    change = fleet.objects.put(made)
    assert change
    return fleet.note(change)


def test_what_cluster_api_has_not_claimed_belongs_to_nobody() -> None:
    fleet = Fleet(Mode.PODS)
    assert put(fleet, body(Kind.PLANE, "x", 1, "", version=OLD)) == []
    assert put(fleet, body(Kind.PLANE, "x", 2, "north", version=OLD)) == [Key("f", "Cluster", "north")]


def test_only_the_kubeconfig_secret_of_a_cluster_is_its_secret() -> None:
    fleet = Fleet(Mode.PODS)
    assert put(fleet, body(Kind.SECRET, "north-ca", 1)) == []
    assert put(fleet, body(Kind.SECRET, "north-kubeconfig", 2)) == [Key("f", "Cluster", "north")]


def test_shared_planes_are_counted_by_the_version_they_ask_for_until_they_go() -> None:
    fleet = Fleet(Mode.CONTROL_PLANE)
    put(fleet, body(Kind.PLANE, "a", 1, "a", version=OLD, mode="Shared"))
    put(fleet, body(Kind.PLANE, "b", 2, "b", version=OLD, mode="Shared"))
    put(fleet, body(Kind.PLANE, "c", 3, "c", version=NEW))
    key = Key("f", "Cluster", "a")
    assert fleet.wanted_version(key, (OLD, NEW)) == OLD
    put(fleet, body(Kind.PLANE, "a", 4, "a", version=NEW, mode="Shared"))
    assert fleet.wanted_version(key, (OLD, NEW)) == OLD
    put(fleet, body(Kind.PLANE, "b", 5, "b", version=NEW, mode="Shared"))
    assert fleet.wanted_version(key, (OLD, NEW)) == NEW
    assert dict(fleet.shared) == {(NEW, CURRENT): 2}
    dropped = fleet.objects.drop(key_of(body(Kind.PLANE, "a", 4)), None, 6)
    assert dropped
    fleet.note(dropped)
    assert fleet.shared.total() == 1
    assert fleet.sites() == {"fleetshared", "c"}


def test_shared_planes_have_the_settings_of_the_oldest_revision_that_any_asks_for() -> None:
    fleet = Fleet(Mode.CONTROL_PLANE)
    key = Key("f", "Cluster", "a")
    for at, (name, blueprint) in enumerate((("a", "r2"), ("b", "r1"), ("c", "r9")), 1):
        put(fleet, body(Kind.PLANE, name, at, name, version=OLD, mode="Shared", blueprint=blueprint))
    assert fleet.wanted_blueprint(key) == "r1"
    put(fleet, body(Kind.PLANE, "b", 4, "b", version=OLD, mode="Shared", blueprint="r3"))
    assert fleet.wanted_blueprint(key) == "r2"
    put(fleet, body(Kind.PLANE, "d", 5, "d", version=OLD))
    put(fleet, body(Kind.PLANE, "e", 6, "e", version=OLD, blueprint="r9"))
    assert [fleet.wanted_blueprint(Key("f", "Cluster", name)) for name in ("d", "e")] == [CURRENT, "r9"]


def test_attempts_come_less_and_less_often_and_afresh_when_all_was_well() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)
    waits = []
    for _ in range(8):
        attempts.begun("north")
        waits.append(attempts.of("north", well=False).wait)
        now += waits[-1]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    attempts.failed("north", Problem("StartFailed", "no room"))
    assert attempts.of("north", well=True).problem, "it is said until it is tried again"
    now += 300
    assert attempts.of("north", well=True) == attempts.of("nobody", well=False)


def test_pauses_grow_to_twenty_seconds() -> None:
    assert [pause_after(n, 1.0) for n in (1, 2, 3, 20)] == [0.2, 0.4, 0.8, 20.0]


@pytest.mark.parametrize(("quantity", "expected"), [("1Gi", 1024), ("512Mi", 512), ("1048576", 1), ("1048576000m", 1), ("0", 0)])
def test_quantities_of_memory(quantity: str, expected: float) -> None:
    assert mib(quantity) == expected


class Script:
    """An API server whose lists and watches are given; at the end of it the informer is cancelled."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self._lists, self._watches = lists, watches
        self.asked: list[str] = []

    async def pages(self, *_: Any) -> AsyncIterator[dict[str, Any]]:
        answer = self._lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield answer

    async def watch(self, _: str, __: str, version: str, **___: Any) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(version)
        if not self._watches:
            raise asyncio.CancelledError
        for event in self._watches.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


def listing(version: int, *items: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}, "items": list(items)}


def follow(lists: list[Any], watches: list[Any]) -> tuple[ObjectCache, list[Change], list[float], Script]:
    objects, changes, pauses, script = ObjectCache(key_of, read), list[Change](), list[float](), Script(lists, watches)

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    informer = Informer(script, SOURCES[Kind.PLANE].collection, KindCache(Kind.PLANE, objects, changes.append), pause)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(informer.run())
    return objects, changes, pauses, script


def test_a_watch_that_ends_goes_on_where_it_was_and_a_version_too_old_lists_again() -> None:
    first, second = body(Kind.PLANE, "a", 5, version=OLD), body(Kind.PLANE, "b", 7, version=OLD)
    events = [{"type": "ADDED", "object": second}, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}]
    objects, changes, pauses, script = follow([listing(6, first), listing(20, second)], [events, [ResourceExpiredError()], []])
    assert script.asked == ["6", "9", "20", "20"]
    assert [record.key.name for record in objects] == ["b"], "what the second list lacks was deleted meanwhile"
    assert [(change.key.name, change.new is None) for change in changes] == [("a", False), ("b", False), ("a", True)]
    assert pauses == []


def test_a_list_does_not_take_away_what_is_newer_than_it() -> None:
    newer = body(Kind.PLANE, "a", 30, version=OLD)
    objects, *_ = follow([listing(6), listing(20)], [[{"type": "ADDED", "object": newer}, ResourceExpiredError()], []])
    assert [record.key.name for record in objects] == ["a"]


def test_errors_are_waited_with_and_an_event_that_says_nothing_new_calls_nobody() -> None:
    first = body(Kind.PLANE, "a", 5, version=OLD)
    same = body(Kind.PLANE, "a", 8, version=OLD)
    refusals = [ApiError(500, {}), ApiError(403, {})]
    _, changes, pauses, _ = follow([*refusals, listing(6, first)], [[{"type": "MODIFIED", "object": same}]])
    assert len(pauses) == 2
    assert pauses[0] < pauses[1]
    assert len(changes) == 1
