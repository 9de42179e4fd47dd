"""How the operator comes to its rights in a namespace, and how it knows what no watch tells of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from commonweal_kube.client import FIELD_MANAGER
from commonweal_kube.exceptions import ApiError
from commonweal_kube.queue import Priority
from commonweal_operator.desired.access import OPERATOR_ACCESS
from commonweal_operator.desired.exports import contract
from commonweal_operator.desired.manifest import Child, Owner
from commonweal_operator.desired.namespace import namespace
from commonweal_operator.engine.apply import Applied, Applier
from commonweal_operator.engine.children import ChildCache
from commonweal_operator.engine.metrics import Counters
from commonweal_operator.engine.watched import LIST_WATCHES
from support.engine import DEPARTMENT, OWNER, TENANT, Server, department, engine, observe

DOCUMENT = contract(Owner("tax", "u-people", "DataProduct", "people"), {"a.yaml": "a"})
CONFIG_MAPS = f"/api/v1/namespaces/{TENANT}/configmaps"
NAMESPACES = [f"/api/v1/namespaces/{TENANT}", f"/api/v1/namespaces/{TENANT}-platform"]
BINDINGS = [
    f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space}/rolebindings/{OPERATOR_ACCESS}" for space in (f"{TENANT}-platform", TENANT)
]


class Guarded(Server):
    """Refuses writes as an API server does that does not know the right to them, and keeps apart what is created and what is applied."""

    def __init__(self, refuses: Callable[[str], bool] = lambda _: False) -> None:
        super().__init__(lambda version, body: department(version) | {"status": body["status"]})
        self.created: list[str] = []
        self.asked: list[str] = []
        self.lists = 0
        self.refuses = refuses

    async def create(self, path: str, body: bytes) -> dict[str, Any]:
        self.created.append(path)
        return await super().create(path, body)

    async def apply(self, path: str, body: bytes) -> dict[str, Any]:
        self.asked.append(path)
        if self.refuses(path):
            raise ApiError(403, {"reason": "Forbidden"})
        return await super().apply(path, body)

    async def pages(self, path: str, *more: Any) -> AsyncIterator[dict[str, Any]]:
        self.lists += 1
        async for page in super().pages(path, *more):
            yield page


def test_namespaces_are_made_by_post_then_comes_its_own_right_and_then_all_else() -> None:
    server = Guarded()
    e = engine(server)
    observe(e, "ADDED", department(1))
    asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert server.created == ["/api/v1/namespaces"] * 2
    assert server.asked[:4] == [*NAMESPACES, *BINDINGS], "the first two by POST"
    assert server.asked[4].endswith("/configmaps/commonweal-store-closings")
    assert len(server.asked) == 43


def test_while_its_new_right_is_not_known_yet_it_asks_once_and_comes_again() -> None:
    server = Guarded(lambda path: OPERATOR_ACCESS not in path and path not in NAMESPACES)
    e = engine(server)
    observe(e, "ADDED", department(1))
    with pytest.raises(ApiError, match="403"):
        asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert [path for path in server.asked if path not in (*NAMESPACES, *BINDINGS)] == [
        f"/api/v1/namespaces/{TENANT}-platform/configmaps/commonweal-store-closings"
    ]
    server.refuses = lambda _: False
    asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert len(server.writes) == 45, "43 children, and the status of both passes"


def test_one_refused_object_keeps_none_back_once_its_right_is_known() -> None:
    """A quota or a policy refuses with the same number."""
    server = Guarded(lambda path: path.endswith("/commonweal-store-closings"))
    e = engine(server)
    observe(e, "ADDED", department(1))
    for _ in range(2):
        with pytest.raises(ApiError, match="403"):
            asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert len({path for path in server.asked if not server.refuses(path)}) == 41, "43 but the list, and the plan that waits for the key"


def test_without_its_own_right_nothing_else_is_asked_for() -> None:
    server = Guarded(lambda path: OPERATOR_ACCESS in path)
    e = engine(server)
    observe(e, "ADDED", department(1))
    with pytest.raises(ApiError, match="403"):
        asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert server.asked == [*NAMESPACES, *BINDINGS]


def altered(child: Child) -> dict[str, Any]:
    """Return the child as it lies there after somebody else has changed it."""
    meta = orjson.loads(child.body)["metadata"] | {"uid": "n", "resourceVersion": "50"}
    return {"metadata": meta | {"managedFields": [{"manager": m, "fieldsV1": {}} for m in (FIELD_MANAGER, "kubectl")]}}


def test_a_namespace_that_is_there_is_repaired_only_after_its_own_right_to_it() -> None:
    """The right to change a namespace is given inside it: a release that labels it otherwise finds none there yet."""
    server = Guarded()
    e = engine(server)
    watch = next(w for w in LIST_WATCHES if w.kind == "Namespace")
    for owner in (OWNER, OWNER.ours):
        e.children.observe(watch, "LISTED", altered(namespace(owner)))
    observe(e, "ADDED", department(1))
    asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert server.created == []
    assert server.asked[:4] == [*BINDINGS, *NAMESPACES]


def listed(child: Child, version: int = 50, **changes: Any) -> dict[str, Any]:
    claims = {"f:data": {}, "f:metadata": {}}
    meta = orjson.loads(child.body)["metadata"] | {"uid": "c", "resourceVersion": str(version)}
    return {"metadata": meta | {"managedFields": [{"manager": FIELD_MANAGER, "fieldsV1": claims}]} | changes}


def applied(server: Guarded, children: ChildCache, child: Child = DOCUMENT) -> Applied:
    result = Applied()
    owner = orjson.loads(child.body)["metadata"]["ownerReferences"][0]["uid"]
    asyncio.run(Applier(children, Counters()).stage(server, owner, [child], result))
    return result


def test_what_departments_name_is_listed_once_and_not_written_when_it_is_as_it_shall_be() -> None:
    server = Guarded()
    server.listed[CONFIG_MAPS] = [listed(DOCUMENT)]
    children = ChildCache(server, lambda *_: None)
    for _ in range(3):
        assert applied(server, children).failure is None
    assert (server.lists, server.asked) == (1, [])


def test_what_was_changed_there_is_repaired_after_the_next_full_list() -> None:
    heard: list[str] = []
    server = Guarded()
    server.listed[CONFIG_MAPS] = [listed(DOCUMENT)]
    children = ChildCache(server, lambda *place: heard.append(place[2]))
    applied(server, children)
    server.version, server.listed[CONFIG_MAPS] = 200, []
    applied(server, children)
    assert server.asked == []
    children.invalidate()
    applied(server, children)
    assert (server.lists, server.asked, heard) == (2, [DOCUMENT.path], ["contract-people"])


def test_a_list_of_one_namespace_says_nothing_of_another_nor_of_what_is_watched() -> None:
    server = Guarded()
    other = contract(Owner("other", "u-o", "DataProduct", "people"), {"a.yaml": "a"})
    report = {"metadata": {"name": "commonweal-store-report", "namespace": TENANT, "uid": "r", "resourceVersion": "60"}}
    server.listed = {CONFIG_MAPS: [listed(DOCUMENT), report], "/api/v1/namespaces/dept-other/configmaps": [listed(other)]}
    children = ChildCache(server, lambda *_: None)
    applied(server, children, other)
    applied(server, children)
    assert children.get("ConfigMap", "dept-other", "contract-people") is not None
    assert children.get("ConfigMap", TENANT, "commonweal-store-report") is None


def test_the_documents_of_an_object_that_was_made_again_are_awaited_and_no_conflict() -> None:
    """The garbage collector takes the old ones, and no watch tells when."""
    server = Guarded()
    old = contract(Owner("tax", "u-before", "DataProduct", "people"), {"a.yaml": "a"})
    server.listed[CONFIG_MAPS], server.present[DOCUMENT.path] = [listed(old)], listed(old)["metadata"]
    children = ChildCache(server, lambda *_: None)
    found = applied(server, children)
    assert found.problems == []
    assert isinstance(found.failure, ApiError)
    assert "is of an object that was deleted" in found.failure.message
    del server.present[DOCUMENT.path]
    assert applied(server, children).failure is None
    assert server.asked == [DOCUMENT.path]


def test_somebody_elses_object_of_a_documents_name_is_a_conflict() -> None:
    server = Guarded()
    server.present[DOCUMENT.path] = {"uid": "x", "labels": {}, "resourceVersion": "3"}
    found = applied(server, ChildCache(server, lambda *_: None))
    assert [(p.reason, p.name) for p in found.problems] == [("NameConflict", "contract-people")]
    assert server.asked == []


def test_a_list_that_is_refused_is_asked_for_again_and_nothing_is_written_meanwhile() -> None:
    class Closed(Guarded):
        async def pages(self, path: str, *_: Any) -> AsyncIterator[dict[str, Any]]:
            raise ApiError(403, {"reason": "Forbidden"})
            yield {}

    server = Closed()
    found = applied(server, ChildCache(server, lambda *_: None))
    assert isinstance(found.failure, ApiError)
    assert server.asked == []
