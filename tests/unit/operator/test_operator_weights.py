"""What a tenant hangs on an object is not kept: 10,000 labels on each of a hundred products are more than the memory of the operator, which is everybody's."""

from __future__ import annotations

from typing import Any

from commonweal_kube.client import FIELD_MANAGER
from commonweal_operator.engine.children import ChildCache
from commonweal_operator.engine.watched import LIST_WATCHES
from commonweal_operator.kinds.reading import read
from support.engine import TENANT, Server, product

FAT = {f"label-{n}": "x" for n in range(1000)}
OWNED = [{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:metadata": {"f:labels": {f"f:{name}": {} for name in FAT}}}}]


def _heavy(body: dict[str, Any]) -> dict[str, Any]:
    """Return the object with all that its metadata can carry, by a manager that calls itself as the operator does."""
    return body | {"metadata": body["metadata"] | {"labels": FAT, "annotations": FAT, "managedFields": OWNED}}


def test_of_a_product_nothing_is_kept_but_what_is_read() -> None:
    record = read(_heavy(product(5)), None)
    assert record.invalid == ""
    assert (record.parsed.metadata.labels, record.parsed.metadata.annotations) == ({}, {})


def test_of_a_tenants_volume_claim_nothing_is_kept_but_that_it_is_there() -> None:
    """It comes under our watch by a label that tenants may set."""
    cache = ChildCache(Server(), lambda *_: None)  # type: ignore[arg-type]
    watch = next(w for w in LIST_WATCHES if w.kind == "PersistentVolumeClaim")
    claim = {"metadata": {"namespace": TENANT, "name": "mine", "uid": "c", "resourceVersion": "5"}}
    cache.observe(watch, "LISTED", _heavy(claim))
    known = cache.get("PersistentVolumeClaim", TENANT, "mine")
    assert known is not None
    assert (known.claims, known.observed) == (None, True)
