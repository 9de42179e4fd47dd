"""The documents made from products and agreements. Made again only when something in them can have changed: rendering is dear, and most passes change nothing."""

from __future__ import annotations

from typing import Any

from commonweal_api import ConsentPolicy, DataProduct
from commonweal_api.exports import agreement_files, cedar_policy, cedar_schema, product_files
from commonweal_kube.objects import Record
from commonweal_kube.queue import Key
from commonweal_operator.desired import exports
from commonweal_operator.desired.manifest import Child, Owner
from commonweal_operator.kinds.consent_policy import ConsentPolicyInput, enforceable
from commonweal_operator.kinds.contract import Contract
from commonweal_operator.kinds.data_product import DataProductInput
from commonweal_operator.kinds.reading import department_of

_OBJECT_OF = {exports.CONTRACT: "DataProduct", exports.AGREEMENT: "ConsentPolicy"}


def exported(namespace: str, name: str) -> Key | None:
    """Return the object that a ConfigMap of this name is made from, or None when it is no export."""
    return next((Key(namespace, kind, name.removeprefix(p)) for p, kind in _OBJECT_OF.items() if name.startswith(p)), None)


class Exports:
    """Makes the documents, and remembers what they were made from."""

    def __init__(self) -> None:
        self._made: dict[Key, tuple[tuple[Any, ...], Child]] = {}

    def forget(self, key: Key) -> None:
        """Forget an object that is gone."""
        self._made.pop(key, None)

    def of_product(self, inputs: DataProductInput) -> Child:
        """Return the ConfigMap with the documents of a product, as it has in force."""
        record, contract = inputs.record, inputs.contract
        sources = (record.uid, contract.plan.generation, inputs.endpoint)
        if (had := self._known(record.key, sources)) is not None:
            return had
        files = product_files(_as_in_force(contract), department_of(record.key.tenant), endpoint=inputs.endpoint)
        return self._keep(record.key, sources, exports.contract(_owner(record), files))

    def of_agreement(self, inputs: ConsentPolicyInput) -> Child:
        """Return the ConfigMap with the documents of an agreement."""
        record, contract = inputs.record, inputs.contract
        policy: ConsentPolicy = record.parsed
        provider = department_of(record.key.tenant)
        if contract is None:
            # What was said while there was a product must not stand on: it may say that something is open.
            closed = {"policy.cedar": cedar_policy(policy, provider, opens=False), "schema.cedarschema": cedar_schema()}
            return exports.agreement(_owner(record), closed)
        opens, number, names = enforceable(inputs.agreement), record.status.get("agreement"), inputs.display_names
        sources = (record.uid, record.generation, contract.record.uid, contract.plan.generation, opens, number, tuple(names.items()))
        if (had := self._known(record.key, sources)) is not None:
            return had
        files = agreement_files(policy, provider, _as_in_force(contract), number=number, opens=opens, display_names=names)
        return self._keep(record.key, sources, exports.agreement(_owner(record), files))

    def _known(self, key: Key, sources: tuple[Any, ...]) -> Child | None:
        had = self._made.get(key)
        return had[1] if had is not None and had[0] == sources else None

    def _keep(self, key: Key, sources: tuple[Any, ...], made: Child) -> Child:
        self._made[key] = (sources, made)
        return made


def _as_in_force(contract: Contract) -> DataProduct:
    product: DataProduct = contract.record.parsed
    return product.model_copy(update={"spec": contract.plan.spec})


def _owner(record: Record) -> Owner:
    return Owner(department_of(record.key.tenant), record.uid, record.key.kind, record.key.name)
