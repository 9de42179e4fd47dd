"""Conditions beyond its own terms under which an agreement's door refuses: each is looked at by the doors that need it, and by no other."""

from __future__ import annotations

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.rights import RIGHTS
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.answers import listed
from commonweal_runtime.store.names import literal
from commonweal_runtime.store.quality import stops
from commonweal_runtime.store.sqlstates import SqlState

Precondition = tuple[str, SqlState, str]


def preconditions_of(spec: ConsentPolicySpec, product: Served, *, fed: bool) -> tuple[Precondition, ...]:
    """Return condition, SQLSTATE and message of each precondition. `fed`: the department has other sites, whose consents must be fresh here."""
    gate = f"select from agreement.gate g where g.product = {literal(product.uid)}"
    today = "(statement_timestamp() at time zone 'UTC')::date"
    out = []
    if fed and RIGHTS[spec.basis.type].grant:
        out.append(("feed.silent()", SqlState.CONSENTS_STALE, "consents of other sites are stale"))
    if stops(product.spec):
        out.append(
            (f"not exists ({gate} and statement_timestamp() < g.passed_until)", SqlState.QUALITY_STOPPED, "stopped by a quality check")
        )
    if listed(product.spec, spec.fields):
        out.append(
            (f"not exists ({gate} and g.answered_on in ({today}, 'infinity'))", SqlState.ANSWERS_PENDING, "answers are being renewed")
        )
    return tuple(out)
