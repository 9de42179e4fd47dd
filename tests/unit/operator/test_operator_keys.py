"""A department's keys: made once, from chance and the site's master key; what follows from them, and what each other way of finding them says."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import orjson
import pytest

from commonweal_api.agreement_signatures import agreement_key
from commonweal_api.signatures import sector_key
from commonweal_api.store_access import models_access
from commonweal_kube.exceptions import ApiError
from commonweal_operator.desired.keys import keys, signing
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.engine.keys import DepartmentKeys, KeysWanted
from support.site import PLATFORM

OWNER = Owner("tax", "u-tax")


def test_a_sector_key_is_the_hmac_of_the_departments_name() -> None:
    assert sector_key(b"m" * 32, "tax").hex() == hmac.new(b"m" * 32, b"sector:tax", hashlib.sha256).hexdigest()
    body = orjson.loads(keys(OWNER, database=b"d" * 32, master=b"m" * 32).body)
    assert base64.b64decode(body["data"]["database"]).decode() == (b"d" * 32).hex()
    assert base64.b64decode(body["data"]["sector"]).decode() == sector_key(b"m" * 32, "tax").hex()


def test_a_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="each needs 32 bytes"):
        keys(OWNER, database=b"d", master=b"m" * 32)
    with pytest.raises(ValueError, match="seed: needs 32 bytes"):
        signing(OWNER, seed=b"s", public="x")


class Secrets:
    """The API server's Secrets, as far as the keys need them: `existing` holds metadata, `made` whole objects, both by name."""

    def __init__(self, master: str | None, **existing: dict[str, Any]) -> None:
        self._master, self.posts = master, 0
        self.existing = {name.replace("_", "-"): meta for name, meta in existing.items()}
        self.made: dict[str, dict[str, Any]] = {}

    async def metadata(self, path: str) -> dict[str, Any] | None:
        return self.existing.get(path.rpartition("/")[2])

    async def create(self, path: str, body: bytes) -> dict[str, Any]:
        assert path == "/api/v1/namespaces/dept-tax/secrets"
        self.posts += 1
        made = orjson.loads(body)
        self.existing[made["metadata"]["name"]], self.made[made["metadata"]["name"]] = made["metadata"], made
        return {"metadata": made["metadata"]}

    async def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        if path == "/api/v1/namespaces/dept-tax/secrets/commonweal-keys":
            return self.made["commonweal-keys"]
        assert path == "/api/v1/namespaces/commonweal-system/secrets/commonweal-sectors", "no other Secret's content is ever read"
        if self._master is None:
            raise ApiError(404, {"reason": "NotFound"})
        return {"data": {"master": base64.b64encode(self._master.encode()).decode()}}


def test_keys_are_made_once_and_looked_for_again_at_each_resync() -> None:
    api, made = Secrets("ab" * 32), DepartmentKeys(PLATFORM)
    for _ in range(3):
        assert asyncio.run(made.ensure(KeysWanted(OWNER), api)) is None
        made.invalidate()
    assert api.posts == 3
    assert sorted(api.made) == ["commonweal-keys", "commonweal-models", "commonweal-signing"]


def test_what_the_model_runtime_holds_follows_from_the_database_key_and_is_made_where_only_the_keys_are() -> None:
    api = Secrets("ab" * 32)
    asyncio.run(DepartmentKeys(PLATFORM).ensure(KeysWanted(OWNER), api))
    first = api.made.pop("commonweal-models")
    del api.existing["commonweal-models"]
    asyncio.run(DepartmentKeys(PLATFORM).ensure(KeysWanted(OWNER), api))
    assert api.made["commonweal-models"] == first
    held = {name: base64.b64decode(text).decode() for name, text in first["data"].items()}
    database = bytes.fromhex(base64.b64decode(api.made["commonweal-keys"]["data"]["database"]).decode())
    assert held == models_access(database)
    assert database.hex() not in json.dumps(held)


@pytest.mark.parametrize("data", [{}, {"database": ""}, {"database": base64.b64encode(b"ab" * 31).decode()}])
def test_keys_that_were_spoilt_are_told_and_nothing_is_made_of_them(data: dict[str, str]) -> None:
    api = Secrets("ab" * 32)
    asyncio.run(DepartmentKeys(PLATFORM).ensure(KeysWanted(OWNER), api))
    del api.existing["commonweal-models"]
    api.made = {"commonweal-keys": {"data": data}}
    problem = asyncio.run(DepartmentKeys(PLATFORM).ensure(KeysWanted(OWNER), api))
    assert problem is not None
    assert "its key database is not 64 hexadecimal digits" in problem.message
    assert sorted(api.made) == ["commonweal-keys"]


def test_the_signing_key_is_made_with_its_public_half_beside_it_which_is_all_that_is_read_later() -> None:
    api, made = Secrets("ab" * 32), DepartmentKeys(PLATFORM)
    assert made.public(OWNER.uid) is None
    asyncio.run(made.ensure(KeysWanted(OWNER), api))
    seed = bytes.fromhex(base64.b64decode(api.made["commonweal-signing"]["data"]["seed"]).decode())
    known = made.public(OWNER.uid)
    assert known == agreement_key(seed)
    again = DepartmentKeys(PLATFORM)
    asyncio.run(again.ensure(KeysWanted(OWNER), api))
    assert again.public(OWNER.uid) == known


def test_a_signing_key_that_was_replaced_is_noticed_at_the_next_look() -> None:
    api, made = Secrets("ab" * 32), DepartmentKeys(PLATFORM)
    asyncio.run(made.ensure(KeysWanted(OWNER), api))
    before = made.public(OWNER.uid)
    del api.existing["commonweal-signing"]
    made.invalidate()
    assert made.public(OWNER.uid) == before, "what was published stays until the new one is there"
    asyncio.run(made.ensure(KeysWanted(OWNER), api))
    assert made.public(OWNER.uid) not in (None, before)


@pytest.mark.parametrize("annotation", ["", "AAAA", "not base64!", "=" * 43])
def test_a_signing_secret_without_its_public_half_says_what_to_do(annotation: str) -> None:
    meta = orjson.loads(signing(OWNER, seed=b"s" * 32, public=annotation).body)["metadata"]
    problem = asyncio.run(DepartmentKeys(PLATFORM).ensure(KeysWanted(OWNER), Secrets("ab" * 32, commonweal_signing=meta)))
    assert problem is not None
    assert "commonweal.dev/public-key is no public key. Delete it" in problem.message


@pytest.mark.parametrize("master", [None, "", "xyz", "ab" * 31])
def test_without_a_usable_master_no_keys_are_made_and_the_remedy_is_named(master: str | None) -> None:
    api = Secrets(master)
    problem = asyncio.run(DepartmentKeys(PLATFORM).ensure(KeysWanted(OWNER), api))
    assert problem is not None
    assert "Create Secret commonweal-sectors in namespace commonweal-system with the key master: 64 hexadecimal digits." in problem.message
    assert api.posts == 0


@pytest.mark.parametrize("name", ["commonweal_keys", "commonweal_signing"])
def test_a_foreign_secret_of_that_name_is_not_taken_over(name: str) -> None:
    api = Secrets("ab" * 32, **{name: {"uid": "x", "labels": {}}})
    problem = asyncio.run(DepartmentKeys(PLATFORM).ensure(KeysWanted(OWNER), api))
    assert problem is not None
    assert problem.reason == "NameConflict"
