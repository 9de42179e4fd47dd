"""Signatures, ids and canonical texts as they were made at ef5ba18, by the modules that `signatures` took the place of: none of them may change."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from commonweal_api import agreement_signatures as agreements
from commonweal_api.plan import ModelPlan, StorePlan, digest_of
from commonweal_api.signatures import canonical, jwk_of, key_id, key_of_jwk, public_key, sector_key, sign_jws
from commonweal_runtime.seal_key import KeyRing, SealKey
from commonweal_stacks.conformity import statement
from commonweal_stacks.conformity.site_key import public_jwk

VECTORS: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parent / "signatures/vectors.json").read_text())


def test_there_are_vectors_of_every_sort() -> None:
    assert {name: len(found) for name, found in VECTORS.items()} == {
        "agreements": 12,
        "canonical": 26,
        "keys": 4,
        "plans": 3,
        "seals": 12,
        "sectors": 4,
        "statements": 6,
    }


@pytest.mark.parametrize("vector", VECTORS["canonical"], ids=lambda v: v["text"][:30])
def test_canonical_text(vector: dict[str, Any]) -> None:
    assert canonical(vector["value"]) == vector["text"].encode()


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=lambda v: v["kid"])
def test_keys_and_their_ids(vector: dict[str, Any]) -> None:
    seed = bytes.fromhex(vector["seed"])
    raw = public_key(seed)
    assert (raw.hex(), key_id(raw)) == (vector["raw"], vector["kid"])
    assert agreements.agreement_key(seed).wire() == agreements.read_agreement_key(jwk_of(raw)["x"]).wire() == vector["agreement"]
    assert public_jwk(vector["seed"]) == vector["site"]
    assert key_of_jwk(json.loads(vector["site"])) == raw


@pytest.mark.parametrize("vector", VECTORS["agreements"], ids=lambda v: v["jws"][-8:])
def test_signatures_under_agreements(vector: dict[str, Any]) -> None:
    seed, signed = bytes.fromhex(vector["seed"]), agreements.Signed(vector["hash"], vector["party"], vector["at"])
    assert agreements.sign(seed, signed) == vector["jws"]
    assert agreements.verify(vector["jws"], [agreements.agreement_key(seed)]) == signed


@pytest.mark.parametrize("vector", VECTORS["seals"], ids=lambda v: v["jws"][-8:])
def test_receipts_and_seals(vector: dict[str, Any]) -> None:
    key = SealKey.of(bytes.fromhex(vector["database"]))
    assert key.kid == vector["kid"]
    assert key.jwk == vector["jwk"] | {"purpose": "Seal"}
    assert key.sign(vector["typ"], vector["body"]) == vector["jws"]
    for jwk in (key.jwk, vector["jwk"]):  # today's key set, and one that was kept: its purpose is `Witness`
        assert KeyRing([jwk]).open(vector["typ"], vector["jws"]) == vector["body"]


@pytest.mark.parametrize("vector", VECTORS["statements"], ids=lambda v: v["type"])
def test_statements(vector: dict[str, Any]) -> None:
    seed, at = bytes.fromhex(vector["seed"]), datetime.fromisoformat(vector["at"])
    assert statement.sign(vector["type"], vector["subjects"], vector["predicate"], seed=seed, at=at) == vector["envelope"]
    found = statement.verify(vector["envelope"], [public_key(seed)], predicate_type=vector["type"])
    assert statement.subjects_of(found) == vector["subjects"]


@pytest.mark.parametrize("vector", VECTORS["sectors"], ids=lambda v: v["department"])
def test_sector_keys(vector: dict[str, Any]) -> None:
    assert sector_key(bytes.fromhex(vector["master"]), vector["department"]).hex() == vector["key"]


@pytest.mark.parametrize("vector", VECTORS["plans"], ids=lambda v: v["digest"][:16])
def test_digests_of_plans(vector: dict[str, Any]) -> None:
    model = {"StorePlan": StorePlan, "ModelPlan": ModelPlan}[vector["kind"]]
    plan = model.model_validate(vector["plan"])
    assert isinstance(plan, StorePlan | ModelPlan)
    assert digest_of(plan) == vector["digest"]


def test_a_seal_is_signed_as_the_vectors_of_agreements_are() -> None:
    """One way to make a JWS, whatever it is for."""
    first = VECTORS["agreements"][0]
    payload = agreements.jws_payload(first["hash"], first["party"], first["at"])
    assert sign_jws(agreements.JWS_TYPE, payload, bytes.fromhex(first["seed"])) == first["jws"]
