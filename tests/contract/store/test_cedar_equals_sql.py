"""For random agreements, people, purposes, clients, fields and times: what Cedar decides by the exported policy is what the store shows through its doors."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import cedarpy
import pytest

from commonweal_api import ConsentPolicy
from commonweal_api.common import API_VERSION
from commonweal_api.exports import cedar_policy, cedar_schema
from commonweal_api.rights import RIGHTS, BasisType
from support.data_api import DEPARTMENT, Exchange, agreement, keeping, login, person_product, plan, subject
from support.postgres import HeritageServer, StoreServer

AGREEMENTS, REQUESTS = 14, 100
OFFERED = ("fullName", "birthYear", "area", "score", "income", "active")
CONSUMERS, CLIENTS, ERRANDS = ("tax", "health"), ("app", "batch"), ("serve", "check")
ROOTS = [f"P{n}" for n in range(1, 9)] + ["nobody"]  # the last has no record
REFUSED = {"CW001", "CW002", "CW003", "CW005"}  # purpose, client, period, field


@dataclass(frozen=True)
class Request:
    """What one client asks about one person. Without fields it asks for all that the agreement has."""

    who: UUID
    client: str
    purpose: str
    fields: tuple[str, ...] | None


@dataclass
class Said:
    """What people have said about agreements, by name."""

    given: set[tuple[str, UUID]] = field(default_factory=set)
    objected: set[tuple[str, UUID]] = field(default_factory=set)


def random_agreement(chance: random.Random, basis: BasisType) -> dict[str, Any]:
    """Return an agreement in force more often than not, else over or yet to come."""
    consumer, today = chance.choice(CONSUMERS), datetime.now(UTC)
    begin, end = chance.choice(((-9, 9), (-9, 9), (-9, 9), (-20, -1), (1, 20)))
    validity = {"from": (today + timedelta(days=begin)).isoformat(), "until": (today + timedelta(days=end)).isoformat()}
    purposes = [
        {"key": f"{consumer}/{errand}", "iri": "dpv:ServicePersonalisation", "text": "A sentence of some length that a person is shown."}
        for errand in chance.sample(ERRANDS, chance.randint(1, 2))
    ]
    clients = {"department": consumer, "clients": chance.sample(CLIENTS, chance.randint(1, 2))}
    fields = chance.sample(OFFERED, chance.randint(1, 4))
    return agreement(basis, fields=fields, validity=validity, purposes=purposes, consumer=consumer) | {"consumer": clients}


def random_request(chance: random.Random, agreements: Sequence[dict[str, Any]]) -> Request:
    """Return a request that fits some agreement in client, purpose and fields; half of the time with one of the three from elsewhere."""
    spec = chance.choice(agreements)
    consumer, agreed = spec["consumer"]["department"], spec["fields"]
    client, errand = f"{consumer}/{chance.choice(spec['consumer']['clients'])}", chance.choice(spec["purposes"])["key"]
    asked = chance.choice((None, tuple(agreed), tuple(chance.sample(agreed, 1))))
    match chance.choice(("fits", "fits", "fits", "client", "purpose", "fields")):
        case "client":
            client = f"{chance.choice(CONSUMERS)}/{chance.choice(CLIENTS)}"
        case "purpose":
            errand = f"{chance.choice(CONSUMERS)}/{chance.choice(ERRANDS)}"
        case "fields":
            asked = tuple(chance.sample(OFFERED, 2))
    return Request(subject(chance.choice(ROOTS)), client, errand, asked)


async def speak(store: StoreServer, chance: random.Random, specs: Mapping[str, dict[str, Any]], numbers: Mapping[str, int]) -> Said:
    """Have people give, withdraw, let run out, object and think better of it, through the functions that people have."""
    person, root, said = await login(store, "person"), await store.superuser("department"), Said()
    for (name, spec), who in itertools.product(specs.items(), map(subject, ROOTS)):
        rights = RIGHTS[BasisType(spec["basis"]["type"])]
        possible = ["Given", "Given", "Given", "Withdrawn", "RunOut"] * rights.grant + ["Objected", "Lifted"] * rights.objection
        for word in chance.choices(possible, k=chance.randint(0, 3)) if possible else []:
            await _say(person, root, numbers[name], who, name, word)
            kept = said.objected if word in {"Objected", "Lifted"} else said.given
            (kept.add if word in {"Given", "Objected"} else kept.discard)((name, who))
    await person.close()
    await root.close()
    return said


async def _say(person: Any, root: Any, number: int, who: UUID, name: str, word: str) -> None:
    if word in {"Objected", "Lifted"}:
        await person.execute("select person.object($1, $1, $2, $3)", who, name, word == "Objected")
    elif word == "RunOut":
        over = (
            "insert into consent.event (subject, agreement, kind, contract, valid_until) select $1, $2,"
            " case when exists (select from consent.state where subject = $1 and agreement = $2 and consent in ('Given', 'Renewed'))"
            " then 'Renewed' else 'Given' end, 'x', clock_timestamp()"
        )
        await root.execute(over, who, number)
    else:
        await person.execute("select person.give($1, $1, $2, $3)", who, name, word)


async def shown(reader: Any, number: int, request: Request) -> tuple[str, ...] | None:
    """Return the fields that the door gives out, or None when it gives nothing, for whatever reason."""
    asked = None if request.fields is None else ",".join(request.fields)
    try:
        text = await reader.fetchval(f"select door.a{number}_point($1, $2, $3, $4)", request.who, asked, request.client, request.purpose)
    except asyncpg.PostgresError as error:
        if error.sqlstate in REFUSED:
            return None
        raise
    return None if text is None else tuple(json.loads(text)["record"])


def policy_of(name: str, spec: dict[str, Any]) -> str:
    manifest = {"apiVersion": API_VERSION, "kind": "ConsentPolicy", "metadata": {"name": name}, "spec": spec}
    return cedar_policy(ConsentPolicy.model_validate(manifest), DEPARTMENT, opens=True)


def _uid(type_: str, name: str) -> dict[str, str]:
    return {"type": f"Commonweal::{type_}", "id": name}


def world(said: Said) -> list[dict[str, Any]]:
    """Return everybody and everything as Cedar's entities."""
    product = _uid("Product", f"{DEPARTMENT}/people")
    records = [
        {
            "uid": _uid("Record", str(subject(root))),
            "attrs": {
                "consents": [f"{DEPARTMENT}/{name}" for name, who in said.given if who == subject(root)],
                "objections": [f"{DEPARTMENT}/{name}" for name, who in said.objected if who == subject(root)],
            },
            "parents": [] if root == "nobody" else [product],
        }
        for root in ROOTS
    ]
    clients = [
        {"uid": _uid("Client", f"{department}/{client}"), "attrs": {}, "parents": [_uid("Department", department)]}
        for department, client in itertools.product(CONSUMERS, CLIENTS)
    ]
    return [*records, *clients, {"uid": product, "attrs": {}, "parents": []}]


def decided(policies: str, entities: list[dict[str, Any]], requests: Sequence[tuple[Request, Sequence[str]]]) -> list[bool]:
    """Return Cedar's decision on each request, with the fields that it stands for."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    asked = [
        {
            "principal": f'Commonweal::Client::"{request.client}"',
            "action": 'Commonweal::Action::"read"',
            "resource": f'Commonweal::Record::"{request.who}"',
            "context": {
                "purpose": {"__entity": _uid("Purpose", request.purpose)},
                "fields": list(fields),
                "now": {"__extn": {"fn": "datetime", "arg": now}},
            },
        }
        for request, fields in requests
    ]
    results = cedarpy.is_authorized_batch(asked, policies, entities, cedar_schema())
    assert not any(result.diagnostics.errors for result in results), [result.diagnostics.errors for result in results]
    return [result.allowed for result in results]


@pytest.mark.parametrize("seed", range(3))
def test_cedar_decides_what_the_store_shows(store: StoreServer, heritage: HeritageServer, seed: int) -> None:
    chance = random.Random(seed)
    bases = [*BasisType, *chance.choices([BasisType.CONSENT, BasisType.PUBLIC_TASK], k=AGREEMENTS - len(BasisType))]
    specs = {f"s{seed}-{number}": random_agreement(chance, basis) for number, basis in enumerate(bases)}
    requests = [random_request(chance, list(specs.values())) for _ in range(REQUESTS)]

    async def script() -> tuple[Said, dict[str, list[tuple[str, ...] | None]]]:
        exchange, wanted = Exchange(store.directory / f"exchange{seed}"), plan({"people": person_product(heritage)}, specs)
        exchange.put(wanted)
        async with keeping(store, exchange):
            report = await exchange.settled(wanted)
        numbers = {name: report.agreements[name].number or 0 for name in specs}
        said, seen = await speak(store, chance, specs, numbers), {}
        for name, number in numbers.items():
            reader = await login(store, f"agr_{number}")
            seen[name] = [await shown(reader, number, request) for request in requests]
            await reader.close()
        return said, seen

    said, seen = asyncio.run(script())
    entities, allowed = world(said), 0
    for name, spec in specs.items():
        stands_for = [(request, request.fields if request.fields is not None else spec["fields"]) for request in requests]
        decisions = decided(policy_of(name, spec), entities, stands_for)
        for (request, fields), decision, given in zip(stands_for, decisions, seen[name], strict=True):
            assert decision == (given is not None), (name, spec, request)
            assert given is None or set(given) == set(fields), (name, spec, request)
            allowed += decision
    assert AGREEMENTS < allowed < AGREEMENTS * REQUESTS / 3, f"{allowed}: the sample shows too little or too much to tell anything"
    _all_together(specs, entities, requests, seen)


def _all_together(
    specs: Mapping[str, dict[str, Any]],
    entities: list[dict[str, Any]],
    requests: Sequence[Request],
    seen: Mapping[str, Sequence[tuple[str, ...] | None]],
) -> None:
    """All policies in one set allow exactly what some door shows: no agreement takes away what another gives."""
    named = [(at, request) for at, request in enumerate(requests) if request.fields is not None]
    policies = "\n".join(policy_of(name, spec) for name, spec in specs.items())
    decisions = decided(policies, entities, [(request, request.fields or ()) for _, request in named])
    for (at, request), decision in zip(named, decisions, strict=True):
        assert decision == any(answers[at] is not None for answers in seen.values()), request
