"""The API server and the models say yes and no to the same manifests, and a no names field and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from commonweal_api import KINDS
from commonweal_api.common import Kind
from commonweal_api.rights import BasisType
from commonweal_api.schema import RULES, Schema, root
from support.bad_manifests import BAD, Bad
from support.control_plane import REPOSITORY
from support.kube_api import KubeApi, Refused, manifests_in
from support.manifests import (
    CSV,
    EXCEL,
    HTTP,
    MYSQL,
    PARQUET,
    VOLUME,
    Body,
    consent_policy,
    consent_policy_in_full,
    data_product,
    data_product_in_full,
    department,
    department_in_full,
    drop,
    model_service,
    on_basis,
    put,
)

MODEL_OF = {kind.__name__: kind for kind in KINDS}
OURS = "commonweal.dev/"
EXAMPLES = [
    m for folder in (REPOSITORY / "examples").iterdir() if folder.is_dir() for m in manifests_in(folder) if m["apiVersion"].startswith(OURS)
]
MANY = put("spec.subject", {"column": "person_ref", "records": "Many", "recordKey": "row_no"})
GOOD = [
    department(),
    department(put("spec.quota", {"cpu": "500m", "memory": "1Gi", "storage": "0", "objects": 1}), name="t"),
    department(name="t" * 40),
    data_product(),
    data_product(MANY),
    data_product(put("spec.serve", {"refreshSeconds": 86400, "auditDurability": "Deferred"})),
    data_product(put("spec.serve", {"mode": "Live", "auditDurability": "Deferred"}), put("spec.rights", {"erasure": "AtSource"})),
    consent_policy(),
    department_in_full(),
    data_product_in_full(),
    data_product_in_full(put("spec.source", MYSQL), drop("spec.serve.mode")),
    data_product(put("spec.source", PARQUET)),
    data_product(put("spec.source", CSV)),
    data_product(put("spec.source", EXCEL)),
    data_product(put("spec.source", HTTP)),
    data_product(put("spec.source", VOLUME)),
    consent_policy_in_full(),
    consent_policy_in_full(drop("spec.limits.perSubject"), put("spec.limits.once", True), put("spec.signatures", [])),
    *(consent_policy(on_basis(basis)) for basis in BasisType),
    consent_policy(put("spec.validity", {"from": "2026-01-01T01:00:00+01:00", "until": "2031-01-01T00:00:00.5Z"})),
    model_service(),
    model_service(put("spec.learning", {"floor": 0.05, "maxActions": 10, "shape": "Shared", "gamma": 1})),
    model_service(put("spec.learning", {"floor": 0.01, "maxActions": 50})),
    *EXAMPLES,
]


def _named(manifest: Body) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def _here(manifest: Body) -> Body:
    """Return the manifest in a namespace that the test's API server has."""
    metadata = manifest["metadata"] | ({"namespace": "dept-tax"} if "namespace" in manifest["metadata"] else {})
    return manifest | {"metadata": metadata}


def test_there_are_enough_bad_manifests_and_none_stands_twice() -> None:
    assert len({bad.what for bad in BAD}) == len(BAD) >= 190


def _rules(node: Schema) -> Iterator[dict[str, str]]:
    yield from node.get(RULES, ())
    for child in [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]:
        yield from _rules(child)


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_of_a_schema_has_a_manifest_that_breaks_it(kind: type[Kind]) -> None:
    """Rules about changes are broken in test_what_cannot_change."""
    broken = [bad for bad in BAD if bad.manifest["kind"] == kind.__name__]
    messages = [rule["message"] for rule in _rules(root(kind)) if "oldSelf" not in rule["rule"]]
    assert [m for m in messages if not any(bad.field in m and bad.remedy.server in m for bad in broken)] == []


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.what)
def test_the_api_server_refuses_and_names_field_and_remedy(api: KubeApi, bad: Bad) -> None:
    with pytest.raises(Refused) as refusal:
        api.apply(bad.manifest, dry_run=True)
    assert bad.field in refusal.value.message
    assert bad.remedy.server in refusal.value.message


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.what)
def test_the_models_refuse_and_name_field_and_remedy(bad: Bad) -> None:
    with pytest.raises(ValidationError) as refusal:
        MODEL_OF[bad.manifest["kind"]].model_validate(bad.manifest)
    said = str(refusal.value)
    assert bad.field in said or re.sub(r"\[(\d+)\]", r".\1", bad.field) in said
    assert bad.remedy.model in said


@pytest.mark.parametrize("good", GOOD, ids=_named)
def test_both_accept_and_agree_on_what_is_left_out(api: KubeApi, good: Body) -> None:
    """The defaults that the API server fills in are those of the models, so neither side sees another object."""
    (stored,) = api.apply(_here(good), dry_run=True)
    model = MODEL_OF[good["kind"]]
    assert _spec(model.model_validate(stored)) == _spec(model.model_validate(good))


def _spec(thing: Any) -> Any:
    return thing.model_dump(mode="json", by_alias=True)["spec"]


def test_the_examples_are_among_the_good_ones() -> None:
    assert {manifest["kind"] for manifest in EXAMPLES} == set(MODEL_OF)
