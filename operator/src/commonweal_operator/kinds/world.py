"""Everything the decisions may look at, with the questions they ask of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from commonweal_api import ConsentPolicy, ModelService, namespace_of
from commonweal_api.plan import MODEL_REPORT, STORE_REPORT, ModelReport, StoreReport
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.pods import cluster_host
from commonweal_operator.engine.objects import Change, Objects, Record
from commonweal_operator.engine.queue import Key
from commonweal_operator.kinds.reading import department_of

R = TypeVar("R", bound=BaseModel)


class Facts(Protocol):
    """What is read of the children."""

    def facts(self, kind: str, namespace: str, name: str) -> Any:
        """Return what was read of a child's status or data, or None."""


class Nothing:
    """Facts of a world without children."""

    def facts(self, kind: str, namespace: str, name: str) -> Any:  # noqa: ARG002
        """Return None."""
        return


class World:
    """The caches, and indexes over them for questions that cross namespaces."""

    def __init__(self, objects: Objects, platform: PlatformConfig) -> None:
        self.objects, self.platform = objects, platform
        self.facts: Facts = Nothing()
        self._by_consumer: dict[str, set[Key]] = defaultdict(set)
        self._by_provider: dict[str, set[Key]] = defaultdict(set)
        self._by_caller: dict[str, set[Key]] = defaultdict(set)
        self._reports: dict[tuple[str, str], tuple[str, Any]] = {}

    def look_at(self, facts: Facts) -> None:
        """Read the state of children from there; before that nothing is known of any."""
        self.facts = facts

    def take(self, change: Change) -> None:
        """Bring the indexes up to date; to be called for each change before anything is asked."""
        for record, put in ((change.old, False), (change.new, True)):
            for index, department in self._entries(record):
                (index[department].add if put else index[department].discard)(change.key)

    def department(self, name: str) -> Record | None:
        """Return the department if it exists, parses and is not going away."""
        record = self.objects.get(Key(namespace_of(name), "Department", name))
        return record if record is not None and record.parsed is not None and not record.deleting else None

    def department_of(self, key: Key) -> Record | None:
        """Return the department in whose namespace an object lies."""
        return self.department(department_of(key.tenant))

    def usable(self, kind: str, tenant: str) -> list[Record]:
        """Return a tenant's objects of one kind that parse and are not going away, by name."""
        return [r for r in self.objects.of(kind, tenant) if r.parsed is not None and not r.deleting]

    def product(self, tenant: str, name: str) -> Record | None:
        """Return a product, whether it parses or not, or None."""
        return self.objects.get(Key(tenant, "DataProduct", name))

    def agreements_for(self, consumer: str) -> list[Record]:
        """Return the agreements, wherever they are, that name this department as consumer."""
        return self._records(self._by_consumer.get(consumer, ()))

    def models_reading(self, provider: str) -> list[Record]:
        """Return the models that read this department's products."""
        return self._records(self._by_provider.get(provider, ()))

    def models_called_by(self, caller: str) -> list[Record]:
        """Return the models that name this department among their callers."""
        return self._records(self._by_caller.get(caller, ()))

    def store_report(self, tenant: str) -> StoreReport | None:
        """Return what the keeper last reported, or None."""
        return self._report(tenant, STORE_REPORT, StoreReport)

    def model_report(self, tenant: str) -> ModelReport | None:
        """Return what the model runtime last reported, or None."""
        return self._report(tenant, MODEL_REPORT, ModelReport)

    def base_url(self, service: str, tenant: str) -> str:
        """Return where a department's HTTP service is reached: the load balancer when it has an address, else inside the cluster."""
        address = self.facts.facts("Service", tenant, service)
        return f"http://{address}" if address else f"http://{cluster_host(service, department_of(tenant))}"

    def _records(self, keys: Iterable[Key]) -> list[Record]:
        found = (self.objects.get(key) for key in sorted(keys))
        return [r for r in found if r is not None and r.parsed is not None and not r.deleting]

    def _entries(self, record: Record | None) -> list[tuple[dict[str, set[Key]], str]]:
        if record is None:
            return []
        if isinstance(record.parsed, ConsentPolicy):
            return [(self._by_consumer, record.parsed.spec.consumer.department)]
        if isinstance(record.parsed, ModelService):
            spec = record.parsed.spec
            return [(self._by_provider, f.department) for f in spec.features] + [(self._by_caller, c.department) for c in spec.callers]
        return []

    def _report(self, tenant: str, name: str, model: type[R]) -> R | None:
        text = self.facts.facts("ConfigMap", tenant, name)
        if not text:
            return None
        had = self._reports.get((tenant, name))
        if had is None or had[0] != text:
            had = self._reports[tenant, name] = (text, _parsed(text, model))
        return had[1] if isinstance(had[1], model) else None


def _parsed(text: str, model: type[R]) -> R | None:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        return None  # a report that cannot be read is as good as none: everything stays pending
