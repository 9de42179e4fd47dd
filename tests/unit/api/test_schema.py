"""The generator carries a model over in full, or says which path it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from commonweal_api import KINDS
from commonweal_api.common import Kind, Strict, cel, validations
from commonweal_api.exceptions import StructuralSchemaError
from commonweal_api.schema import RULES, Schema, crd, root, structural

Short = Annotated[str, StringConstraints(max_length=9)]


class Inner(Strict, json_schema_extra=validations(cel("self.lowest <= 9", "lowest: at most 9"))):
    """Said by the class."""

    lowest: int = Field(default=3, ge=1, lt=10)


class Whole(Strict):
    name: Short = Field(pattern=r"^[a-z]+$", description="A name.")
    only: Literal["One"] = "One"
    pick: Literal[16, 32] = 16
    maybe: int | None = Field(default=None, le=9)
    when: AwareDatetime
    inner: Inner = Field(default_factory=Inner)
    said_here: Inner = Field(default_factory=Inner, description="Said here.")
    items: list[Inner] = Field(default_factory=list, max_length=3, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    labels: dict[str, Short] = Field(default_factory=dict, max_length=4)
    ratio: float = Field(default=0.25, gt=0.001, le=1.0)


@pytest.fixture(scope="module")
def properties() -> Schema:
    found: Schema = structural(Whole)["properties"]
    return found


def test_bounds_patterns_and_descriptions_are_kept(properties: Schema) -> None:
    assert properties["name"] == {"description": "A name.", "type": "string", "pattern": "^[a-z]+$", "maxLength": 9}


def test_a_constant_becomes_an_enum_of_one(properties: Schema) -> None:
    assert properties["only"] == {"type": "string", "default": "One", "enum": ["One"]}


def test_an_enum_of_numbers_keeps_its_type(properties: Schema) -> None:
    assert properties["pick"] == {"type": "integer", "default": 16, "enum": [16, 32]}


def test_or_null_is_unwrapped_and_its_null_default_dropped(properties: Schema) -> None:
    assert properties["maybe"] == {"type": "integer", "maximum": 9}


def test_a_moment_keeps_its_format(properties: Schema) -> None:
    assert properties["when"] == {"type": "string", "format": "date-time"}


def test_a_reference_is_inlined_with_rules_and_the_default_that_a_factory_gives(properties: Schema) -> None:
    inner = properties["inner"]
    assert inner["description"] == "Said by the class."
    assert inner["default"] == {"lowest": 3}
    assert inner[RULES] == [{"rule": "self.lowest <= 9", "message": "lowest: at most 9"}]
    assert inner["properties"]["lowest"] == {"type": "integer", "default": 3, "minimum": 1, "maximum": 10, "exclusiveMaximum": True}


def test_what_the_field_says_wins_over_what_its_class_says(properties: Schema) -> None:
    assert properties["saidHere"]["description"] == "Said here."


def test_lists_and_maps_keep_their_bounds(properties: Schema) -> None:
    assert properties["items"]["maxItems"] == 3
    assert properties["items"]["x-kubernetes-list-type"] == "atomic"
    assert properties["labels"]["maxProperties"] == 4
    assert properties["labels"]["additionalProperties"] == {"type": "string", "maxLength": 9}


def test_a_bound_with_a_fraction_is_said_in_cel_too(properties: Schema) -> None:
    """The API server cuts such a bound to a whole number when the value is written as one: `0` passed a minimum of 0.0001."""
    assert properties["ratio"][RULES] == [{"rule": "self > 0.001", "message": "spec.ratio: should be greater than 0.001."}]


def test_nothing_of_pydantics_own_is_left(properties: Schema) -> None:
    assert not {"title", "$ref", "anyOf", "const", "$defs"} & {key for node in _nodes(structural(Whole)) for key in node}
    assert all(node.get("additionalProperties") is not False for node in _nodes(structural(Whole)))


def _nodes(node: Schema) -> Iterator[Schema]:
    yield node
    for child in [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]:
        yield from _nodes(child)


class Endless(BaseModel):
    text: str


class EndlessList(BaseModel):
    texts: list[Short]


class EndlessMap(BaseModel):
    labels: dict[str, Short]


class EndlessBelow(BaseModel):
    inner: list[Endless] = Field(max_length=2)


class TwoTypes(BaseModel):
    either: int | Short


class Anything(BaseModel):
    some: Any


class Tree(BaseModel):
    children: list[Tree] = Field(max_length=2)


class Pairs(BaseModel):
    pair: tuple[int, int]


class TypedKeys(BaseModel):
    labels: dict[Short, Short] = Field(max_length=2)


@pytest.mark.parametrize(
    ("model", "path", "remedy"),
    [
        (Endless, "Endless.spec.text", "give it max_length"),
        (EndlessList, "EndlessList.spec.texts", "give it max_length"),
        (EndlessMap, "EndlessMap.spec.labels", "give it max_length"),
        (EndlessBelow, "EndlessBelow.spec.inner[].text", "give it max_length"),
        (TwoTypes, "TwoTypes.spec.either", "give each its own optional field"),
        (Anything, "Anything.spec.some", "give it one"),
        (Tree, "Tree.spec.children[]", "contains itself"),
        (TypedKeys, "TypedKeys.spec.labels", "no place for 'propertyNames'"),
        (Pairs, "Pairs.spec.pair", "no place for 'prefixItems'"),
    ],
)
def test_what_cannot_be_said_or_has_no_bound_is_refused_with_its_path(model: type[BaseModel], path: str, remedy: str) -> None:
    with pytest.raises(StructuralSchemaError) as refusal:
        structural(model)
    assert str(refusal.value).startswith(f"{path}:")
    assert remedy in str(refusal.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_it_means(kind: type[Kind]) -> None:
    for part in ("spec", "status"):
        silent = [path for path, node in _paths(root(kind)["properties"][part], part) if not node.get("description")]
        assert silent == []


def _paths(node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _paths(child.get("items", child), f"{path}.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_names_the_field_first(kind: type[Kind]) -> None:
    for node in _nodes(root(kind)):
        for rule in node.get(RULES, ()):
            field = rule["message"].partition(":")[0]
            assert field.startswith(("spec.", "metadata.", "status.")) or field == "spec"


@pytest.mark.parametrize("kind", KINDS)
def test_a_definition_has_status_apart_and_answers_whether_it_works(kind: type[Kind]) -> None:
    (version,) = crd(kind)["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    assert {"Ready", "Reason", "Message", "Age"} <= {column["name"] for column in version["additionalPrinterColumns"]}
    assert crd(kind)["spec"]["scope"] == ("Namespaced" if kind.namespaced else "Cluster")
