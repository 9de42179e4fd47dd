"""A Department that is deleted while others have to do with it: closed first, told, and only then let go."""

from __future__ import annotations

import asyncio
import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from commonweal_api.closings import CLOSINGS_KEY, STORE_CLOSINGS
from commonweal_api.ending import CONFIRM_UNREACHABLE, ENDING
from commonweal_api.move import SPLITTING
from commonweal_api.plan import STORE_PLAN, StorePlan, StoreReport, digest_of
from commonweal_kube.exceptions import ApiError
from commonweal_kube.queue import Key, Priority
from commonweal_operator.desired.access import OPERATOR_ACCESS
from commonweal_operator.engine.observed import Workload, plan
from commonweal_operator.kinds import department
from commonweal_operator.kinds.ending import EndingInput, waits
from support.engine import DEPARTMENT, Server, engine, observe
from support.engine import department as tax
from support.signing import keys_status
from support.site import NOW, REGISTRY, TAX, Site

NAME, CONSUMER, BENEFITS = "companies-registry", "tax-authority", "dept-benefits-department"
KEY = Key(REGISTRY, "Department", NAME)
SINCE = "2026-11-22T11:59:00Z"
STORES = (REGISTRY, TAX, BENEFITS)


@pytest.fixture
def site() -> Site:
    """The example with stores that have confirmed the plans that they have."""
    made = Site()
    for tenant in STORES:
        made.observed.known["StatefulSet", f"{tenant}-platform", "store"] = Workload(1, 1, 1)
        carry_out(made, Key(tenant, "Department", tenant.removeprefix("dept-")))
    return made


def carry_out(site: Site, key: Key, *, confirm: bool = True) -> StorePlan:
    """Let the cluster hold the plan that is wanted, and the store confirm it."""
    body = next(orjson.loads(c.body) for c in site.children(key) if c.name == STORE_PLAN)
    made = StorePlan.model_validate_json(body["data"]["plan.json"])
    site.observed.known["ConfigMap", f"{key.tenant}-platform", STORE_PLAN] = plan(body)
    if confirm:
        report = json.dumps(StoreReport(plan=digest_of(made)).wire())
        site.observed.known["ConfigMap", f"{key.tenant}-platform", "commonweal-store-report"] = report
    return made


def delete(site: Site, *, let_go: bool = False, **spec: Any) -> dict[Key, Priority]:
    body = copy.deepcopy(site.departments[NAME])
    body["metadata"] |= {"finalizers": [ENDING], "deletionTimestamp": SINCE}
    body["metadata"]["annotations"] = {CONFIRM_UNREACHABLE: NAME} if let_go else {}
    body["spec"] |= spec
    return site.put(body, generation=2, keys=keys_status(NAME))


def tell(site: Site, *names: str) -> None:
    """Write what the operator says of these departments into their statuses."""
    for name in names:
        key = Key(f"dept-{name}", "Department", name)
        site.put(site.departments[name], **{**site.status(key), "keys": keys_status(name)})


def ending(site: Site, now: datetime = NOW) -> EndingInput:
    found = site.gathered(KEY, now)
    assert isinstance(found, EndingInput)
    return found


def others(site: Site) -> list[str]:
    return [p.department for p in site.department().parties]


def test_a_department_says_beforehand_whom_its_end_concerns(site: Site) -> None:
    found = {p["department"]: p for p in site.status(KEY)["parties"]}
    assert "companies-registry/tax-registers-business" in found[CONSUMER]["agreements"]
    assert "tax-authority/next-step" in found[CONSUMER]["models"]
    assert all("ending" not in p for p in found.values())


def test_it_is_held_once_others_have_to_do_with_it_and_no_longer_when_they_have_not(site: Site) -> None:
    assert site.rules.hold(site.department()) is True
    for record in [r for r in site.view.objects if r.key.kind in ("ConsentPolicy", "ModelService")]:
        site.drop(record.key)
    assert site.rules.hold(site.department()) is None
    body = copy.deepcopy(site.departments[NAME])
    body["metadata"]["finalizers"] = [ENDING]
    site.put(body, keys=keys_status(NAME))
    assert site.rules.hold(site.department()) is False


def test_deleting_it_closes_at_once_and_wakes_every_party(site: Site) -> None:
    parties = others(site)
    asked = delete(site)
    assert asked[KEY] is Priority.REVOCATION
    assert {Key(f"dept-{name}", "Department", name) for name in parties} <= set(asked)
    made = {c.name: orjson.loads(c.body) for c in site.children(KEY)}
    assert json.loads(made[STORE_CLOSINGS]["data"][CLOSINGS_KEY])["open"] == {}
    after = StorePlan.model_validate_json(made[STORE_PLAN]["data"]["plan.json"])
    assert (after.agreements, [p.name for p in after.products]) == ([], ["companies"])


def test_it_goes_when_its_store_has_confirmed_and_every_party_was_told(site: Site) -> None:
    parties = others(site)
    delete(site)
    assert any("its own store" in text for text in waits(ending(site)))
    carry_out(site, KEY, confirm=False)
    assert any("its own store" in text for text in waits(ending(site))), "a report of the plan before says nothing"
    carry_out(site, KEY)
    assert waits(ending(site)) == [f"{name} to be told" for name in parties]
    assert site.rules.hold(ending(site)) is None
    tell(site, *parties[1:])
    assert waits(ending(site)) == [f"{parties[0]} to be told"]
    tell(site, parties[0])
    assert waits(ending(site)) == []
    assert site.rules.hold(ending(site)) is False


def test_what_it_reads_is_closed_at_the_other_store_first() -> None:
    site = Site()
    for tenant in STORES:
        site.observed.known["StatefulSet", f"{tenant}-platform", "store"] = Workload(1, 1, 1)
        carry_out(site, Key(tenant, "Department", tenant.removeprefix("dept-")))
    name, key = CONSUMER, Key(TAX, "Department", CONSUMER)
    body = copy.deepcopy(site.departments[name])
    body["metadata"] |= {"finalizers": [ENDING], "deletionTimestamp": SINCE}
    site.put(body, generation=2, keys=keys_status(name))
    found = site.gathered(key)
    assert isinstance(found, EndingInput)
    assert "companies-registry/tax-registers-business" in found.open_elsewhere
    carry_out(site, KEY)
    found = site.gathered(key)
    assert isinstance(found, EndingInput)
    assert not [text for text in found.open_elsewhere if text.startswith("companies-registry/")]


def test_a_party_that_was_told_of_an_earlier_one_of_that_name_has_not_been_told(site: Site) -> None:
    parties = others(site)
    delete(site)
    carry_out(site, KEY)
    stale = {"department": NAME, "ending": "2026-01-01T00:00:00Z"}
    for name in parties:
        site.put(site.departments[name], parties=[stale], keys=keys_status(name))
    assert waits(ending(site)) == [f"{name} to be told" for name in parties]


def test_a_department_whose_store_is_being_moved_has_both_closed(site: Site) -> None:
    site.observed.known["StatefulSet", REGISTRY, "store"] = Workload(1, 1, 1)
    delete(site)
    body = copy.deepcopy(site.departments[NAME])
    body["metadata"] |= {"finalizers": [ENDING], "deletionTimestamp": SINCE, "annotations": {SPLITTING: "m"}}
    site.put(body, generation=2, keys=keys_status(NAME))
    closings = [c for c in site.children(KEY) if c.name == STORE_CLOSINGS]
    assert {c.namespace for c in closings} == {REGISTRY, f"{REGISTRY}-platform"}
    assert all(json.loads(orjson.loads(c.body)["data"][CLOSINGS_KEY])["open"] == {} for c in closings)


def test_parties_are_told_with_the_date(site: Site) -> None:
    delete(site)
    told = site.conditions("Department", CONSUMER, TAX)["Continues"]
    assert told[:2] == ("False", "PartyEnding")
    assert "companies-registry (since 2026-11-22T11:59:00+00:00)" in told[2]
    assert site.status(Key(TAX, "Department", CONSUMER))["parties"][0]["ending"] == SINCE
    assert site.conditions("ModelService", "next-step", TAX)["DataProductsReady"][1] == "PartyEnding"
    assert site.conditions("ConsentPolicy", "tax-registers-business")["Ready"][1] == "Ending"


def test_its_own_status_says_what_is_waited_for_and_what_to_do(site: Site) -> None:
    delete(site)
    status = site.status(KEY)
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Ending")
    assert "its own store to confirm" in ready["message"]
    assert CONFIRM_UNREACHABLE in ready["message"]
    assert status["keys"] == keys_status(NAME), "what was known stays"


def test_a_store_that_never_answers_holds_it_until_somebody_lets_it_go(site: Site) -> None:
    delete(site)
    later = NOW + timedelta(days=400)
    assert site.rules.hold(ending(site, later)) is None
    site.observed.known.pop(("ConfigMap", f"{REGISTRY}-platform", "commonweal-store-report"))
    assert site.rules.hold(ending(site, later)) is None, "a report that is missing confirms nothing"
    delete(site, let_go=True)
    assert site.rules.hold(ending(site)) is False
    assert site.children(KEY), "and it is closed all the same"


def test_without_a_store_there_is_nothing_left_to_close(site: Site) -> None:
    delete(site)
    del site.observed.known["StatefulSet", f"{REGISTRY}-platform", "store"]
    assert ending(site).closed


def test_a_party_that_is_gone_or_ends_too_need_not_be_told(site: Site) -> None:
    delete(site)
    carry_out(site, KEY)
    for name in others_of(ending(site)):
        site.drop(Key(f"dept-{name}", "Department", name))
    assert waits(ending(site)) == []


def others_of(found: EndingInput) -> list[str]:
    return [p.department for p in found.department.parties]


def test_other_sites_have_the_feeds_longest_silence_to_read_the_last_events(site: Site) -> None:
    platform = site.view.platform
    site.view.platform = platform.model_copy(update={"site": "north"})
    feed = {"sites": [{"name": "north", "url": "https://n:8080"}, {"name": "south", "url": "https://s:8080"}], "maxStalenessSeconds": 120}
    delete(site, consentFeed=feed)
    last = datetime(2026, 11, 22, 12, 1, tzinfo=UTC)
    assert any("read by south until 2026-11-22T12:01:00" in text for text in waits(ending(site)))
    assert site.rules.wake_at(ending(site)) == last
    assert not any("read by" in text for text in waits(ending(site, last)))
    assert site.rules.wake_at(ending(site, last)) is None


def test_one_that_cannot_be_read_is_held_and_can_be_let_go(site: Site) -> None:
    for let_go, held in ((False, None), (True, False)):
        delete(site, let_go=let_go, contact="nowhere")
        assert site.rules.hold(site.gathered(KEY)) is held


def test_the_store_of_another_wakes_it_with_its_report_and_a_party_with_its_status(site: Site) -> None:
    delete(site)
    assert (KEY, Priority.DRIFT) in list(site.rules.child_changed("ConfigMap", f"{TAX}-platform", "commonweal-store-report"))
    status = site.status(Key(TAX, "Department", CONSUMER))
    assert KEY in site.put(site.departments[CONSUMER], **{**status, "keys": keys_status(CONSUMER)})


def test_a_plan_with_agreements_is_what_is_open_before(site: Site) -> None:
    assert department.store_plan(site.department()).agreements
    assert not site.view.store_closed(REGISTRY)


class Passes:
    """The API server's side of passes over one Department that has a feed to another site: every call, in its order."""

    def __init__(self, **meta: Any) -> None:
        self.server = Server(lambda version, body: self.body(version) | {"status": body.get("status", {})})
        self.engine, self._meta = engine(self.server), meta
        self.engine.rules.view.platform = self.engine.rules.view.platform.model_copy(update={"site": "north"})  # type: ignore[attr-defined]
        self.sent: list[tuple[str, str, Any]] = []
        apply, call = self.server.apply, self.server.call

        async def recorded_apply(path: str, body: bytes) -> dict[str, Any]:
            self.sent.append(("APPLY", path, orjson.loads(body)))
            return await apply(path, body)

        async def recorded_call(method: str, path: str, body: bytes | None = None, **more: Any) -> dict[str, Any]:
            self.sent.append((method, path.partition("?")[0], orjson.loads(body or b"{}")))
            return self.body(7) if method == "GET" else await call(method, path, body, **more)

        self.server.apply, self.server.call = recorded_apply, recorded_call  # type: ignore[method-assign]
        observe(self.engine, "ADDED", self.body(1))

    def body(self, version: int) -> dict[str, Any]:
        feed = {"sites": [{"name": "north", "url": "https://n:8080"}, {"name": "south", "url": "https://s:8080"}]}
        made = tax(version, consentFeed=feed)
        made["metadata"] |= self._meta
        return made

    def run(self) -> list[tuple[str, str, Any]]:
        asyncio.run(self.engine.reconcile(DEPARTMENT, Priority.SPEC))
        return self.sent


OBJECT = "/apis/commonweal.dev/v1alpha1/departments/tax"


def test_the_finalizer_is_all_that_is_applied_of_a_department() -> None:
    found = [body for method, path, body in Passes().run() if (method, path) == ("APPLY", OBJECT)]
    assert [body["metadata"]["finalizers"] for body in found] == [[ENDING]]
    assert set(found[0]) == {"apiVersion", "kind", "metadata"}
    assert found[0]["metadata"]["uid"] == "u-tax"


def test_one_that_is_let_go_is_closed_and_reported_before_its_finalizer_comes_off_and_others_stay() -> None:
    meta = {"deletionTimestamp": SINCE, "finalizers": ["example.org/other", ENDING], "annotations": {CONFIRM_UNREACHABLE: "tax"}}
    sent = Passes(**meta).run()
    order = [path.rpartition("/")[2] for method, path, _ in sent if method != "GET"]
    assert order[:2] == [OPERATOR_ACCESS, STORE_CLOSINGS], "nothing is closed without the right to write"
    assert order[-2:] == ["status", "tax"]
    assert sent[-1][2] == {"metadata": {"uid": "u-tax", "resourceVersion": "7", "finalizers": ["example.org/other"]}}


def test_one_that_waits_keeps_its_finalizer_and_says_why() -> None:
    sent = Passes(deletionTimestamp="2026-11-21T23:59:00Z", finalizers=[ENDING]).run()
    assert sent[-1][:2] == ("PATCH", f"{OBJECT}/status")
    assert any("consent events to be read by south" in c["message"] for c in sent[-1][2]["status"]["conditions"])


def test_one_that_is_let_go_goes_although_its_namespace_refuses_every_write() -> None:
    meta = {"deletionTimestamp": SINCE, "finalizers": [ENDING], "annotations": {CONFIRM_UNREACHABLE: "tax"}}
    passes = Passes(**meta)

    async def refuse(path: str, body: bytes) -> dict[str, Any]:
        raise ApiError(500, {"message": f"{path} {len(body)}"})

    passes.server.apply = refuse  # type: ignore[method-assign]
    with pytest.raises(ApiError):
        passes.run()
    assert passes.sent[-1][2]["metadata"]["finalizers"] == []
