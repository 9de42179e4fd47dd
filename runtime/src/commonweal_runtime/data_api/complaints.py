"""Complaints: what a person finds wrong, and what the department's registrars answer. Bodies of the requests, and the calls into the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from commonweal_api.common import NAME_PATTERN, WORDS_PATTERN, Name
from commonweal_runtime.bodies import Body
from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.connections import ConnectionPools
from commonweal_runtime.data_api.people import API, PERSON, Principal, ask
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.store.problems import Own
from commonweal_runtime.store.sqlstates import SqlState
from commonweal_runtime.turns import Turns

MOST_CHARACTERS = 2000
USE_PATTERN = "^[0-9]{1,18}$"
ComplaintState = Literal["Open", "Answered", "Upheld", "NotUpheld"]
Decision = Literal["Answered", "Upheld", "NotUpheld"]


def _lines(value: object) -> object:
    """Return the text as it is kept; browsers send the lines of a form apart by carriage return and line feed."""
    return value.replace("\r\n", "\n") if isinstance(value, str) else value


def _not_null(value: object) -> object:
    if value is None:
        raise PydanticCustomError("null", "Input is null; leave it out instead")
    return _lines(value)


def _true(value: object) -> bool:
    if value is True:
        return True
    raise PydanticCustomError("true", "Input is not true; leave it out instead")


def _form(pattern: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, **more})


_words = StringConstraints(min_length=1, max_length=MOST_CHARACTERS, pattern=WORDS_PATTERN)
_shown = _form(r"\S", minLength=1, maxLength=MOST_CHARACTERS)
Words = Annotated[str, _words, BeforeValidator(_lines), _shown]
WordsIfGiven = Annotated[Annotated[str, _words] | None, BeforeValidator(_not_null), _shown]
UseIfGiven = Annotated[Annotated[str, StringConstraints(pattern=USE_PATTERN)] | None, BeforeValidator(_not_null), _form(USE_PATTERN)]
NameIfGiven = Annotated[Name | None, BeforeValidator(_not_null), _form(NAME_PATTERN, maxLength=40)]
TrueIfGiven = Annotated[bool | None, BeforeValidator(_true), WithJsonSchema({"const": True})]


def state_of(query: Mapping[str, str]) -> str | None:
    """Return the state that is asked for, or None for all."""
    state = query.get("state")
    if state is not None and state not in get_args(ComplaintState):
        raise invalid_request("The parameter state is not one of a complaint.", f"Write one of {', '.join(get_args(ComplaintState))}.")
    return state


class About(Body):
    """What a complaint is about: one of these, or nothing for the department as a whole."""

    model_config = ConfigDict(json_schema_extra={"maxProperties": 1})

    use: UseIfGiven = None
    agreement: NameIfGiven = None
    link: TrueIfGiven = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) > 1:
            raise PydanticCustomError("one", "It names more than one thing; complain of each by itself")
        return self


class ComplaintBody(Body):
    """What a person complains of."""

    form = 'Send {"about": {"use": "<id>"} or {"agreement": "<name>"} or {"link": true} or {}, "text": "<1 to 2000 characters>"}.'

    about: About
    text: Words


class Said(Body):
    """A text for people: in English, and in Welsh where there is one."""

    en: Words
    cy: WordsIfGiven = None


class AnswerBody(Body):
    """What the department answers to a complaint."""

    form = 'Send {"state": "Answered" or "Upheld" or "NotUpheld", "answer": {"en": "<text>"}} and, if wanted, "cy" beside "en".'

    state: Decision
    answer: Said = Field(description="What the person is told.")


class Complaints:
    """Calls the store's functions about complaints: as the role of people, and in the name of one of the department's own clients."""

    def __init__(self, pools: ConnectionPools, turns: Turns) -> None:
        self._pools, self._turns = pools, turns

    async def of(self, who: Principal, before: int, most: int) -> str:
        """Return what the person complained of, newest first; to a delegate, what they said themselves."""
        return await self._person("select person.complaints($1, $2, $3, $4)", who.actor, who.subject, before, most)

    async def complain(self, who: Principal, said: ComplaintBody) -> str:
        """Take a complaint; when this returns it is on the disk, and its term runs."""
        about = said.about
        use = int(about.use) if about.use is not None else None
        statement = "select person.complain($1, $2, $3, $4, $5, $6)"
        return await self._person(statement, who.actor, who.subject, use, about.agreement, about.link, said.text)

    async def listed(self, client: str, state: str | None, before: int, most: int) -> str:
        """Return the department's complaints, newest first."""
        return await self._registrar("select registrar.complaints($1, $2, $3, $4)", client, state, before, most)

    async def answer(self, client: str, complaint: UUID, said: AnswerBody) -> str:
        """Answer a complaint, or answer it again; the person sees it at once."""
        answer = said.answer.model_dump_json(exclude_none=True)
        return await self._registrar("select registrar.answer_complaint($1, $2, $3, $4)", client, complaint, said.state, answer)

    async def _person(self, statement: str, actor: UUID, *args: object) -> str:
        refused: Own = {SqlState.NOT_PERMITTED: problems.not_delegated, SqlState.NOT_FOUND: problems.nothing_to_complain_of}
        async with self._turns.of(actor):
            return await ask(self._pools, PERSON, refused, statement, actor, *args)

    async def _registrar(self, statement: str, client: str, *args: Any) -> str:
        refused: Own = {SqlState.NOT_PERMITTED: problems.no_registrar, SqlState.NOT_FOUND: problems.no_such_complaint}
        async with self._turns.of(client):
            return await ask(self._pools, API, refused, statement, client, *args)
