"""What the embedded issuer of people, its store and the portal hold: Secrets of their own, in place of the master key, and the public directory of the site's departments."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from commonweal_api.directory import FILE
from commonweal_api.people_issuer import PORTAL, PORTAL_WEB, Enrolled
from commonweal_operator.desired.manifest import MANAGED_BY, MANAGED_LABEL, Child, Manifest, child

DIRECTORY = "commonweal-directory"  # public, so no Secret, and of a size of its own
IDENTITY_SERVICE, STORE_SERVICE, PORTAL_SERVICE = "identity", "identity-store", "portal"


class _Person(BaseModel):
    username: str
    root: str | None = None
    links: dict[str, str] = Field(default_factory=dict)


class _Client(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    client_id: str


class Known(NamedTuple):
    """Who the issuer lets in, by their source keys, and for which applications."""

    people: list[Enrolled]
    clients: list[str]


_PEOPLE, _CLIENTS = TypeAdapter(list[_Person]), TypeAdapter(list[_Client])


def known(secret: Mapping[str, Any] | None) -> Known:
    """Return who is in the Secret of the people who may sign in; no person without one. Raises ValueError when it cannot be read, as the issuer would."""
    data = (secret or {}).get("data") or {}
    people = enrolled(b64decode(data["people.json"])) if "people.json" in data else []
    clients = [c.client_id for c in _CLIENTS.validate_json(b64decode(data["clients.json"]))] if "clients.json" in data else [PORTAL]
    return Known(people, [*clients, PORTAL_WEB])


def enrolled(text: bytes) -> list[Enrolled]:
    """Return the people of a `people.json` by their source keys. Raises ValueError when it cannot be read."""
    return [Enrolled(person.root, person.links) for person in _PEOPLE.validate_json(text)]


def opaque(namespace: str, name: str, files: Mapping[str, str]) -> Child:
    """Return a Secret of the platform's own namespace, whose files pods mount."""
    return child("Secret", _metadata(namespace, name), type="Opaque", data={k: b64encode(v.encode()).decode() for k, v in files.items()})


def listed_in(namespace: str, text: str) -> Child:
    """Return the ConfigMap with the directory, which the issuer mounts and gives to everybody."""
    return child("ConfigMap", _metadata(namespace, DIRECTORY), data={FILE: text})


def _metadata(namespace: str, name: str) -> Manifest:
    return {"name": name, "namespace": namespace, "labels": {MANAGED_LABEL: MANAGED_BY}}
