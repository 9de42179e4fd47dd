"""What the model runtime is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from commonweal_runtime.store.logins import password_of, read_key
from commonweal_runtime.tokens import CLUSTER_JWKS

ROLE = "models"


@dataclass(frozen=True)
class Settings:
    """Where the runtime stands. `client_jwks` is the JWKS address of the site's ServiceAccount issuer."""

    department: str
    audience: str
    client_issuer: str
    client_jwks: str
    store_host: str
    store_port: int
    database: str
    key: bytes
    tokens: Path

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this process; raises KeyError for a variable that is missing, ValueError for a key that is none."""
        host, _, port = env["COMMONWEAL_STORE"].rpartition(":")
        return cls(
            department=env["COMMONWEAL_DEPARTMENT"],
            audience=env["COMMONWEAL_AUDIENCE"],
            client_issuer=env["COMMONWEAL_CLIENT_ISSUER"],
            client_jwks=env.get("COMMONWEAL_CLIENT_JWKS", CLUSTER_JWKS),
            store_host=host,
            store_port=int(port),
            database=env.get("COMMONWEAL_MODELS_DATABASE", "models"),
            key=read_key(Path(env.get("COMMONWEAL_KEYS_DIR", "/etc/commonweal/keys")), "database"),
            tokens=Path(env.get("COMMONWEAL_TOKENS_DIR", "/var/run/commonweal/tokens")),
        )

    @property
    def password(self) -> str:
        """The password of the role `models`."""
        return password_of(self.key, ROLE)
