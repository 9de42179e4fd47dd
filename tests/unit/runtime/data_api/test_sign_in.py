"""Signing in with a provider of somebody else's making: found by discovery, its algorithms, keys, clocks and claims; and what is not believed."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from commonweal_api.pairwise import pairwise
from commonweal_runtime.data_api.settings import Settings
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.federation.serving import FeedService
from commonweal_runtime.tokens import REFRESH_SECONDS, RETRY_SECONDS, KeySet, Naming, Verifier, fetch_by_discovery
from support.provider import MAKERS, Provider

SECTOR = b"s" * 32


class Clock:
    """Stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def verifier(provider: Provider, clock: Clock, **over: Any) -> Verifier:
    more = {"audience": "the-portal", "naming": Naming("citizen", SECTOR), **over}
    return Verifier(issuer=provider.url, keys=KeySet(fetch_by_discovery(provider.url), clock), now=clock, **more)


def person(v: Verifier, token: str) -> UUID:
    return asyncio.run(v.person(f"Bearer {token}")).subject


def refusal(v: Verifier, token: str) -> ProblemError:
    with pytest.raises(ProblemError) as refused:
        person(v, token)
    return refused.value


@pytest.mark.parametrize("algorithm", MAKERS)
def test_each_algorithm_is_believed_and_the_claim_becomes_the_departments_id(provider: Provider, algorithm: str) -> None:
    v = verifier(provider, Clock())
    assert person(v, provider.token(f"{algorithm}-1", citizen="P7")) == pairwise(SECTOR, "P7")
    assert provider.fetched == ["/.well-known/openid-configuration", "/keys/current"]


def test_a_number_names_a_person_as_its_digits_do(provider: Provider) -> None:
    assert person(verifier(provider, Clock()), provider.token(citizen=4711)) == pairwise(SECTOR, "4711")


def test_a_claim_can_be_the_pairwise_id_itself(provider: Provider) -> None:
    who = UUID(int=9)
    assert (
        person(
            verifier(provider, Clock(), naming=Naming("https://people.example/id")),
            provider.token(**{"https://people.example/id": str(who)}),
        )
        == who
    )


@pytest.mark.parametrize("value", [None, "", "  ", True, 1.5, ["P7"], {"id": "P7"}, "x" * 201])
def test_a_claim_that_names_nobody_is_refused(provider: Provider, value: object) -> None:
    problem = refusal(verifier(provider, Clock()), provider.token(citizen=value))
    assert (problem.status, problem.reason) == (401, "TokenInvalid")
    assert "citizen" in problem.detail


def test_a_key_that_the_provider_changed_is_found_and_the_old_one_forgotten(provider: Provider) -> None:
    clock = Clock()
    v = verifier(provider, clock)
    old = provider.token("ES256-1", citizen="P7")
    late = provider.token("ES256-1", citizen="P7", jti="another")

    async def script() -> None:
        await v.person(f"Bearer {old}")
        kid = provider.rotate("ES256")
        clock.now += RETRY_SECONDS
        assert (await v.person(f"Bearer {provider.token(kid, citizen='P7', now=clock.now)}")).subject == pairwise(SECTOR, "P7")
        with pytest.raises(ProblemError, match="does not publish"):
            await v.person(f"Bearer {late}")
        clock.now += REFRESH_SECONDS
        with pytest.raises(ProblemError, match="does not publish"):
            await v.person(f"Bearer {old}")

    asyncio.run(script())


def test_a_clock_ahead_is_forgiven_within_the_skew_and_no_more(provider: Provider) -> None:
    clock = Clock()
    for name in ("iat", "nbf"):
        assert person(verifier(provider, clock, skew=60.0), provider.token(citizen="P7", now=clock.now, **{name: int(clock.now) + 59}))
        assert (
            "not valid yet"
            in refusal(verifier(provider, clock, skew=60.0), provider.token(citizen="P7", **{name: int(clock.now) + 62})).detail
        )
    assert "expired" in refusal(verifier(provider, clock, skew=60.0), provider.token(citizen="P7", exp=int(clock.now) - 1)).detail


@pytest.mark.parametrize(("claim", "verified"), [("email", "email_verified"), ("phone_number", "phone_number_verified")])
def test_what_people_write_of_themselves_names_nobody_until_the_provider_has_looked(provider: Provider, claim: str, verified: str) -> None:
    """Whoever may change the claim at the provider would be whom they like here."""
    v = verifier(provider, Clock(), naming=Naming(claim, SECTOR))
    for said in ({}, {verified: False}, {verified: "true"}, {verified: 1}):
        assert verified in refusal(v, provider.token(**{claim: "amina@example.org"}, **said)).detail
    assert person(v, provider.token(**{claim: "amina@example.org", verified: True}))


def test_one_of_several_audiences_is_enough_and_another_is_not(provider: Provider) -> None:
    v = verifier(provider, Clock(), audience=("the-portal", "the-app"))
    for aud in ("the-app", ["elsewhere", "the-portal"]):
        assert person(v, provider.token(citizen="P7", aud=aud))
    for aud in ("elsewhere", [], None, ["elsewhere"]):
        assert refusal(v, provider.token(citizen="P7", aud=aud)).status == 401


WRONG = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "no subject": {"sub": None},
    "no end": {"exp": None},
    "an end that is no number": {"exp": "tomorrow"},
    "an end that is true": {"exp": True},
    "a beginning that is no number": {"nbf": "now"},
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_for_us_is_refused(provider: Provider, case: str) -> None:
    problem = refusal(verifier(provider, Clock()), provider.token(**{"citizen": "P7", **WRONG[case]}))
    assert (problem.status, problem.reason) == (401, "TokenInvalid")


@pytest.mark.parametrize("typ", ["consent-receipt+jws", "audit-seal+jws", "logout+jwt", "commonweal-agreement+jws"])
def test_a_signed_text_of_another_kind_is_no_token(provider: Provider, typ: str) -> None:
    assert "another kind" in refusal(verifier(provider, Clock()), provider.token(citizen="P7", header={"typ": typ})).detail


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT"])
def test_access_tokens_by_any_of_their_names_are(provider: Provider, typ: str) -> None:
    assert person(verifier(provider, Clock()), provider.token(citizen="P7", header={"typ": typ}))


def test_a_provider_that_calls_itself_otherwise_is_not_believed(provider: Provider) -> None:
    provider.named = "https://elsewhere.example"
    problem = refusal(verifier(provider, Clock()), provider.token(citizen="P7"))
    assert (problem.status, problem.reason) == (503, "IssuerUnavailable")


def test_a_key_too_short_to_trust_is_not_used(provider: Provider) -> None:
    token = provider.token(citizen="P7")
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    modulus = base64.urlsafe_b64encode(short.n.to_bytes(128)).rstrip(b"=").decode()
    jwk = {"kty": "RSA", "kid": "RS256-1", "use": "sig", "alg": "RS256", "n": modulus, "e": "AQAB"}
    provider.jwks = lambda: {"keys": [jwk, *({**k.as_dict(private=False)} for n, k in provider.keys.items() if n != "RS256-1")]}  # type: ignore[method-assign]
    assert "does not publish" in refusal(verifier(provider, Clock()), token).detail


SETTINGS = {
    "COMMONWEAL_STORE": "127.0.0.1:5432",
    "COMMONWEAL_DEPARTMENT": "registry",
    "COMMONWEAL_AUDIENCE": "https://commonweal.dev/departments/registry",
    "COMMONWEAL_CLIENT_ISSUER": "https://site.example",
    "COMMONWEAL_PERSON_ISSUER": "https://people.example",
}


@pytest.fixture
def keys(tmp_path: Any) -> str:
    for name in ("database", "sector"):
        (tmp_path / name).write_text((name[0].encode() * 32).hex())
    return str(tmp_path)


def test_settings_default_to_the_embedded_issuer_and_empty_ones_count_as_none(keys: str) -> None:
    empty = dict.fromkeys(("JWKS", "AUDIENCE", "CLAIM", "SUBJECT", "SKEW_SECONDS"), "")
    sign_in = Settings.from_environment(
        {**SETTINGS, "COMMONWEAL_KEYS_DIR": keys, **{f"COMMONWEAL_PERSON_{k}": v for k, v in empty.items()}}
    ).sign_in
    assert (sign_in.jwks, sign_in.audiences, sign_in.naming, sign_in.skew) == (None, (SETTINGS["COMMONWEAL_AUDIENCE"],), Naming(), 30.0)


def test_settings_name_a_provider(keys: str) -> None:
    more = {"AUDIENCE": "portal, app", "CLAIM": "nino", "SUBJECT": "Source", "SKEW_SECONDS": "120"}
    sign_in = Settings.from_environment(
        {**SETTINGS, "COMMONWEAL_KEYS_DIR": keys, **{f"COMMONWEAL_PERSON_{k}": v for k, v in more.items()}}
    ).sign_in
    assert (sign_in.audiences, sign_in.naming, sign_in.skew) == (("portal", "app"), Naming("nino", b"s" * 32), 120.0)
    assert "ssss" not in repr(sign_in)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SUBJECT", "pairwise"), ("SKEW_SECONDS", "-1"), ("SKEW_SECONDS", "301"), ("SKEW_SECONDS", "nan"), ("SKEW_SECONDS", "x")],
)
def test_a_setting_that_cannot_be_is_named(keys: str, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"COMMONWEAL_PERSON_{name}"):
        Settings.from_environment({**SETTINGS, "COMMONWEAL_KEYS_DIR": keys, f"COMMONWEAL_PERSON_{name}": value})


@pytest.fixture
def database_alone(tmp_path: Path) -> str:
    """What a data API is given that makes no ids and has no other sites."""
    (tmp_path / "database").write_text("64" * 32)
    return str(tmp_path)


def test_the_key_of_the_ids_is_asked_for_only_where_ids_are_made(database_alone: str) -> None:
    settings = Settings.from_environment({**SETTINGS, "COMMONWEAL_KEYS_DIR": database_alone})
    assert settings.sector_key is None
    with pytest.raises(ValueError, match=r"COMMONWEAL_PERSON_SUBJECT: Source needs the key sector in COMMONWEAL_KEYS_DIR"):
        Settings.from_environment({**SETTINGS, "COMMONWEAL_KEYS_DIR": database_alone, "COMMONWEAL_PERSON_SUBJECT": "Source"})


def test_a_feed_without_its_key_has_no_page_whoever_asks() -> None:
    feed = FeedService(None, None, "tax")  # type: ignore[arg-type]
    for bearer, status in ((None, 401), ("Bearer x", 404)):
        with pytest.raises(ProblemError) as refused:
            asyncio.run(feed.answer(bearer, "0"))
        assert refused.value.status == status
