"""What the kinds decide: from objects and reports to plans and conditions. No server, no clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from commonweal_api.plan import Outcome
from commonweal_kube.queue import Key, Priority
from commonweal_operator.desired.certificates import term
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.observed import ServiceAddress, Workload
from commonweal_operator.kinds import department
from commonweal_operator.kinds.department import next_moment
from support.site import NOW, REGISTRY, TAX, Site, refused


@pytest.fixture
def site() -> Site:
    return Site()


def test_with_reports_of_everything_each_object_is_ready(site: Site) -> None:
    site.settle()
    for kind, name, tenant in (
        ("DataProduct", "companies", REGISTRY),
        ("ConsentPolicy", "guidance-knows-company", REGISTRY),
        ("ModelService", "next-step", TAX),
    ):
        assert site.conditions(kind, name, tenant)["Ready"][:2] == ("True", "AllReady")


def test_an_enforced_agreement_shows_its_number_and_keeps_it(site: Site) -> None:
    site.settle()
    key = Key(REGISTRY, "ConsentPolicy", "tax-registers-business")
    assert site.status(key)["agreement"] == 7
    site.observed.known.clear()
    assert site.status(key)["agreement"] == 7


@pytest.mark.parametrize(
    ("changes", "type_", "reason", "names"),
    [
        ({"product": {"name": "people"}}, "ProductResolved", "ProductNotFound", "people"),
        ({"fields": ["companyName", "shoeSize"]}, "FieldsPermitted", "FieldNotOffered", "shoeSize"),
        ({"fields": ["postcodeArea", "postcode"]}, "FieldsPermitted", "MaskAndRawTogether", "postcodeArea masks postcode"),
        ({"consumer": {"department": "nowhere", "clients": ["app"]}}, "ConsumerKnown", "ConsumerNotFound", "nowhere"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_an_agreement_that_cannot_hold_is_closed_and_harms_no_other(
    site: Site, changes: dict[str, Any], type_: str, reason: str, names: str
) -> None:
    before = site.planned()
    site.change("ConsentPolicy", "tax-registers-business", **changes)
    products, agreements = site.planned()
    assert (products, agreements) == (before[0], before[1] - {"tax-registers-business"})
    found = site.conditions("ConsentPolicy", "tax-registers-business")
    assert found[type_][:2] == ("False", reason)
    assert names in found[type_][2]
    assert found["Ready"] == found[type_]


@pytest.mark.parametrize(
    ("validity", "reason", "names"),
    [
        ({"from": "2027-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"}, "NotYetInForce", "2027-01-01"),
        ({"from": "2025-01-01T00:00:00Z", "until": "2026-11-22T12:00:00Z"}, "Expired", "2026-11-22"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_an_agreement_out_of_its_term_stays_with_the_store_which_holds_the_clock(
    site: Site, validity: dict[str, str], reason: str, names: str
) -> None:
    before = site.planned()
    site.change("ConsentPolicy", "tax-registers-business", validity=validity)
    assert site.planned() == before
    found = site.conditions("ConsentPolicy", "tax-registers-business")
    assert found["InForce"][:2] == ("False", reason)
    assert names in found["InForce"][2]
    assert found["Ready"] == found["InForce"]


def test_an_object_that_does_not_parse_says_which_field_and_counts_as_absent(site: Site) -> None:
    site.change("DataProduct", "companies", version="one")
    status, reason, message = site.conditions("DataProduct", "companies")["Ready"]
    assert (status, reason) == ("False", "InvalidSpec")
    assert "spec.version" in message
    assert site.planned() == (set(), set())
    assert site.conditions("ConsentPolicy", "tax-registers-business")["Ready"][1] == "ProductNotReady"


def test_our_own_rules_name_the_field_themselves(site: Site) -> None:
    site.change("ConsentPolicy", "tax-registers-business", basis={"type": "PublicTask"})
    message = site.conditions("ConsentPolicy", "tax-registers-business")["Ready"][2]
    assert "spec.basis.legalPower: name the law unless the basis is Consent." in message
    assert "Value error" not in message


@pytest.mark.parametrize(
    ("reason", "ready", "expected"),
    [
        ("Serving", True, ("True", "True", "True")),
        ("LoadPending", False, ("Unknown", "Unknown", "Unknown")),
        ("CredentialsMissing", False, ("False", "Unknown", "Unknown")),
        ("SourceUnreachable", True, ("False", "True", "True")),
        ("LoadFailed", True, ("True", "False", "True")),
        ("RowsRefused", True, ("True", "False", "True")),
        ("StoreRefused", False, ("Unknown", "Unknown", "False")),
        ("NeverHeardOf", False, ("Unknown", "Unknown", "False")),
    ],
)
def test_a_products_conditions_follow_from_the_keepers_reason(site: Site, reason: str, ready: bool, expected: tuple[str, ...]) -> None:
    site.report(REGISTRY, companies=refused(reason, "u-DataProduct-companies", "the detail", ready=ready))
    found = site.conditions("DataProduct", "companies")
    assert tuple(found[t][0] for t in ("SourceReachable", "Loaded", "Serving")) == expected
    assert found["Ready"][0] == ("True" if expected == ("True",) * 3 else min(s for s in expected if s != "True"))
    assert ("the detail" in found["Ready"][2]) is (expected != ("True",) * 3)


def test_a_report_on_another_generation_or_object_says_nothing_about_this_one(site: Site) -> None:
    for uid, generation in (("u-DataProduct-companies", 9), ("u-another", 1)):
        site.report(REGISTRY, companies=Outcome(uid=uid, generation=generation, ready=True, reason="Serving"))
        assert site.conditions("DataProduct", "companies")["Ready"][1] == "StorePending"


def test_a_report_that_cannot_be_read_is_as_good_as_none(site: Site) -> None:
    site.observed.known["ConfigMap", f"{REGISTRY}-platform", "commonweal-store-report"] = '{"plan": 7'
    assert site.conditions("DataProduct", "companies")["Ready"][1] == "StorePending"


@pytest.mark.parametrize(
    ("changes", "reason", "asks"),
    [
        (None, "NoAgreement", "Needed: companies-registry/companies for tax-authority, client models"),
        ({"consumer": {"department": "tax-authority", "clients": ["tax-app"]}}, "ClientNotAgreed", "guidance-knows-company"),
        (
            {"purposes": [{"key": "tax-authority/other", "iri": "dpv:ServicePersonalisation", "text": "Some other purpose than that."}]},
            "PurposeNotAgreed",
            "tax-authority/personalise-guidance",
        ),
        ({"fields": ["sector"]}, "FieldNotAgreed", "incorporatedYear"),
        ({"validity": {"from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}, "AgreementNotInForce", "guidance-knows-company"),
    ],
    ids=lambda v: v if isinstance(v, str) and v.isalpha() else None,
)
def test_a_model_without_its_agreement_is_told_what_to_ask_for_and_runs_all_the_same(
    site: Site, changes: dict[str, Any] | None, reason: str, asks: str
) -> None:
    site.settle()
    if changes is None:
        site.drop(Key(REGISTRY, "ConsentPolicy", "guidance-knows-company"))
    else:
        site.change("ConsentPolicy", "guidance-knows-company", **changes)
    found = site.conditions("ModelService", "next-step", TAX)
    assert found["AgreementsBound"][:2] == ("False", reason)
    assert asks in found["AgreementsBound"][2]
    assert found["RuntimeReady"][0] == "True"
    assert [m.name for m in department.model_plan(site.department(TAX)).models] == ["next-step"]


def test_a_model_that_reads_an_unknown_product_says_which(site: Site) -> None:
    site.settle()
    site.drop(Key(REGISTRY, "DataProduct", "companies"))
    found = site.conditions("ModelService", "next-step", TAX)["DataProductsReady"]
    assert found[1] == "ProductNotFound"
    assert "companies-registry/companies" in found[2]


def test_deleting_an_agreement_comes_first_and_wakes_both_departments_and_the_model(site: Site) -> None:
    wishes = site.drop(Key(REGISTRY, "ConsentPolicy", "guidance-knows-company"))
    assert wishes[Key(REGISTRY, "Department", "companies-registry")] == Priority.REVOCATION
    assert wishes[Key(TAX, "Department", "tax-authority")] == Priority.REVOCATION
    assert Key(TAX, "ModelService", "next-step") in wishes


@pytest.mark.parametrize(
    ("changes", "priority"),
    [
        ({"fields": ["companyName"]}, Priority.REVOCATION),
        ({"validity": {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}}, Priority.REVOCATION),
        ({"limits": {"maxRows": 1}}, Priority.REVOCATION),
        ({"consumer": {"department": "tax-authority", "clients": ["other"]}}, Priority.REVOCATION),
        ({"version": "no such field"}, Priority.REVOCATION),
        ({"fields": ["companyName", "incorporatedYear", "sector", "postcodeArea", "status"]}, Priority.SPEC),
        ({"limits": {"maxRows": 500}}, Priority.SPEC),
        ({"mode": "DryRun"}, Priority.REVOCATION),
        ({"product": {"name": "companies", "version": 1}}, Priority.REVOCATION),
    ],
)
def test_what_narrows_an_agreement_overtakes_what_widens_one(site: Site, changes: dict[str, Any], priority: Priority) -> None:
    site.change("ConsentPolicy", "tax-registers-business", signatures=[])
    wishes = site.change("ConsentPolicy", "tax-registers-business", **({"signatures": []} | changes))
    assert wishes[Key(REGISTRY, "Department", "companies-registry")] == priority


def test_a_change_of_status_alone_wakes_only_who_waits_for_readiness(site: Site) -> None:
    key = Key(REGISTRY, "ConsentPolicy", "guidance-knows-company")
    ready = [{"type": "Ready", "status": "True", "observedGeneration": 1}]
    assert site.put(site.body(key), conditions=ready) == {key: Priority.DRIFT, Key(TAX, "ModelService", "next-step"): Priority.DRIFT}
    assert site.put(site.body(key), conditions=ready) == {key: Priority.DRIFT}


def test_the_department_wakes_at_the_next_beginning_or_end_of_an_agreement(site: Site) -> None:
    key = Key(REGISTRY, "Department", "companies-registry")
    assert next_moment(site.gathered(key)) == datetime(2030, 1, 1, tzinfo=UTC)
    site.change("ConsentPolicy", "tax-registers-business", validity={"from": "2026-12-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"})
    assert next_moment(site.gathered(key)) == datetime(2026, 12, 1, tzinfo=UTC)
    assert next_moment(site.gathered(Key(TAX, "Department", "tax-authority"))) == datetime(2026, 12, 1, tzinfo=UTC)


def test_the_department_wakes_for_its_certificates_too(site: Site) -> None:
    key = Key(REGISTRY, "Department", "companies-registry")
    due = min(term(NOW, f"{REGISTRY}-platform/{service}").next for service in ("data-api", "models"))
    assert due < datetime(2026, 12, 12, 12, tzinfo=UTC)
    assert site.rules.wake_at(site.gathered(key)) == due


def test_an_object_in_a_namespace_of_no_department_waits_for_one(site: Site) -> None:
    body = site.body(Key(REGISTRY, "DataProduct", "companies"))
    for namespace in ("dept-nobody", "tax-authority"):
        site.put(body | {"metadata": {"name": "companies", "namespace": namespace}})
        assert site.conditions("DataProduct", "companies", namespace)["Ready"][1] == "DepartmentNotReady"


def test_an_agreement_outside_every_department_opens_no_network(site: Site) -> None:
    body = site.body(Key(REGISTRY, "ConsentPolicy", "tax-registers-business"))
    for kind, name in (
        ("DataProduct", "companies"),
        ("ConsentPolicy", "tax-registers-business"),
        ("ConsentPolicy", "benefits-checks-company"),
    ):
        site.drop(Key(REGISTRY, kind, name))
    site.put(site.body(Key(REGISTRY, "DataProduct", "companies")) | {"metadata": {"name": "companies", "namespace": "companies-registry"}})
    site.put(body | {"metadata": {"name": "x", "namespace": "companies-registry"}})
    inputs = department.content(site.department(TAX))
    assert "" not in inputs.peers
    assert "companies-registry" not in inputs.peers


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (None, "DataApiStarting"),
        (Workload(1, 1, 0), "DataApiStarting"),
        (Workload(1, 1, 1), "DataApiRunning"),
        (Workload(1, 1, 0, "ProgressDeadlineExceeded: timed out"), "DataApiFailing"),
        (Workload(1, 1, 0, "FailedCreate: pods is forbidden: exceeded quota: department"), "QuotaExceeded"),
    ],
)
def test_a_departments_data_api_says_how_far_it_is(site: Site, load: Workload | None, reason: str) -> None:
    site.observed.known["Deployment", f"{REGISTRY}-platform", "data-api"] = load
    assert site.conditions("Department", "companies-registry")["DataApiReady"][1] == reason


def test_a_store_is_ready_when_its_keeper_has_reported(site: Site) -> None:
    site.observed.known["StatefulSet", f"{REGISTRY}-platform", "store"] = Workload(1, 1, 1)
    assert site.conditions("Department", "companies-registry")["StoreReady"][1] == "StoreStarting"
    site.report(REGISTRY)
    assert site.conditions("Department", "companies-registry")["StoreReady"][1] == "StoreRunning"


def test_a_department_without_models_needs_no_model_pod(site: Site) -> None:
    site.observed.known["Deployment", f"{REGISTRY}-platform", "models"] = Workload(1, 0, 0)
    assert site.conditions("Department", "companies-registry")["ModelsReady"][0] == "True"
    site.observed.known["Deployment", f"{TAX}-platform", "models"] = Workload(1, 0, 0)
    assert site.conditions("Department", "tax-authority", TAX)["ModelsReady"][0] == "Unknown"


def test_what_stands_in_the_way_shows_in_the_department(site: Site) -> None:
    problem = Problem("Namespace", "dept-x", "NameConflict", "Namespace dept-x exists.")
    assert site.conditions("Department", "companies-registry", problems=(problem,))["Ready"][:2] == ("False", "NameConflict")


def test_endpoints_are_the_load_balancers_when_it_has_an_address(site: Site) -> None:
    key = Key(REGISTRY, "DataProduct", "companies")
    assert site.status(key)["endpoint"] == "https://data-api.dept-companies-registry-platform.svc.cluster.local/v1/companies"
    site.observed.known["Service", f"{REGISTRY}-platform", "data-api"] = ServiceAddress("10.210.0.100", NOW)
    assert site.status(key)["endpoint"] == "https://10.210.0.100/v1/companies"
