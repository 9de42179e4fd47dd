"""The issuer of people as an application in this process, with a clock that only the test moves; and what an application and a browser do with it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from litestar.testing import TestClient

from commonweal_api.jwk import Jwk
from commonweal_api.people_issuer import IDENTITY, PORTAL, Enrolled, held
from commonweal_api.plan import audience_of
from commonweal_api.signatures import issuer_seal, issuer_seed, public_key, sign_jws
from commonweal_runtime.identity.accounts import Accounts, hash_password
from commonweal_runtime.identity.app import application
from commonweal_runtime.identity.clients import Client, portal, read_clients
from commonweal_runtime.identity.directory import Directory
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.parts import Given, Parts
from commonweal_runtime.identity.stored import Store
from commonweal_runtime.identity.subjects import Subjects
from support.identity_memory import MemoryStore

ISSUER = "https://identity.example"
PORTAL_URL = "https://portal.example"
MASTER = bytes(range(32))
VERIFIER = "v" * 60
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT = "http://127.0.0.1:4711/callback"
OF_PORTAL = {"client_id": "portal", "redirect_uri": f"{PORTAL_URL}/signed-in"}
ROOT, PASSWORD = "QQ123456C", "correct horse"
HASH = hash_password(PASSWORD, b"salt" * 4)
DEPARTMENTS = ("tax-authority", "benefits", "companies-registry")
# Amina has one key at every department, Bram a key of one department's own, Chen is known at none.
PEOPLE: tuple[dict[str, Any], ...] = (
    {"username": "amina", "name": "Amina Khan", "root": ROOT, "passwordHash": HASH},
    {"username": "bram", "name": "Bram Vos", "links": {"benefits": "B-17"}, "passwordHash": HASH},
    {"username": "chen", "name": "Chen Li", "passwordHash": HASH},
)


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def seed_of(department: str) -> bytes:
    """Return the seed of a department's signing key."""
    return hashlib.sha256(department.encode()).digest()


def write_files(folder: Path, people: tuple[dict[str, Any], ...] = PEOPLE, departments: tuple[str, ...] = DEPARTMENTS) -> None:
    """Write what an issuer reads: people, the ids of their keys at the departments, and the directory."""
    (folder / "people.json").write_text(json.dumps(people))
    enrolled = [Enrolled(person.get("root"), person.get("links", {})) for person in people]
    (folder / "subjects.json").write_text(held(MASTER, enrolled, departments, [PORTAL]).files["subjects.json"])
    listed = [{"name": d, "displayName": {"en": d}, "keys": [Jwk.of(public_key(seed_of(d)), "Seal").wire()]} for d in departments]
    (folder / "directory.json").write_text(json.dumps({"site": "here", "departments": listed}))


@dataclass
class Posted:
    """The logout tokens that were sent, and how the applications answer."""

    tokens: list[tuple[str, str]] = field(default_factory=list)
    answers: list[int | Exception] = field(default_factory=list)

    async def __call__(self, url: str, token: str) -> int:
        self.tokens.append((url, token))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer


def parts(
    folder: Path,
    clock: Callable[[], float],
    store: Store | None = None,
    *,
    url: str = ISSUER,
    posted: Posted | None = None,
    key: SigningKey | None = None,
    clients: Mapping[str, Client] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Parts:
    """Return an issuer's parts over the files of a folder."""
    return Parts.of(
        Given(
            url=url,
            key=key or SigningKey.of(issuer_seed(MASTER)),
            seal=issuer_seal(MASTER),
            accounts=Accounts(folder / "people.json"),
            clients=clients or read_clients(folder / "clients.json", portal(PORTAL_URL, "")),
            subjects=Subjects(folder / "subjects.json"),
            directory=Directory(folder / "directory.json"),
            store=store or MemoryStore(),
            clock=clock,
            post=posted or Posted(),
            **(more or {}),
        )
    )


@asynccontextmanager
async def no_store_to_open() -> AsyncIterator[None]:
    """What runs beside an application whose store is open already."""
    yield


@contextmanager
def browsing(made: Parts, url: str = ISSUER, running: Any = no_store_to_open) -> Iterator[httpx.Client]:
    """A browser, which keeps cookies and follows nothing by itself."""
    with TestClient(application(made, running), base_url=url) as client:
        client.follow_redirects = False
        yield client


def request(**change: str | None) -> dict[str, str]:
    """Return the parameters of a request for sign-in."""
    values = {
        "response_type": "code",
        "client_id": PORTAL,
        "redirect_uri": REDIRECT,
        "scope": "openid",
        "state": "st&te=1",
        "nonce": "n-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "resource": audience_of("tax-authority"),
    } | change
    return {k: v for k, v in values.items() if v is not None}


def ticket(page: httpx.Response) -> str:
    """Return the ticket of a page."""
    found = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert found, page.text
    return unescape(found[1])


def back(answer: httpx.Response, to: str = REDIRECT) -> dict[str, str]:
    """Return the parameters with which the application is answered, at its own address."""
    assert answer.status_code == 303, answer.text
    location = urlsplit(answer.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" in (to, OF_PORTAL["redirect_uri"])
    return {k: v[0] for k, v in parse_qs(location.query).items()}


def code(browser: httpx.Client, username: str = "amina", password: str = PASSWORD, **change: str | None) -> str:
    """Sign in by the page; return the code."""
    page = browser.get("/authorize", params=request(prompt="login", **change))
    answer = browser.post("/authorize", data={"ticket": ticket(page), "username": username, "password": password})
    return back(answer, change.get("redirect_uri") or REDIRECT)["code"]


def exchange(browser: httpx.Client, code: str, **change: str) -> httpx.Response:
    """Ask for the tokens of a code."""
    form = {"grant_type": "authorization_code", "client_id": PORTAL, "redirect_uri": REDIRECT, "code": code, "code_verifier": VERIFIER}
    return browser.post("/token", data=form | change)


def identity(browser: httpx.Client, username: str = "amina", **change: str | None) -> str:
    """Sign in; return a token for the issuer itself."""
    answer = exchange(browser, code(browser, username, resource=None, **change))
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def bearer(token: str) -> dict[str, str]:
    """Return the header of a token."""
    return {"Authorization": f"Bearer {token}"}


def for_department(browser: httpx.Client, token: str, department: str, **change: str) -> httpx.Response:
    """Exchange a token for the issuer for one for a department."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "client_id": PORTAL,
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "resource": audience_of(department),
    }
    return browser.post("/token", data=form | change)


def silently(browser: httpx.Client, **change: str | None) -> dict[str, str]:
    """Ask, as the portal, for a sign-in without a page."""
    return back(browser.get("/authorize", params=request(prompt="none", **OF_PORTAL | change)))


def unread(token: str) -> dict[str, Any]:
    """Return the claims of a token, unchecked."""
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def claims(browser: httpx.Client, token: str, audience: str) -> dict[str, Any]:
    """Return the claims of a token by the issuer's published key."""
    (jwk,) = browser.get("/jwks").json()["keys"]
    options: Any = {"verify_exp": False, "verify_iat": False}
    found: dict[str, Any] = jwt.decode(token, jwt.PyJWK(jwk), algorithms=[jwk["alg"]], audience=audience, issuer=ISSUER, options=options)
    return found


def link_token(asking: str, record: str, clock: Clock, *, signer: str | None = None, typ: str = "link+jwt", **change: Any) -> str:
    """Return the word of the department whose token `asking` is, that `record` is whoever asks."""
    about = unread(asking)
    now = int(clock())
    body = {
        "iss": about["aud"],
        "aud": IDENTITY,
        "sub": record,
        "for": about["sub"],
        "sid": about["sid"],
        "jti": hashlib.sha256(f"{asking}{record}".encode()).hexdigest(),
        "iat": now,
        "exp": now + 300,
    } | change
    department = signer or about["aud"].removeprefix(audience_of(""))
    return sign_jws(typ, {k: v for k, v in body.items() if v is not None}, seed_of(department))
