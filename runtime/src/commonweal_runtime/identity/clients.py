"""Applications that may ask people to sign in. All are public clients: PKCE stands in for a secret that a browser cannot keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from commonweal_api.people_issuer import PORTAL, PORTAL_WEB
from commonweal_runtime.certificates import is_secured

_Uri = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_LOOPBACK = ("127.0.0.1", "::1")


class Client(BaseModel):
    """One application and the addresses to which it may have people sent back."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    redirect_uris: list[_Uri] = Field(min_length=1, max_length=20)
    post_logout_redirect_uris: list[_Uri] = Field(default_factory=list, max_length=20)
    backchannel_logout_uri: _Uri | None = None

    @field_validator("redirect_uris", "post_logout_redirect_uris")
    @classmethod
    def _safe(cls, uris: list[str], info: ValidationInfo) -> list[str]:
        for uri in uris:
            parts = urlsplit(uri)
            if parts.scheme not in ("https", "http") or not parts.hostname or parts.fragment:
                raise ValueError(
                    f"{to_camel(info.field_name or '')}: each must be an absolute https: (or, on a closed network, http:) address without a fragment"
                )
        return uris

    @field_validator("backchannel_logout_uri")
    @classmethod
    def _secured(cls, uri: str | None) -> str | None:
        if uri is not None and (not is_secured(uri) or urlsplit(uri).fragment):
            raise ValueError("backchannelLogoutUri: must be an absolute https: address without a fragment; http: only on this machine")
        return uri

    def accepts(self, uri: str) -> bool:
        """Whether a person may be sent to this address: character by character one that is registered.

        Only the port of a loopback address is free, as RFC 8252 section 7.3 asks for programs that listen on any port.
        """
        return _is_among(uri, self.redirect_uris)

    def accepts_after_logout(self, uri: str) -> bool:
        """Whether a person who has signed out may be sent to this address, by the same rule."""
        return _is_among(uri, self.post_logout_redirect_uris)


_FILE = TypeAdapter(list[Client])
DEFAULTS = (Client(client_id=PORTAL, name="Commonweal", redirect_uris=["http://127.0.0.1/callback"]),)


def read_clients(file: Path, *own: Client) -> dict[str, Client]:
    """Return the clients by id: those of the file, or the defaults when there is none, and the issuer's own, which no file replaces."""
    clients = _FILE.validate_json(file.read_bytes()) if file.exists() else list(DEFAULTS)
    return {c.client_id: c for c in (*clients, *own)}


def portal(url: str, inner: str) -> Client:
    """Return the portal at its public address; `inner` is where the issuer reaches it."""
    return Client(
        client_id=PORTAL_WEB,
        name="Commonweal",
        redirect_uris=[f"{url}/signed-in"],
        post_logout_redirect_uris=[f"{url}/signed-out"],
        backchannel_logout_uri=f"{inner or url}/back-channel-logout",
    )


def _is_among(uri: str, registered: list[str]) -> bool:
    return any(uri == known or _loopback(uri) == _loopback(known) is not None for known in registered)


def _loopback(uri: str) -> tuple[str, str, str] | None:
    """Return what must be equal besides the port, or None for an address that is not loopback."""
    try:
        parts = urlsplit(uri)
        is_plain = parts.scheme == "http" and not parts.username and not parts.password and not parts.fragment and (parts.port or 80) > 0
    except ValueError:
        return None
    host = parts.hostname or ""
    return (host, parts.path, parts.query) if is_plain and host in _LOOPBACK else None
