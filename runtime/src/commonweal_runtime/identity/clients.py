"""Applications that may ask people to sign in. All are public clients: PKCE stands in for a secret that a browser cannot keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, field_validator
from pydantic.alias_generators import to_camel

from commonweal_api.people_issuer import PORTAL

_LOOPBACK = ("127.0.0.1", "::1")


class Client(BaseModel):
    """One application and the addresses to which it may have people sent back."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    redirect_uris: list[Annotated[str, StringConstraints(min_length=1, max_length=500)]] = Field(min_length=1, max_length=20)

    @field_validator("redirect_uris")
    @classmethod
    def _safe(cls, uris: list[str]) -> list[str]:
        for uri in uris:
            parts = urlsplit(uri)
            if parts.scheme not in ("https", "http") or not parts.hostname or parts.fragment:
                raise ValueError(
                    "redirectUris: each must be an absolute https: (or, on a closed network, http:) address without a fragment"
                )
        return uris

    def accepts(self, uri: str) -> bool:
        """Whether a person may be sent to this address: character by character one that is registered.

        Only the port of a loopback address is free, as RFC 8252 section 7.3 asks for programs that listen on any port.
        """
        return any(uri == known or _loopback(uri) == _loopback(known) is not None for known in self.redirect_uris)


_FILE = TypeAdapter(list[Client])
DEFAULTS = (Client(client_id=PORTAL, name="Commonweal", redirect_uris=["http://127.0.0.1/callback"]),)


def read_clients(file: Path) -> dict[str, Client]:
    """Return the clients by id: those of the file, or the defaults when there is none."""
    clients = _FILE.validate_json(file.read_bytes()) if file.exists() else list(DEFAULTS)
    return {c.client_id: c for c in clients}


def _loopback(uri: str) -> tuple[str, str, str] | None:
    """Return what must be equal besides the port, or None for an address that is not loopback."""
    try:
        parts = urlsplit(uri)
        is_plain = parts.scheme == "http" and not parts.username and not parts.password and not parts.fragment and (parts.port or 80) > 0
    except ValueError:
        return None
    host = parts.hostname or ""
    return (host, parts.path, parts.query) if is_plain and host in _LOOPBACK else None
