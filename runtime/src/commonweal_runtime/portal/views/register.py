"""For everybody, without signing in: which agreements each body has, how often they are used, and the newest seal. About no person."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commonweal_runtime.audit.seals import Seal
from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError, SignatureError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Department, Departments, Reply, State
from commonweal_runtime.portal.languages import Language, Words
from commonweal_runtime.portal.pages import Page, Result, address
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.agreements import BASES
from commonweal_runtime.portal.views.asked import keys_of
from commonweal_runtime.portal.views.shown import missing_of
from commonweal_runtime.portal.views.terms import word_of
from commonweal_runtime.portal.visitor import Visitor
from commonweal_runtime.seal_key import KeyRing

REGISTER = "/register"
_MOST_ASKS = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """One agreement of the register."""

    consumer: Words
    product: Words
    purposes: Sequence[Words]
    fields: Sequence[Words]
    basis: str
    legal_power: str
    until: str
    visibility: str
    days: int
    reason: str
    uses: int
    given: int


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the register: what it reads, and which services ask it."""

    title: Words
    reads: Sequence[str]
    callers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Sum:
    """One body in the list of all."""

    title: Words
    href: str
    agreements: int
    uses: int
    refused: int


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    newest = NewestSeals(portal.reached.departments)

    async def body(visitor: Visitor) -> Result:
        return await _body(visitor, newest)

    return [
        frame.page(portal, REGISTER, register, public=True),
        frame.page(portal, "/register/{department:str}", body, public=True),
    ]


async def register(visitor: Visitor) -> Result:
    """Show all bodies with their counts."""
    replies = await visitor.reached.departments.gather(None, "/v1/transparency")
    values = {"bodies": sums_of(replies, visitor.language), "missing": missing_of(replies, visitor.language)}
    return Page("register.html", values, section=REGISTER, sensitive=False)


async def _body(visitor: Visitor, newest: NewestSeals) -> Result:
    """Show the agreements of one body, and its newest seal."""
    department = await visitor.reached.departments.one(visitor.params["department"])
    public = visitor.reached.departments.public
    registered, published, seal = await asyncio.gather(
        public(department.name, "/v1/register"), public(department.name, "/v1/transparency"), _seal(visitor, newest, department)
    )
    ended = [agreement for agreement in published["agreements"] if not agreement.get("inForce")]
    values = {
        "title": visitor.language.words(department.display_name),
        "contact_at": department.contact,
        "in_force": [entry_of(agreement, visitor.language) for agreement in registered["agreements"]],
        "ended": [entry_of(agreement, visitor.language) for agreement in ended],
        "models": [model_of(model, visitor.language) for model in registered.get("models") or []],
        "erased": sum(int(entry.get("erased") or 0) for entry in published.get("erasures", [])),
        "seal": seal,
    }
    return Page("register_body.html", values, section=REGISTER, sensitive=False, back=REGISTER)


async def _seal(visitor: Visitor, newest: NewestSeals, department: Department) -> Seal | None:
    """Return the newest seal if the body's key signed it; None while there is none, or it cannot be had."""
    try:
        jws, keys = await asyncio.gather(newest.of(department.name), keys_of(visitor, department))
        return Seal.opened(KeyRing(keys), jws) if jws else None
    except (DepartmentAnswerError, DepartmentSilentError, SignatureError):
        return None


class NewestSeals:
    """The newest seal of each body. Bodies list seals from a number on, so the newest is looked for in doubling steps from the last one known."""

    def __init__(self, departments: Departments) -> None:
        self._departments = departments
        self._known: dict[str, int] = {}

    async def of(self, department: str) -> str:
        """Return the newest seal as the body signed it, empty while there is none."""
        at, found = self._known.get(department, 0), ""
        first = await self._after(department, max(0, at - 1))
        if first is None:
            return found
        at, found = first
        step = 1
        for _ in range(_MOST_ASKS):
            further = await self._after(department, at + step - 1)
            if further is not None:
                (at, found), step = further, step * 2
            elif step == 1:
                break
            else:
                step //= 2
        self._known[department] = at
        return found

    async def _after(self, department: str, number: int) -> tuple[int, str] | None:
        page = await self._departments.public(department, f"/v1/seals?after={number}&limit=1")
        return next(((int(item["n"]), str(item["jws"])) for item in page["items"]), None)


def sums_of(replies: Iterable[Reply], language: Language) -> list[Sum]:
    """Return the bodies that answered, with their counts."""
    found = []
    for reply in replies:
        if reply.state is not State.ANSWERED:
            continue
        listed = reply.value["agreements"]
        uses, given = (sum(int(one.get(name) or 0) for one in listed) for name in ("uses", "given"))
        in_force = sum(1 for one in listed if one.get("inForce"))
        title = language.words(reply.department.display_name)
        found.append(Sum(title, address("register", reply.department.name), in_force, uses, uses - given))
    return found


def model_of(model: Mapping[str, Any], language: Language) -> Model:
    """Return a model as the register shows it."""
    return Model(language.words(model.get("title") or model.get("name")), model.get("reads") or [], model.get("callers") or [])


def entry_of(agreement: Mapping[str, Any], language: Language) -> Entry:
    """Return an agreement as the register shows it: of /v1/register those in force, of /v1/transparency those that have ended."""
    hidden = agreement.get("visibility")
    shown = hidden if isinstance(hidden, dict) else agreement
    fields = agreement.get("explained") or [{"name": name} for name in agreement.get("fields") or []]
    return Entry(
        consumer=language.words(agreement.get("consumerName") or agreement.get("consumer")),
        product=language.words(agreement.get("title") or agreement.get("product")),
        purposes=[language.words(purpose.get("text") or purpose.get("key")) for purpose in agreement.get("purposes") or []],
        fields=[language.words(field.get("label") or field.get("name")) for field in fields],
        basis=word_of(BASES, agreement.get("basis")),
        legal_power=str(agreement.get("legalPower") or ""),
        until=str(agreement.get("until") or (agreement.get("validity") or {}).get("until") or ""),
        visibility=str(shown.get("visibility") or "Immediate"),
        days=int(shown.get("delayDays") or 0),
        reason=str(shown.get("reason") or ""),
        uses=int(agreement.get("uses") or 0),
        given=int(agreement.get("given") or 0),
    )
