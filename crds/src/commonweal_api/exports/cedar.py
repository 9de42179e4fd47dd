"""Cedar: an agreement as a policy that any Cedar engine can decide by, and the schema that all of them share.

Said are purpose, client, fields, period, consent and objection. What is counted (rows, requests, uses of one subject) depends on what was read before, and
how fresh another site's consents are depends on the time: neither is a matter of one request, so both stay with the store.

Tests on the record come last: with the record unknown, a partial evaluation then still refuses by what is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from commonweal_api.consent_policy import ConsentPolicy
from commonweal_api.rights import RIGHTS

SCHEMA = """// One schema for all agreements. A client is named department/account; consents and objections hold names of agreements, provider/name.
namespace Commonweal {
  entity Department;
  entity Purpose;
  entity Product;
  entity Client in [Department];
  entity Record in [Product] = { "consents": Set<String>, "objections": Set<String> };
  action "read" appliesTo {
    principal: [Client],
    resource: [Record],
    context: { "purpose": Purpose, "fields": Set<String>, "now": datetime }
  };
}
"""


def cedar_schema() -> str:
    """Return the schema in Cedar's own syntax."""
    return SCHEMA


def cedar_policy(policy: ConsentPolicy, provider: str, *, opens: bool) -> str:
    """Return the policy. It permits nothing unless `opens` (both signatures verify) and the agreement is to be enforced."""
    name = f"{provider}/{policy.metadata.name}"
    if not opens or policy.spec.mode != "Enforce":
        return f"// {name} permits nothing: it is a dry run, or is not signed by both departments.\n"
    spec = policy.spec
    head = f"@id({_quoted(name)})\n@basis({_quoted(spec.basis.type)})\n"
    if spec.basis.legal_power is not None:
        head += f"@legalPower({_quoted(spec.basis.legal_power)})\n"
    scope = f'  principal in Commonweal::Department::{_quoted(spec.consumer.department)},\n  action == Commonweal::Action::"read",\n  resource\n'
    tests = " &&\n  ".join(_tests(policy, provider, name))
    return f"{head}permit (\n{scope}) when {{\n  {tests}\n}};\n"


def _tests(policy: ConsentPolicy, provider: str, name: str) -> Iterable[str]:
    """Yield the conditions, those on the record last."""
    spec, rights = policy.spec, RIGHTS[policy.spec.basis.type]
    department = spec.consumer.department
    clients = _set(f"Commonweal::Client::{_quoted(f'{department}/{client}')}" for client in spec.consumer.clients)
    purposes = _set(f"Commonweal::Purpose::{_quoted(purpose.key)}" for purpose in spec.purposes)
    yield f"{clients}.contains(principal)"
    yield f"{purposes}.contains(context.purpose)"
    yield f"{_set(map(_quoted, spec.fields))}.containsAll(context.fields)"
    yield f"context.now >= {_moment(spec.validity.from_)} && context.now < {_moment(spec.validity.until)}"
    yield f"resource in Commonweal::Product::{_quoted(f'{provider}/{spec.product.name}')}"
    if rights.grant:
        yield f"resource.consents.contains({_quoted(name)})"
    if rights.objection:
        yield f"!resource.objections.contains({_quoted(name)})"


def _set(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"


def _moment(moment: datetime) -> str:
    """Return Cedar's datetime, which knows milliseconds: rounded up, so that every moment it can tell lies on the same side as in the store."""
    up = moment.astimezone(UTC) + timedelta(microseconds=-moment.microsecond % 1000)
    return f'datetime("{up.strftime("%Y-%m-%dT%H:%M:%S")}.{up.microsecond // 1000:03d}Z")'


def _quoted(text: str) -> str:
    """Return a Cedar string literal; whatever could end it or hide in it is escaped."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):x}}}" for c in text) + '"'
