"""Links: a department's word counts once, for the account and in the session for which it was given; every attack on that."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from commonweal_api.jwk import Jwk
from commonweal_api.pairwise import pairwise
from commonweal_api.plan import audience_of
from commonweal_api.signatures import jwk_of, public_key, sector_key, sign_jws
from support.identity_memory import MemoryStore
from support.issuer import (
    MASTER,
    ROOT,
    Clock,
    bearer,
    browsing,
    code,
    exchange,
    for_department,
    identity,
    link_token,
    parts,
    seed_of,
    unread,
    write_files,
)

RECORD = str(pairwise(sector_key(MASTER, "tax-authority"), "T-9"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def browser(tmp_path: Path, clock: Clock) -> Iterator[httpx.Client]:
    write_files(tmp_path)
    with browsing(parts(tmp_path, clock)) as client:
        yield client


def known_as(browser: httpx.Client, token: str, department: str = "tax-authority") -> str:
    answer = for_department(browser, token, department)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def put(browser: httpx.Client, token: str, text: str) -> httpx.Response:
    return browser.post("/me/links", headers=bearer(token), json={"linkToken": text})


def links(browser: httpx.Client, token: str) -> dict[str, dict[str, Any]]:
    answer = browser.get("/me/links", headers=bearer(token))
    assert answer.status_code == 200, answer.text
    return {link["department"]: link for link in answer.json()["links"]}


def refused(browser: httpx.Client, token: str, text: str) -> str:
    """Return at what a link token failed; nothing was linked by it."""
    before = links(browser, token)
    answer = put(browser, token, text)
    assert (answer.status_code, answer.json()["reason"]) == (400, "LinkTokenInvalid"), answer.text
    assert links(browser, token) == before
    return str(answer.json()["detail"].split(": ")[1])


def test_a_person_links_a_department_and_is_known_there_by_the_record(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser, "chen")
    asking = known_as(browser, token)
    assert links(browser, token) == {}
    answer = put(browser, token, link_token(asking, RECORD, clock))
    assert (answer.status_code, answer.json()) == (
        201,
        {"department": "tax-authority", "state": "Linked", "since": "2027-01-15T08:00:00Z", "by": "person"},
    )
    assert unread(known_as(browser, token))["sub"] == RECORD
    assert links(browser, token)["tax-authority"]["by"] == "person"
    about = unread(exchange(browser, code(browser, "chen", scope="openid links link:tax-authority link:benefits")).json()["id_token"])
    assert about["links"] == {"tax-authority": RECORD}


def test_unlinked_again_the_person_is_who_they_were_before(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser, "chen")
    asking = known_as(browser, token)
    put(browser, token, link_token(asking, RECORD, clock))
    assert browser.delete("/me/links/tax-authority", headers=bearer(token)).status_code == 204
    assert unread(known_as(browser, token))["sub"] == unread(asking)["sub"]
    assert links(browser, token) == {}
    again = browser.delete("/me/links/tax-authority", headers=bearer(token))
    assert (again.status_code, again.json()["reason"]) == (404, "NotLinked")


def test_what_the_platform_linked_keeps_its_id_and_the_person_can_end_it_and_link_again(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser)
    assert {d: (link["by"], link["since"]) for d, link in links(browser, token).items()} == dict.fromkeys(
        ("benefits", "companies-registry", "tax-authority"), ("platform", None)
    )
    own = str(pairwise(sector_key(MASTER, "tax-authority"), ROOT))
    assert unread(known_as(browser, token))["sub"] == own
    assert browser.delete("/me/links/tax-authority", headers=bearer(token)).status_code == 204
    assert sorted(links(browser, token)) == ["benefits", "companies-registry"]
    asking = known_as(browser, token)
    assert unread(asking)["sub"] != own
    assert put(browser, token, link_token(asking, own, clock)).status_code == 201
    assert unread(known_as(browser, token))["sub"] == own
    assert links(browser, identity(browser, "bram")).keys() == {"benefits"}, "a link of one department is none elsewhere"


def test_a_replayed_token_is_refused(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser, "chen")
    text = link_token(known_as(browser, token), RECORD, clock)
    assert put(browser, token, text).status_code == 201
    assert refused(browser, token, text) == "for", "it was made for who is not linked"
    browser.delete("/me/links/tax-authority", headers=bearer(token))
    assert refused(browser, token, text) == "jti"


def test_an_expired_token_is_refused(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser, "chen")
    text = link_token(known_as(browser, token), RECORD, clock)
    clock.now += 299
    assert put(browser, token, text).status_code == 201
    browser.delete("/me/links/tax-authority", headers=bearer(token))
    late = link_token(known_as(browser, token), RECORD, clock)
    clock.now += 300
    assert refused(browser, token, late) == "exp"


def test_a_token_of_another_session_or_account_is_refused(browser: httpx.Client, clock: Clock) -> None:
    chen = identity(browser, "chen")
    text = link_token(known_as(browser, chen), RECORD, clock)
    browser.cookies.clear()
    elsewhere, bram = identity(browser, "chen"), ""
    assert refused(browser, elsewhere, text) == "sid"
    browser.cookies.clear()
    bram = identity(browser, "bram")
    assert refused(browser, bram, text) == "sid"
    own = known_as(browser, bram)
    assert refused(browser, bram, link_token(own, RECORD, clock, **{"for": unread(known_as(browser, chen))["sub"]})) == "for"


def test_a_department_speaks_for_itself_alone(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser, "chen")
    asking = known_as(browser, token)
    assert refused(browser, token, link_token(asking, RECORD, clock, signer="benefits")) == "kid"
    assert refused(browser, token, link_token(asking, RECORD, clock, iss=audience_of("benefits"))) == "kid"
    assert refused(browser, token, link_token(asking, RECORD, clock, iss=audience_of("elsewhere"), signer="elsewhere")) == "kid"
    # One department's own word, over what it was told of the session, is of no use at another.
    assert refused(browser, token, link_token(asking, RECORD, clock, iss=audience_of("benefits"), signer="benefits")) == "sid"


def unsigned(text: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "x", "typ": "link+jwt"}).encode()).rstrip(b"=").decode()
    return f"{header}.{text.split('.')[1]}."


def under_its_public_key(text: str) -> str:
    """Sign by HMAC, with the department's public key as if it were a secret."""
    body = jwt.decode(text, options={"verify_signature": False})
    kid = jwt.get_unverified_header(text)["kid"]
    return jwt.encode(body, public_key(seed_of("tax-authority")), "HS256", {"kid": kid, "typ": "link+jwt"})


def by_a_strangers_key(text: str) -> str:
    """Sign with another key and carry its public part along, under the id of the department's."""
    body, other = jwt.decode(text, options={"verify_signature": False}), Ed25519PrivateKey.generate()
    kid = jwt.get_unverified_header(text)["kid"]
    carried = jwk_of(other.public_key().public_bytes_raw())
    return jwt.encode(body, other, "EdDSA", {"kid": kid, "typ": "link+jwt", "jwk": carried})


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("forge", [unsigned, under_its_public_key, by_a_strangers_key, lambda text: text[:-4] + "AAAA", lambda _: "x.y"])
def test_a_forged_token_is_refused(browser: httpx.Client, clock: Clock, forge: Callable[[str], str]) -> None:
    token = identity(browser, "chen")
    assert refused(browser, token, forge(link_token(known_as(browser, token), RECORD, clock))) in ("linkToken", "kid")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"typ": "receipt+jwt"}, "typ"),
        ({"aud": audience_of("tax-authority")}, "aud"),
        ({"aud": "https://commonweal.dev/identity/"}, "aud"),
        ({"sub": "somebody"}, "sub"),
        ({"sub": None}, "claims"),
        ({"for": None}, "claims"),
        ({"sid": None}, "claims"),
        ({"jti": None}, "claims"),
        ({"jti": "j" * 201}, "claims"),
        ({"iat": 1.5}, "claims"),
        ({"exp": True}, "claims"),
        ({"exp": 1_800_000_301}, "exp"),
        ({"iat": 1_800_000_031, "exp": 1_800_000_100}, "iat"),
        ({"iss": "https://evil.example", "signer": "tax-authority"}, "iss"),
    ],
)
def test_a_token_that_says_something_else_is_refused(browser: httpx.Client, clock: Clock, change: dict[str, Any], place: str) -> None:
    token = identity(browser, "chen")
    assert refused(browser, token, link_token(known_as(browser, token), RECORD, clock, **change)) == place


def test_a_key_that_is_withdrawn_counts_no_more(browser: httpx.Client, clock: Clock, tmp_path: Path) -> None:
    token = identity(browser, "chen")
    text = link_token(known_as(browser, token), RECORD, clock)
    directory = json.loads((tmp_path / "directory.json").read_text())
    directory["departments"][0]["keys"] = [Jwk.of(public_key(seed_of("another")), "Seal").wire()]
    (tmp_path / "directory.json").write_text(json.dumps(directory))
    assert refused(browser, token, text) == "kid"


def test_a_broken_key_of_one_department_costs_no_other_anything(browser: httpx.Client, clock: Clock, tmp_path: Path) -> None:
    directory = json.loads((tmp_path / "directory.json").read_text())
    directory["departments"][1]["keys"] = [{"kid": "x"}, "y", {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "z"}]
    (tmp_path / "directory.json").write_text(json.dumps(directory))
    token = identity(browser, "chen")
    assert put(browser, token, link_token(known_as(browser, token), RECORD, clock)).status_code == 201
    early = put(browser, token, link_token(known_as(browser, token, "benefits"), RECORD, clock))
    assert (early.status_code, early.json()["reason"]) == (503, "DepartmentUnknown"), "keys are yet to come; the attempt was not wrong"
    assert "benefits" not in links(browser, token)


def test_who_may_sign_agreements_may_not_say_who_a_person_is(browser: httpx.Client, clock: Clock, tmp_path: Path) -> None:
    """A department publishes the keys of its stewards as well."""
    directory = json.loads((tmp_path / "directory.json").read_text())
    steward = Jwk.of(public_key(seed_of("steward")), "Agreement").wire()
    directory["departments"][0]["keys"].append(steward)
    (tmp_path / "directory.json").write_text(json.dumps(directory))
    token = identity(browser, "chen")
    asking = known_as(browser, token)
    assert refused(browser, token, link_token(asking, RECORD, clock, signer="steward")) == "kid"
    assert put(browser, token, link_token(asking, RECORD, clock)).status_code == 201


def test_a_record_belongs_to_one_account(browser: httpx.Client, clock: Clock) -> None:
    """A link of the platform stays, and which account has it is not told; one that a person made ends when the department says that the record is another's."""
    amina, chen = str(pairwise(sector_key(MASTER, "tax-authority"), ROOT)), identity(browser, "chen")
    taken = put(browser, chen, link_token(known_as(browser, chen), amina, clock))
    assert (taken.status_code, taken.json()["reason"]) == (409, "LinkTaken")
    assert put(browser, chen, link_token(known_as(browser, chen), RECORD, clock)).status_code == 201
    browser.cookies.clear()
    bram = identity(browser, "bram")
    assert put(browser, bram, link_token(known_as(browser, bram), RECORD, clock)).status_code == 201
    assert unread(known_as(browser, bram))["sub"] == RECORD
    assert unread(known_as(browser, chen))["sub"] != RECORD
    assert "tax-authority" not in links(browser, chen)
    browser.cookies.clear()
    first = identity(browser)
    browser.delete("/me/links/tax-authority", headers=bearer(first))
    assert put(browser, bram, link_token(known_as(browser, bram), amina, clock)).status_code == 201, "its person has ended it"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"linkToken": 1}', b'{"linkToken": "x", "more": 1}', b'{"linkToken": ""}'])
def test_a_body_that_is_no_link_request_says_what_to_send(browser: httpx.Client, body: bytes) -> None:
    answer = browser.post("/me/links", headers=bearer(identity(browser)), content=body)
    assert (answer.status_code, answer.json()["reason"]) == (400, "InvalidRequest")
    assert "linkToken" in answer.json()["remedy"]


def test_a_link_that_was_moved_in_the_store_is_not_followed(tmp_path: Path, clock: Clock) -> None:
    """Whoever can write the database, and has no key, gives nobody another's records."""
    write_files(tmp_path)
    store = MemoryStore()
    with browsing(parts(tmp_path, clock, store)) as browser:
        chen = identity(browser, "chen")
        put(browser, chen, link_token(known_as(browser, chen), RECORD, clock))
        browser.cookies.clear()
        bram = identity(browser, "bram")
        own = unread(known_as(browser, bram))["sub"]
        (link,) = store._links.values()
        account = next(s.account for s in store._sessions.values() if s.account != link.account)
        store._links[account, "tax-authority"] = link._replace(account=account, record=b"another")
        assert unread(known_as(browser, bram))["sub"] == own
        UUID(own)


def test_a_made_up_text_of_the_right_form_is_refused(browser: httpx.Client) -> None:
    token = identity(browser, "chen")
    text = sign_jws("link+jwt", {"iss": [1], "sub": str(uuid4())}, seed_of("tax-authority"))
    assert refused(browser, token, text) == "iss"
