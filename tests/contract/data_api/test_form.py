"""The form of every answer: tags and 304, HEAD and OPTIONS, request ids, what may be cached, limits, versions."""

from __future__ import annotations

import re
import uuid

import pytest

from support.data_api import subject
from support.department import Department

PEOPLE = "/v1/people/subjects"


def uses_of(department: Department, who: uuid.UUID) -> int:
    return len(department.me("GET", "/me/uses?limit=1000", who).json()["items"])


def test_a_body_that_is_known_is_answered_304_and_the_use_recorded(department: Department) -> None:
    who = subject("P101")
    first = department.ask(f"/v1/visits/subjects/{subject('P1')}")
    path = f"{PEOPLE}/{who}"
    first = department.ask(path, "seldom")
    assert re.fullmatch(r'"[0-9a-f]{32}"', first.headers["etag"])
    before = uses_of(department, who)
    again = department.ask(path, "seldom", if_none_match=f'"other", W/{first.headers["etag"]}')
    assert (again.status_code, again.content) == (304, b"")
    assert {h: again.headers[h] for h in ("etag", "cache-control", "product-version")} == {
        h: first.headers[h] for h in ("etag", "cache-control", "product-version")
    }
    assert uses_of(department, who) == before + 1


def test_another_body_has_another_tag(department: Department) -> None:
    one, part = department.ask(f"{PEOPLE}/{subject('P102')}"), department.ask(f"{PEOPLE}/{subject('P102')}?fields=birthYear")
    assert one.headers["etag"] != part.headers["etag"]
    assert department.ask(f"{PEOPLE}/{subject('P102')}", if_none_match=part.headers["etag"]).status_code == 200


@pytest.mark.parametrize("path", ["/me/uses", "/me/consents", "/me/delegations", "/me/receipts"])
def test_what_is_about_a_person_is_tagged_and_never_stored(department: Department, path: str) -> None:
    answer = department.me("GET", path, subject("P103"))
    assert answer.headers["cache-control"] == "no-store"
    headers = {"Authorization": f"Bearer {department.issuer.person(subject('P103'))}", "If-None-Match": answer.headers["etag"]}
    assert department.http.get(path, headers=headers).status_code == 304


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/transparency", "/v1/register", "/v1/seals", "/.well-known/jwks.json"])
def test_what_is_public_needs_no_token_and_may_be_kept(department: Department, path: str) -> None:
    answer = department.http.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"].startswith("public")
    assert isinstance(answer.json(), dict)
    assert department.http.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_head_is_get_without_the_body_and_is_recorded(department: Department) -> None:
    who = subject("P104")
    headers = {"Authorization": f"Bearer {department.issuer.client('archive', 'app')}", "Purpose": "archive/serve"}
    whole, before = department.http.get(f"/v1/secret/subjects/{who}", headers=headers), uses_of(department, who)
    head = department.http.head(f"/v1/secret/subjects/{who}", headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert {h: head.headers[h] for h in ("etag", "content-length", "content-type")} == {
        h: whole.headers[h] for h in ("etag", "content-length", "content-type")
    }
    assert uses_of(department, who) == before + 1
    absent = department.http.head(f"/v1/secret/subjects/{uuid.uuid4()}", headers=headers)
    assert (absent.status_code, absent.content) == (404, b"")
    assert department.http.head("/me/consents/yes").status_code == 405


METHODS = {
    "/v1/people/subjects": {"GET", "HEAD", "OPTIONS"},
    "/me/delegations": {"GET", "HEAD", "OPTIONS", "POST"},
    "/me/consents/yes": {"OPTIONS", "PUT"},
    "/v1/delegations": {"GET", "HEAD", "OPTIONS", "POST"},
}


@pytest.mark.parametrize("path", METHODS)
def test_options_and_405_name_the_methods_of_an_address(department: Department, path: str) -> None:
    told, refused = department.http.options(path), department.http.request("PATCH", path)
    assert (told.status_code, told.content) == (204, b"")
    assert (refused.status_code, refused.json()["reason"]) == (405, "MethodNotAllowed")
    for answer in (told, refused):
        assert {m.strip() for m in answer.headers["allow"].split(",")} == METHODS[path]
    assert department.http.options("/no/such").status_code == 404


def test_a_sound_request_id_is_kept_and_another_replaced(department: Department) -> None:
    assert department.http.get("/healthz", headers={"X-Request-Id": "trace-1.2_3"}).headers["x-request-id"] == "trace-1.2_3"
    for bad in ("", "a" * 65, "a b", "a\tb", "é".encode(), "x;y"):
        given = department.http.get("/healthz", headers=[("X-Request-Id", bad)]).headers["x-request-id"]  # type: ignore[list-item]
        assert re.fullmatch(r"[0-9a-f]{16}", given)


def test_the_log_names_the_request(department: Department) -> None:
    department.ask(f"{PEOPLE}/{subject('P105')}", "stranger", x_request_id="find-me-in-the-log")
    line = next(line for line in department.api.log.splitlines() if "find-me-in-the-log" in line)
    assert '"refused": "NoAgreement"' in line


def test_what_stands_twice_or_is_unknown_is_refused(department: Department) -> None:
    token = ("Authorization", f"Bearer {department.issuer.client('tax', 'app')}")
    twice = department.http.get(PEOPLE, headers=[token, ("Purpose", "tax/serve"), ("Purpose", "tax/other")])
    assert (twice.status_code, twice.json()["reason"]) == (400, "InvalidRequest")
    unknown = department.ask(f"{PEOPLE}?feilds=birthYear")
    assert unknown.status_code == 400
    assert "fields" in unknown.json()["remedy"]


def test_each_version_says_which_it_is(department: Department) -> None:
    path = f"{PEOPLE}/{subject('P106')}"
    assert department.ask(path).headers["product-version"] == "2.0.0"
    assert department.ask(path, "legacy").headers["product-version"] == "1.4.0"
    assert department.ask(path.replace("people", "people@1"), "legacy").status_code == 200
    assert department.ask(path.replace("people", "people@2")).status_code == 200
    assert department.ask(path.replace("people", "people@1")).json()["reason"] == "NoAgreement"


def test_data_life_is_said_with_the_data(department: Department) -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}Z", department.ask(f"{PEOPLE}/{subject('P107')}").json()["dataUntil"])
    assert "dataUntil" in department.ask(f"{PEOPLE}?limit=1").json()
    assert "dataUntil" not in department.ask(f"{PEOPLE}/{subject('P107')}", "legacy").json()


def test_a_record_may_be_read_only_so_often(department: Department) -> None:
    path = f"{PEOPLE}/{subject('P108')}"
    assert [department.ask(path, "seldom").status_code for _ in range(3)] == [200, 200, 429]
    refused = department.ask(path, "seldom")
    assert refused.json()["reason"] == "FrequencyLimit"
    assert 3000 < int(refused.headers["retry-after"]) <= 3600
    assert department.ask(f"{PEOPLE}/{subject('P109')}", "seldom").status_code == 200


def test_once_is_once_and_names_no_time_to_wait(department: Department) -> None:
    path = f"{PEOPLE}/{subject('P110')}"
    assert department.ask(path, "once").status_code == 200
    refused = department.ask(path, "once")
    assert (refused.status_code, refused.json()["reason"]) == (429, "FrequencyLimit")
    assert "retry-after" not in refused.headers


def test_an_agreements_requests_are_counted_over_all_people(department: Department) -> None:
    answers = [department.ask(f"{PEOPLE}/{subject(f'P{111 + n}')}", "often") for n in range(6)]
    assert [a.status_code for a in answers] == [200] * 5 + [429]
    assert answers[-1].json()["reason"] == "RateLimit"
    assert int(answers[-1].headers["retry-after"]) > 0


def test_strict_reads_give_what_others_do(department: Department) -> None:
    who = subject("P120")
    one = department.ask(f"/v1/secret/subjects/{who}", "archive")
    assert one.json() == {"subject": str(who), "record": {"fullName": "Person 120", "birthYear": 1962}}
    absent, denied = (
        department.ask(f"/v1/secret/subjects/{uuid.uuid4()}", "archive"),
        department.ask(f"/v1/secret/subjects/{who}", "clinic"),
    )
    assert (absent.status_code, denied.status_code) == (404, 404)
    assert absent.content == denied.content
    seen, after = [], None
    while True:
        page = department.ask("/v1/secret/subjects?limit=90" + (f"&after={after}" if after else ""), "archive").json()
        seen += [item["subject"] for item in page["items"]]
        if (after := page["next"]) is None:
            break
    assert len(seen) == len(set(seen)) == 200
    assert uses_of(department, who) >= 3
