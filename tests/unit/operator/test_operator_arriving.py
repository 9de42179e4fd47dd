"""A department that a move brings: everything but the plans, and the keys that it had, so that nothing opens before the move is over."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import orjson
import pytest

from commonweal_api.closings import STORE_CLOSINGS
from commonweal_api.move import ARRIVING
from commonweal_api.plan import MODEL_PLAN, STORE_PLAN
from commonweal_kube.queue import Key
from commonweal_operator.desired.keys import keys, signing
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.engine.keys import DepartmentKeys, KeysWanted
from support.signing import keys_status
from support.site import PLATFORM, REGISTRY, Site

NAME = "companies-registry"
KEY = Key(REGISTRY, "Department", NAME)
OWNER = Owner("tax", "u-tax")
PLANS = {STORE_CLOSINGS, STORE_PLAN, MODEL_PLAN}


@pytest.fixture
def site() -> Site:
    return Site()


def put(site: Site, *, arriving: bool) -> dict[Key, Any]:
    body = copy.deepcopy(site.departments[NAME])
    body["metadata"]["annotations"] = {ARRIVING: "move-1"} if arriving else {}
    return site.put(body, keys=keys_status(NAME))


def children(site: Site) -> set[str]:
    return {child.name for child in site.children(KEY)}


def test_what_arrives_gets_all_but_the_plans(site: Site) -> None:
    before = children(site)
    assert before >= PLANS
    put(site, arriving=True)
    assert children(site) == before - PLANS


def test_the_plans_come_with_the_end_of_the_move_which_wakes_the_department(site: Site) -> None:
    before = children(site)
    put(site, arriving=True)
    assert KEY in put(site, arriving=False)
    assert children(site) == before


class Api:
    """Secrets by name; nothing may be written but what follows from the keys that were brought."""

    def __init__(self, **existing: dict[str, Any]) -> None:
        self.existing = {name.replace("_", "-"): found["metadata"] for name, found in existing.items()}
        self.keys, self.made = existing.get("commonweal_keys"), list[str]()

    async def metadata(self, path: str) -> dict[str, Any] | None:
        return self.existing.get(path.rpartition("/")[2])

    async def create(self, path: str, body: bytes) -> dict[str, Any]:
        made = orjson.loads(body)["metadata"]
        assert made["name"] == "commonweal-models", f"{path}: keys of what arrives are brought, not made"
        self.made.append(made["name"])
        return {"metadata": made}

    async def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        if (method, path) == ("GET", f"/api/v1/namespaces/{OWNER.namespace}/secrets/commonweal-keys"):
            return self.keys or {}
        pytest.fail(f"{method} {path}: of what arrives nothing else is read ({body!r})")


def test_its_keys_are_awaited_by_name_and_never_made() -> None:
    kept = DepartmentKeys(PLATFORM)
    database = orjson.loads(keys(OWNER, database=b"d" * 32, master=b"m" * 32).body)
    signed = orjson.loads(signing(OWNER, seed=b"s" * 32, public="A" * 43).body)
    for api, awaited in ((Api(), "commonweal-keys"), (Api(commonweal_keys=database), "commonweal-signing")):
        problem = asyncio.run(kept.ensure(KeysWanted(OWNER, make=False), api))
        assert problem is not None
        assert (problem.name, problem.reason) == (awaited, "Awaited")
        assert "commonweal move" in problem.message
    brought = Api(commonweal_keys=database, commonweal_signing=signed)
    assert asyncio.run(kept.ensure(KeysWanted(OWNER, make=False), brought)) is None
    assert brought.made == ["commonweal-models"]
    assert kept.public(OWNER.uid) is not None, "and its signatures are checked with the key that was brought"
