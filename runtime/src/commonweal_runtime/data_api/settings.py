"""What the data API is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from commonweal_runtime.data_api.mail import Mail, mail_of
from commonweal_runtime.store.logins import read_key
from commonweal_runtime.tokens import CLUSTER_JWKS, SKEW, Naming

MOST_SKEW = 300.0


@dataclass(frozen=True, slots=True)
class SignIn:
    """How people sign in: whose tokens are believed, for which audiences, and which claim names a person.

    `keys` are the issuer's public keys where the operator knows them, and `jwks` where they are fetched; with neither they are found by discovery.
    """

    issuer: str
    jwks: str | None
    audiences: tuple[str, ...]
    naming: Naming
    skew: float = SKEW
    keys: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a process needs to know; keys stay out of `repr`."""

    department: str
    audience: str
    client_issuer: str
    client_jwks: str
    sign_in: SignIn
    store_host: str
    store_port: int
    database_key: bytes = field(repr=False)
    sector_key: bytes | None = field(repr=False)
    mail: Mail | None = None

    @staticmethod
    def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this process; KeyError names a missing variable, ValueError one that cannot be understood."""
        host, _, port = env["COMMONWEAL_STORE"].rpartition(":")
        keys = Path(env["COMMONWEAL_KEYS_DIR"])
        # It is mounted where people's tokens carry the sources' keys, and where the department has other sites.
        sector_key = read_key(keys, "sector") if (keys / "sector").exists() else None
        return Settings(
            department=env["COMMONWEAL_DEPARTMENT"],
            audience=env["COMMONWEAL_AUDIENCE"],
            client_issuer=env["COMMONWEAL_CLIENT_ISSUER"],
            client_jwks=env.get("COMMONWEAL_CLIENT_JWKS", CLUSTER_JWKS),
            sign_in=_sign_in(env, sector_key),
            store_host=host,
            store_port=int(port),
            database_key=read_key(keys, "database"),
            sector_key=sector_key,
            mail=mail_of(env, env["COMMONWEAL_DEPARTMENT"]),
        )


def _sign_in(env: Mapping[str, str], sector_key: bytes | None) -> SignIn:
    """Return how people sign in. An empty variable counts as none, for a chart may write it so."""
    kind = env.get("COMMONWEAL_PERSON_SUBJECT") or "Pairwise"
    if kind not in {"Pairwise", "Source"}:
        raise ValueError("COMMONWEAL_PERSON_SUBJECT: write Pairwise (the claim is the department's id) or Source (it is the sources' key).")
    if kind == "Source" and sector_key is None:
        raise ValueError(
            "COMMONWEAL_PERSON_SUBJECT: Source needs the key sector in COMMONWEAL_KEYS_DIR, from which ids are made. Mount it there."
        )
    audiences = tuple(a.strip() for a in (env.get("COMMONWEAL_PERSON_AUDIENCE") or env["COMMONWEAL_AUDIENCE"]).split(",") if a.strip())
    return SignIn(
        issuer=env["COMMONWEAL_PERSON_ISSUER"],
        keys=_keys(env.get("COMMONWEAL_PERSON_KEYS", "")),
        jwks=env.get("COMMONWEAL_PERSON_JWKS") or None,
        audiences=audiences,
        naming=Naming(env.get("COMMONWEAL_PERSON_CLAIM") or "sub", sector_key if kind == "Source" else None),
        skew=_skew(env.get("COMMONWEAL_PERSON_SKEW_SECONDS") or str(SKEW)),
    )


def _keys(text: str) -> Mapping[str, Any] | None:
    try:
        keys = orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        keys = ()
    if keys is not None and not isinstance(keys, dict):
        raise ValueError("COMMONWEAL_PERSON_KEYS: write the issuer's public keys as a JSON Web Key Set.")
    return keys


def _skew(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MOST_SKEW:
        raise ValueError(f"COMMONWEAL_PERSON_SKEW_SECONDS: write a number of seconds from 0 to {MOST_SKEW:.0f}.")
    return seconds
