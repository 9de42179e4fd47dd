"""Bearer tokens: what is believed, what is refused, and what the refusal says."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.tokens import MAX_TOKEN, RETRY_SECONDS, Client, KeySet, Verifier, fetch_given

ISSUER, AUDIENCE, NOW = "https://issuer.example", "https://commonweal.dev/departments/tax", 1_000_000.0
SUBJECT = "system:serviceaccount:dept-benefits:benefits-app"
KEYS = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048) for kid in ("one", "two", "forged")}


def jwk(kid: str, private: rsa.RSAPrivateKey) -> dict[str, Any]:
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}


class Issuer:
    """A key server in memory that counts its calls and can be away."""

    def __init__(self, *kids: str) -> None:
        self.kids, self.calls, self.away = list(kids), 0, False

    async def fetch(self) -> Mapping[str, Any]:
        self.calls += 1
        if self.away:
            raise OSError("away")
        return {"keys": [jwk(kid, KEYS[kid]) for kid in self.kids]}


def token(kid: str = "one", key: str | None = None, **claims: Any) -> str:
    body = {"iss": ISSUER, "aud": [AUDIENCE], "exp": NOW + 600, "iat": NOW - 60, "sub": SUBJECT, **claims}
    return jwt.encode({k: v for k, v in body.items() if v is not None}, KEYS[key or kid], algorithm="RS256", headers={"kid": kid})


def deep(levels: int) -> str:
    """Return a part of a token that costs a stack to read."""
    return base64.urlsafe_b64encode(b'{"a":' * levels + b"1" + b"}" * levels).decode().rstrip("=")[: MAX_TOKEN - 50]


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def verifier(issuer: Issuer, clock: Clock | None = None) -> Verifier:
    clock = clock or Clock()
    return Verifier(issuer=ISSUER, audience=AUDIENCE, keys=KeySet(issuer.fetch, clock), now=clock)


def client(v: Verifier, bearer: str | None) -> Client:
    return asyncio.run(v.client(bearer))


def test_a_serviceaccount_token_names_department_and_client() -> None:
    assert client(verifier(Issuer("one")), "Bearer " + token()) == Client("benefits", "benefits-app")


def test_a_person_token_names_the_pairwise_id() -> None:
    subject = UUID(int=7)
    person = asyncio.run(verifier(Issuer("one")).person("Bearer " + token(sub=str(subject))))
    assert person.subject == subject


REFUSED = {
    "none": (None, "TokenMissing", "Authorization"),
    "basic": ("Basic abc", "TokenMissing", "Authorization"),
    "empty": ("Bearer ", "TokenMissing", "Authorization"),
    "noise": ("Bearer abc", "TokenInvalid", "issuer"),
    "long": ("Bearer " + "x" * 9000, "TokenInvalid", "8192"),
    "issuer": ("Bearer " + token(iss="https://other.example"), "TokenInvalid", ISSUER),
    "audience": ("Bearer " + token(aud="https://other.example"), "TokenInvalid", AUDIENCE),
    "for another department as well, which could bring it here": (
        "Bearer " + token(aud=[AUDIENCE, "https://commonweal.dev/departments/benefits"]),
        "TokenInvalid",
        f"{AUDIENCE} alone",
    ),
    "expired": ("Bearer " + token(exp=NOW - 1), "TokenInvalid", "new token"),
    "made for ten years": ("Bearer " + token(exp=NOW + 10 * 365 * 86400), "TokenInvalid", "86400"),
    "made for ten years, on its last day": ("Bearer " + token(iat=NOW - 10 * 365 * 86400), "TokenInvalid", "86400"),
    "made nobody knows when": ("Bearer " + token(iat=None), "TokenInvalid", "86400"),
    "early": ("Bearer " + token(nbf=NOW + 600), "TokenInvalid", "clock"),
    "forged": ("Bearer " + token(key="forged"), "TokenInvalid", "unaltered"),
    "no audience": ("Bearer " + token(aud=None), "TokenInvalid", "new token"),
    "the model runtime's name in the department's own namespace": (
        "Bearer " + token(sub="system:serviceaccount:dept-benefits:models"),
        "TokenInvalid",
        "models speaks from dept-<department>-platform only",
    ),
    "another account of the platform's namespace": (
        "Bearer " + token(sub="system:serviceaccount:dept-benefits-platform:store"),
        "TokenInvalid",
        "in a namespace named dept-<department>;",
    ),
    "two accounts on two lines": ("Bearer " + token(sub=f"{SUBJECT}\n"), "TokenInvalid", "dept-"),
    "a header that is deep": ("Bearer " + deep(1500) + ".e30.e30", "TokenInvalid", "unaltered"),
    "other subject": ("Bearer " + token(sub="system:serviceaccount:kube-system:default"), "TokenInvalid", "dept-"),
    "unsigned": ("Bearer " + jwt.encode({"sub": SUBJECT}, None, algorithm="none", headers={"kid": "one"}), "TokenInvalid", "RS256"),
    "shared secret": (
        "Bearer " + jwt.encode({"sub": SUBJECT}, "x" * 32, algorithm="HS256", headers={"kid": "one"}),
        "TokenInvalid",
        "RS256",
    ),
}


def test_the_platforms_account_of_models_speaks_for_the_departments_models() -> None:
    """An agreement names the client `models`; the namespace of the token says whose, and that no tenant made the account."""
    found = client(verifier(Issuer("one")), "Bearer " + token(sub="system:serviceaccount:dept-benefits-platform:models"))
    assert found == Client("benefits", "models")


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_refused_with_a_remedy(case: str) -> None:
    bearer, reason, remedy = REFUSED[case]
    with pytest.raises(ProblemError) as refused:
        client(verifier(Issuer("one")), bearer)
    assert (refused.value.status, refused.value.reason) == (401, reason)
    assert remedy in refused.value.remedy


ODD_KEYS: Mapping[str, Any] = {
    "a secret without its value": {"kty": "oct"},
    "a shared secret": {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
    "no algorithm": {"kty": "RSA", "alg": "none", "n": -1, "e": "AQAB"},
    "an exponent that is none": {"kty": "RSA", "n": "AA", "e": []},
    "a curve of another kind": {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
    "a curve that is none": {"kty": "EC", "crv": {}, "x": "AA", "y": "AA"},
    "a point beside the curve": {"kty": "EC", "crv": "P-256", "x": "AQ" * 21 + "A", "y": "AQ" * 21 + "A"},
    "for encryption": {"kty": "RSA", "use": "enc"},
    "no key": [],
    "of tomorrow": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
}


@pytest.mark.parametrize("case", ODD_KEYS)
def test_a_key_that_is_not_understood_costs_no_other(case: str) -> None:
    """A provider adds a key of a new kind beside those that it signs with; an exception that was not foreseen made every sign-in a fault."""
    odd = ODD_KEYS[case]
    listed = [odd if isinstance(odd, list) else {"kid": "odd", **odd}, jwk("one", KEYS["one"])]
    v = Verifier(issuer=ISSUER, audience=AUDIENCE, keys=KeySet(fetch_given({"keys": listed})), now=Clock())
    assert client(v, "Bearer " + token()) == Client("benefits", "benefits-app")
    with pytest.raises(ProblemError, match="does not publish"):
        client(v, "Bearer " + jwt.encode({"sub": SUBJECT}, KEYS["one"], algorithm="RS256", headers={"kid": "odd"}))


def test_an_unknown_key_is_looked_up_at_most_once_per_interval() -> None:
    """A stranger's key ids must not turn into load on the issuer; a new key is found at the next interval."""
    issuer, clock = Issuer("one"), Clock()
    v = verifier(issuer, clock)

    async def script() -> None:
        await v.client("Bearer " + token())
        for _ in range(3):
            with pytest.raises(ProblemError):
                await v.client("Bearer " + token("two"))
        assert issuer.calls == 1
        issuer.kids.append("two")
        clock.now += RETRY_SECONDS
        assert await v.client("Bearer " + token("two")) == Client("benefits", "benefits-app")

    asyncio.run(script())
    assert issuer.calls == 2


def test_keys_once_read_serve_while_the_issuer_is_away_and_none_means_503() -> None:
    issuer, clock = Issuer("one"), Clock()
    v = verifier(issuer, clock)

    async def script() -> None:
        await v.client("Bearer " + token())
        issuer.away = True
        clock.now += 301
        await v.client("Bearer " + token(jti="another"))

    asyncio.run(script())
    away = Issuer("one")
    away.away = True
    with pytest.raises(ProblemError) as refused:
        client(verifier(away), "Bearer " + token())
    assert (refused.value.status, refused.value.reason) == (503, "IssuerUnavailable")


def test_where_no_issuer_is_set_every_token_is_refused_with_the_values_that_set_one() -> None:
    nobody = Verifier(issuer="", audience=AUDIENCE, keys=KeySet(fetch_given({})))
    for bearer in ("Bearer " + token(), "Bearer " + token(iss="")):
        with pytest.raises(ProblemError) as refused:
            asyncio.run(nobody.person(bearer))
        assert (refused.value.status, refused.value.reason) == (503, "IssuerUnavailable")
        assert "identity.issuer" in refused.value.remedy
        assert "identity.enabled" in refused.value.remedy
    with pytest.raises(ProblemError, match="TokenMissing"):
        asyncio.run(nobody.person(None))


def test_a_remembered_token_ends_when_it_expires() -> None:
    issuer, clock = Issuer("one"), Clock()
    v = verifier(issuer, clock)

    async def script() -> None:
        bearer = "Bearer " + token(exp=NOW + 10)
        await v.client(bearer)
        clock.now += 10
        with pytest.raises(ProblemError, match="expired"):
            await v.client(bearer)

    asyncio.run(script())
