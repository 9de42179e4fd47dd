"""What people rely on cannot be changed under them: those fields are refused on update, all others are free."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from support.kube_api import MERGE, KubeApi, Refused
from support.manifests import (
    NONCE,
    PARQUET,
    Body,
    Change,
    add,
    consent_policy,
    consent_policy_in_full,
    data_product,
    department,
    drop,
    model_service,
    on_basis,
    put,
    revocation,
    signature,
)

TAX, OTHER = "dept-tax", "o" * 22
STORED = {
    "Department": department(),
    "DataProduct": data_product(put("spec.subject", {"column": "person_ref", "records": "Many", "recordKey": "row_no"})),
    "ConsentPolicy": consent_policy(),
    "Signed": consent_policy_in_full(name="signed"),
    "Revoked": consent_policy_in_full(put("spec.nonce", NONCE), put("spec.revocations", [revocation("tax")]), name="revoked"),
    "ModelService": model_service(department="tax"),
}
FIXED: list[tuple[str, tuple[Change, ...], str]] = [
    ("Department", (put("spec.store.size", "2Gi"),), "spec.store.size: cannot be changed here"),
    ("DataProduct", (put("spec.subject.column", "nino"),), "spec.subject.column: changing it would give every person another id"),
    ("DataProduct", (put("spec.subject", {"column": "person_ref"}),), "spec.subject.records: cannot be changed; publish a new product"),
    ("ConsentPolicy", (put("spec.product.name", "others"),), "spec.product.name: cannot be changed; write a new agreement"),
    ("ConsentPolicy", (put("spec.consumer.department", "health"),), "spec.consumer.department: cannot be changed; write a new agreement"),
    ("ConsentPolicy", (on_basis("PublicTask"),), "spec.basis.type: cannot be changed; write a new agreement"),
    *(
        ("Signed", changes, f"spec.{part}: is signed and cannot be changed; take out spec.signatures")
        for part, changes in {
            "product": (drop("spec.product.version"),),
            "consumer": (put("spec.consumer.clients", ["other-app"]),),
            "purposes": (put("spec.purposes.0.text", "Whatever the benefits office would like to do with it."),),
            "fields": (put("spec.fields", ["name"]),),
            "basis": (put("spec.basis.legalPower", "Finance Act 2027, section 2"),),
            "subjects": (drop("spec.subjects.delegation"),),
            "limits": (drop("spec.limits.dataLifeDays"),),
            "validity": (put("spec.validity.until", "2029-01-01T00:00:00Z"),),
            "transparency": (drop("spec.transparency"),),
            "linkage": (drop("spec.linkage"),),
            "assurance": (put("spec.assurance.processors", []),),
        }.items()
    ),
    ("Signed", (put("spec.signatures", [signature("tax", "sha256:" + "cd" * 32)]), put("spec.fields", ["name"])), "spec.fields: is signed"),
    ("ConsentPolicy", (put("spec.signatures", [signature("tax")]),), "spec.nonce: is missing, and what is signed again needs one"),
    ("Revoked", (drop("spec.revocations"),), "spec.revocations: what is revoked stays revoked"),
    ("Revoked", (put("spec.revocations", [revocation("benefits")]), put("spec.signatures", [])), "spec.revocations: what is revoked"),
    ("Revoked", (put("spec.nonce", OTHER), drop("spec.revocations"), drop("spec.signatures")), "spec.revocations: what is revoked"),
    ("ModelService", (put("spec.purpose", "benefits/sell-things"),), "spec.purpose: cannot be changed"),
]
FREE: list[tuple[str, tuple[Change, ...]]] = [
    ("Department", (put("spec.displayName", "HM Tax"), put("spec.quota.objects", 7))),
    ("DataProduct", (put("spec.version", "1.1.0"), add("spec.fields", {"name": "town", "column": "town", "type": "String"}))),
    ("DataProduct", (put("spec.source.postgres.host", "new.internal"), drop("spec.fields.3"))),
    ("ConsentPolicy", (put("spec.fields", ["name"]), put("spec.validity.until", "2028-01-01T00:00:00Z"))),
    ("Signed", (put("spec.mode", "Enforce"),)),
    ("Signed", (drop("spec.signatures.1"),)),
    ("Signed", (drop("spec.signatures"), put("spec.fields", ["name"]), put("spec.validity.until", "2029-01-01T00:00:00Z"))),
    ("Signed", (put("spec.signatures", []), drop("spec.linkage"))),
    ("ConsentPolicy", (put("spec.nonce", NONCE), put("spec.signatures", [signature("tax")]), put("spec.fields", ["name"]))),
    ("Signed", (put("spec.nonce", NONCE), put("spec.signatures", [signature("tax", "sha256:" + "cd" * 32)]))),
    ("Signed", (put("spec.nonce", NONCE), put("spec.revocations", [revocation("benefits")]))),
    ("Revoked", (add("spec.revocations", revocation("benefits")),)),
    ("Revoked", (put("spec.nonce", OTHER), put("spec.signatures", [signature("tax", "sha256:" + "cd" * 32)]))),
    ("DataProduct", (put("spec.source", PARQUET), put("spec.serve.auditDurability", "Strict"))),
    ("ModelService", (drop("spec.features.1"), put("spec.learning", {"gamma": 10}))),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(api: KubeApi) -> Iterator[None]:
    for manifest in STORED.values():
        api.apply(manifest)
    yield
    for manifest in STORED.values():
        api.delete(manifest)


def changed(kind: str, changes: tuple[Change, ...]) -> Body:
    changed = deepcopy(STORED[kind])
    for change in changes:
        change(changed)
    return changed


@pytest.mark.parametrize(("kind", "changes", "words"), FIXED, ids=[words for _, _, words in FIXED])
def test_a_fixed_field_is_refused_with_what_to_do_instead(api: KubeApi, kind: str, changes: tuple[Change, ...], words: str) -> None:
    with pytest.raises(Refused) as refusal:
        api.apply(changed(kind, changes), dry_run=True)
    assert words in refusal.value.message


@pytest.mark.parametrize(("kind", "changes"), FREE)
def test_every_other_field_may_change(api: KubeApi, kind: str, changes: tuple[Change, ...]) -> None:
    (stored,) = api.apply(changed(kind, changes), dry_run=True)
    assert stored["metadata"]["generation"] == 2


def _ready(reason: str) -> dict[str, Any]:
    status = "True" if reason == "AllReady" else "False"
    moment = "2026-01-01T00:00:00Z"
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": "Said so.",
        "observedGeneration": 1,
        "lastTransitionTime": moment,
    }


@pytest.mark.parametrize("kind", STORED)
def test_a_status_is_written_apart_and_shown_in_columns(api: KubeApi, kind: str) -> None:
    """Writing status raises no generation, and `kubectl get` answers whether it works and why not."""
    path = api.path_of(STORED[kind])
    for reason in ("AllReady", "Expired"):
        body = {"status": {"conditions": [_ready(reason)]}}
        stored = api.request("PATCH", f"{path}/status", body, content_type=MERGE)
        assert stored["metadata"]["generation"] == 1
        (shown,) = api.table(path)
        assert (shown["Ready"], shown["Reason"], shown["Message"]) == (_ready(reason)["status"], reason, "Said so.")
