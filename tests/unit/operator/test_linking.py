"""Whether a department's matching can be carried out, and what a steward reads of the cases that wait."""

from __future__ import annotations

import pytest

from commonweal_api import DataProduct, Department
from commonweal_api.department import LinkCases
from commonweal_api.matching import Matching
from commonweal_api.reasons import Reason
from commonweal_operator.kinds.linking import fault_of, standing_of
from support.manifests import Change, data_product, department_in_full, put

PRODUCTS = {"people": DataProduct.model_validate(data_product()).spec}
SOUND = {
    "product": "people",
    "attributes": [
        {"field": "name", "label": {"en": "Name"}, "unique": True},
        {"field": "birthDate", "label": {"en": "Born"}, "normalise": "Date"},
    ],
}


def matching(*changes: Change) -> Matching:
    spec = Department.model_validate(department_in_full(put("spec.matching", SOUND), *changes)).spec
    assert spec.matching is not None
    return spec.matching


def test_a_matching_over_fields_that_are_there_has_no_fault() -> None:
    assert fault_of(matching(), PRODUCTS, mail=False) is None


@pytest.mark.parametrize(
    ("change", "reason", "named"),
    [
        (put("spec.matching.product", "nothing"), Reason.MATCHING_PRODUCT_UNSUITABLE, "nothing"),
        (put("spec.matching.attributes.0.field", "surname"), Reason.MATCHING_FIELD_UNSUITABLE, "surname"),
        (put("spec.matching.attributes.0.field", "birthYear"), Reason.MATCHING_FIELD_UNSUITABLE, "birthYear"),
        (put("spec.matching.attributes.1.normalise", "AsIs"), Reason.MATCHING_FIELD_UNSUITABLE, "birthDate with normalise AsIs"),
        (put("spec.matching.preview", [{"field": "town", "label": {"en": "Town"}}]), Reason.MATCHING_FIELD_UNSUITABLE, "town"),
        (put("spec.matching.code", {"field": "birthDate"}), Reason.MATCHING_FIELD_UNSUITABLE, "spec.matching.code.field"),
        (put("spec.matching.code", {"field": "name"}), Reason.MAIL_SERVER_MISSING, ""),
    ],
)
def test_what_stands_in_the_way_is_named(change: Change, reason: Reason, named: str) -> None:
    found = fault_of(matching(change), PRODUCTS, mail=False)
    assert found is not None
    assert (found.reason, found.holds) == (reason, False)
    assert named in found.detail


def test_a_mail_server_lets_codes_be_asked_for() -> None:
    assert fault_of(matching(put("spec.matching.code", {"field": "name"})), PRODUCTS, mail=True) is None


def test_a_product_that_is_read_where_it_lies_is_not_matched() -> None:
    live = DataProduct.model_validate(data_product(put("spec.serve", {"mode": "Live"}))).spec
    found = fault_of(matching(), {"people": live}, mail=False)
    assert found is not None
    assert found.reason == Reason.MATCHING_PRODUCT_UNSUITABLE


@pytest.mark.parametrize(("cases", "reason"), [(None, "LinkingReady"), (LinkCases(open=0, frozen=0), "LinkingReady")])
def test_without_a_case_all_is_well(cases: LinkCases | None, reason: str) -> None:
    assert standing_of(cases).reason == reason


def test_cases_are_counted_and_do_not_make_a_department_unready() -> None:
    found = standing_of(LinkCases(open=2, frozen=1))
    assert (found.reason, found.detail, found.holds) == ("LinkCasesOpen", "Open cases: 2; disputed links: 1.", True)
