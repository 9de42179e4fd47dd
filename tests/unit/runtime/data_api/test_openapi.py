"""The OpenAPI document: valid 3.1, complete, and silent about agreements and people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from commonweal_runtime.data_api.app import application
from commonweal_runtime.data_api.catalogue import Catalogue, Product
from commonweal_runtime.data_api.openapi import document
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.data_api.settings import Settings, SignIn
from commonweal_runtime.tokens import Naming
from support.data_api import person_product, visit_product


class Heritage:
    """Stands where a product's source would name a port; the document must not show it."""

    port = 54321


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    specs = {"people": person_product(Heritage()), "home-visits": visit_product(Heritage())}  # type: ignore[arg-type]
    products = tuple(Product(name, "sha256:00", {k: v for k, v in spec.items() if k != "source"}) for name, spec in specs.items())
    department = {"name": "registry", "displayName": "The Registry", "contact": "mailto:registry@example.test"}
    catalogue = Catalogue(department, products, {})
    return json.loads(json.dumps(document(catalogue)))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def resolve(made: dict[str, Any], reference: str) -> Any:
    found: Any = made
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_it_has_the_form_of_openapi_3_1(made: dict[str, Any]) -> None:
    assert made["openapi"] == "3.1.0"
    assert {"title", "version"} <= set(made["info"])
    names = []
    for path, item in made["paths"].items():
        assert path.startswith("/")
        for operation in item.values():
            names.append(operation["operationId"])
            assert operation["responses"]
            for code, answer in operation["responses"].items():
                assert re.fullmatch(r"[1-5][0-9]{2}", code)
                assert answer["description"]
            parameters = [resolve(made, p["$ref"]) if "$ref" in p else p for p in operation["parameters"]]
            assert {p["name"] for p in parameters if p["in"] == "path"} == set(re.findall(r"{(\w+)}", path))
            assert all(p["required"] for p in parameters if p["in"] == "path")
            assert all(set(s) <= set(made["components"]["securitySchemes"]) for s in operation["security"])
    assert len(names) == len(set(names))


def test_every_reference_resolves(made: dict[str, Any]) -> None:
    references = [n["$ref"] for n in nodes(made) if "$ref" in n]
    assert references
    for reference in references:
        resolve(made, reference)


def test_types_are_json_schema_2020(made: dict[str, Any]) -> None:
    known = {"string", "integer", "number", "boolean", "object", "array", "null"}
    for node in nodes(made["components"]["schemas"]):
        if "properties" in node:
            for schema in node["properties"].values():
                types = schema.get("type", [])
                assert set(types if isinstance(types, list) else [types]) <= known
                assert "nullable" not in schema


def test_fields_carry_description_semantic_and_class(made: dict[str, Any]) -> None:
    people = made["components"]["schemas"]["PeopleRecord"]
    assert people["x-class"] == "Person"
    assert people["properties"]["fullName"] == {"type": "string", "x-semantic": "person:fullName", "x-classification": "Official"}
    assert people["properties"]["birthYear"]["description"] == "Year of birth. Year of born."
    assert people["properties"]["seen"]["format"] == "date-time"
    assert "record" in made["components"]["schemas"]["HomeVisitsRecord"]["properties"]


def test_it_says_nothing_of_sources(made: dict[str, Any]) -> None:
    text = json.dumps(made)
    assert not any(word in text for word in ("54321", "hidden", "full_name", "heritage"))


def test_every_route_is_described_and_every_description_is_a_route(made: dict[str, Any]) -> None:
    settings = Settings(
        "registry", "aud", "https://c.test", "https://c.test/jwks", SignIn("https://p.test", None, ("aud",), Naming()), "x", 1, b"d", b"s"
    )
    routes = {
        (re.sub(r"{(\w+):\w+}", "{}", route.path), method)
        for route in application(Service(settings)).routes
        for method in route.methods  # type: ignore[union-attr]
        if method != "OPTIONS"
    }
    described = {
        (re.sub(r"{\w+}", "{}", re.sub(r"^/v1/(people|home-visits)/", "/v1/{}/", path)), method.upper())
        for path, item in made["paths"].items()
        for method in item
    }
    assert described == routes


def test_each_refusal_is_shown_by_an_example_that_is_the_refusal(made: dict[str, Any]) -> None:
    examples = made["components"]["examples"]
    told = [
        (code, reason, content["schema"]["allOf"][1]["properties"]["reason"]["enum"])
        for item in made["paths"].values()
        for operation in item.values()
        for code, answer in operation["responses"].items()
        for kind, content in answer.get("content", {}).items()
        if kind == "application/problem+json"
        for reason in content["examples"]
    ]
    assert {reason for _, reason, _ in told} == set(examples)
    for code, reason, allowed in told:
        value = examples[reason]["value"]
        assert (str(value["status"]), value["reason"]) == (code, reason)
        assert reason in allowed
        assert value["remedy"]
