"""A department whose people have other keys elsewhere: its roll, what it asks as proof, and citizens who sign in and try to find themselves."""

from __future__ import annotations

import asyncio
import uuid
from datetime import date, timedelta
from typing import Any

import httpx

from commonweal_api.plan import StorePlan
from support.data_api import READER, agreement, person_product, plan
from support.department import REGISTRAR, Department
from support.postgres import HeritageServer

# Twenty of `T…` with everything their own; then two with one number, one with two rows that agree, one whose rows do not, one with no address.
ROLL = """
create table roll (key text, row text primary key, surname text, born text, number text, email text);
insert into roll select 'T' || n, 'R' || n, 'Name' || n, to_char(date '1950-01-01' + n * 37, 'YYYY-MM-DD'), 'UTR ' || 1000000000 + n, 'p' || n || '@example.test'
  from generate_series(1, 60) n;
insert into roll values
  ('S1', 'S1', 'Shared', '1970-01-01', '2000000001', 's1@example.test'), ('S2', 'S2', 'Shared', '1970-01-01', '2000000001', 's2@example.test'),
  ('D1', 'D1a', 'Double', '1971-02-03', '3000000001', 'd@example.test'), ('D1', 'D1b', 'Double', '1971-02-03', '3000000001', 'd@example.test'),
  ('C1', 'C1a', 'Clash', '1972-02-03', '4000000001', 'c@example.test'), ('C1', 'C1b', 'Clash', '1972-02-04', '4000000001', 'c@example.test'),
  ('N1', 'N1', 'Silent', '1973-02-03', '5000000001', null);
"""
FIELDS = [
    {"name": "surname", "column": "surname", "type": "String"},
    {"name": "born", "column": "born", "type": "Date"},
    {"name": "number", "column": "number", "type": "String"},
    {"name": "email", "column": "email", "type": "String"},
    {"name": "birthYear", "mask": {"of": "born", "kind": "Year"}},
]
MATCHING = {
    "product": "roll",
    "attributes": [
        {"field": "surname", "label": {"en": "Surname", "cy": "Cyfenw"}, "normalise": "Upper"},
        {"field": "born", "label": {"en": "Date of birth"}, "normalise": "Date"},
        {"field": "number", "label": {"en": "Tax reference"}, "description": {"en": "Ten digits."}, "normalise": "Digits", "unique": True},
    ],
    "preview": [{"field": "surname", "label": {"en": "Surname"}}, {"field": "born", "label": {"en": "Born in"}}],
    "tries": 3,
    "addressTries": 100000,
}


def told(n: int, **over: str) -> dict[str, str]:
    """Return what the person `T<n>` knows of themselves, or with something changed."""
    born = date(1950, 1, 1) + timedelta(days=37 * n)
    return {"surname": f"name{n}", "born": born.isoformat(), "number": str(1000000000 + n), **over}


def rolled(heritage: HeritageServer, **over: Any) -> StorePlan:
    """Return the plan of the department with one agreement on its roll; `over` changes its matching."""
    product = {
        **person_product(heritage),
        "title": "Roll",
        "fields": FIELDS,
        "subject": {"column": "key", "records": "Many", "recordKey": "row"},
    }
    product["source"] = {"postgres": {**product["source"]["postgres"], "table": "roll"}}
    wanted = plan(
        {"roll": {**product, "rights": {"erasure": "Supported"}}},
        {"yes": agreement("Consent", product="roll", fields=["surname", "birthYear"], limits={"maxRows": 10})},
    ).model_dump(by_alias=True, mode="json", exclude_none=True)
    return StorePlan.model_validate({**wanted, "registrars": [REGISTRAR], "matching": {**MATCHING, **over}})


def make_roll(heritage: HeritageServer) -> None:
    """Put the roll into the heritage database."""

    async def go() -> None:
        root = await heritage.superuser("heritage")
        await root.execute(ROLL + "grant select on roll to reader")
        await root.close()

    asyncio.run(go())


assert READER  # the login that the grant above is for is made with the other tables


class Citizen:
    """Somebody signed in under an id that no record has, in one session. Each has an address of their own on loopback."""

    _count = 0

    def __init__(self, department: Department, who: uuid.UUID | None = None, **claims: Any) -> None:
        self.department, self.id = department, who or uuid.uuid4()
        self.claims = {"sid": uuid.uuid4().hex, "acr": "low", **claims}

    def again(self, **claims: Any) -> Citizen:
        """Return the same sign-in with other claims, such as another session."""
        return Citizen(self.department, self.id, **{**self.claims, **claims})

    def asks(self, method: str, path: str = "/me/link", **more: Any) -> httpx.Response:
        token = self.department.issuer.person(self.id, **self.claims)
        return self.department.http.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)

    def standing(self) -> dict[str, Any]:
        answer = self.asks("GET")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def tells(self, values: dict[str, str]) -> dict[str, Any]:
        answer = self.asks("POST", json={"values": values})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def confirms(self, ticket: str, **more: str) -> httpx.Response:
        return self.asks("POST", "/me/link/confirmation", json={"ticket": ticket, **more})

    def links(self, values: dict[str, str]) -> str:
        """Find the record, confirm it, and return the link token."""
        found = self.tells(values)
        assert found["state"] == "Found", found
        answer = self.confirms(found["ticket"])
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["linkToken"]
        return token
