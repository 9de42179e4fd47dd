"""How large an object of ours can be: every part has a bound, and the whole of each kind is small enough for any number of them that a quota allows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from commonweal_api import KINDS, DataProduct
from commonweal_api.closings import MOST_OPEN, StoreClosings, closings_of, digest_of_terms
from commonweal_api.common import Kind
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.department import Quota
from commonweal_api.plan import AgreementPlan, StorePlan
from commonweal_api.schema import Schema, root
from commonweal_api.sizes import MOST_BYTES, SIZE
from support.manifests import consent_policy
from support.products import largest_product

LARGEST = 128 * 1024  # bytes of spec, as JSON


def nodes(node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


def most(node: Schema) -> int:
    """Return the most bytes that JSON of this node can have; a string without a pattern may consist of characters of four bytes."""
    kind = node["type"]
    if "enum" in node:
        return max(len(json.dumps(value)) for value in node["enum"])
    if kind == "array":
        return 2 + int(node["maxItems"]) * (1 + most(node["items"]))
    if kind == "object" and "properties" in node:
        return 2 + sum(len(name) + 4 + most(child) for name, child in node["properties"].items())
    if kind == "object":
        return 2 + int(node["maxProperties"]) * (260 + most(node["additionalProperties"]))
    if kind == "string":
        plain = "pattern" in node and ".+" not in node["pattern"]
        return 2 + int(node.get("maxLength", 40)) * (1 if plain else 4)
    return 25  # a number, or a word


@pytest.mark.parametrize("kind", KINDS)
def test_every_string_list_and_map_has_a_bound(kind: type[Kind]) -> None:
    for path, node in nodes(root(kind), kind.__name__):
        if path == f"{kind.__name__}.metadata":
            continue  # the API server's own, which it bounds
        if node["type"] == "string":
            assert {"maxLength", "enum"} & set(node) or node.get("format") == "date-time", path
        if node["type"] == "array":
            assert "maxItems" in node, path
        if node["type"] == "object":
            assert "properties" in node or "maxProperties" in node, path


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not DataProduct])
def test_the_bounds_of_the_parts_keep_the_whole_small(kind: type[Kind]) -> None:
    assert most(root(kind)["properties"]["spec"]) <= LARGEST


def test_a_product_is_held_to_one_bound_for_all_its_parts() -> None:
    """The bounds of its parts alone would let it have more than a megabyte."""
    assert most(root(DataProduct)["properties"]["spec"]) > LARGEST
    for letter in ("x", "ß", "€", '"'):
        body = largest_product(letter)
        product = DataProduct.model_validate(body)
        assert len(json.dumps(body["spec"], ensure_ascii=False).encode()) <= LARGEST + 16_384, letter
        assert len(json.dumps(product.spec.wire(), ensure_ascii=False).encode()) > MOST_BYTES // 2


@pytest.mark.parametrize("letter", ["x", "ß", "€"])
def test_one_byte_more_is_refused_with_a_remedy(letter: str) -> None:
    body = largest_product(letter)
    body["spec"]["fields"][-1]["description"] += letter
    with pytest.raises(ValidationError, match="shorten descriptions"):
        DataProduct.model_validate(body)
    assert SIZE["message"].startswith("spec: ")


def test_the_list_of_what_may_be_open_fits_for_the_greatest_number_of_agreements() -> None:
    quota: Any = Quota.model_json_schema()["properties"]["objects"]
    assert quota["maximum"] == MOST_OPEN
    digest = digest_of_terms(ConsentPolicySpec.model_validate(consent_policy()["spec"]))
    full = StoreClosings(open={f"{n:036}": digest for n in range(MOST_OPEN)})
    assert len(full.model_dump_json()) < 128 * 1024, "an eighth of what a ConfigMap holds"
    with pytest.raises(ValidationError):
        StoreClosings(open={**full.open, "one-more": digest})


def test_more_agreements_than_fit_stay_closed_instead_of_keeping_the_list_from_being_written() -> None:
    spec = ConsentPolicySpec.model_validate(consent_policy()["spec"])
    many = [AgreementPlan(name=f"a{n:04}", uid=f"u{n:04}", generation=1, spec=spec) for n in range(MOST_OPEN + 3)]
    made = closings_of(StorePlan(department="tax", display_name="Tax", contact="mailto:a@b.example", agreements=many[::-1]))
    assert sorted(made.open) == [a.uid for a in many[:MOST_OPEN]]


def test_defaults_that_a_release_adds_and_signatures_change_no_terms() -> None:
    spec = ConsentPolicySpec.model_validate(consent_policy()["spec"])
    spelt_out = ConsentPolicySpec.model_validate(spec.wire())
    assert digest_of_terms(spelt_out) == digest_of_terms(spec)
    assert digest_of_terms(spec.model_copy(update={"fields": spec.fields[:1]})) != digest_of_terms(spec)
