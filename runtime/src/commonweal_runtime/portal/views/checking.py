"""Check a use or a receipt: the seal's proof, verified here and, where there is script, once more by the browser from the same text."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from commonweal_runtime.exceptions import DepartmentAnswerError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.pages import File, Page, Result, address
from commonweal_runtime.portal.proving import BROKEN, embedded, former, verdict_of
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.asked import keys_of, one, person_at
from commonweal_runtime.portal.visitor import Visitor

KINDS = ("uses", "receipts")


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    made: list[Any] = []
    for kind in KINDS:
        made += [
            frame.page(portal, f"/{kind}/{{department:str}}/{{number:str}}/check", _check(kind)),
            frame.page(portal, f"/{kind}/{{department:str}}/{{number:str}}/proof", _proof(kind)),
        ]
    return made


def _check(kind: str) -> frame.View:
    async def check(visitor: Visitor) -> Result:
        """Show what the proof of one record shows."""
        department, number = await one(visitor), number_of(visitor)
        values = {"department": department, "kind": kind, "number": number, "wrong": _wrong(kind, department.name, number)}
        try:
            proof, keys, person = await asyncio.gather(
                visitor.ask(department.name, "GET", f"/me/{kind}/{number}/proof"),
                keys_of(visitor, department),
                person_at(visitor, department.name),
            )
        except DepartmentAnswerError as error:
            if error.reason == "ProofBroken":
                return Page("proof.html", {**values, "verdict": BROKEN, "proof": ""}, section=f"/{kind}", back=f"/{kind}")
            raise
        keep = {"verdict": verdict_of(proof, keys, person), "proof": embedded(proof), "keys": embedded(list(keys))}
        people = embedded([person, *former(proof)])
        file = address(kind, department.name, number, "proof")
        return Page("proof.html", {**values, **keep, "people": people, "person": person, "file": file}, section=f"/{kind}", back=f"/{kind}")

    return check


def _proof(kind: str) -> frame.View:
    async def proof(visitor: Visitor) -> Result:
        """Give the proof as a file, which `commonweal audit proof` checks without asking anybody."""
        department, number = await one(visitor), number_of(visitor)
        found = await visitor.ask(department.name, "GET", f"/me/{kind}/{number}/proof")
        return File(orjson.dumps(found), "application/json", f"proof-{department.name}-{number}.json")

    return proof


def number_of(visitor: Visitor) -> str:
    """Return the number in the address; DepartmentAnswerError for what is none."""
    number = visitor.params["number"]
    if not (number.isascii() and number.isdecimal() and len(number) <= 18):
        raise DepartmentAnswerError(visitor.params["department"], 404, "NoSuchRecord")
    return number


def _wrong(kind: str, department: str, number: str) -> str:
    about = f"&use={number}" if kind == "uses" else ""
    return f"/complaints/new?body={department}{about}"
