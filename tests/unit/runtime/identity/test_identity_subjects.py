"""The ids that the operator made for the issuer: what is not among them nobody is told, and what comes counts at once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from litestar.testing import TestClient

from commonweal_api.pairwise import pairwise
from commonweal_api.people_issuer import PORTAL, Enrolled, held, sector_of_client
from commonweal_api.plan import audience_of
from commonweal_api.signatures import issuer_jwks, issuer_seed, sector_key
from commonweal_runtime.exceptions import AuthorizationError
from commonweal_runtime.identity.accounts import Account, Accounts, hash_password
from commonweal_runtime.identity.app import application
from commonweal_runtime.identity.clients import read_clients
from commonweal_runtime.identity.issue import Grant, Issuer
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.requests import AuthorizationRequest
from commonweal_runtime.identity.service import SignInContext
from commonweal_runtime.identity.subjects import Subjects

MASTER, ROOT = bytes(range(32)), "QQ123456C"
AMINA = Account(username="amina", name="Amina", root=ROOT, password_hash=hash_password("x", b"s" * 16))


def written(file: Path, *departments: str) -> Path:
    file.write_text(held(MASTER, [Enrolled(ROOT)], departments, [PORTAL]).files["subjects.json"])
    return file


def request(department: str, *scopes: str) -> AuthorizationRequest:
    return AuthorizationRequest(
        client_id=PORTAL,
        redirect_uri="r",
        department=department,
        scopes=["openid", *scopes],
        state=None,
        nonce=None,
        code_challenge="c" * 43,
    )


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    subjects = Subjects(written(tmp_path / "subjects.json", "tax", "benefits"))
    return Issuer("https://i.test", SigningKey.of(issuer_seed(MASTER)), subjects, time.time)


def test_a_department_that_is_new_or_elsewhere_is_told_before_anybody_types_a_password(issuer: Issuer, tmp_path: Path) -> None:
    context = SignInContext.of(issuer, Accounts(tmp_path / "none"), read_clients(tmp_path / "none"), MASTER, time.time)
    asked = {
        "response_type": "code",
        "client_id": PORTAL,
        "redirect_uri": "http://127.0.0.1:1/callback",
        "scope": "openid",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
        "resource": audience_of("new"),
    }
    with TestClient(application(context), base_url="https://identity.example") as browser:
        browser.follow_redirects = False
        told = parse_qs(urlsplit(browser.get("/authorize", params=asked).headers["location"]).query)
        assert told["error"] == ["temporarily_unavailable"]
        assert "try again in two minutes" in told["error_description"][0]
        written(tmp_path / "subjects.json", "tax", "new")
        assert browser.get("/authorize", params=asked).status_code == 200


def test_ids_are_those_that_the_departments_make_themselves_and_a_link_to_another_site_is_left_out(issuer: Issuer) -> None:
    tokens = issuer.tokens(Grant(AMINA, request("tax", "links", "link:benefits", "link:elsewhere"), 1))
    ids = {d: str(pairwise(sector_key(MASTER, d), ROOT)) for d in ("tax", "benefits", sector_of_client(PORTAL))}
    access, about = (jwt.decode(tokens[k], options={"verify_signature": False}) for k in ("access_token", "id_token"))
    assert (access["sub"], about["sub"], about["links"]) == (ids["tax"], ids[f"client:{PORTAL}"], {"benefits": ids["benefits"]})
    assert issuer.key.jwks() == issuer_jwks(MASTER), "the departments know its key without asking it"


def test_somebody_whose_id_is_not_there_is_not_named(issuer: Issuer) -> None:
    stranger = AMINA.model_copy(update={"root": "QQ000000A"})
    with pytest.raises(AuthorizationError, match="has no id for tax yet"):
        issuer.tokens(Grant(stranger, request("tax"), 1))


def test_from_what_it_holds_nothing_else_follows() -> None:
    files = held(MASTER, [Enrolled(ROOT)], ["tax"], [PORTAL]).files
    assert files.keys() == {"signing", "seal", "store", "subjects.json"}
    text = json.dumps(files)
    assert not any(key.hex() in text for key in (MASTER, sector_key(MASTER, "tax"), sector_key(MASTER, f"client:{PORTAL}")))
    assert json.loads(files["subjects.json"])["tax"].keys() == {ROOT}


def test_more_people_than_a_secret_holds_are_counted_and_left_out_from_the_end() -> None:
    departments, roots = [f"department-{n}" for n in range(465)], [f"QQ{n:06}C" for n in range(60)]
    found = held(MASTER, [Enrolled(root) for root in roots], departments, [PORTAL])
    kept = json.loads(found.files["subjects.json"])["department-1"]
    assert found.left_out > 0
    assert list(kept) == roots[: len(roots) - found.left_out]
    assert sum(map(len, found.files.values())) < 1_000_000
