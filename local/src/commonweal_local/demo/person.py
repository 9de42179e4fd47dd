"""A person signs in at the people's issuer: authorization code with PKCE, as a browser does it, without the browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import urllib.parse
from dataclasses import dataclass, field

from commonweal_api.plan import audience_of

from commonweal_local.demo.web import Answer, Caller

CLIENT = "commonweal-portal"


class SignInError(RuntimeError):
    """The issuer refused; the message holds its words."""


@dataclass(frozen=True)
class Session:
    """An access token for one department's API, and the pairwise id that it carries."""

    token: str
    subject: str


@dataclass
class SignIn:
    """The people's issuer at `base`. Sessions are kept, for sign-in attempts are rate-limited."""

    base: str
    redirect: str = "http://127.0.0.1:8400/callback"
    _sessions: dict[tuple[str, str], Session] = field(default_factory=dict)

    def person(self, username: str, password: str, department: str) -> Session:
        """Return the person's session for a department's data API."""
        key = (username, department)
        if key not in self._sessions:
            self._sessions[key] = self._sign_in(username, password, department)
        return self._sessions[key]

    def _sign_in(self, username: str, password: str, department: str) -> Session:
        caller, verifier = Caller(self.base), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        request = {
            "response_type": "code", "client_id": CLIENT, "redirect_uri": self.redirect, "scope": "openid", "state": secrets.token_urlsafe(8),
            "code_challenge": challenge, "code_challenge_method": "S256", "resource": audience_of(department),
        }  # fmt: skip
        page = caller.get("/authorize?" + urllib.parse.urlencode(request))
        sent = caller.call(
            "POST", "/authorize", urllib.parse.urlencode({**hidden_fields(page), **request, "username": username, "password": password})
        )
        code = code_of(sent, request["state"])
        grant = {
            "grant_type": "authorization_code", "code": code, "client_id": CLIENT, "redirect_uri": self.redirect,
            "code_verifier": verifier, "resource": audience_of(department),
        }  # fmt: skip
        answer = caller.call("POST", "/token", urllib.parse.urlencode(grant))
        if answer.status != 200:
            raise SignInError(f"The issuer gave {username} no token: {answer.status} {dict(answer.body)}")
        token = str(answer.body["access_token"])
        return Session(token, str(claims(token)["sub"]))


def hidden_fields(page: Answer) -> dict[str, str]:
    """Return the hidden inputs of the sign-in form."""
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", str(page.body.get("text", ""))):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes.get("type") == "hidden":
            found[attributes["name"]] = attributes.get("value", "")
    return found


def code_of(answer: Answer, state: str) -> str:
    """Return the code of the redirect, after checking that the redirect answers our request."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(answer.headers.get("location", "")).query)
    if answer.status not in (302, 303) or "code" not in query or query.get("state") != [state]:
        raise SignInError(f"The issuer refused the sign-in: {answer.status} {str(dict(answer.body))[:200]}")
    return query["code"][0]


def claims(token: str) -> dict[str, object]:
    """Return a token's claims unverified: the services verify them; the client only wants to know its own name."""
    part = token.split(".")[1]
    read: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read
