"""What the issuer is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from commonweal_api.directory import FILE
from commonweal_api.people_issuer import SEAL, SIGNING, STORE, SUBJECTS
from commonweal_runtime.identity.clients import Client, portal
from commonweal_runtime.identity.postgres import Address
from commonweal_runtime.identity.provider import Relying
from commonweal_runtime.store.logins import read_key
from commonweal_runtime.tokens import checked_url

PROVIDER_SECRET = "provider-secret"  # noqa: S105 - a file


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a process needs to know; what is secret stays out of `repr`. With `signing_key`, a PEM file, that key signs instead of `seed`."""

    issuer: str
    people: Path
    clients: Path
    signing_key: Path | None
    subjects: Path
    directory: Path
    store: Address
    own_clients: tuple[Client, ...]
    provider: Relying | None
    seed: bytes = field(repr=False)
    seal: bytes = field(repr=False)
    password: str = field(repr=False)

    @staticmethod
    def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this process; KeyError names a missing variable, ValueError one that cannot be understood.

        COMMONWEAL_ISSUER is the issuer's own address; COMMONWEAL_IDENTITY_DIR holds what the operator made for it; COMMONWEAL_PEOPLE is
        people.json, beside which clients.json may lie; COMMONWEAL_SIGNING_KEY is a PEM file. COMMONWEAL_IDENTITY_STORE is host:port of the issuer's own
        PostgreSQL; COMMONWEAL_PROVIDER_ISSUER and COMMONWEAL_PROVIDER_CLIENT_ID name the OpenID provider that signs people in, if there is one, and the file
        provider-secret is what this issuer proves itself by to it. COMMONWEAL_PORTAL_URL, where there is a portal, its public address, and COMMONWEAL_PORTAL_INNER where the issuer reaches it.
        """
        key_file = env.get("COMMONWEAL_SIGNING_KEY")
        held = Path(env.get("COMMONWEAL_IDENTITY_DIR", "/etc/commonweal/identity"))
        people = Path(env.get("COMMONWEAL_PEOPLE", "/etc/commonweal/people/people.json"))
        return Settings(
            issuer=env["COMMONWEAL_ISSUER"].rstrip("/"),
            people=people,
            clients=people.with_name("clients.json"),
            signing_key=Path(key_file) if key_file else None,
            subjects=held / SUBJECTS,
            directory=held / FILE,
            store=Address.read(env["COMMONWEAL_IDENTITY_STORE"]),
            own_clients=_portal(env),
            provider=_provider(env, held),
            seed=read_key(held, SIGNING),
            seal=read_key(held, SEAL),
            password=read_key(held, STORE).hex(),
        )


def _provider(env: Mapping[str, str], held: Path) -> Relying | None:
    issuer, client = env.get("COMMONWEAL_PROVIDER_ISSUER", ""), env.get("COMMONWEAL_PROVIDER_CLIENT_ID", "")
    if not issuer and not client:
        return None
    if not issuer or not client:
        raise ValueError("COMMONWEAL_PROVIDER_ISSUER and COMMONWEAL_PROVIDER_CLIENT_ID belong together: set both, or neither")
    secret = held / PROVIDER_SECRET
    return Relying(checked_url(issuer), client, secret.read_text().strip() if secret.exists() else None)


def _portal(env: Mapping[str, str]) -> tuple[Client, ...]:
    url = env.get("COMMONWEAL_PORTAL_URL", "").rstrip("/")
    return (portal(url, env.get("COMMONWEAL_PORTAL_INNER", "").rstrip("/")),) if url else ()
