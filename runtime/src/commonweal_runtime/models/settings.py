"""What the model runtime is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from commonweal_api.store_access import PASSWORD, REQUESTS, STORE_CERTIFICATE
from commonweal_runtime.store.logins import read_key
from commonweal_runtime.tokens import CLUSTER_JWKS


@dataclass(frozen=True)
class Settings:
    """Where the runtime stands. `client_jwks` is the JWKS address of the site's ServiceAccount issuer; what is secret stays out of `repr`."""

    department: str
    audience: str
    client_issuer: str
    client_jwks: str
    store_host: str
    store_port: int
    database: str
    store_certificate: str
    tokens: Path
    password: str = field(repr=False)
    requests: bytes = field(repr=False)

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this process; raises KeyError for a variable that is missing, ValueError for a key that is not valid."""
        keys = Path(env.get("COMMONWEAL_KEYS_DIR", "/etc/commonweal/keys"))
        host, _, port = env["COMMONWEAL_STORE"].rpartition(":")
        return cls(
            department=env["COMMONWEAL_DEPARTMENT"],
            audience=env["COMMONWEAL_AUDIENCE"],
            client_issuer=env["COMMONWEAL_CLIENT_ISSUER"],
            client_jwks=env.get("COMMONWEAL_CLIENT_JWKS", CLUSTER_JWKS),
            store_host=host,
            store_port=int(port),
            database=env.get("COMMONWEAL_MODELS_DATABASE", "models"),
            store_certificate=(keys / STORE_CERTIFICATE).read_text(),
            tokens=Path(env.get("COMMONWEAL_TOKENS_DIR", "/var/run/commonweal/tokens")),
            password=(keys / PASSWORD).read_text().strip(),
            requests=read_key(keys, REQUESTS),
        )
