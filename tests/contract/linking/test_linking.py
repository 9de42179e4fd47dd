"""A person finds their record, confirms it, ends the link or disputes it; and what a registrar decides where they could not."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from commonweal_api.people_issuer import IDENTITY
from commonweal_api.plan import audience_of
from commonweal_runtime.link_token import LINK
from commonweal_runtime.seal_key import KeyRing
from support.data_api import DEPARTMENT, subject
from support.department import Department
from support.rolls import Citizen, told
from support.waiting import wait_for


def test_who_is_not_linked_is_told_what_proves_them(department: Department) -> None:
    found = Citizen(department).standing()
    assert found["state"] == "Unlinked"
    assert [(p["field"], p["kind"], p["label"]["en"]) for p in found["proof"]] == [
        ("surname", "text", "Surname"),
        ("born", "date", "Date of birth"),
        ("number", "digits", "Tax reference"),
    ]
    assert found["proof"][0]["label"]["cy"] == "Cyfenw"
    assert (found["proof"][2]["description"], found["code"], found["acr"]) == ({"en": "Ten digits."}, None, [])
    assert found["contact"].startswith("mailto:")


def test_a_record_is_found_shown_masked_confirmed_and_then_theirs(department: Department) -> None:
    citizen = Citizen(department)
    found = citizen.tells(told(1, surname=" nAmE1 ", number="1000-000-001"))
    assert found["state"] == "Found"
    assert found["preview"] == [{"label": {"en": "Surname"}, "value": "N••"}, {"label": {"en": "Born in"}, "value": "1950"}]
    assert found["code"] is None
    answer = citizen.confirms(found["ticket"])
    assert answer.headers["cache-control"] == "no-store"
    keys = KeyRing(department.http.get("/.well-known/jwks.json").json()["keys"])
    claims = keys.open(LINK, answer.json()["linkToken"])
    assert json.loads(base64.urlsafe_b64decode(answer.json()["linkToken"].split(".")[0] + "=="))["typ"] == "link+jwt"
    assert claims["iss"] == audience_of(DEPARTMENT)
    assert (claims["aud"], claims["sub"], claims["for"]) == (IDENTITY, str(subject("T1")), str(citizen.id))
    assert (claims["sid"], claims["exp"] - claims["iat"]) == (citizen.claims["sid"], 300)
    linked = Citizen(department, subject("T1"))
    assert linked.standing()["state"] == "Linked"
    assert linked.standing()["since"]
    assert [e["kind"] for e in linked.asks("GET", "/me/export").json()["links"]] == ["Linked"]


def test_a_link_whose_token_was_lost_is_had_again_without_another_proof(department: Department) -> None:
    citizen = Citizen(department)
    citizen.links(told(2))
    assert citizen.standing()["state"] == "Found"
    again = citizen.links({})
    assert again
    assert len(Citizen(department, subject("T2")).asks("GET", "/me/export").json()["links"]) == 1, "one event, however many tokens"


def test_whoever_the_platform_vouches_for_is_linked_and_cannot_link_again(department: Department) -> None:
    vouched = Citizen(department, subject("T3"))
    assert vouched.standing()["state"] == "Linked"
    refused = vouched.asks("POST", json={"values": told(4)})
    assert (refused.status_code, refused.json()["reason"]) == (409, "LinkNotPossible")


def test_two_records_of_one_person_that_agree_are_one_person(department: Department) -> None:
    found = Citizen(department).tells({"surname": "double", "born": "1971-2-3", "number": "3000000001"})
    assert found["state"] == "Found"


def test_an_ended_link_closes_and_can_be_made_again(department: Department) -> None:
    citizen = Citizen(department)
    citizen.links(told(5))
    linked = Citizen(department, subject("T5"))
    assert linked.asks("GET", "/me/uses").status_code == 200
    assert linked.asks("DELETE").status_code == 204
    assert linked.asks("DELETE").status_code == 204, "what has ended stays so"
    refused = linked.asks("GET", "/me/uses")
    assert (refused.status_code, refused.json()["reason"]) == (403, "LinkEnded")
    assert citizen.standing()["state"] == "Unlinked"
    assert citizen.links(told(5))
    assert linked.asks("GET", "/me/uses").status_code == 200
    assert [e["kind"] for e in linked.asks("GET", "/me/export").json()["links"]] == ["Linked", "LinkEnded", "Linked"]


def _case_of(department: Department, reference: str) -> dict[str, Any]:
    items = department.own("GET", "/v1/cases?limit=1000").json()["items"]
    found: dict[str, Any] = next(i for i in items if i["reference"] == reference)
    return found


ROUTES = [
    ("GET", "/me/uses", None),
    ("GET", "/me/consents", None),
    ("GET", "/me/consents/yes/preview", None),
    ("PUT", "/me/consents/yes", {"state": "Withdrawn"}),
    ("GET", "/me/receipts", None),
    ("GET", "/me/receipts/1/proof", None),
    ("GET", "/me/uses/1/proof", None),
    ("GET", "/me/delegations", None),
    ("POST", "/me/delegations", {"delegate": str(uuid.uuid4()), "type": "Adviser", "acts": ["See"], "until": "2027-01-01T00:00:00Z"}),
    ("GET", "/me/export", None),
    ("POST", "/me/erasures/roll", None),
    ("DELETE", "/me/link", None),
    ("POST", "/me/link", {"values": {}}),
]


def test_a_dispute_freezes_everything_until_the_registrar_decides(department: Department) -> None:
    citizen = Citizen(department)
    citizen.links(told(6))
    linked = Citizen(department, subject("T6"))
    assert linked.asks("PUT", "/me/consents/yes", json={"state": "Given"}).status_code == 200
    answer = linked.asks("POST", "/me/link/dispute", json={"text": "This is my mother's record."})
    assert (answer.status_code, answer.json()["state"]) == (200, "Frozen")
    for method, path, body in ROUTES:
        refused = linked.asks(method, path, json=body) if body is not None else linked.asks(method, path)
        assert (refused.status_code, refused.json()["reason"]) == (403, "LinkFrozen"), path
        assert refused.json()["remedy"]
    assert linked.standing()["state"] == "Frozen"
    assert linked.standing()["reference"] == answer.json()["reference"]
    case = _case_of(department, answer.json()["reference"])
    assert (case["reason"], case["told"]) == ("Disputed", {"text": "This is my mother's record."})
    wrong = department.own("POST", f"/v1/cases/{case['id']}", json={"decision": "Refuse"})
    assert (wrong.status_code, wrong.json()["reason"]) == (400, "InvalidRequest")
    decided = department.own("POST", f"/v1/cases/{case['id']}", json={"decision": "Unfreeze"})
    assert (decided.status_code, decided.json()["state"]) == (200, "Unfrozen")
    assert linked.asks("GET", "/me/uses").status_code == 200
    twice = department.own("POST", f"/v1/cases/{case['id']}", json={"decision": "End"})
    assert (twice.status_code, twice.json()["reason"]) == (409, "DecisionNotPossible")


def test_a_registrar_ends_a_disputed_link(department: Department) -> None:
    Citizen(department).links(told(7))
    linked = Citizen(department, subject("T7"))
    reference = linked.asks("POST", "/me/link/dispute", json={"text": "Not me."}).json()["reference"]
    case = _case_of(department, reference)
    assert department.own("POST", f"/v1/cases/{case['id']}", json={"decision": "End"}).status_code == 200
    assert linked.asks("GET", "/me/consents").json()["reason"] == "LinkEnded"
    assert linked.standing()["state"] == "Unlinked"


def test_a_registrar_links_who_could_not_prove_it_and_the_person_confirms(department: Department) -> None:
    citizen = Citizen(department)
    referred = citizen.tells(told(8, surname="Married"))
    assert referred["state"] == "Referred"
    assert citizen.standing()["state"] == "Referred"
    assert citizen.standing()["says"] == referred["says"]
    case = _case_of(department, referred["reference"])
    assert (case["reason"], case["subjects"], case["told"]["surname"]) == ("NotEqual", [str(subject("T8"))], "Married")
    body = {"decision": "Link", "subject": str(subject("T8"))}
    assert department.own("POST", f"/v1/cases/{case['id']}", client="another", json=body).json()["reason"] == "NotRegistrar"
    stranger = {"decision": "Link", "subject": str(uuid.uuid4())}
    assert department.own("POST", f"/v1/cases/{case['id']}", json=stranger).status_code == 400
    assert department.own("POST", f"/v1/cases/{case['id']}", json=body).json()["state"] == "Approved"
    assert citizen.standing()["state"] == "Found"
    assert citizen.links({})
    kinds = [(e["kind"], e["indicatedBy"]) for e in Citizen(department, subject("T8")).asks("GET", "/me/export").json()["links"]]
    assert kinds == [("LinkApproved", f"{DEPARTMENT}/register"), ("Linked", f"Account:{citizen.id}")]


def test_a_refused_case_is_an_event_of_who_asked(department: Department) -> None:
    citizen = Citizen(department)
    case = _case_of(department, citizen.tells(told(9, surname="Other"))["reference"])
    assert department.own("POST", f"/v1/cases/{case['id']}", json={"decision": "Refuse"}).json()["state"] == "Refused"
    assert citizen.standing()["state"] == "Unlinked"
    assert [e["kind"] for e in citizen.asks("GET", "/me/export").json()["links"]] == ["LinkRefused"]


def test_a_link_is_under_a_seal_and_its_proof_can_be_had(department: Department) -> None:
    Citizen(department).links(told(10))
    linked = Citizen(department, subject("T10"))
    event = linked.asks("GET", "/me/export").json()["links"][0]["event"]

    def proof() -> Any:
        found = linked.asks("GET", f"/me/receipts/{event}/proof")
        return found if found.status_code == 200 else None

    row = json.loads(wait_for("the seal", proof).json()["row"])
    assert row["kind"] == "Linked"
    assert row["indicated_by"].startswith("Account:")
    assert str(subject("T10")) not in json.dumps(row), "people are veiled"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"values": {}}, "values: give surname, born, number"),
        ({"values": {**told(11), "income": "5"}}, "values: give surname, born, number"),
        ({"values": told(11, born="31 January 1987")}, "values.born: write year, month and day"),
        ({"values": told(11, number="none")}, "values.number: write its digits"),
        ({"values": told(11, surname="x" * 201)}, "values.surname"),
        ({"values": {**told(11), "surname": 5}}, "values.surname"),
        ({"values": told(11), "more": 1}, "more"),
    ],
)
def test_what_cannot_be_a_proof_is_refused_by_its_field_and_costs_no_try(department: Department, body: dict[str, Any], named: str) -> None:
    citizen = Citizen(department)
    for _ in range(4):
        answer = citizen.asks("POST", json=body)
        assert (answer.status_code, answer.json()["reason"]) == (400, "InvalidRequest")
        assert named in answer.json()["detail"]
        assert answer.json()["remedy"]
    assert citizen.tells(told(11))["state"] == "Found"


def test_nobody_links_for_somebody_else(department: Department) -> None:
    token = department.issuer.person(subject("T12"))
    headers = {"Authorization": f"Bearer {token}", "On-Behalf-Of": str(subject("T13"))}
    assert department.http.get("/me/link", headers=headers).status_code == 400
