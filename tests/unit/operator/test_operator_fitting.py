"""Plans that would not fit: attack f, an oversized plan that keeps revoked agreements open, and attack e, products so large that the operator stands still."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import orjson
import pytest

from commonweal_api.closings import CLOSINGS_KEY, STORE_CLOSINGS, understood
from commonweal_api.plan import MODEL_PLAN, PLAN_KEY, STORE_PLAN, AgreementPlan, ModelPlan, ModelRecord, ProductPlan, StorePlan
from commonweal_api.sizes import MOST_BYTES
from commonweal_kube.queue import Key, Priority
from commonweal_operator.desired.manifest import Stage
from commonweal_operator.kinds.department import store_plan
from commonweal_operator.kinds.fitting import PLAN_BYTES, fitted_models, fitted_store
from support.engine import Server, engine, observe
from support.engine import department as tax
from support.products import largest_product
from support.site import REGISTRY, TAX, Site, documents
from support.waiting import HANG

CONFIG_MAP_BYTES = 1_048_576
PROVIDER = Key(REGISTRY, "Department", "companies-registry")
READ = "tax-registers-business"


@pytest.fixture
def site() -> Site:
    return Site()


def overfill(site: Site, tenant: str = REGISTRY) -> None:
    """Add a hundred products of the largest size that a product may have."""
    for n in range(100):
        body = largest_product(name=f"large-{n:02}")
        body["metadata"]["namespace"] = tenant
        site.put(body)


def texts(site: Site, key: Key = PROVIDER) -> dict[str, str]:
    return {
        c.name: orjson.loads(c.body)["data"][CLOSINGS_KEY if c.name == STORE_CLOSINGS else PLAN_KEY]
        for c in site.children(key)
        if c.name in (STORE_CLOSINGS, STORE_PLAN, MODEL_PLAN)
    }


def opened(site: Site) -> set[str]:
    return set(understood(texts(site)[STORE_CLOSINGS]).open)


def uid(name: str) -> str:
    return f"u-ConsentPolicy-{name}"


def test_f_a_plan_over_a_mebibyte_takes_nothing_from_a_revocation(site: Site) -> None:
    overfill(site)
    whole = store_plan(site.department())
    assert len(orjson.dumps(whole.wire())) > 5 * CONFIG_MAP_BYTES
    assert uid(READ) in opened(site)
    asked = site.change("ConsentPolicy", READ, signatures=[])
    assert asked[PROVIDER] is Priority.REVOCATION
    assert uid(READ) not in opened(site)
    made = texts(site)
    assert READ not in {a.name for a in StorePlan.model_validate_json(made[STORE_PLAN]).agreements}
    for text in made.values():
        assert len(text.encode()) <= PLAN_BYTES < CONFIG_MAP_BYTES


def test_what_is_agreed_stays_and_what_nobody_reads_goes(site: Site) -> None:
    before = StorePlan.model_validate_json(texts(site)[STORE_PLAN])
    overfill(site)
    after = StorePlan.model_validate_json(texts(site)[STORE_PLAN])
    assert after.agreements == before.agreements
    read = {a.spec.product.name for a in before.agreements}
    assert read <= {p.name for p in after.products}
    assert any(p.name.startswith("large-") for p in after.products), "as many as fit"


def test_the_department_says_what_was_left_out_and_what_to_do(site: Site) -> None:
    assert site.conditions("Department", "companies-registry")["PlanComplete"][:2] == ("True", "PlanComplete")
    overfill(site)
    status, reason, message = site.conditions("Department", "companies-registry")["PlanComplete"]
    assert (status, reason) == ("False", "PlanTooLarge")
    assert "DataProduct large-00" in message
    assert " more." in message
    assert "Shorten texts" in message
    assert len(message) < 1024
    assert site.conditions("Department", "tax-authority", TAX)["PlanComplete"][0] == "True"


def entries(site: Site) -> tuple[ProductPlan, AgreementPlan]:
    plan = store_plan(site.department())
    agreement = next(a for a in plan.agreements if a.name == READ)
    return next(p for p in plan.products if p.name == agreement.spec.product.name), agreement


def test_the_order_is_dry_runs_then_what_nobody_reads_then_the_largest(site: Site) -> None:
    product, agreement = entries(site)

    def of(name: str, *, fields: int = 1) -> ProductPlan:
        spec = product.spec.model_copy(update={"fields": product.spec.fields * fields})
        return product.model_copy(update={"name": name, "uid": name, "spec": spec})

    def about(name: str, *, dry_run: bool = False) -> AgreementPlan:
        spec = agreement.spec.model_copy(update={"product": agreement.spec.product.model_copy(update={"name": name})})
        return agreement.model_copy(
            update={"name": f"on-{name}{'-dry' * dry_run}", "uid": f"{name}{dry_run}", "spec": spec, "dry_run": dry_run}
        )

    plan = StorePlan(
        department="d",
        display_name="D",
        contact="mailto:a@b.example",
        products=[of("read"), of("read-large", fields=3), of("unread"), of("unread-large", fields=3)],
        agreements=[about("read"), about("read-large"), about("read", dry_run=True)],
    )
    gone: list[str] = []
    while (size := len(orjson.dumps(plan.wire()))) and (plan.products or plan.agreements):
        fitted = fitted_store(plan, size - 1)
        gone.append(" + ".join(fitted.left_out))
        assert len(orjson.dumps(fitted.plan.wire())) < size
        plan = fitted.plan
    assert gone == [
        "ConsentPolicy on-read-dry",
        "DataProduct unread-large",
        "DataProduct unread",
        "ConsentPolicy on-read-large + DataProduct read-large",
        "ConsentPolicy on-read + DataProduct read",
    ]


def test_the_public_register_of_models_goes_before_anything_that_is_served(site: Site) -> None:
    plan = StorePlan(department="tax-authority", display_name="Tax Authority", contact="mailto:a@tax.example")
    record = ModelRecord(name="m", title="M", purpose="tax-authority/guide", reads=["a/b/c"] * 50, callers=[], shape="Shared", floor=0.1)
    full = plan.model_copy(update={"models": [record] * 100})
    assert fitted_store(full).plan == full
    fitted = fitted_store(full, most=5_000)
    assert (fitted.plan, fitted.left_out) == (plan, ("public register of models",))


def test_models_that_do_not_fit_are_left_out_instead_of_keeping_an_old_plan_in_force(site: Site) -> None:
    made = ModelPlan.model_validate_json(texts(site, Key(TAX, "Department", "tax-authority"))[MODEL_PLAN])
    many = made.model_copy(update={"models": [made.models[0].model_copy(update={"uid": str(n), "name": f"m{n}"}) for n in range(9)]})
    size = len(orjson.dumps(many.wire()))
    fitted = fitted_models(many, size - 1)
    assert len(fitted.plan.models) == 8
    assert len(fitted.left_out) == 1
    assert fitted_models(many, size + 2) == (many, ())


def test_the_list_is_applied_before_the_plans(site: Site) -> None:
    stages = {c.name: c.stage for c in site.children(PROVIDER)}
    assert Stage.NAMESPACE < stages[STORE_CLOSINGS] < min(stages[STORE_PLAN], stages[MODEL_PLAN])


def test_e_a_departments_hundred_largest_products_delay_no_other_departments_revocation() -> None:
    """The engine's own workers; the other department's change comes when the first of the hundred has been dealt with."""
    server = Server(lambda version, body: tax(version) | {"status": body["status"]})
    e = engine(server)
    other = copy.deepcopy(documents("10-departments")[0])
    other["metadata"] |= {"uid": "u-other", "resourceVersion": "1", "generation": 1}
    left: list[int] = []

    async def scenario() -> None:
        wrote = asyncio.Event()
        closed = asyncio.Event()
        apply = server.apply

        async def watched(path: str, body: bytes) -> dict[str, Any]:
            wrote.set()
            if path.endswith(f"/dept-{other['metadata']['name']}-platform/configmaps/{STORE_CLOSINGS}"):
                left.append(len(e.queue))
                closed.set()
            await asyncio.sleep(0)
            return await apply(path, body)

        server.apply = watched  # type: ignore[method-assign]
        observe(e, "ADDED", tax(1))
        for n in range(100):
            body = largest_product(name=f"large-{n:02}")
            body["metadata"] |= {"uid": f"u{n}", "resourceVersion": str(n + 2), "generation": 1}
            observe(e, "ADDED", body)
        tasks = [asyncio.create_task(e._work(worst)) for worst in [Priority.RESYNC] * e.workers + [Priority.REVOCATION] * e.reserved]
        async with asyncio.timeout(HANG):
            await wrote.wait()
            observe(e, "ADDED", other)
            await closed.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scenario())
    assert left[0] > 50, "most of the large department's products still wait"
    assert MOST_BYTES * 100 > 5 * CONFIG_MAP_BYTES
