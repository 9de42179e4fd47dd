"""What the embedded issuer of people holds: a Secret of its own, in place of the master key."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

from commonweal_api.people_issuer import NAME, PORTAL, Held
from commonweal_operator.desired.manifest import MANAGED_BY, MANAGED_LABEL, Child, child


class _Person(BaseModel):
    root: str


class _Client(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    client_id: str


class Known(NamedTuple):
    """Whom the issuer lets in, by their source keys, and for which applications."""

    roots: list[str]
    clients: list[str]


_PEOPLE, _CLIENTS = TypeAdapter(list[_Person]), TypeAdapter(list[_Client])


def known(secret: Mapping[str, Any] | None) -> Known:
    """Return who is in the Secret of the people who may sign in; nobody without one. Raises ValueError when it cannot be read, as the issuer would."""
    data = (secret or {}).get("data") or {}
    people = _PEOPLE.validate_json(b64decode(data["people.json"])) if "people.json" in data else []
    clients = [c.client_id for c in _CLIENTS.validate_json(b64decode(data["clients.json"]))] if "clients.json" in data else [PORTAL]
    return Known([person.root for person in people], clients)


def issuer_secret(namespace: str, held: Held) -> Child:
    """Return the Secret that the issuer's pods mount."""
    metadata = {"name": NAME, "namespace": namespace, "labels": {MANAGED_LABEL: MANAGED_BY}}
    return child("Secret", metadata, type="Opaque", data={name: b64encode(text.encode()).decode() for name, text in held.files.items()})
