"""For whom a model runtime reads: pure decisions, made before anything is read of a person.

A model is a consumer, and so is whoever calls it. What a caller is given besides a decision, and whatever a caller of another department is given, says
something of the values; so the caller's own read, under an agreement that names the caller, has to succeed for that very person before the runtime's does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, cast, get_args

from commonweal_api.common import CLIENT_PATTERN, NAME_PATTERN
from commonweal_api.model_service import RUNTIME_CLIENT
from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.catalogue import Agreement, Catalogue
from commonweal_runtime.data_api.reads import ReadRequest
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.tokens import Client

Gets = Literal["Decision", "Values"]


@dataclass(frozen=True, slots=True)
class Calling:
    """Whom a model runtime answers, and with what: a decision alone, or what values can be worked out from."""

    caller: Client
    gets: Gets


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a product is asked for."""

    product: str
    purpose: str | None
    fields: list[str] | None

    def by(self, client: Client, agreement: Agreement) -> ReadRequest:
        """Return the read by a client under an agreement."""
        fields = ",".join(self.fields) if self.fields is not None else None
        return ReadRequest(agreement, str(client), self.purpose or "", fields)


def calling_of(caller: str | None, gets: str | None) -> Calling | None:
    """Return what the headers Caller and Caller-Gets say, or None without them; what has another form is refused."""
    if caller is None and gets is None:
        return None
    department, _, client = (caller or "").partition("/")
    if not re.fullmatch(NAME_PATTERN, department) or not re.fullmatch(CLIENT_PATTERN, client):
        raise invalid_request(
            "The header Caller does not name a caller.", "Write `department/client`, as in spec.callers of the ModelService."
        )
    if gets not in get_args(Gets):
        raise invalid_request("The header Caller-Gets says neither Decision nor Values.", "Send it with Caller: Decision or Values.")
    return Calling(Client(department, client), cast("Gets", gets))


def read_request(catalogue: Catalogue, client: Client, asked: Asked, calling: Calling | None, now: datetime) -> ReadRequest:
    """Return who asks for what under which agreement, or raise why not."""
    if (client.client == RUNTIME_CLIENT) != (calling is not None):
        raise problems.caller_missing() if calling is None else problems.caller_not_accepted(str(client))
    agreement = catalogue.choose(asked.product, client, asked.purpose, asked.fields, now)
    read = asked.by(client, agreement)
    if calling is None:
        return read
    caller = calling.caller
    read = replace(read, caller=str(caller))
    if calling.gets == "Decision" and caller.department == client.department:
        return read
    try:
        own = catalogue.choose(asked.product, caller, asked.purpose, asked.fields, now)
    except ProblemError as problem:
        raise problems.caller_not_agreed(str(caller), asked.product, asked.fields or agreement.fields, problem.detail) from None
    if own.number == agreement.number:  # one read under it, which counts once towards its limits
        return replace(read, values=True)
    return replace(read, permit=asked.by(caller, own))
