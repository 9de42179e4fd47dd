"""The row of the public register of information sharing agreements (Digital Economy Act 2017), in its 18 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commonweal_api.compatibility import items
from commonweal_api.consent_policy import ConsentPolicy
from commonweal_api.data_product import DataProduct
from commonweal_api.exports.names import agreement_id, versions_of

COLUMNS = (
    "information-sharing-agreement", "name", "purpose", "benefits", "legal-power", "disclosed-information", "controllers", "controller-names", "method",
    "processors", "processor-names", "retention", "start-date", "end-date", "review-date", "contact", "areas", "area-names",
)  # fmt: skip
AREAS = {"GB": "United Kingdom", "GB-ENG": "England", "GB-NIR": "Northern Ireland", "GB-SCT": "Scotland", "GB-WLS": "Wales"}


def register_row(
    policy: ConsentPolicy, provider: str, product: DataProduct, *, number: int | None = None, display_names: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return `row`, and in `missing` the columns that the agreement cannot fill yet: most of them wait for spec.assurance.

    Lists are joined by semicolons, as the register writes them. Processors have no codes, for the register has none for companies abroad.
    """
    spec, known = policy.spec, display_names or {}
    controllers = list(dict.fromkeys((provider, spec.consumer.department)))
    row: dict[str, str | None] = dict.fromkeys(COLUMNS) | {
        "information-sharing-agreement": f"{provider}-{number}" if number is not None else None,
        "name": f"{product.spec.title}: {provider} to {spec.consumer.department} ({policy.metadata.name})",
        "purpose": _joined(purpose.text for purpose in spec.purposes),
        "legal-power": spec.basis.legal_power or "Consent of the person (UK GDPR Article 6(1)(a))",
        "disclosed-information": _joined(_disclosed(policy, product)),
        "controllers": _joined(controllers),
        "controller-names": _joined(known.get(name, name) for name in controllers),
        "retention": _retention(spec.limits.data_life_days),
        "start-date": spec.validity.from_.date().isoformat(),
        "end-date": spec.validity.until.date().isoformat(),
        **_assured(policy),
    }
    missing = [column for column in COLUMNS if row[column] is None]
    return {"register": "information-sharing-agreement", "agreement": agreement_id(provider, policy), "row": row, "missing": missing}


def _assured(policy: ConsentPolicy) -> dict[str, str | None]:
    """Return the columns that come from spec.assurance, empty without it."""
    assurance = policy.spec.assurance
    if assurance is None:
        return {}
    return {
        "benefits": assurance.benefits,
        "method": assurance.method,
        "processors": "",
        "processor-names": _joined(assurance.processors),
        "review-date": assurance.review.isoformat(),
        "contact": assurance.contact,
        "areas": _joined(assurance.areas),
        "area-names": _joined(AREAS.get(area, area) for area in assurance.areas),
    }


def _disclosed(policy: ConsentPolicy, product: DataProduct) -> list[str]:
    """Return each field with its description, from the newest version that has it."""
    described: dict[str, str | None] = {}
    for offer in reversed(versions_of(product)):
        described |= {name: item.description for name, item in items(offer).items()}
    return [f"{field} ({described[field]})" if described.get(field) else field for field in policy.spec.fields]


def _retention(days: int | None) -> str:
    return "As the law of the purpose requires; no shorter time is agreed" if days is None else f"{days} days after it was read"


def _joined(parts: Any) -> str:
    return ";".join(parts)
