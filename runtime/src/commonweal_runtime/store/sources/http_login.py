"""How the store signs in to an HTTP API, with what lies in the source's Secret."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from commonweal_api.http_source import AuthBy, HttpAuth, HttpSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.contract import Credentials

Ask = Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[Any]]
_VISIBLE = re.compile(r"[!-~]([ -~]*[!-~])?")
_EARLY_SECONDS, _SHORTEST_SECONDS = 30.0, 60.0


class Login:
    """What each request says about who asks. `ask` posts a form to a URL with headers, and returns the JSON of the answer."""

    def __init__(self, source: HttpSource, credentials: Credentials | None) -> None:
        self._auth = source.auth
        self._token, self._until = "", 0.0
        if source.auth is not None:
            self._username, self._secret = _needed(source.auth, source.credentials.name if source.credentials else "", credentials)

    async def headers(self, ask: Ask) -> dict[str, str]:
        """Return the headers that sign a request in."""
        auth = self._auth
        if auth is None:
            return {}
        if auth.by is AuthBy.BASIC:
            return {"Authorization": _basic(self._username, self._secret)}
        if auth.by is AuthBy.CLIENT_CREDENTIALS:
            return {"Authorization": f"Bearer {await self._given(auth, ask)}"}
        return {auth.header: self._secret} if auth.header is not None else {"Authorization": f"Bearer {self._secret}"}

    def renew(self) -> bool:
        """Forget a token that the API refuses; return whether another one can be had."""
        had, self._token = self._token, ""
        return bool(had)

    async def _given(self, auth: HttpAuth, ask: Ask) -> str:
        if self._token and time.monotonic() < self._until:
            return self._token
        form = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope is not None else {})}
        # RFC 6749, section 2.3.1: both are form-encoded before they are joined
        signed = {"Authorization": _basic(quote_plus(self._username), quote_plus(self._secret))}
        answer = await ask(auth.token_url or "", form, signed)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not _VISIBLE.fullmatch(token) or str(answer.get("token_type", "bearer")).lower() != "bearer":
            raise SourceReadError(Reason.ANSWER_REFUSED, f"{auth.token_url} gives no bearer token; see whether auth.tokenUrl is right.")
        self._token, self._until = token, time.monotonic() + _lasting(answer.get("expires_in"))
        return token


def _lasting(seconds: object) -> float:
    """Return for how long a token is used: a little less than it lasts, which is not always said."""
    try:
        return max(0.0, min(float(str(seconds)), 86_400.0) - _EARLY_SECONDS)
    except ValueError:
        return _SHORTEST_SECONDS


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def _needed(auth: HttpAuth, name: str, credentials: Credentials | None) -> tuple[str, str]:
    """Return user and secret; SourceReadError says which key of the Secret is missing or cannot be sent."""
    paired = auth.by in {AuthBy.BASIC, AuthBy.CLIENT_CREDENTIALS}
    found = credentials or Credentials("", "")
    username, secret = (found.username.strip(), found.password.strip()) if paired else ("", found.token.strip())
    if not secret or (paired and not username):
        keys = "username and password" if paired else "token"
        raise SourceReadError(Reason.CREDENTIALS_MISSING, f"The Secret «{name}» lacks {keys}, which auth.by {auth.by} needs.")
    if not paired and not _VISIBLE.fullmatch(secret):
        raise SourceReadError(Reason.CREDENTIALS_MISSING, f"The token of the Secret «{name}» has a character that no header can carry.")
    if auth.by is AuthBy.BASIC and ":" in username:
        raise SourceReadError(Reason.CREDENTIALS_MISSING, f"The username of the Secret «{name}» has a colon, which ends it (RFC 7617).")
    return username, secret
