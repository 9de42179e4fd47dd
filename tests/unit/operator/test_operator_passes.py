"""One pass over one object: what it decides from, what it writes and in which order, and what it says when it is overtaken."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from commonweal_kube.exceptions import ApiError
from commonweal_kube.queue import Key, Priority
from support.engine import DEPARTMENT, Server, department, engine, observe


def test_the_second_reconcile_writes_nothing() -> None:
    server = Server(lambda version, body: department(version) | {"status": body["status"]})
    e = engine(server)
    observe(e, "ADDED", department(1))
    asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert len(server.writes) == 44, "43 children and one status"
    asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert len(server.writes) == 44


def test_a_pass_decides_from_one_input_and_looks_again_only_after_it_has_written() -> None:
    server = Server(lambda version, body: department(version) | {"status": body["status"]})
    e = engine(server)
    gathered: list[Key] = []
    gather = e.rules.gather

    def counted(key: Key, now: datetime) -> Any:
        gathered.append(key)
        return gather(key, now)

    e.rules.gather = counted  # type: ignore[method-assign]
    observe(e, "ADDED", department(1))
    for expected in (3, 1, 1):  # to act, with the keys that were made meanwhile, to report; then nothing is left to do
        gathered.clear()
        asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
        assert gathered == [DEPARTMENT] * expected


def test_an_object_that_goes_away_during_a_pass_is_told_nothing() -> None:
    server = Server()
    e = engine(server)
    observe(e, "ADDED", department(1))
    apply = server.apply

    async def overtaken(path: str, body: bytes) -> dict[str, Any]:
        e.objects.drop(DEPARTMENT)
        return await apply(path, body)

    server.apply = overtaken  # type: ignore[method-assign]
    asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert not [path for path in server.writes if "/status" in path]


def test_certificates_are_renewed_whatever_else_of_a_department_is_refused() -> None:
    server = Server(lambda version, body: department(version) | {"status": body["status"]})
    e = engine(server)
    apply = server.apply

    async def refused(path: str, body: bytes) -> dict[str, Any]:
        if path.endswith("/deployments/data-api"):
            raise ApiError(422, {"message": "no"})
        return await apply(path, body)

    server.apply = refused  # type: ignore[method-assign]
    observe(e, "ADDED", department(1))
    with pytest.raises(ApiError):
        asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    assert e.keys.certified == ["commonweal-data-api-tls", "commonweal-models-tls"]  # type: ignore[attr-defined]


def test_what_takes_access_away_is_applied_before_what_runs() -> None:
    server = Server(lambda version, body: department(version) | {"status": body["status"]})
    e = engine(server)
    observe(e, "ADDED", department(1))
    asyncio.run(e.reconcile(DEPARTMENT, Priority.SPEC))
    kinds = [path.split("/")[-2] for path in server.writes[:-1]]
    assert kinds[0] == "namespaces"
    last_access = max(i for i, kind in enumerate(kinds) if kind == "networkpolicies")
    assert last_access < min(kinds.index("statefulsets"), kinds.index("deployments"))
