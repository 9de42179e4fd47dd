"""What a person may ask and say, of themselves or of somebody for whom they may act, through functions of the store that take nobody else's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from litestar import Request

from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.bodies import DelegationBody, RegistrarsDelegationBody
from commonweal_runtime.data_api.connections import ConnectionPools
from commonweal_runtime.data_api.requests import delegated_of, header_of
from commonweal_runtime.exceptions import StoreUnreachableError
from commonweal_runtime.store.problems import Own, problem_of
from commonweal_runtime.store.sqlstates import SqlState
from commonweal_runtime.tokens import Verifier
from commonweal_runtime.turns import Turns

PERSON, API = "person", "api"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is signed in, and whom the request is about; the store decides whether the one may act for the other."""

    actor: UUID
    subject: UUID


class DecisionResult(NamedTuple):
    """What the store shows of an agreement after a decision, and the newest event on it; both are JSON, the event None if there never was one."""

    agreement: str
    event: str | None


# `offset 0` keeps the decision a step of its own, before the look at its event. PostgreSQL writes JSON without line feeds.
_DECIDE = "select x.a || chr(10) || coalesce(person.newest($1, $2, $3), '') from (select person.{function}($1, $2, $3, $4) as a offset 0) x"


async def who_asks(persons: Verifier, request: Request[Any, Any, Any]) -> Principal:
    """Return who asks about whom: the signed-in person about themselves, unless a header On-Behalf-Of names somebody else."""
    actor = (await persons.person(header_of(request, "authorization"))).subject
    named = header_of(request, "on-behalf-of")
    return Principal(actor, delegated_of(named) if named is not None else actor)


async def ask(pools: ConnectionPools, login: str, refused: Own, statement: str, *args: object) -> str:
    """Return what a function of the store answers.

    Its refusals become Problems; `refused` says what they mean of this one.
    """
    try:
        answer = await pools.call(login, statement, *args)
    except StoreUnreachableError:
        raise problems.store_unavailable() from None
    except asyncpg.PostgresError as error:
        raise problem_of(error, own=refused) from None
    if answer is None:
        raise problems.store_unavailable()
    return answer


_COMMON: Own = {SqlState.NOT_PERMITTED: problems.not_delegated, SqlState.NOT_FOUND: problems.no_such_agreement}


class People:
    """Calls the functions of schema `person` as the role that may do nothing else."""

    def __init__(self, pools: ConnectionPools, turns: Turns | None = None) -> None:
        self._pools, self._turns = pools, turns or Turns()

    async def uses(self, who: Principal, before: int, limit: int) -> str:
        """Return who read what about the person, newest first."""
        return await self._ask({}, "select person.uses($1, $2, $3, $4)", who.actor, who.subject, before, limit)

    async def consents(self, who: Principal) -> str:
        """Return the agreements that concern the person, with what they said."""
        return await self._ask({}, "select person.consents($1, $2)", who.actor, who.subject)

    async def preview(self, who: Principal, agreement: str) -> str:
        """Return the very values that would leave under an agreement; the look is recorded among the uses."""
        return await self._ask({}, "select person.preview($1, $2, $3)", who.actor, who.subject, agreement)

    async def consent(self, who: Principal, agreement: str, state: str) -> DecisionResult:
        """Give, withdraw, refuse or put off consent; when this returns, the next read already obeys."""
        return await self._decide("give", {SqlState.NOT_POSSIBLE: problems.no_consent_to_decide}, who, agreement, state)

    async def objection(self, who: Principal, agreement: str, *, objected: bool) -> DecisionResult:
        """Object, or lift the objection; when this returns, the next read already obeys."""
        return await self._decide("object", {SqlState.NOT_POSSIBLE: problems.no_objection_to_decide}, who, agreement, objected)

    async def _decide(self, function: str, refused: Own, who: Principal, agreement: str, said: str | bool) -> DecisionResult:
        """Record a decision and fetch its event in one statement: one round trip, and no answer that speaks of somebody else's event."""
        text = await self._ask(refused, _DECIDE.format(function=function), who.actor, who.subject, agreement, said)
        shown, _, event = text.partition("\n")
        return DecisionResult(shown, event or None)

    async def delegations(self, who: Principal) -> str:
        """Return who may act for the person, and for whom the person may act."""
        return await self._ask({}, "select person.delegations($1, $2)", who.actor, who.subject)

    async def delegate(self, who: Principal, d: DelegationBody) -> str:
        """Let somebody act for the person."""
        statement = "select person.delegate($1, $2, $3, $4, $5, $6, $7, $8)"
        refused = {SqlState.NOT_POSSIBLE: problems.delegation_not_possible}
        return await self._ask(refused, statement, who.actor, who.subject, *_terms(d))

    async def end_delegation(self, who: Principal, delegation: UUID) -> str:
        """End a delegation; when this returns, the delegate can do nothing any more."""
        refused = {SqlState.NOT_FOUND: problems.no_such_delegation, SqlState.NOT_POSSIBLE: problems.delegation_not_possible}
        return await self._ask(refused, "select person.end_delegation($1, $2, $3)", who.actor, who.subject, delegation)

    async def export(self, who: Principal) -> str:
        """Return the person's records where the basis gives a right to take them along, with what was said and used."""
        return await self._ask({}, "select person.export($1, $2)", who.actor, who.subject)

    async def erase(self, who: Principal, product: str) -> str:
        """Erase the person's records of a product."""
        refused = {SqlState.NOT_FOUND: problems.no_such_product, SqlState.NOT_POSSIBLE: problems.nothing_to_erase}
        return await self._ask(refused, "select person.erase($1, $2, $3)", who.actor, who.subject, product)

    async def _ask(self, refused: Own, statement: str, actor: UUID, *args: object) -> str:
        async with self._turns.of(actor):
            return await ask(self._pools, PERSON, {**_COMMON, **refused}, statement, actor, *args)


def _terms(d: DelegationBody) -> tuple[object, ...]:
    """Return what a delegation says as the store takes it: lists joined by commas, null for all agreements."""
    return d.delegate, d.type, ",".join(d.acts), ",".join(sorted(set(d.agreements))) or None, d.begins, d.ends


class Registrars:
    """Calls the functions of schema `registrar` in the name of one of the department's own clients; the store knows which may."""

    def __init__(self, pools: ConnectionPools, turns: Turns | None = None) -> None:
        self._pools, self._turns = pools, turns or Turns()

    async def delegations(self, client: str, subject: UUID) -> str:
        """Return who may act for a person."""
        return await self._ask("select registrar.delegations($1, $2)", client, subject)

    async def delegate(self, client: str, d: RegistrarsDelegationBody) -> str:
        """Record that somebody may act for a person."""
        statement = "select registrar.delegate($1, $2, $3, $4, $5, $6, $7, $8)"
        return await self._ask(statement, client, d.subject, *_terms(d))

    async def end(self, client: str, delegation: UUID) -> str:
        """End a delegation."""
        return await self._ask("select registrar.end_delegation($1, $2)", client, delegation)

    async def _ask(self, statement: str, client: str, *args: object) -> str:
        refused = {
            SqlState.NOT_PERMITTED: problems.no_registrar,
            SqlState.NOT_FOUND: problems.no_such_delegation,
            SqlState.NOT_POSSIBLE: problems.delegation_not_possible,
        }
        async with self._turns.of(client):
            return await ask(self._pools, API, refused, statement, client, *args)
