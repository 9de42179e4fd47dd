"""The races that cost an operator its truth, played by hand against a stand-in for the client. Numbers are those of the prototype's pitfalls."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest

from commonweal_kube.client import FIELD_MANAGER
from commonweal_kube.exceptions import ApiError
from commonweal_kube.objects import ObjectCache
from commonweal_kube.queue import Priority
from commonweal_operator.desired.manifest import HASH, Child, Stage, child
from commonweal_operator.engine.apply import Applied, Applier
from commonweal_operator.engine.children import ChildCache
from commonweal_operator.engine.metrics import Counters
from commonweal_operator.engine.watched import LIST_WATCHES
from commonweal_operator.handlers import run
from commonweal_operator.kinds.reading import key_of, read
from support.engine import DEPARTMENT, OWNER, PRODUCT, TENANT, Server, department, drain, engine, observe, product

ROLE_WATCH = next(f for f in LIST_WATCHES if f.has("Role", "store"))


def test_1_a_spec_change_that_only_the_status_reply_shows_is_not_lost() -> None:
    changed = {"title": "All people"}
    server = Server(lambda version, body: product(version, 2, **changed) | {"status": body["status"]})
    e = engine(server)
    observe(e, "ADDED", department(1))
    observe(e, "ADDED", product(2))
    drain(e)
    asyncio.run(e.reconcile(PRODUCT, Priority.SPEC))
    observe(e, "MODIFIED", product(50, 2, **changed))  # the watch is late: this version is older than the reply
    assert set(drain(e)) >= {PRODUCT, DEPARTMENT}


def test_2_a_reply_overtaken_by_its_delete_leaves_no_ghost_child() -> None:
    cache = ChildCache(Server(), lambda *_: None)  # type: ignore[arg-type]
    role = child("Role", OWNER.metadata("store"), rules=[])
    meta = {"namespace": TENANT, "name": "store", "uid": "c", "annotations": {HASH: role.digest}}
    cache.observe(ROLE_WATCH, "DELETED", {"metadata": meta | {"resourceVersion": "12"}})
    cache.wrote(role, meta | {"resourceVersion": "10"})
    assert cache.get("Role", TENANT, "store") is None
    cache.wrote(role, meta | {"resourceVersion": "13"})
    assert cache.get("Role", TENANT, "store") is not None


def test_2_a_status_reply_overtaken_by_the_deletion_leaves_no_ghost_object() -> None:
    objects = ObjectCache(key_of, read)
    objects.put(product(5))
    objects.drop(PRODUCT, "u-people", 12)
    assert objects.put(product(10)) is None
    assert objects.get(PRODUCT) is None
    assert objects.put(product(13)) is not None


def role_event(version: str, *managers: str, generation: int = 1) -> dict[str, Any]:
    entries = [{"manager": m, "operation": "Apply" if m == FIELD_MANAGER else "Update", "fieldsV1": {"f:rules": {}}} for m in managers]
    owners = [{"uid": OWNER.uid, "controller": True}]
    meta = {
        "namespace": TENANT,
        "name": "store",
        "uid": "c",
        "resourceVersion": version,
        "generation": generation,
        "ownerReferences": owners,
    }
    return {"metadata": meta | {"annotations": {HASH: ROLE.digest}, "managedFields": entries}}


ROLE = child("Role", OWNER.metadata("store"), rules=[])


def test_3_a_stranger_among_the_managers_costs_one_look_and_not_one_at_each_resync() -> None:
    server = Server()
    cache = ChildCache(server, lambda *_: None)  # type: ignore[arg-type]
    counters = Counters()
    applier = Applier(cache, counters)
    cache.observe(ROLE_WATCH, "ADDED", role_event("500", FIELD_MANAGER, "kubectl-edit"))
    server.version = 499  # the server finds nothing to change and answers with the same version
    asyncio.run(applier.stage(server, OWNER.uid, [ROLE], Applied()))
    asyncio.run(applier.stage(server, OWNER.uid, [ROLE], Applied()))
    assert len(server.writes) == 1
    assert counters.unchanged_applies == 1


def test_3_a_status_update_by_a_controller_is_no_stranger() -> None:
    heard: list[str] = []
    cache = ChildCache(Server(), lambda *place: heard.append(place[2]))  # type: ignore[arg-type]
    cache.wrote(ROLE, role_event("10", FIELD_MANAGER)["metadata"])
    event = role_event("11", FIELD_MANAGER)
    event["metadata"]["managedFields"].append({"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"})
    cache.observe(ROLE_WATCH, "MODIFIED", event)
    assert heard == []
    assert cache.is_current(ROLE)


def test_4_an_empty_metadata_list_may_say_null() -> None:
    class Empty:
        async def call(self, *_: Any, **__: Any) -> dict[str, Any]:
            return {"metadata": {"resourceVersion": "7"}, "items": None}

    async def pages() -> list[dict[str, Any]]:
        from commonweal_kube.client import Api

        return [page async for page in Api.pages(Empty(), "/api/v1/namespaces")]  # type: ignore[arg-type]

    assert asyncio.run(pages())[0]["items"] == []


def test_5_a_part_that_dies_ends_the_process_loudly() -> None:
    from commonweal_operator.handlers.run import _until_first

    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("the other part was ended too")

    async def dies() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("the core died")

    with pytest.raises(RuntimeError, match="the core died"):
        asyncio.run(_until_first(forever(), dies()))
    assert ended == ["the other part was ended too"]


def test_6_counts_are_not_lost_between_tasks() -> None:
    server = Server()
    counters = Counters()
    applier = Applier(ChildCache(server, lambda *_: None), counters)  # type: ignore[arg-type]
    roles = [child("Role", OWNER.metadata(f"r{i}"), rules=[]) for i in range(50)]
    asyncio.run(applier.stage(server, OWNER.uid, roles, Applied()))
    assert counters.applies == 50


def test_10_kopf_gets_a_session_of_its_own_at_each_login() -> None:
    import ssl

    from commonweal_kube.client import new_session
    from commonweal_kube.cluster import Cluster, Token

    async def sessions() -> bool:
        cluster = Cluster("https://127.0.0.1:1", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Token("t"))
        one, two = new_session(cluster, 1, "a"), new_session(cluster, 1, "a")
        different = one is not two and one.connector is not two.connector
        await one.close()
        usable = not two.closed
        await two.close()
        return different and usable

    assert asyncio.run(sessions())


def test_11_watches_never_take_a_connection_from_a_write() -> None:
    from commonweal_operator.handlers.run import STREAMS

    assert len(LIST_WATCHES) <= STREAMS


def test_a_foreign_object_of_the_same_name_is_left_alone() -> None:
    server = Server()
    server.present[ROLE.path] = {"uid": "x", "labels": {"app.kubernetes.io/managed-by": "Helm"}, "resourceVersion": "3"}
    result = Applied()
    asyncio.run(Applier(ChildCache(server, lambda *_: None), Counters()).stage(server, OWNER.uid, [ROLE], result))  # type: ignore[arg-type]
    assert server.writes == []
    assert [(p.reason, p.name) for p in result.problems] == [("NameConflict", "store")]


def test_a_forged_label_without_our_owner_is_not_ours() -> None:
    server = Server()
    server.present[ROLE.path] = {"uid": "x", "labels": {"app.kubernetes.io/managed-by": "commonweal"}, "resourceVersion": "3"}
    result = Applied()
    asyncio.run(Applier(ChildCache(server, lambda *_: None), Counters()).stage(server, OWNER.uid, [ROLE], result))  # type: ignore[arg-type]
    assert server.writes == []
    assert result.problems


def test_nothing_is_made_in_a_namespace_that_is_not_ours() -> None:
    server = Server(lambda version, body: department(version) | {"status": body["status"]})
    server.present["/api/v1/namespaces/dept-tax"] = {"uid": "x", "labels": {}, "resourceVersion": "3"}
    e = engine(server)
    observe(e, "ADDED", department(1))
    asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    status = "/apis/commonweal.dev/v1alpha1/departments/tax/status?fieldManager=commonweal-operator"
    assert server.writes == ["/api/v1/namespaces/dept-tax-platform", status], "the other namespace is ours, and stays empty"


def test_one_child_that_fails_does_not_keep_the_others_back() -> None:
    class Failing(Server):
        async def apply(self, path: str, body: bytes) -> dict[str, Any]:
            if path.endswith("/r1"):
                raise ApiError(500, {"reason": "InternalError"})
            return await super().apply(path, body)

    server, result = Failing(), Applied()
    roles = [child("Role", OWNER.metadata(f"r{i}"), rules=[]) for i in range(3)]
    asyncio.run(Applier(ChildCache(server, lambda *_: None), Counters()).stage(server, OWNER.uid, roles, result))  # type: ignore[arg-type]
    assert len(server.writes) == 2
    assert isinstance(result.failure, ApiError)


def test_a_terminating_namespace_is_final_and_not_asked_again() -> None:
    class Terminating(Server):
        async def apply(self, path: str, body: bytes) -> dict[str, Any]:
            cause = {"causes": [{"reason": "NamespaceTerminating"}]}
            raise ApiError(403, {"reason": "Forbidden", "message": "it is being terminated", "details": cause})

    result = Applied()
    server = Terminating()
    asyncio.run(Applier(ChildCache(server, lambda *_: None), Counters()).stage(server, OWNER.uid, [ROLE], result))  # type: ignore[arg-type]
    assert [p.reason for p in result.problems] == ["Terminating"]
    assert result.failure is None


def test_a_child_that_lost_a_field_to_nobody_is_not_current() -> None:
    """Who only takes a field out is not listed among the managers."""
    role = child("Role", OWNER.metadata("store"), rules=[{"verbs": ["get"]}])
    owned = {"f:metadata": {"f:labels": {}, "f:annotations": {}, "f:ownerReferences": {}}, "f:rules": {}}
    for claims, current in ((owned, True), ({"f:metadata": owned["f:metadata"]}, False)):
        cache = ChildCache(Server(), lambda *_: None)  # type: ignore[arg-type]
        event = role_event("5", FIELD_MANAGER)
        event["metadata"]["annotations"][HASH] = role.digest
        event["metadata"]["managedFields"][0]["fieldsV1"] = claims
        cache.observe(ROLE_WATCH, "ADDED", event)
        assert cache.is_current(role) is current


def test_a_shared_child_may_be_filled_by_somebody_else() -> None:
    shared = Child("Role", TENANT, "store", ROLE.digest, ROLE.body, Stage.REST, shared=True)
    cache = ChildCache(Server(), lambda *_: None)  # type: ignore[arg-type]
    cache.observe(ROLE_WATCH, "ADDED", role_event("5", FIELD_MANAGER, "keeper"))
    assert cache.is_current(shared)
    assert not cache.is_current(ROLE)


class Listing(Server):
    """A server whose list lacks everything; `alive` are the paths that a GET still finds."""

    def __init__(self, *alive: str) -> None:
        super().__init__()
        self._alive = alive

    async def pages(self, path: str, *_: Any, **__: Any) -> Any:
        yield {"apiVersion": "commonweal.dev/v1alpha1", "metadata": {"resourceVersion": "90"}, "items": []}

    async def call(self, method: str, path: str, body: bytes | None = None, **_: Any) -> dict[str, Any]:
        if path not in self._alive:
            raise ApiError(404, {"reason": "NotFound"})
        return product(95)


def test_what_a_list_lacks_is_asked_for_once_more_before_it_counts_as_deleted() -> None:
    alive = "/apis/commonweal.dev/v1alpha1/namespaces/dept-tax/dataproducts/people"
    for server, there in ((Listing(alive), True), (Listing(), False)):
        e = engine(server)
        observe(e, "ADDED", product(2))
        drain(e)
        asyncio.run(e.resync())
        assert (e.objects.get(PRODUCT) is not None) is there
        assert (drain(e).get(DEPARTMENT) == Priority.REVOCATION) is not there


def test_an_object_newer_than_the_list_is_not_missing_from_it() -> None:
    e = engine(Listing())
    observe(e, "ADDED", product(200))
    asyncio.run(e.resync())
    assert e.objects.get(PRODUCT) is not None


def test_a_late_deletion_of_an_earlier_object_of_the_same_name_does_nothing() -> None:
    e = engine(Server())
    observe(e, "ADDED", product(20))
    earlier = product(10)
    earlier["metadata"]["uid"] = "u-earlier"
    observe(e, "DELETED", earlier)
    assert e.objects.get(PRODUCT) is not None


def test_a_relist_by_kopf_asks_for_a_resync() -> None:
    e = engine(Server())
    observe(e, None, product(1))
    assert not e._relisted.is_set()
    observe(e, None, product(1))
    assert e._relisted.is_set()


@pytest.mark.parametrize(("error", "ends"), [(ApiError(409, {"reason": "Conflict"}), True), (RuntimeError("a part died"), False)])
def test_what_a_task_is_refused_while_the_operator_ends_fails_no_end(
    monkeypatch: pytest.MonkeyPatch, error: Exception, *, ends: bool
) -> None:
    """Kopf raises at its end what any task of the loop failed with, and the operator ended with a traceback and exit status 1."""

    async def operator(**_: Any) -> None:
        raise error

    monkeypatch.setattr(run.kopf, "operator", operator)
    monkeypatch.setattr(run, "registry_for", lambda *_: None)
    listening: Any = run._listen(None, None)  # type: ignore[arg-type]
    with nullcontext() if ends else pytest.raises(RuntimeError):
        asyncio.run(listening)
