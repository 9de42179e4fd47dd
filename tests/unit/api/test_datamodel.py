"""The common data model that ships is the one that is written, and it judges what a field claims to be."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from commonweal_api import datamodel
from commonweal_api.data_product import DataClass
from commonweal_api.offer import FieldType
from support.scripts import script

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def make() -> ModuleType:
    return script(ROOT / "datamodel/make.py")


def test_the_schema_was_made_from_the_source_as_it_is_and_is_as_it_was_made(make: ModuleType) -> None:
    """Linkml itself is too heavy to install for every run (94 packages), so the generator seals source and result together."""
    assert datamodel.schema()["$comment"] == make.seal(make.SOURCE.read_text(encoding="utf-8"), datamodel.schema()), "run make datamodel"


def test_the_reference_page_is_made_from_the_source(make: ModuleType) -> None:
    assert make.PAGE.read_text(encoding="utf-8") == make.page(make.SOURCE.read_text(encoding="utf-8")), "run make datamodel"


def test_every_class_of_a_product_has_properties() -> None:
    assert {p.of for p in datamodel.properties().values()} == {*DataClass, "Identifier"}
    assert all(p.types and p.description for p in datamodel.properties().values())


@pytest.mark.parametrize(
    ("semantic", "type_"),
    [
        ("person:fullName", FieldType.STRING),
        ("person:birthDate", FieldType.DATE),
        ("person:birthYear", FieldType.INTEGER),
        ("person:sex", FieldType.STRING),
        ("address:uprn", FieldType.INTEGER),
        ("address:postCode", FieldType.STRING),
        ("address:latitude", FieldType.NUMBER),
        ("lifeEvent:registeredAt", FieldType.TIMESTAMP),
        ("interaction:rating", FieldType.INTEGER),
        ("identifier:value", FieldType.STRING),
    ],
)
def test_a_property_of_the_right_type_is_accepted(semantic: str, type_: FieldType) -> None:
    assert datamodel.refusal(semantic, type_) is None


@pytest.mark.parametrize(
    ("semantic", "type_", "words"),
    [
        ("person:birthdate", FieldType.DATE, "person:birthDate"),
        ("persn:fullName", FieldType.STRING, "person:fullName"),
        ("postal:postcode", FieldType.STRING, "address:postCode"),
        ("person:domicile", FieldType.STRING, "is no property"),
        ("person:birthDate", FieldType.STRING, "takes Date, and the field is String"),
        ("interaction:rating", FieldType.BOOLEAN, "takes Integer or Number"),
        ("q:zzzzzzzzzzzzzzzz", FieldType.STRING, "leave it out"),
    ],
)
def test_anything_else_is_refused_with_what_it_could_be(semantic: str, type_: FieldType, words: str) -> None:
    refused = datamodel.refusal(semantic, type_)
    assert refused is not None
    assert words in refused


def test_every_code_is_offered_by_name() -> None:
    assert datamodel.properties()["person:sex"].codes == ("Female", "Male", "Indeterminate", "NotKnown")
