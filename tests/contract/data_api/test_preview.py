"""What a person is told of an agreement before they answer: what it means, what they get, and the very values that would leave."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commonweal_api.rights import RIGHTS, BasisType
from support.data_api import subject
from support.department import Department
from support.waiting import wait_for

SOON = (datetime.now(UTC) + timedelta(days=90)).isoformat()
UNKNOWN = subject("a person whom no product has")


def looked(department: Department, name: str, who: Any, about: Any = None) -> Any:
    """Return what a look at one's own values shows."""
    answer = department.me("GET", f"/me/consents/{name}/preview", who, about)
    assert answer.status_code == 200, answer.text
    return answer.json()


def shown(department: Department, name: str, who: Any) -> dict[str, Any]:
    items = department.me("GET", "/me/consents", who).json()["items"]
    found: dict[str, Any] = next(i for i in items if i["agreement"] == name)
    return found


@pytest.mark.parametrize(
    ("name", "product", "consumer"),
    [
        ("task", "people", "tax"),
        ("yes", "people", "health"),
        ("visits", "visits", "tax"),
        ("strict", "secret", "archive"),
        ("legacy", "people", "legacy"),
    ],
)
def test_a_look_shows_what_the_consumer_is_given_to_the_letter(department: Department, name: str, product: str, consumer: str) -> None:
    who = subject("P40")
    if name == "yes":
        assert department.me("PUT", "/me/consents/yes", who, json={"state": "Given"}).status_code == 200
    own = department.me("GET", f"/me/consents/{name}/preview", who)
    given = department.ask(f"/v1/{product}/subjects/{who}", consumer)
    assert given.status_code == 200
    records = given.json()["records"] if "records" in given.json() else [given.json()["record"]]
    assert records
    assert json.dumps(own.json()["records"]) == json.dumps(records), "values, their form and their order"
    assert own.json()["truncated"] == given.json().get("truncated", False)
    assert own.headers["cache-control"] == "no-store"


def test_a_look_needs_no_consent_and_opens_nothing(department: Department) -> None:
    who = subject("P151")
    assert looked(department, "yes", who)["records"]
    assert department.ask(f"/v1/people/subjects/{who}", "health").status_code == 404
    assert shown(department, "yes", who)["consent"]["state"] == "NotGiven"


def test_a_look_is_among_the_uses_and_under_a_seal(department: Department) -> None:
    who = subject("P152")
    looked(department, "cards", who)
    use = department.me("GET", "/me/uses", who).json()["items"][0]
    assert (use["agreement"], use["client"], use["purpose"]["key"], use["look"], use["given"]) == (
        "cards",
        "person",
        "person/look",
        True,
        True,
    )
    proof = wait_for(
        "the seal", lambda: found if (found := department.me("GET", f"/me/uses/{use['id']}/proof", who)).status_code == 200 else None
    )
    assert json.loads(proof.json()["row"])["op"] == "look"


def test_whoever_acts_for_a_person_sees_values_only_where_they_may_have_them(department: Department) -> None:
    me, adviser = subject("P153"), subject("P154")
    terms = {"delegate": str(adviser), "type": "Adviser", "until": SOON}
    sees = department.me("POST", "/me/delegations", me, json={**terms, "acts": ["See", "Consent"]}).json()
    refused = department.me("GET", "/me/consents/yes/preview", adviser, me)
    assert (refused.status_code, refused.json()["reason"]) == (403, "NotDelegated")
    department.me("DELETE", f"/me/delegations/{sees['id']}", me)
    assert department.me("POST", "/me/delegations", me, json={**terms, "acts": ["Export"], "agreements": ["yes"]}).status_code == 201
    assert looked(department, "yes", adviser, me)["records"]
    assert department.me("GET", "/me/consents/task/preview", adviser, me).status_code == 403, "it names one agreement"
    assert department.me("GET", "/me/uses", me).json()["items"][0]["client"] == "delegate"


def test_a_loop_of_looks_ends_and_says_when_to_come_back(department: Department) -> None:
    who = subject("P157")
    for _ in range(100):
        looked(department, "task", who)
    braked = department.me("GET", "/me/consents/task/preview", who)
    assert (braked.status_code, braked.json()["reason"]) == (429, "SayingLimit")
    assert 0 < int(braked.headers["retry-after"]) <= 86_400
    assert looked(department, "yes", who)["records"], "another agreement has a count of its own"


def test_who_has_no_record_sees_the_same_form_without_one(department: Department) -> None:
    [agreement] = [i for i in department.me("GET", "/me/consents", subject("P155")).json()["items"] if i["agreement"] == "task"]
    assert {k: v for k, v in looked(department, "task", UNKNOWN).items() if k != "at"} == {
        "agreement": "task",
        "fields": agreement["explained"],
        "records": [],
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("path", "status"), [("nothing/preview", 404), ("yes'--/preview", 404), ("yes/preview?fields=income", 400), ("yes/preview/x", 404)]
)
def test_a_look_at_what_is_not_there_is_refused_with_the_reason(department: Department, path: str, status: int) -> None:
    answer = department.me("GET", f"/me/consents/{path}", subject("P155"))
    assert answer.status_code == status
    assert answer.json()["remedy"]


def test_an_agreement_says_what_it_means_and_what_the_law_leaves(department: Department) -> None:
    items = department.me("GET", "/me/consents", subject("P156")).json()["items"]
    for item in items:
        rights = RIGHTS[BasisType(item["basis"])]
        assert item["rights"] == {"en": rights.words, "cy": rights.welsh}
        assert [f["name"] for f in item["explained"]] == item["fields"]
        assert item["title"]
    masked = [f for i in items for f in i["explained"] if "mask" in f]
    assert masked
    assert all(f["of"] for f in masked)
