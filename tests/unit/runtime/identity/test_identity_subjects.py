"""The ids that the operator made for the issuer: what is not among them nobody is told, and what comes counts at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from commonweal_api.pairwise import pairwise
from commonweal_api.people_issuer import PORTAL, Enrolled, held, sector_of_client
from commonweal_api.plan import audience_of
from commonweal_api.signatures import issuer_jwks, sector_key
from support.issuer import MASTER, ROOT, Clock, back, browsing, code, exchange, parts, request, unread, write_files


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[httpx.Client]:
    write_files(tmp_path)
    with browsing(parts(tmp_path, Clock())) as client:
        yield client


def test_a_department_that_is_new_or_elsewhere_is_told_before_anybody_types_a_password(browser: httpx.Client, tmp_path: Path) -> None:
    asked = request(resource=audience_of("new"))
    told = back(browser.get("/authorize", params=asked))
    assert told["error"] == "temporarily_unavailable"
    assert "try again in two minutes" in told["error_description"]
    write_files(tmp_path, departments=("tax-authority", "new"))
    assert browser.get("/authorize", params=asked).status_code == 200


def test_ids_are_those_that_the_departments_make_themselves_and_a_link_to_another_site_is_left_out(browser: httpx.Client) -> None:
    tokens = exchange(browser, code(browser, scope="openid links link:benefits link:elsewhere")).json()
    ids = {d: str(pairwise(sector_key(MASTER, d), ROOT)) for d in ("tax-authority", "benefits", sector_of_client(PORTAL))}
    access, about = unread(tokens["access_token"]), unread(tokens["id_token"])
    assert (access["sub"], about["sub"], about["links"]) == (
        ids["tax-authority"],
        ids[f"client:{PORTAL}"],
        {"benefits": ids["benefits"]},
    )
    assert browser.get("/jwks").json() == issuer_jwks(MASTER), "the departments know its key without asking it"


def test_somebody_whose_id_is_not_there_is_not_named(browser: httpx.Client, tmp_path: Path) -> None:
    people = json.loads((tmp_path / "people.json").read_text())
    (tmp_path / "people.json").write_text(json.dumps([people[0] | {"root": "QQ000000A"}]))
    answer = exchange(browser, code(browser))
    assert (answer.status_code, answer.json()["error"]) == (400, "temporarily_unavailable")
    assert "has no id for tax-authority yet" in answer.json()["error_description"]


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
