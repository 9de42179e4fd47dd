"""What a product may change while others read it, and what is made of products and agreements for the world to read."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from commonweal_api.plan import Outcome
from commonweal_api.quality import QualityCount
from commonweal_kube.queue import Key, Priority
from commonweal_operator.desired.exports import LARGEST, LEFT_OUT, bounded
from commonweal_operator.kinds import department
from support.site import REGISTRY, Site

PRODUCT, HOME = Key(REGISTRY, "DataProduct", "companies"), Key(REGISTRY, "Department", "companies-registry")
EARLIER = {"version": "1.0.0", "until": "2028-01-01T00:00:00Z"}


@pytest.fixture
def site() -> Site:
    made = Site()
    made.apply_plan()
    return made


def fields(site: Site, without: str = "", **retyped: str) -> list[dict[str, Any]]:
    """Return the product's fields without one, and with others of another type."""
    found = copy.deepcopy(site.body(PRODUCT)["spec"]["fields"])
    return [f | ({"type": retyped[f["name"]]} if f["name"] in retyped else {}) for f in found if f["name"] != without]


def planned(site: Site) -> Any:
    """Return the product as the plan holds it."""
    plan = department.store_plan(site.department())
    return next(p for p in plan.products if p.name == "companies")


def shrink(site: Site, **more: Any) -> None:
    """Take the field `sector` away, which two agreements read."""
    body = site.body(PRODUCT)["spec"]
    site.change("DataProduct", "companies", fields=fields(site, "sector"), **{"version": body["version"], **more})


def test_what_somebody_reads_is_not_taken_away(site: Site) -> None:
    before, agreements = planned(site), site.planned()[1]
    shrink(site)
    status, reason, message = site.conditions("DataProduct", "companies")["Compatible"]
    assert (status, reason) == ("False", "BreakingChange")
    for word in (
        "sector is no longer offered",
        "tax-authority/tax-registers-business",
        "tax-authority/guidance-knows-company",
        "spec.earlier",
    ):
        assert word in message
    assert "benefits" not in message
    assert planned(site) == before
    assert site.planned()[1] == agreements, "nobody is closed out by a change that is refused"


def test_a_refused_change_stays_refused_when_the_operator_starts_anew(site: Site) -> None:
    before = planned(site)
    shrink(site)
    site.apply_plan()
    anew = Site()
    anew.observed.known = dict(site.observed.known)
    shrink(anew)
    assert planned(anew) == before
    assert anew.conditions("DataProduct", "companies")["Compatible"][1] == "BreakingChange"


def test_a_plan_that_was_tampered_with_is_no_memory_and_what_is_known_counts_on(site: Site) -> None:
    before = planned(site)
    digest, text = site.observed.known["ConfigMap", f"{REGISTRY}-platform", "commonweal-store-plan"]
    for fake in ((digest, text.replace("sector", "sectors")), (digest, ""), ("", text), (digest, "{"), None):
        site.observed.known["ConfigMap", f"{REGISTRY}-platform", "commonweal-store-plan"] = fake
        shrink(site)
        assert planned(site) == before


def test_what_the_store_says_of_the_contract_in_force_goes_on_showing(site: Site) -> None:
    site.report(REGISTRY)
    shrink(site)
    found = site.conditions("DataProduct", "companies")
    assert found["Serving"][0] == "True"
    assert found["Ready"][1] == "BreakingChange"


@pytest.mark.parametrize(
    "change",
    [
        {"fields": "description"},
        {"title": "Companies, newly named"},
        {"serve": {"refreshSeconds": 60}},
    ],
    ids=str,
)
def test_what_breaks_nobody_takes_effect(site: Site, change: dict[str, Any]) -> None:
    if "fields" in change:
        change = {"fields": [f | {"description": "In other words."} for f in fields(site)]}
    site.change("DataProduct", "companies", **change)
    assert site.conditions("DataProduct", "companies")["Compatible"][1] == "Compatible"
    assert planned(site).generation == 2


def test_a_new_major_version_that_keeps_the_old_one_breaks_nobody(site: Site) -> None:
    old = site.body(PRODUCT)["spec"]
    kept = EARLIER | {"version": old["version"], "fields": old["fields"], "answers": old.get("answers", [])}
    agreements = site.planned()[1]
    shrink(site, version="2.0.0", earlier=[kept])
    assert site.conditions("DataProduct", "companies")["Compatible"][1] == "Compatible"
    assert planned(site).spec.version == "2.0.0"
    assert site.planned()[1] == agreements
    site.apply_plan()
    site.change("DataProduct", "companies", version="2.0.0", fields=fields(site, "sector"))
    assert site.conditions("DataProduct", "companies")["Compatible"][1] == "BreakingChange", "the old one may not be dropped either"
    assert len(planned(site).spec.earlier) == 1


def test_a_change_is_free_once_nobody_reads_it(site: Site) -> None:
    shrink(site)
    assert planned(site).generation == 1
    for name in ("tax-registers-business", "guidance-knows-company"):
        wishes = site.change("ConsentPolicy", name, signatures=[])
        assert wishes[HOME] == Priority.REVOCATION
        assert PRODUCT in wishes
    assert planned(site).generation == 2
    assert site.conditions("DataProduct", "companies")["Compatible"][1] == "Compatible"


@pytest.mark.parametrize(
    "closed", [{"mode": "DryRun"}, {"signatures": []}, {"validity": {"from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}]
)
def test_an_agreement_that_is_not_enforced_or_over_protects_nothing(site: Site, closed: dict[str, Any]) -> None:
    for name in ("tax-registers-business", "guidance-knows-company"):
        site.change("ConsentPolicy", name, **closed)
    shrink(site)
    assert planned(site).generation == 2


def test_another_product_of_the_same_name_owes_the_old_ones_readers_nothing(site: Site) -> None:
    site.drop(PRODUCT)
    body = site.body(PRODUCT)
    body = body | {"spec": body["spec"] | {"fields": fields(site, "sector")}}
    site.version += 1
    meta = body["metadata"] | {"uid": "u-another", "resourceVersion": str(site.version), "generation": 1}
    site.view.objects.put(body | {"metadata": meta})
    assert planned(site).uid == "u-another"


def exported(site: Site, key: Key) -> dict[str, Any]:
    (made,) = site.children(key)
    found: dict[str, Any] = orjson.loads(made.body)
    return found


def test_a_products_documents_belong_to_the_product_and_describe_what_is_in_force(site: Site) -> None:
    made = exported(site, PRODUCT)
    assert (made["kind"], made["metadata"]["name"]) == ("ConfigMap", "contract-companies")
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("DataProduct", "companies", "u-DataProduct-companies")
    assert any("sector" in text for name, text in made["data"].items() if "odcs" in name)
    shrink(site)
    assert exported(site, PRODUCT)["data"] == made["data"], "a contract that is not in force is not published"


def test_an_agreements_documents_say_whether_it_opens_anything(site: Site) -> None:
    key = Key(REGISTRY, "ConsentPolicy", "tax-registers-business")
    made = exported(site, key)
    assert made["metadata"]["name"] == "agreement-tax-registers-business"
    assert {"policy.cedar", "schema.cedarschema", "agreement.odrl.json", "register.json"} <= made["data"].keys()
    assert "permit (" in made["data"]["policy.cedar"]
    site.change("ConsentPolicy", "tax-registers-business", signatures=[])
    assert "permit (" not in exported(site, key)["data"]["policy.cedar"]
    site.drop(PRODUCT)
    assert "permit (" not in exported(site, key)["data"]["policy.cedar"]


def test_documents_are_made_once_and_looked_after_by_their_own_object(site: Site) -> None:
    for key, name in (
        (PRODUCT, "contract-companies"),
        (Key(REGISTRY, "ConsentPolicy", "tax-registers-business"), "agreement-tax-registers-business"),
    ):
        assert site.children(key)[0] is site.children(key)[0]
        assert list(site.rules.child_changed("ConfigMap", REGISTRY, name)) == [(key, Priority.DRIFT)]


def test_documents_too_large_for_a_config_map_are_named_instead() -> None:
    found = bounded({"a": "x" * (LARGEST - 10), "b": "y" * 11, "c": "z" * 10})
    assert found.keys() == {"a", "c", LEFT_OUT}
    assert "b" in found[LEFT_OUT]


def test_quality_and_freshness_show_with_their_counts(site: Site) -> None:
    found = site.conditions("DataProduct", "companies")
    assert (found["QualityPassed"][1], found["SlaMet"][1]) == ("QualityPending", "SlaPending")

    def reported(
        reason: str, *, ready: bool = True, sla: bool | None = True, message: str = "", **counts: int
    ) -> dict[str, tuple[str, str, str]]:
        outcome = Outcome(
            uid="u-DataProduct-companies",
            generation=1,
            ready=ready,
            reason=reason,
            message=message,
            quality=QualityCount(**counts),
            sla_met=sla,
            quarantined=3,
        )
        site.report(REGISTRY, companies=outcome)
        return site.conditions("DataProduct", "companies")

    found = reported("Serving", passed=1)
    assert (found["Ready"][1], site.status(PRODUCT)["quarantined"]) == ("AllReady", 3)
    found = reported("Serving", failed=1, message="named: 4 null values.", sla=False)
    assert (found["QualityPassed"][1], found["SlaMet"][1], found["Serving"][0]) == ("QualityFailed", "SlaMissed", "True")
    assert "named: 4 null values." in found["QualityPassed"][2]
    assert reported("Serving", not_run=1)["QualityPassed"][1] == "QualityNotRun"
    found = reported("QualityStopped", ready=False, failed=1, message="named: 4 null values.")
    assert (found["QualityPassed"][1], found["Serving"][:2]) == ("QualityStopped", ("False", "QualityStopped"))


def read_live() -> Site:
    """Return the example with companies that were read live from the first, without what such a product cannot have."""
    made = Site()
    body = made.body(PRODUCT)
    fields = [f for f in body["spec"]["fields"] if "from" not in f]
    spec = {k: v for k, v in body["spec"].items() if k not in {"answers", "quality", "sla"}}
    made.put(body | {"spec": spec | {"serve": {"mode": "Live"}, "fields": fields}}, 2)
    return made


def test_a_product_read_live_permits_no_linkage(site: Site) -> None:
    live = read_live()
    for where, found in ((site, ("True", "FieldsPermitted")), (live, ("False", "LinkageNotLive"))):
        where.change("ConsentPolicy", "tax-registers-business", linkage={"on": "companyName"})
        assert where.conditions("ConsentPolicy", "tax-registers-business")["FieldsPermitted"][:2] == found


def test_a_product_read_live_shows_whether_its_keys_are_shipped() -> None:
    live = read_live()
    assert "PushdownSafe" in live.conditions("DataProduct", "companies")
    unsafe = Outcome(uid="u-DataProduct-companies", generation=2, ready=False, reason="PushdownUnsafe", message="The plan filters here.")
    live.report(REGISTRY, companies=unsafe)
    found = live.conditions("DataProduct", "companies")
    assert (found["SourceReachable"][0], found["PushdownSafe"][:2], found["Serving"][0]) == ("True", ("False", "PushdownUnsafe"), "Unknown")


def test_a_volume_that_is_not_there_is_not_mounted_and_its_product_says_so(site: Site) -> None:
    site.change("DataProduct", "companies", source={"parquet": {"location": "volume://archive/companies"}})
    gathered = department.content(site.department())
    assert gathered.claims == frozenset()
    assert site.conditions("DataProduct", "companies")["SourceReachable"][:2] == ("False", "VolumeMissing")
    site.observed.known["PersistentVolumeClaim", REGISTRY, "archive"] = True
    assert department.content(site.department()).claims == {"archive"}
    assert site.conditions("DataProduct", "companies")["SourceReachable"][1] == "LoadPending"
    assert (PRODUCT, Priority.DRIFT) in list(site.rules.child_changed("PersistentVolumeClaim", REGISTRY, "archive"))


def test_a_namespace_is_ready_when_its_quota_is_counted(site: Site) -> None:
    assert site.conditions("Department", "companies-registry")["NamespaceReady"][:2] == ("Unknown", "NamespacePending")
    site.observed.known["ResourceQuota", REGISTRY, "department"] = True
    assert site.conditions("Department", "companies-registry")["NamespaceReady"][0] == "Unknown", "the platform's is not counted yet"
    site.observed.known["ResourceQuota", f"{REGISTRY}-platform", "department"] = True
    assert site.conditions("Department", "companies-registry")["NamespaceReady"][0] == "True"
