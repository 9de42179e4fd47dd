"""What the issuer hands out: codes that work once, tokens that name a person as one department knows them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import BaseModel

from commonweal_api.people_issuer import sector_of_client
from commonweal_api.plan import audience_of
from commonweal_runtime.identity.accounts import Account, Accounts
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.requests import AuthorizationRequest
from commonweal_runtime.identity.sealing import Seal
from commonweal_runtime.identity.subjects import Subjects

CODE_SECONDS = 60
TOKEN_SECONDS = 600
Clock = Callable[[], float]


class Grant(NamedTuple):
    """Who signed in, for which request, when."""

    account: Account
    request: AuthorizationRequest
    signed_in: int


class _Sealed(BaseModel):
    id: str
    username: str
    request: AuthorizationRequest
    signed_in: int


class Codes:
    """Authorization codes, for a minute. The code itself carries the grant, sealed, so that any replica redeems what another made.

    Each works once in one replica. Another would take it once more within its minute, and only from whoever has the PKCE verifier, which is the
    application that has the tokens already.
    """

    def __init__(self, seal: bytes, accounts: Accounts, clock: Clock) -> None:
        self._seal, self._accounts, self._clock = Seal(seal, "code", CODE_SECONDS, clock), accounts, clock
        self._spent: dict[str, float] = {}

    def make(self, grant: Grant) -> str:
        """Return a new code for a grant."""
        request = grant.request.model_copy(update={"state": None})  # of no use any more, and it can be long
        sealed = _Sealed(id=secrets.token_urlsafe(16), username=grant.account.username, request=request, signed_in=grant.signed_in)
        return self._seal.seal(sealed.model_dump_json())

    def take(self, code: str) -> Grant | None:
        """Return what the code stands for, the first time; None ever after, when it is too old, and when the account is gone."""
        text, now = self._seal.open(code), self._clock()
        if text is None:
            return None
        sealed = _Sealed.model_validate_json(text)
        self._spent = {id_: until for id_, until in self._spent.items() if until > now}
        if sealed.id in self._spent:
            return None
        self._spent[sealed.id] = now + 2 * CODE_SECONDS
        account = self._accounts.find(sealed.username)
        return None if account is None else Grant(account, sealed.request, sealed.signed_in)


class Issuer:
    """Makes the tokens of one issuer."""

    def __init__(self, url: str, key: SigningKey, subjects: Subjects, clock: Clock) -> None:
        self.url, self.key = url, key
        self.subjects, self._clock = subjects, clock

    def subject(self, account: Account, sector: str) -> str:
        """Return the person's pairwise id in a sector: a department, or an application. Raises AuthorizationError while there is none."""
        return self.subjects.named(sector, account.root)

    def tokens(self, grant: Grant) -> dict[str, Any]:
        """Return the answer of the token endpoint."""
        return {
            "access_token": self._access_token(grant),
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": " ".join(grant.request.scopes),
            "id_token": self._id_token(grant),
        }

    def _access_token(self, grant: Grant) -> str:
        """Return an RFC 9068 token for one department, whose `sub` only that department can tie to its records."""
        request = grant.request
        more = {
            "client_id": request.client_id,
            "scope": " ".join(request.scopes),
            "jti": secrets.token_urlsafe(16),
            "auth_time": grant.signed_in,
        }
        claims = self._claims(audience_of(request.department), self.subject(grant.account, request.department))
        return self.key.sign(claims | more, "at+jwt")

    def _id_token(self, grant: Grant) -> str:
        """Return the ID token: an id that only this application knows, and the links that it asked for by name, as far as their departments are on this site."""
        request = grant.request
        claims = self._claims(request.client_id, self.subject(grant.account, sector_of_client(request.client_id))) | {
            "auth_time": grant.signed_in
        }
        if request.nonce is not None:
            claims["nonce"] = request.nonce
        if "profile" in request.scopes:
            claims["name"] = grant.account.name
        if request.links:
            ids = {d: self.subjects.find(d, grant.account.root) for d in request.links}
            claims["links"] = {d: found for d, found in ids.items() if found is not None}
        return self.key.sign(claims, "JWT")

    def _claims(self, audience: str, subject: str) -> dict[str, Any]:
        now = int(self._clock())
        return {"iss": self.url, "aud": audience, "sub": subject, "iat": now, "exp": now + TOKEN_SECONDS}
