"""From the live view to the one frozen value that a pass decides from.

Each agreement and contract is examined once per pass, whoever asks for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from commonweal_api import namespace_of
from commonweal_api.jwk import Jwk
from commonweal_api.reasons import Reason
from commonweal_kube.objects import Record
from commonweal_kube.queue import Key
from commonweal_operator.desired.quota import NAME as QUOTA
from commonweal_operator.desired.sources import claim_of
from commonweal_operator.kinds.certificates import SERVICES, Exposed
from commonweal_operator.kinds.consent_policy import Agreement, ConsentPolicyInput
from commonweal_operator.kinds.contract import Contract, Reader, contract_in_force, replaced
from commonweal_operator.kinds.data_product import DataProductInput
from commonweal_operator.kinds.department import DepartmentInput, Running
from commonweal_operator.kinds.ending import EndingInput
from commonweal_operator.kinds.model_service import ModelServiceInput, Need, NeededProduct, needs
from commonweal_operator.kinds.parties import parties, told
from commonweal_operator.kinds.reading import department_of
from commonweal_operator.kinds.signatures import examined, key_for, parties_of, revoked
from commonweal_operator.kinds.terms import Parties, Terms, consumer_known, terms_for, terms_without_product
from commonweal_operator.kinds.view import ClusterView


@dataclass(frozen=True, slots=True)
class ClosedInput:
    """An object with which nothing is done, and why."""

    record: Record
    reason: Reason
    detail: str


Input = DepartmentInput | EndingInput | DataProductInput | ConsentPolicyInput | ModelServiceInput | ClosedInput


def gather(key: Key, view: ClusterView, now: datetime) -> Input | None:
    """Return all that bears on an object, or None when it is not there or is going away; a Department that goes away is seen to until it is gone."""
    record = view.objects.get(key)
    if record is None or (record.deleting and not record.held):
        return None
    if record.parsed is None:
        return ClosedInput(record, Reason.INVALID_SPEC, record.invalid)
    if key.kind != "Department" and view.department_of(key) is None:
        ending = view.ending().get(department_of(key.tenant))
        detail = f"metadata.namespace: {key.tenant}" + (f", since {ending.isoformat()}." if ending else ".")
        return ClosedInput(record, Reason.ENDING if ending else Reason.DEPARTMENT_NOT_READY, detail)
    found = _Gathering(view, now)
    if key.kind == "Department":
        return found.department(record) if record.ending is None else found.ending(record, record.ending)
    if key.kind == "DataProduct":
        return found.data_product(record)
    return found.consent_policy(record) if key.kind == "ConsentPolicy" else found.model_service(record)


class _Gathering:
    """What one pass has read and examined so far."""

    def __init__(self, view: ClusterView, now: datetime) -> None:
        self._view, self._now = view, now
        self._by_product: dict[str, dict[str, list[Record]]] = {}
        self._parties: dict[Key, Parties] = {}
        self._contracts: dict[Key, Contract] = {}
        self._examined: dict[Key, Agreement] = {}

    def department(self, record: Record) -> DepartmentInput:
        view, tenant = self._view, record.key.tenant
        contracts = tuple(self._contract(p) for p in view.usable("DataProduct", tenant))
        consumed, models = view.agreements_for(record.key.name), view.usable("ModelService", tenant)
        calling, own = view.models_called_by(record.key.name), view.usable("ConsentPolicy", tenant)
        named = {department_of(r.key.tenant) for r in (*consumed, *calling)} | {c.department for m in models for c in m.parsed.spec.callers}
        return DepartmentInput(
            now=self._now,
            site=view.platform.site,
            mail=bool(view.platform.smtp and view.platform.smtp_from),
            record=record,
            signing=view.signing_key(record),
            contracts=contracts,
            agreements=self._agreements(own),
            consumed=self._agreements(consumed),
            models=tuple(models),
            needed={m.key: self._needed(m) for m in models},
            calling=tuple(calling),
            departments=frozenset(name for name in named if view.department(name) is not None),
            claims=self._claims(tenant, contracts),
            report=view.store_report(tenant),
            running=self._running(tenant),
            old_store=view.old_store(tenant),
            unsplit=view.unsplit(tenant),
            data_api_url=view.base_url("data-api", tenant),
            models_url=view.base_url("models", tenant),
            exposed=tuple(Exposed(service, view.service_address(service, tenant)) for service in SERVICES),
            revoked=self._revoked(own, tenant),
            parties=parties(record.key.name, (*own, *consumed, *models, *calling, *view.models_reading(record.key.name)), view.ending()),
            display_names=self._display_names(r.parsed.spec.consumer.department for r in own),
            welsh_names=self._welsh_names(r.parsed.spec.consumer.department for r in own),
        )

    def ending(self, record: Record, since: datetime) -> EndingInput:
        view, name = self._view, record.key.name
        department = self.department(record)
        read = ((a.record.key, a.record.uid) for a in department.consumed)
        others = ((p.department, view.department(p.department)) for p in department.parties)
        return EndingInput(
            department=replace(department, signing=department.signing or key_for("Agreement", record.status), agreements=(), models=()),
            since=since,
            closed=view.store_closed(record.key.tenant),
            open_elsewhere=tuple(f"{department_of(k.tenant)}/{k.name}" for k, uid in read if not view.store_closed(k.tenant, uid)),
            untold=tuple(other for other, party in others if party is not None and not told(party, name, since)),
        )

    def data_product(self, record: Record) -> DataProductInput:
        view, tenant = self._view, record.key.tenant
        contract, report = self._contract(record), view.store_report(tenant)
        return DataProductInput(
            now=self._now,
            contract=contract,
            agreements=tuple(self._about(tenant, record.key.name)),
            outcome=report.products.get(record.key.name) if report is not None else None,
            claims=self._claims(tenant, [contract]),
            data_api=view.base_url("data-api", tenant),
        )

    def consent_policy(self, record: Record) -> ConsentPolicyInput:
        view, tenant = self._view, record.key.tenant
        product, report = self._product_of(record), view.store_report(tenant)
        return ConsentPolicyInput(
            now=self._now,
            agreement=self._agreement(record),
            contract=self._contract(product) if product is not None and _usable(product) else None,
            outcome=report.agreements.get(record.key.name) if report is not None else None,
            data_api=view.base_url("data-api", tenant),
            display_names=self._display_names(parties_of(record)),
        )

    def model_service(self, record: Record) -> ModelServiceInput:
        report = self._view.model_report(record.key.tenant)
        return ModelServiceInput(
            now=self._now,
            record=record,
            needed=self._needed(record),
            outcome=report.models.get(record.key.name) if report is not None else None,
            models=self._view.base_url("models", record.key.tenant),
        )

    def _display_names(self, departments: Iterable[str]) -> dict[str, str]:
        """Return what those departments that are on this site call themselves."""
        found = ((name, self._view.department(name)) for name in departments)
        return {name: party.parsed.spec.display_name for name, party in found if party is not None}

    def _welsh_names(self, departments: Iterable[str]) -> dict[str, str]:
        """Return the same in Welsh, of those that say it."""
        found = ((name, self._view.department(name)) for name in departments)
        return {name: cy.display_name for name, party in found if party is not None and (cy := party.parsed.spec.cy) is not None}

    def _needed(self, model: Record) -> tuple[NeededProduct, ...]:
        consumers = {department_of(model.key.tenant)} | {c.department for c in model.parsed.spec.callers}
        return tuple(self._needed_product(need, consumers) for need in needs(model.parsed))

    def _needed_product(self, need: Need, consumers: Collection[str]) -> NeededProduct:
        view, tenant = self._view, namespace_of(need.department)
        product = view.product(tenant, need.product)
        there = product is not None and not product.deleting and view.department(need.department) is not None
        candidates = (p for p in self._about(tenant, need.product) if p.parsed.spec.consumer.department in consumers)
        return NeededProduct(need, product if there else None, self._agreements(candidates), view.ending().get(need.department))

    def _agreements(self, policies: Iterable[Record]) -> tuple[Agreement, ...]:
        return tuple(self._agreement(policy) for policy in policies)

    def _agreement(self, policy: Record) -> Agreement:
        found = self._examined.get(policy.key)
        if found is None:
            found = self._examined[policy.key] = Agreement(policy, self._terms(policy))
        return found

    def _terms(self, policy: Record) -> Terms:
        spec, parties, product = policy.parsed.spec, self._parties_of(policy), self._product_of(policy)
        if product is None or not _usable(product):
            return terms_without_product(spec, parties, product)
        return terms_for(spec, parties, self._contract(product).plan.spec, self._now)

    def _parties_of(self, policy: Record) -> Parties:
        found = self._parties.get(policy.key)
        if found is None:
            spec, examine = policy.parsed.spec, partial(examined, policy, self._keys_of(policy), self._view.hash_of)
            consumer, ending = spec.consumer.department, self._view.ending()
            known = consumer_known(spec, exists=self._view.department(consumer) is not None, ending=ending.get(consumer))
            found = self._parties[policy.key] = Parties(known, examine)
        return found

    def _keys_of(self, policy: Record) -> dict[str, Jwk]:
        return {name: key for name in parties_of(policy) if (key := self._view.agreement_key(name)) is not None}

    def _revoked(self, policies: Iterable[Record], tenant: str) -> tuple[str, ...]:
        """Return what stands revoked, and what the store has been told and not yet said that it knows: whoever takes it out meanwhile is too late."""
        found = {nonce for p in policies if p.parsed.spec.revocations for nonce in revoked(p, self._keys_of(p))}
        return tuple(sorted(found | self._view.unconfirmed_revocations(tenant)))

    def _contract(self, product: Record) -> Contract:
        found = self._contracts.get(product.key)
        if found is None:
            last = replaced(product, self._view.last_plan(product.key.tenant).get(product.key.name))
            readers = (
                (Reader(p, self._parties_of(p)) for p in self._about(product.key.tenant, product.key.name)) if last is not None else ()
            )
            found = self._contracts[product.key] = contract_in_force(product, last, readers, self._now)
        return found

    def _about(self, tenant: str, product: str) -> Iterable[Record]:
        """Return the agreements about a product of a department, by name."""
        if tenant not in self._by_product:
            found = self._by_product[tenant] = defaultdict(list)
            for policy in self._view.usable("ConsentPolicy", tenant):
                found[policy.parsed.spec.product.name].append(policy)
        return self._by_product[tenant].get(product, ())

    def _product_of(self, policy: Record) -> Record | None:
        return self._view.product(policy.key.tenant, policy.parsed.spec.product.name)

    def _claims(self, tenant: str, contracts: Iterable[Contract]) -> frozenset[str]:
        return self._view.claims(tenant, {claim for c in contracts if (claim := claim_of(c.plan.spec.source)) is not None})

    def _running(self, tenant: str) -> Running:
        observed, home = self._view.observed, self._view.home(tenant)
        return Running(
            quota_counted=all(observed("ResourceQuota", space, QUOTA) for space in (tenant, home)),
            store=observed("StatefulSet", home, "store"),
            data_api=observed("Deployment", home, "data-api"),
            models=observed("Deployment", home, "models"),
        )


def _usable(product: Record) -> bool:
    return product.parsed is not None and not product.deleting
