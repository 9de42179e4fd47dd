"""What an application asks for, checked before a person is asked for anything."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field

from commonweal_api.common import NAME_PATTERN
from commonweal_api.people_issuer import IDENTITY
from commonweal_api.plan import audience_of
from commonweal_api.signatures import base64url
from commonweal_runtime.exceptions import AuthorizationError, SignInShownError
from commonweal_runtime.identity.clients import Client

LINK = "link:"
MOST_LINKS = 20
_SINGLE = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "prompt",
    "max_age",
    "acr_values",
    "ui_locales",
)
_PLAIN = ("openid", "profile", "links", "offline_access")
_PROMPTS = frozenset({"login", "consent", "select_account"})
LONGEST_TEXT = 1000
_CHALLENGE = re.compile(r"^[A-Za-z0-9_-]{43}$")
_VERIFIER = re.compile(r"^[A-Za-z0-9._~-]{43,128}$")
_NAME = re.compile(NAME_PATTERN)
Parameters = Sequence[tuple[str, str]]


class AuthorizationRequest(BaseModel):
    """A request that passed every check. Without a department the access token is for the issuer itself.

    `silent` is `prompt=none`: no page may be shown. `again` has the person sign in though there is a session: because the application asks for it, or because it
    answers on a loopback port that is not registered, where any program of the device could stand in its place (RFC 8252, section 8.6).
    """

    model_config = ConfigDict(frozen=True)

    client_id: str
    redirect_uri: str
    department: str | None
    scopes: list[str]
    state: Annotated[str, Field(max_length=1000)] | None
    nonce: Annotated[str, Field(max_length=1000)] | None
    code_challenge: str
    silent: bool = False
    again: bool = False
    max_age: int | None = None
    acr_values: str | None = None
    ui_locales: str | None = None

    @property
    def links(self) -> list[str]:
        """The departments whose ids of the person the application may learn, besides the one of the access token."""
        return [s.removeprefix(LINK) for s in self.scopes if s.startswith(LINK)] if "links" in self.scopes else []


def parameters(text: str) -> list[tuple[str, str]]:
    """Return the parameters of a query or a form body."""
    try:
        return parse_qsl(text, keep_blank_values=False, max_num_fields=50, errors="strict")
    except ValueError:
        raise SignInShownError("The request cannot be read.") from None


def destination(given: Parameters, clients: Mapping[str, Client]) -> tuple[Client, str]:
    """Return the application and the address to answer to; raises SignInShownError when either is not registered."""
    ids, uris = [v for k, v in given if k == "client_id"], [v for k, v in given if k == "redirect_uri"]
    client = clients.get(ids[0]) if len(ids) == 1 else None
    if client is None:
        raise SignInShownError("The application that sent you here is not known (client_id).")
    if len(uris) != 1 or not client.accepts(uris[0]):
        raise SignInShownError("The address to which you would be sent back is not registered for this application (redirect_uri).")
    return client, uris[0]


def authorization(given: Parameters, client: Client, redirect_uri: str) -> AuthorizationRequest:
    """Return the request, or raise AuthorizationError, to be told to the application."""
    repeated = next((k for k in _SINGLE if sum(name == k for name, _ in given) > 1), None)
    if repeated:
        raise _target() if repeated == "resource" else AuthorizationError("invalid_request", f"{repeated} is given more than once")
    values = dict(given)
    if values.get("response_type") != "code":
        raise AuthorizationError("unsupported_response_type", "response_type must be code")
    prompts = set(values.get("prompt", "").split())
    if values.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(values.get("code_challenge", "")):
        raise AuthorizationError("invalid_request", "PKCE is required: send code_challenge with code_challenge_method=S256")
    if max(len(values.get(name, "")) for name in ("state", "nonce", "acr_values", "ui_locales")) > LONGEST_TEXT:
        raise AuthorizationError("invalid_request", f"state, nonce, acr_values and ui_locales may have {LONGEST_TEXT} characters")
    if not prompts <= _PROMPTS and prompts != {"none"}:
        raise AuthorizationError("invalid_request", "prompt takes none by itself, or login, consent and select_account")
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        department=target_of(values.get("resource", IDENTITY)),
        scopes=_scopes(values.get("scope", "")),
        state=values.get("state"),
        nonce=values.get("nonce"),
        code_challenge=values["code_challenge"],
        silent=prompts == {"none"},
        again=bool(prompts & {"login", "select_account"}) or redirect_uri not in client.redirect_uris,
        max_age=_max_age(values.get("max_age")),
        acr_values=values.get("acr_values"),
        ui_locales=values.get("ui_locales"),
    )


def target_of(resource: str) -> str | None:
    """Return the department whose audience `resource` is, or None for the issuer's own; or raise AuthorizationError."""
    return None if resource == IDENTITY else department_of(resource)


def department_of(resource: str) -> str:
    """Return the department whose audience `resource` is, or raise AuthorizationError."""
    department = resource.removeprefix(audience_of(""))
    if resource != audience_of(department) or not _NAME.fullmatch(department):
        raise _target()
    return department


def proves(verifier: str, challenge: str) -> bool:
    """Return whether the PKCE verifier belongs to the challenge; compared in constant time."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    made = base64url(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(made, challenge)


def _scopes(text: str) -> list[str]:
    scopes = text.split()
    if "openid" not in scopes:
        raise AuthorizationError("invalid_scope", "scope must contain openid")
    links = [s.removeprefix(LINK) for s in scopes if s.startswith(LINK)]
    if len(links) > MOST_LINKS or not all(_NAME.fullmatch(d) for d in links):
        raise AuthorizationError("invalid_scope", f"link:<department> takes the name of a department, at most {MOST_LINKS} times")
    return [s for s in dict.fromkeys(scopes) if s in _PLAIN or s.startswith(LINK)]


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise AuthorizationError("invalid_request", "max_age must be a number of seconds")
    return int(text)


def _target() -> AuthorizationError:
    return AuthorizationError("invalid_target", f"resource must be one department's audience, {audience_of('<department>')}, or {IDENTITY}")
