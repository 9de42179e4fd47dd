# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""A ConsentPolicy as roles, policies, grants and a door: pure functions; the same input gives the same statements.

What is compiled, carried out half way, opens nothing: restrictive policies come first, the permissive one after them, grants and doors last.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.meaning import gives_key, meaning_of
from commonweal_api.plan import AgreementPlan
from commonweal_api.reasons import Reason
from commonweal_api.rights import RIGHTS
from commonweal_runtime.exceptions import AgreementClosedError
from commonweal_runtime.store import doors, tickets
from commonweal_runtime.store.live import doors as live_doors
from commonweal_runtime.store.live.foreign import KEY, granted, is_live
from commonweal_runtime.store.names import column_of, identifier, literal, login_of, reader_of, table
from commonweal_runtime.store.products import Shape, shape_of
from commonweal_runtime.store.sqlstates import SqlState

CONNECTIONS = 16
_AUDIT = "insert (client, caller, purpose, op, contract, basis, fields, subject, subjects, found) on audit.use"
_TICKET = "insert (use, next), select (token) on audit.ticket"


@dataclass(frozen=True, slots=True)
class Served:
    """The product that an agreement is about, as it lies in the store now. `key_type`: of the source's key, once a Live product is connected."""

    uid: str
    name: str
    relation: str
    spec: DataProductSpec
    unfilled: tuple[str, ...]
    key_type: str | None = None

    @property
    def shape(self) -> Shape:
        """The columns that it promises, which are those of its table unless it is Live."""
        return shape_of(self.spec)


@dataclass(frozen=True, slots=True)
class PublisherContext:
    """What an agreement takes from the plan around it: who publishes, and the preconditions before its door (condition, SQLSTATE, message)."""

    department: str = ""
    display_name: str = ""
    contact: str = ""
    preconditions: tuple[tuple[str, SqlState, str], ...] = ()


WELSH = "welsh"  # the part of the terms that has the purposes' sentences in Welsh


@dataclass(frozen=True, slots=True)
class CompiledAgreement:
    """All that goes into the store when an agreement opens. `visible` says in SQL whose rows it then shows, from its begin on."""

    number: int
    statements: tuple[str, ...]
    contract: str
    content: dict[str, Any]
    terms: dict[str, dict[str, str]]
    visible: str

    @property
    def digest(self) -> str:
        """Tells whether the open door is still the one that is wanted."""
        return hashlib.sha256("\n".join(self.statements).encode()).hexdigest()


def compile_agreement(
    number: int, agreement: AgreementPlan, product: Served, publisher: PublisherContext | None = None
) -> CompiledAgreement:
    """Return what opens exactly this agreement on this product; raise AgreementClosedError if it must stay closed."""
    spec = agreement.spec
    _check(spec, product)
    publisher = publisher or PublisherContext()
    content = _content(number, agreement, product, publisher)
    contract = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:32]
    door = _door(number, spec, product, contract, publisher.preconditions)
    bodies = _bodies(door)
    policies = _policies(number, spec, product)
    statements = (*_roles(number), *policies.statements, *_grants(door, product), *doors.statements(door, bodies))
    return CompiledAgreement(number, statements, contract, content, _terms(spec, product.shape), policies.visible)


def _bodies(door: doors.Door) -> dict[str, str]:
    if door.key_type is not None:
        return live_doors.direct(door)
    return tickets.ticketed(door) if door.strict else doors.direct(door)


def _door(
    number: int, spec: ConsentPolicySpec, product: Served, contract: str, preconditions: tuple[tuple[str, SqlState, str], ...]
) -> doors.Door:
    limits, durability = spec.limits, product.spec.serve.audit_durability
    requests, each = limits.requests, limits.per_subject
    return doors.Door(
        number=number,
        relation=product.relation,
        fields=tuple(spec.fields),
        many=product.shape.many,
        clients=tuple(f"{spec.consumer.department}/{c}" for c in spec.consumer.clients),
        purposes=tuple(p.key for p in spec.purposes),
        begins=_moment(spec.validity.from_),
        ends=_moment(_ends(spec)),
        most=limits.max_rows,
        contract=contract,
        basis=str(spec.basis.type),
        durable=durability != "Deferred",
        zoned=any(c.type_ is FieldType.TIMESTAMP for f in spec.fields if (c := product.shape.of(f))),
        strict=durability == "Strict",
        requests=doors.Limit(requests.max, requests.seconds) if requests else None,
        per_subject=doors.Limit(1) if limits.once else doors.Limit(each.max, each.seconds) if each else None,
        life_days=limits.data_life_days,
        preconditions=preconditions,
        key_type=product.key_type if is_live(product.spec) else None,
    )


def _ends(spec: ConsentPolicySpec) -> datetime:
    """Return the end: a basis that is bounded in time ends then, even if the plan says later."""
    most = RIGHTS[spec.basis.type].most_days
    return spec.validity.until if most is None else min(spec.validity.until, spec.validity.from_ + timedelta(days=most))


def _check(spec: ConsentPolicySpec, product: Served) -> None:
    shape = product.shape
    missing = [f for f in spec.fields if shape.of(f) is None]
    if missing:
        raise AgreementClosedError(Reason.FIELD_NOT_OFFERED, f"«{missing[0]}» is no field of the product {product.name}.")
    for field in spec.fields:
        column = shape.of(field)
        if column is not None and column.raw in spec.fields:
            raise AgreementClosedError(Reason.MASK_AND_RAW_TOGETHER, f"«{field}» masks «{column.raw}».")
    if is_live(product.spec) and spec.linkage is not None:
        raise AgreementClosedError(Reason.LINKAGE_NOT_LIVE, f"The product {product.name} is read Live.")
    if is_live(product.spec) and product.key_type is None:
        raise AgreementClosedError(Reason.PRODUCT_NOT_READY, f"The product {product.name} is not connected to its source yet.")
    key = gives_key(meaning_of(spec.fields, product.spec, product.spec))
    if key is not None:
        raise AgreementClosedError(Reason.PERSON_KEY_GIVEN, f"«{key}» is made from the column {product.spec.subject.column}.")
    empty = sorted(set(spec.fields) & set(product.unfilled))
    if empty:
        raise AgreementClosedError(Reason.PRODUCT_NOT_READY, f"The product {product.name} has not been loaded with «{empty[0]}» yet.")


def _content(number: int, agreement: AgreementPlan, product: Served, publisher: PublisherContext) -> dict[str, Any]:
    """Return what was in force, in full; its hash stands in every audit row, and receipts are made from it for ever."""
    wire, basis, owner = agreement.spec.wire(), agreement.spec.basis, product.spec.owner
    return {
        "department": {"name": publisher.department, "displayName": publisher.display_name, "contact": publisher.contact},
        "number": number,
        "uid": agreement.uid,
        "name": agreement.name,
        "product": product.name,
        "title": product.spec.title,
        **({"cy": product.spec.cy.wire()} if product.spec.cy is not None else {}),
        "version": product.spec.version,
        "owner": owner.wire() if owner is not None else None,
        "consumer": agreement.spec.consumer.department,
        "clients": agreement.spec.consumer.clients,
        "purposes": wire["purposes"],
        "fields": list(agreement.spec.fields),
        "definitions": {f: c.origin for f in agreement.spec.fields if (c := product.shape.of(f))},
        "basis": str(basis.type),
        "condition": str(basis.condition) if basis.condition is not None else None,
        "legalPower": basis.legal_power,
        "subjects": wire["subjects"],
        "validity": wire["validity"],
        "limits": wire["limits"],
        "transparency": wire["transparency"],
        "assurance": wire.get("assurance"),
        "linkage": wire.get("linkage"),
        "auditDurability": product.spec.serve.audit_durability,
    }


def _terms(spec: ConsentPolicySpec, shape: Shape) -> dict[str, dict[str, str]]:
    """Return what a person says yes to: each field with its meaning, each purpose with its sentence."""
    welsh = {p.key: p.cy.text for p in spec.purposes if p.cy is not None}
    return {
        "fields": {f: c.origin for f in spec.fields if (c := shape.of(f))},
        "purposes": {p.key: p.text for p in spec.purposes},
        **({WELSH: welsh} if welsh else {}),
    }


def widens(old: dict[str, dict[str, str]], new: dict[str, dict[str, str]]) -> bool:
    """Return whether `new` covers anything that `old` did not; then earlier consents do not cover it.

    Welsh that is added to what stood there in English alone widens nothing; Welsh that says something else does, for people read it and said yes.
    """
    return any(
        old.get(part, {}).get(key, value if part == WELSH else None) != value
        for part, entries in new.items()
        for key, value in entries.items()
    )


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _roles(n: int) -> list[str]:
    login, reader = login_of(n), reader_of(n)
    never = "nobypassrls nosuperuser nocreatedb nocreaterole noinherit noreplication"
    return [
        f"do $$ begin if not exists (select from pg_catalog.pg_roles where rolname = '{r}') then create role {r}; end if; end $$"
        for r in (login, reader)
    ] + [
        f"alter role {reader} with nologin {never}",
        f"alter role {login} with login connection limit {CONNECTIONS} {never}",
        f"do $$ begin execute format('grant connect on database %I to {login}', current_database()); end $$",
    ]


@dataclass(frozen=True, slots=True)
class _Policies:
    statements: tuple[str, ...]
    visible: str


def _policies(n: int, spec: ConsentPolicySpec, product: Served) -> _Policies:
    t, reader, rights = table(product.relation), reader_of(n), RIGHTS[spec.basis.type]
    # statement_timestamp, not now(): now() stands still inside a transaction that is kept open
    begun = f"statement_timestamp() >= timestamptz {literal(_moment(spec.validity.from_))}"
    ending = f"statement_timestamp() < timestamptz {literal(_moment(_ends(spec)))}"
    basis = f"{n} = any (_consent) and statement_timestamp() < _lapse" if rights.grant else "true"
    restrictive = {"period": f"{begun} and {ending}"}
    if rights.objection or spec.subjects.objection == "Honoured":
        restrictive["objection"] = f"{n} <> all (_objection)"
    out = [f"drop policy if exists a{n}_{x} on {t}" for x in ("basis", "objection", "period")]
    out += [f"create policy a{n}_{x} on {t} as restrictive for select to {reader} using ({c})" for x, c in restrictive.items()]
    out.append(f"create policy a{n}_basis on {t} as permissive for select to {reader} using ({basis})")
    conditions = (basis, ending, *(c for x, c in restrictive.items() if x != "period"))
    return _Policies(tuple(out), " and ".join(f"({c})" for c in conditions))


def _grants(door: doors.Door, product: Served) -> list[str]:
    t, reader, login = table(product.relation), reader_of(door.number), login_of(door.number)
    live = door.key_type is not None
    columns = [*product.shape.key, *([KEY] if live else (identifier(column_of(f)) for f in door.fields))]
    out = [
        *_forgotten(reader, product.relation),
        f"grant usage on schema product, audit, agreement to {reader}",
        f"grant select ({', '.join(columns)}) on {t} to {reader}",
        f"grant {_AUDIT} to {reader}",
        f"grant execute on function pg_catalog.pg_current_xact_id() to {reader}",  # a default of the audit row
        f"grant usage on schema door to {login}",
    ]
    if live:
        out += granted(product.relation, reader, list(door.fields))
    if door.strict:
        out += [
            f"grant select (id) on audit.use to {reader}",
            f"grant {_TICKET} to {reader}",
            f"grant execute on function audit.redeem(uuid) to {reader}",
        ]
    if door.preconditions:
        out.append(f"grant select on agreement.gate to {reader}")
    if door.requests or door.per_subject:
        out.append(f"grant execute on function agreement.take(uuid, int, int, int, text), agreement.spent(uuid, int) to {reader}")
    return out


def _forgotten(role: str, relation: str | None) -> list[str]:
    """Return the statements that take away all that an agreement's role may do in the store."""
    on_table = [f"revoke all on {table(relation)} from {role}"] if relation is not None else []
    return [
        *on_table,
        f"revoke all on all tables in schema audit, agreement, heritage from {role}",
        f"revoke all on all functions in schema audit, agreement from {role}",
        f"revoke all on schema product, audit, agreement, door, heritage from {role}",
        f"revoke all on function pg_catalog.pg_current_xact_id() from {role}",
    ]


def revoke_sql(n: int) -> list[str]:
    """Return the statements that close an agreement at once. They wait for no lock on the product's table."""
    return [
        f"do $$ begin if exists (select from pg_catalog.pg_roles where rolname = '{login_of(n)}') then alter role {login_of(n)} nologin; end if; end $$",
        *doors.removal(n),
    ]


def cleanup_sql(n: int, relation: str | None) -> list[str]:
    """Return the statements that remove what a shut agreement leaves behind; safe to run twice.

    DROP OWNED at the end: a login can give itself default privileges, and a role that has any cannot be dropped.
    """
    out = []
    if relation is not None:
        out += [f"drop policy if exists a{n}_{x} on {table(relation)}" for x in ("basis", "objection", "period")]
    for role in (login_of(n), reader_of(n)):
        out.append(
            f"do $$ begin if exists (select from pg_catalog.pg_roles where rolname = '{role}') then {'; '.join(_forgotten(role, relation))}; "
            f"execute format('revoke all on database %I from {role}', current_database()); drop owned by {role}; drop role {role}; end if; end $$"
        )
    return out
