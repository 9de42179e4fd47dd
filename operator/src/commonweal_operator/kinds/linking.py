"""Whether people can link their sign-in to their record at a department, and what waits for its registrars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.department import LinkCases
from commonweal_api.matching import Matching, Normalise
from commonweal_api.reasons import ConditionType, Reason
from commonweal_operator.kinds.conditions import Finding, named

_COMPARED: Mapping[FieldType, frozenset[Normalise]] = {
    FieldType.STRING: frozenset({"Upper", "Lower", "Digits", "Date", "AsIs"}),
    FieldType.INTEGER: frozenset({"Digits", "AsIs"}),
    FieldType.DATE: frozenset({"Date"}),
}


def fault_of(matching: Matching, products: Mapping[str, DataProductSpec], *, mail: bool) -> Finding | None:
    """Return why nobody can link their sign-in, or None. `products` are those of the department, `mail` says whether codes can be sent."""
    product = products.get(matching.product)
    if product is None or product.serve.mode == "Live":
        return Finding(ConditionType.LINKING_READY, Reason.MATCHING_PRODUCT_UNSUITABLE, f"spec.matching.product: {matching.product}.")
    unsuitable = list(_unsuitable(matching, product))
    if unsuitable:
        return Finding(ConditionType.LINKING_READY, Reason.MATCHING_FIELD_UNSUITABLE, f"{named(unsuitable, '; ')}.")
    if matching.code is not None and not mail:
        return Finding(ConditionType.LINKING_READY, Reason.MAIL_SERVER_MISSING)
    return None


def standing_of(cases: LinkCases | None) -> Finding:
    """Return the finding of a department whose matching is sound."""
    if cases is None or not cases.open + cases.frozen:
        return Finding(ConditionType.LINKING_READY, Reason.LINKING_READY)
    return Finding(ConditionType.LINKING_READY, Reason.LINK_CASES_OPEN, f"Open cases: {cases.open}; disputed links: {cases.frozen}.")


def _unsuitable(matching: Matching, product: DataProductSpec) -> Iterable[str]:
    raw = {f.name: f.type for f in product.fields if f.type is not None}
    shown = {f.name for f in product.fields}
    for attribute in matching.attributes:
        if attribute.normalise not in _COMPARED.get(raw.get(attribute.field) or FieldType.BOOLEAN, ()):
            yield f"{attribute.field} with normalise {attribute.normalise} in spec.matching.attributes"
    for preview in matching.preview:
        if preview.field not in shown:
            yield f"{preview.field} in spec.matching.preview"
    if matching.code is not None and raw.get(matching.code.field) != FieldType.STRING:
        yield f"{matching.code.field} in spec.matching.code.field"
