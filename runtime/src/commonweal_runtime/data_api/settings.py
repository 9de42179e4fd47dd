"""What the data API is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from commonweal_runtime.store.logins import read_key
from commonweal_runtime.tokens import CLUSTER_JWKS


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a process needs to know; the database key stays out of `repr`."""

    department: str
    audience: str
    client_issuer: str
    client_jwks: str
    person_issuer: str
    person_jwks: str
    store_host: str
    store_port: int
    database_key: bytes = field(repr=False)

    @staticmethod
    def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this process; KeyError names a missing variable."""
        host, _, port = env["COMMONWEAL_STORE"].rpartition(":")
        return Settings(
            department=env["COMMONWEAL_DEPARTMENT"],
            audience=env["COMMONWEAL_AUDIENCE"],
            client_issuer=env["COMMONWEAL_CLIENT_ISSUER"],
            client_jwks=env.get("COMMONWEAL_CLIENT_JWKS", CLUSTER_JWKS),
            person_issuer=env["COMMONWEAL_PERSON_ISSUER"],
            person_jwks=env["COMMONWEAL_PERSON_JWKS"],
            store_host=host,
            store_port=int(port),
            database_key=read_key(Path(env["COMMONWEAL_KEYS_DIR"]), "database"),
        )
