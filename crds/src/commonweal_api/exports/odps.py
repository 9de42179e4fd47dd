"""Open Data Product Standard 1.0 (Bitol): one output port for each version of the contract that is served."""

from __future__ import annotations

from typing import Any

from commonweal_api.data_product import DataProduct
from commonweal_api.exports.names import contract_id, product_id, versions_of


def odps_product(product: DataProduct, department: str) -> dict[str, Any]:
    """Return the product."""
    spec, name = product.spec, product.metadata.name
    document: dict[str, Any] = {
        "apiVersion": "v1.0.0",
        "kind": "DataProduct",
        "id": product_id(department, name),
        "name": spec.title,
        "version": spec.version,
        "status": "active",
        "domain": str(spec.data_class),
        "tenant": department,
        "outputPorts": [
            {"name": name, "type": "rest", "version": offer.version, "contractId": contract_id(department, name, offer.version)}
            for offer in versions_of(product)
        ],
    }
    if spec.description:
        document["description"] = {"purpose": spec.description}
    if spec.owner is not None:
        document["support"] = [
            {"channel": "steward", "url": spec.owner.steward, "scope": "interactive"},
            {"channel": "complaints", "url": spec.owner.complaints, "scope": "issues"},
        ]
        document["team"] = [{"username": spec.owner.steward.removeprefix("mailto:"), "role": "data steward"}]
    return document
