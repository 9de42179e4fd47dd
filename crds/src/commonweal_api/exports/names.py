"""Identifiers of departments, products, contracts and agreements in exports: one form, made from names that never change."""

from __future__ import annotations

from commonweal_api.consent_policy import ConsentPolicy
from commonweal_api.data_product import DataProduct, DataProductSpec, EarlierVersion, major_of
from commonweal_api.plan import audience_of

Versioned = DataProductSpec | EarlierVersion
DPV = "https://w3id.org/dpv#"
TERMS = "https://commonweal.dev/terms#"


def product_id(department: str, name: str) -> str:
    """Return the identifier of a product, whatever its version."""
    return f"{audience_of(department)}/products/{name}"


def contract_id(department: str, name: str, version: str) -> str:
    """Return the identifier of the contract of one major version."""
    return f"{product_id(department, name)}/v{major_of(version)}"


def agreement_id(provider: str, policy: ConsentPolicy) -> str:
    """Return the identifier of an agreement."""
    return f"{audience_of(provider)}/agreements/{policy.metadata.name}"


def target_id(provider: str, policy: ConsentPolicy) -> str:
    """Return the identifier of what an agreement is about: one major version when it names one, else the product."""
    reference = policy.spec.product
    base = product_id(provider, reference.name)
    return base if reference.version is None else f"{base}/v{reference.version}"


def versions_of(product: DataProduct) -> tuple[Versioned, ...]:
    """Return the current version, then the earlier ones in the order in which they are listed."""
    return (product.spec, *product.spec.earlier)
