"""What others read instead of our kinds: each product and each agreement in the standards of the field. Pure functions from a spec to text.

A product gives a data contract (ODCS 3.1) and a JSON Schema of its records for each version served, a data product (ODPS 1.0) and a catalogue entry (DCAT 3).
An agreement gives a Cedar policy with its schema, an agreement of the Dataspace Protocol 2025-1 (ODRL), and its row of the public register.
None of it is enforced: the store is. What Cedar decides and what the store shows is held equal by a property test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from commonweal_api.consent_policy import ConsentPolicy
from commonweal_api.data_product import DataProduct
from commonweal_api.exports.cedar import cedar_policy, cedar_schema
from commonweal_api.exports.dcat import dcat_dataset
from commonweal_api.exports.names import versions_of
from commonweal_api.exports.odcs import odcs_contract
from commonweal_api.exports.odps import odps_product
from commonweal_api.exports.odrl import odrl_agreement
from commonweal_api.exports.record import record_schema
from commonweal_api.exports.register import register_row

__all__ = [
    "agreement_files",
    "cedar_policy",
    "cedar_schema",
    "dcat_dataset",
    "odcs_contract",
    "odps_product",
    "odrl_agreement",
    "product_files",
    "record_schema",
    "register_row",
]


def product_files(product: DataProduct, department: str, *, endpoint: str = "") -> dict[str, str]:
    """Return the exports of a product as file name and text. `endpoint` is the URL of the product in the data API, left out when empty."""
    files: dict[str, str] = {}
    for offer in versions_of(product):
        files[f"contract-{offer.version}.odcs.yaml"] = _yaml(odcs_contract(product, department, offer, endpoint=endpoint))
        files[f"record-{offer.version}.schema.json"] = _json(record_schema(product, department, offer))
    files["product.odps.yaml"] = _yaml(odps_product(product, department))
    files["catalogue.dcat.json"] = _json(dcat_dataset(product, department, endpoint=endpoint))
    return files


def agreement_files(
    policy: ConsentPolicy,
    provider: str,
    product: DataProduct,
    *,
    number: int | None = None,
    opens: bool = False,
    display_names: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the exports of an agreement as file name and text.

    `opens` says that both parties' signatures verify: without it, and for a dry run, the Cedar text permits nothing. `number` is the agreement's number in
    the store; `display_names` are those of departments.
    """
    return {
        "policy.cedar": cedar_policy(policy, provider, opens=opens),
        "schema.cedarschema": cedar_schema(),
        "agreement.odrl.json": _json(odrl_agreement(policy, provider)),
        "register.json": _json(register_row(policy, provider, product, number=number, display_names=display_names or {})),
    }


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120)
