"""The token endpoint: a code, a refresh token, or a token for the issuer itself becomes tokens."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from commonweal_runtime.exceptions import AuthorizationError, ProblemError
from commonweal_runtime.identity.bearer import Bearers, Caller
from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.issue import Code, Codes, Issuer
from commonweal_runtime.identity.logout import Farewells
from commonweal_runtime.identity.naming import Naming
from commonweal_runtime.identity.requests import AuthorizationRequest, department_of, proves, target_of
from commonweal_runtime.identity.sessions import Session, Sessions
from commonweal_runtime.identity.stored import Family, Store
from commonweal_runtime.identity.vault import Vault, digest
from commonweal_runtime.turns import Turns

CODE, REFRESH, EXCHANGE = "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
OFFLINE = "offline_access"
_REFRESH_UNKNOWN = "refresh_token is unknown, used, or its session has ended; sign in again"


@dataclass(frozen=True)
class Grants:
    """Gives tokens for what was granted; AuthorizationError says why not."""

    issuer: Issuer
    naming: Naming
    sessions: Sessions
    codes: Codes
    bearers: Bearers
    store: Store
    vault: Vault
    farewells: Farewells
    clients: Mapping[str, Client]
    clock: Clock
    turns: Turns

    async def answer(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer of the token endpoint."""
        kinds = {CODE: self._of_code, REFRESH: self._of_refresh_token, EXCHANGE: self._exchanged}
        kind = kinds.get(form.get("grant_type", ""))
        if kind is None:
            raise AuthorizationError("unsupported_grant_type", f"grant_type must be one of {', '.join(kinds)}")
        if form.get("client_id") not in self.clients:
            raise AuthorizationError("invalid_client", "client_id is not known")
        return await kind(form)

    async def _of_code(self, form: Mapping[str, str]) -> dict[str, Any]:
        code = await self._redeemed(form)
        session = await self.sessions.of_id(code.session)
        if session is None:
            raise AuthorizationError("invalid_grant", "the session that the code belongs to has ended; sign in again")
        tokens = await self._tokens(session, code.request)
        if OFFLINE in code.request.scopes:
            tokens["refresh_token"] = await self._first_refresh_token(code)
        return tokens

    async def _redeemed(self, form: Mapping[str, str]) -> Code:
        """Return what a code stands for. A code is spent by the first attempt, right or wrong, so that none can be tried out."""
        code = await self.codes.take(form.get("code", ""))
        if code is None or (code.request.client_id, code.request.redirect_uri) != (form["client_id"], form.get("redirect_uri")):
            raise AuthorizationError("invalid_grant", "code is unknown, used, expired, or was made for another client_id or redirect_uri")
        if not proves(form.get("code_verifier", ""), code.request.code_challenge):
            raise AuthorizationError("invalid_grant", "code_verifier does not belong to the code_challenge")
        _same_target(form, code.request)
        return code

    async def _tokens(self, session: Session, asked: AuthorizationRequest) -> dict[str, Any]:
        if asked.department is None:
            to = self.naming.to_itself(session, asked.client_id)
            token, seconds = self.issuer.identity_token(session, asked.client_id, asked.scopes, to)
        else:
            to = await self.naming.to_department(session, asked.department)
            token, seconds = self.issuer.access_token(session, asked.client_id, asked.scopes, to)
        about = await self.naming.to_application(session, asked.client_id)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": seconds,
            "scope": " ".join(asked.scopes),
            "id_token": self.issuer.id_token(session, about, await self.naming.more(session, asked)),
        }

    async def _first_refresh_token(self, code: Code) -> str:
        secret = secrets.token_urlsafe(32)
        request = self.vault.seal(code.request.model_copy(update={"nonce": None}).model_dump_json(), "family", code.id)
        family = Family(code.id, code.session, code.request.client_id, request, _refresh_digest(secret, code.request.client_id))
        if not await self.store.begin_family(family):
            raise AuthorizationError("invalid_grant", "the session that the code belongs to has ended; sign in again")
        return f"{code.id.hex}.{secret}"

    async def _of_refresh_token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Return new tokens and the next refresh token. One that was used before has been stolen from somebody: the session ends, with whatever came of it."""
        id_, _, presented = form.get("refresh_token", "").partition(".")
        try:
            family = await self.store.family(UUID(hex=id_))
        except ValueError:
            family = None
        if family is None:
            raise AuthorizationError("invalid_grant", _REFRESH_UNKNOWN)
        present, following = _refresh_digest(presented, form["client_id"]), secrets.token_urlsafe(32)
        # Everything that can fail comes first: an application whose token was replaced, and which was not told by what, could not go on.
        tokens = await self._refreshed(family, form) if family.current == present else {}
        found = await self.store.rotate(family.id, present, _refresh_digest(following, form["client_id"]), self.clock())
        if found.reused:
            self.farewells.send(found.told, why="a refresh token was used again")
        if found.reused or found.family is None or not tokens:
            raise AuthorizationError("invalid_grant", _REFRESH_UNKNOWN)
        return tokens | {"refresh_token": f"{family.id.hex}.{following}"}

    async def _refreshed(self, family: Family, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the tokens that a refresh token gives, or none where its session has ended."""
        session, text = await self.sessions.of_id(family.session), self.vault.open(family.request, "family", family.id)
        if session is None or text is None:
            return {}
        asked = AuthorizationRequest.model_validate_json(text)
        _same_target(form, asked)
        return await self._tokens(session, _narrowed(asked, form))

    async def _exchanged(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Return a token for one department for a token for the issuer itself (RFC 8693), as long as the session of that one lives."""
        if form.get("subject_token_type") != ACCESS_TOKEN or form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise AuthorizationError(
                "invalid_request", f"subject_token_type, and requested_token_type if it is sent, must be {ACCESS_TOKEN}"
            )
        if "actor_token" in form or "audience" in form:
            raise AuthorizationError("invalid_request", "actor_token and audience are not supported; name the department by resource")
        caller = await self._subject(form)
        department = department_of(form.get("resource", ""))
        async with self.turns.of(caller.session.account):
            to = await self.naming.to_department(caller.session, department)
        token, seconds = self.issuer.access_token(caller.session, caller.client, ["openid"], to)
        return {
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": seconds,
            "scope": "openid",
        }

    async def _subject(self, form: Mapping[str, str]) -> Caller:
        try:
            caller = await self.bearers.holder(form.get("subject_token", ""))
        except ProblemError as refused:
            raise AuthorizationError("invalid_request", f"subject_token: {refused.detail} {refused.remedy}") from None
        if caller.client != form["client_id"]:
            raise AuthorizationError("invalid_request", "subject_token was given to another client_id")
        return caller


def _same_target(form: Mapping[str, str], asked: AuthorizationRequest) -> None:
    if "resource" in form and target_of(form["resource"]) != asked.department:
        raise AuthorizationError("invalid_target", "resource must be the one that was authorized")


def _narrowed(asked: AuthorizationRequest, form: Mapping[str, str]) -> AuthorizationRequest:
    """Return the request with no more scopes than the application wants this time (RFC 6749, section 6)."""
    wanted = form["scope"].split() if "scope" in form else asked.scopes
    if not set(wanted) <= set(asked.scopes) or "openid" not in wanted:
        raise AuthorizationError("invalid_scope", "scope must contain openid, and nothing that was not authorized")
    return asked.model_copy(update={"scopes": wanted})


def _refresh_digest(secret: str, client: str) -> bytes:
    return digest(f"refresh {client} {secret}")
