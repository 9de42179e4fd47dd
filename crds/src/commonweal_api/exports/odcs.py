"""Open Data Contract Standard 3.1: the contract of one version of a product, as catalogues and checkers read it.

Where the records come from is the department's own business: neither source, columns nor expressions are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commonweal_api.compatibility import Item, items
from commonweal_api.data_product import DataProduct, DataProductSpec, major_of
from commonweal_api.exports.names import Versioned, contract_id
from commonweal_api.offer import FieldType
from commonweal_api.quality import Metric, OnFail, QualityCheck

LOGICAL_TYPE = {
    FieldType.STRING: "string",
    FieldType.INTEGER: "integer",
    FieldType.NUMBER: "number",
    FieldType.BOOLEAN: "boolean",
    FieldType.DATE: "date",
    FieldType.TIMESTAMP: "timestamp",
}
METRIC = {
    Metric.ROW_COUNT: ("rowCount", "completeness"),
    Metric.NULL_VALUES: ("nullValues", "completeness"),
    Metric.DUPLICATE_VALUES: ("duplicateValues", "uniqueness"),
    Metric.INVALID_VALUES: ("invalidValues", "conformity"),
}


def odcs_contract(product: DataProduct, department: str, offer: Versioned, *, endpoint: str = "") -> dict[str, Any]:
    """Return the contract of one version: the product's own spec, or one of its earlier versions, which have neither checks nor an sla."""
    spec, name = product.spec, product.metadata.name
    current = isinstance(offer, DataProductSpec)
    contract: dict[str, Any] = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": contract_id(department, name, offer.version),
        "name": spec.title,
        "version": offer.version,
        "status": "active" if current else "deprecated",
        "tenant": department,
        "domain": str(spec.data_class),
        "dataProduct": name,
        "description": _description(spec),
    }
    if endpoint:
        contract["servers"] = [
            {"server": "data-api", "type": "api", "location": endpoint if current else f"{endpoint}@{major_of(offer.version)}"}
        ]
    contract["schema"] = [_schema(name, offer)]
    if current and spec.sla is not None:
        contract["slaProperties"] = [{"property": "freshness", "value": spec.sla.freshness_seconds, "unit": "s"}]
    if not current:
        contract["slaProperties"] = [{"property": "endOfSupport", "value": offer.wire()["until"]}]
    if spec.owner is not None:
        contract["team"] = {
            "name": department,
            "members": [{"username": spec.owner.steward.removeprefix("mailto:"), "role": "data steward"}],
        }
        contract["support"] = [
            {"channel": "steward", "url": spec.owner.steward, "scope": "interactive"},
            {"channel": "complaints", "url": spec.owner.complaints, "scope": "issues"},
        ]
    contract["customProperties"] = [
        {"property": "auditDurability", "value": spec.serve.audit_durability},
        {"property": "erasure", "value": spec.rights.erasure},
        {"property": "recordsPerSubject", "value": spec.subject.records},
    ]
    return contract


def _description(spec: DataProductSpec) -> dict[str, str]:
    use = "Read under an agreement only; every use is shown to the person."
    return ({"purpose": spec.description} if spec.description else {}) | {"usage": use}


def _schema(name: str, offer: Versioned) -> dict[str, Any]:
    checks = offer.quality if isinstance(offer, DataProductSpec) else []
    schema: dict[str, Any] = {
        "name": name,
        "logicalType": "object",
        "properties": [_property(field, item, [q for q in checks if q.field == field]) for field, item in items(offer).items()],
    }
    whole = [_check(q) for q in checks if q.field is None]
    return schema | ({"quality": whole} if whole else {})


def _property(name: str, item: Item, checks: Iterable[QualityCheck]) -> dict[str, Any]:
    custom = [{"property": "kind", "value": item.kind}] + [{"property": "semantic", "value": item.semantic}] * (item.semantic is not None)
    quality = [_check(q) for q in checks]
    return {
        "name": name,
        "logicalType": LOGICAL_TYPE[item.type],
        "required": item.required,
        "classification": str(item.classification),
        **({"description": item.description} if item.description else {}),
        **({"quality": quality} if quality else {}),
        "customProperties": custom,
    }


def _check(check: QualityCheck) -> dict[str, Any]:
    """Return one check. Of severity error are those alone that stop serving: nobody can rely on the others."""
    metric, dimension = METRIC[check.metric]
    valid = {"arguments": {"validValues": list(check.valid_values)}} if check.valid_values is not None else {}
    return {
        "name": check.name,
        "type": "library",
        "metric": metric,
        "dimension": dimension,
        "severity": "error" if check.on_fail == OnFail.STOP_SERVING else "warning",
        "unit": "rows",
        **valid,
        **_threshold(check),
    }


def _threshold(check: QualityCheck) -> dict[str, Any]:
    """Return the bounds as the one comparison that the standard allows."""
    low, high = check.at_least, check.at_most
    if low is not None and high is not None:
        return {"mustBe": low} if low == high else {"mustBeBetween": [low, high]}
    return {"mustBeGreaterOrEqualTo": low} if low is not None else {"mustBeLessOrEqualTo": high}
