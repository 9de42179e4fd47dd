"""What people do for themselves and for each other over HTTP: delegations, receipts and proofs, export, erasure; and what registrars record."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from support.data_api import subject
from support.department import OTHER, Department
from support.waiting import wait_for

SOON = (datetime.now(UTC) + timedelta(days=90)).isoformat()


def delegation(delegate: uuid.UUID, **over: Any) -> dict[str, Any]:
    return {"delegate": str(delegate), "type": "Adviser", "acts": ["See", "Consent"], "until": SOON, **over}


def test_a_delegate_sees_and_decides_until_the_delegation_ends(department: Department) -> None:
    me, adviser = subject("P130"), subject("P131")
    assert department.me("GET", "/me/uses", adviser, me).json()["reason"] == "NotDelegated"
    made = department.me("POST", "/me/delegations", me, json=delegation(adviser))
    assert made.status_code == 201
    assert (made.json()["type"], made.json()["inForce"]) == ("Adviser", True)
    assert department.me("GET", "/me/uses", adviser, me).status_code == 200
    given = department.me("PUT", "/me/consents/yes", adviser, me, json={"state": "Given"})
    assert given.json()["consent"]["state"] == "Given"
    assert department.ask(f"/v1/people/subjects/{me}", "health").status_code == 200
    refused = department.me("PUT", "/me/objections/yes", adviser, me, json={"state": "Objected"})
    assert (refused.status_code, refused.json()["reason"]) == (403, "NotDelegated")
    ended = department.me("DELETE", f"/me/delegations/{made.json()['id']}", me)
    assert (ended.status_code, ended.json()["inForce"]) == (200, False)
    assert department.me("GET", "/me/uses", adviser, me).status_code == 403


def test_both_sides_see_a_delegation_and_others_do_not(department: Department) -> None:
    me, adviser, stranger = subject("P132"), subject("P133"), subject("P134")
    made = department.me("POST", "/me/delegations", me, json=delegation(adviser, agreements=["yes"])).json()
    for who in (me, adviser):
        assert made["id"] in {d["id"] for d in department.me("GET", "/me/delegations", who).json()["items"]}
    assert department.me("GET", "/me/delegations", stranger).json() == {"items": []}
    assert department.me("DELETE", f"/me/delegations/{made['id']}", stranger).status_code == 404


WRONG: dict[str, tuple[dict[str, Any], int]] = {
    "to oneself": ({"delegate": str(subject("P135"))}, 400),
    "no such type": ({"type": "Friend"}, 400),
    "a parent by oneself": ({"type": "Parent"}, 400),
    "no acts": ({"acts": []}, 400),
    "an act twice": ({"acts": ["See", "See"]}, 400),
    "no such act": ({"acts": ["Everything"]}, 400),
    "in the past": ({"until": "2020-01-01T00:00:00Z"}, 400),
    "far too long": ({"until": "9999-12-31T23:59:59Z"}, 400),
    "from long ago": ({"from": "0001-01-01T00:00:00Z"}, 400),
    "no offset": ({"until": "2027-01-01T00:00:00"}, 400),
    "no time": ({"until": 5}, 400),
    "an agreement that is none": ({"agreements": ["nothing"]}, 400),
    "a list of no names": ({"agreements": [1]}, 400),
    "too much": ({"subject": str(OTHER)}, 400),
    "no uuid": ({"delegate": "x"}, 400),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_delegation_that_cannot_be_is_refused(department: Department, case: str) -> None:
    over, status = WRONG[case]
    answer = department.me("POST", "/me/delegations", subject("P135"), json={**delegation(subject("P136")), **over})
    assert (answer.status_code, answer.json()["reason"]) == (status, "InvalidRequest")
    assert answer.json()["remedy"]


def test_only_registrars_record_parents(department: Department) -> None:
    child, parent = subject("P137"), subject("P138")
    body = {**delegation(parent), "subject": str(child), "type": "Parent", "acts": ["See", "Consent", "Object"]}
    for answer in (
        department.own("POST", "/v1/delegations", "clerk", json=body),
        department.http.post(
            "/v1/delegations", json=body, headers={"Authorization": f"Bearer {department.issuer.client('tax', 'register')}"}
        ),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (403, "NotRegistrar")
    assert department.http.post("/v1/delegations", json=body).status_code == 401
    made = department.own("POST", "/v1/delegations", json=body)
    assert (made.status_code, made.json()["madeBy"]) == (201, "registry/register")
    listed = department.own("GET", f"/v1/delegations?subject={child}").json()["items"]
    assert [d["id"] for d in listed] == [made.json()["id"]]
    given = department.me("PUT", "/me/consents/yes", parent, child, json={"state": "Given"})
    assert given.json()["consent"]["state"] == "Given"
    refused = department.me("DELETE", f"/me/delegations/{made.json()['id']}", child)
    assert (refused.status_code, refused.json()["reason"]) == (409, "DelegationNotPossible")
    ended = department.own("DELETE", f"/v1/delegations/{made.json()['id']}")
    assert (ended.status_code, ended.json()["inForce"]) == (200, False)
    assert department.me("PUT", "/me/consents/yes", parent, child, json={"state": "Withdrawn"}).status_code == 403
    assert department.own("DELETE", f"/v1/delegations/{uuid.uuid4()}").status_code == 404


def test_on_behalf_of_oneself_is_oneself_and_of_nobody_is_refused(department: Department) -> None:
    me = subject("P139")
    assert department.me("GET", "/me/consents", me, me).json() == department.me("GET", "/me/consents", me).json()
    headers = {"Authorization": f"Bearer {department.issuer.person(me)}", "On-Behalf-Of": "everybody"}
    assert department.http.get("/me/consents", headers=headers).json()["reason"] == "InvalidRequest"


def test_a_decision_comes_with_a_receipt_that_the_published_key_signed(department: Department) -> None:
    me = subject("P140")
    nothing = department.me("PUT", "/me/objections/yes", me, json={"state": "Lifted"}).json()
    assert nothing["receipt"] is None
    said = [department.me("PUT", "/me/consents/yes", me, json={"state": state}).json()["receipt"] for state in ("Given", "Withdrawn")]
    page = department.me("GET", "/me/receipts", me).json()
    assert [(r["state"], r["receipt"]) for r in page["items"]] == [("Withdrawn", said[1]), ("Given", said[0])]
    keys = {k["kid"]: jwt.PyJWK(k) for k in department.http.get("/.well-known/jwks.json").json()["keys"]}
    for receipt in page["items"]:
        header = jwt.get_unverified_header(receipt["receipt"])
        assert header["typ"] == "consent-receipt+jws"
        assert jwt.PyJWS().decode(receipt["receipt"], keys[header["kid"]], algorithms=["EdDSA"])


def test_a_receipt_is_no_token(department: Department) -> None:
    me = subject("P141")
    department.me("PUT", "/me/consents/yes", me, json={"state": "Given"})
    receipt = department.me("GET", "/me/receipts", me).json()["items"][0]["receipt"]
    assert department.http.get("/me/uses", headers={"Authorization": f"Bearer {receipt}"}).status_code == 401


def proved(department: Department, path: str, who: uuid.UUID) -> httpx.Response | None:
    """Return the proof; None as long as there is no seal over it."""
    proof = department.me("GET", path, who)
    if proof.status_code == 409:
        assert (proof.json()["reason"], proof.headers["retry-after"]) == ("NotSealedYet", "1")
        return None
    assert proof.status_code == 200
    return proof


def test_a_use_and_an_event_are_proved_once_they_are_sealed(department: Department) -> None:
    me = subject("P142")
    department.ask(f"/v1/people/subjects/{me}")
    department.me("PUT", "/me/consents/yes", me, json={"state": "Given"})
    use = department.me("GET", "/me/uses?limit=1", me).json()["items"][0]["id"]
    event = department.me("GET", "/me/receipts?limit=1", me).json()["items"][0]["event"]
    for path in (f"/me/uses/{use}/proof", f"/me/receipts/{event}/proof"):
        proof = wait_for("a seal", lambda path=path: proved(department, path, me))  # type: ignore[misc]
        assert str(me) not in proof.text
        assert proof.json()["seal"] in {s["jws"] for s in department.http.get("/v1/seals?limit=1000").json()["items"]}
        assert department.me("GET", path, OTHER).status_code == 404


def test_an_export_has_what_is_held_and_nobody_elses(department: Department) -> None:
    me = subject("P143")
    department.ask(f"/v1/people/subjects/{me}")
    export = department.me("GET", "/me/export", me).json()
    records = {p["product"]: p["records"] for p in export["products"]}
    assert records["people"][0]["fullName"] == "Person 143"
    assert export["uses"]
    assert "Person 144" not in str(export)
    assert department.me("GET", "/me/export", subject("P144"), me).status_code == 403


def test_erasure_goes_where_the_basis_allows_and_stays(department: Department) -> None:
    me = subject("P145")
    department.me("PUT", "/me/consents/cards", me, json={"state": "Given"})
    assert department.ask(f"/v1/cards/subjects/{me}", "health").status_code == 200
    erased = department.me("POST", "/me/erasures/cards", me)
    assert (erased.status_code, erased.json()["erased"]) == (200, 1)
    assert department.ask(f"/v1/cards/subjects/{me}", "health").status_code == 404
    assert department.me("POST", "/me/erasures/cards", me).status_code == 200
    refused = department.me("POST", "/me/erasures/people", me)
    assert (refused.status_code, refused.json()["reason"]) == (409, "ErasureNotPossible")
    assert "task" in refused.json()["detail"]
    assert department.me("POST", "/me/erasures/nothing", me).status_code == 404
    assert department.me("POST", "/me/erasures/cards", me, json={"all": True}).status_code == 400


def test_everybody_may_know_how_much_an_agreement_is_used(department: Department) -> None:
    counts = department.http.get("/v1/transparency").json()
    assert {"task", "yes", "strict"} <= {a["agreement"] for a in counts["agreements"]}
    assert not re.search(r"Person \d", str(counts))


def test_everybody_may_read_the_register_of_what_is_in_force(department: Department) -> None:
    answer = department.http.get("/v1/register")
    agreements = {a["agreement"]: a for a in answer.json()["agreements"]}
    assert {"task", "yes", "strict"} <= set(agreements)
    assert agreements["task"]["title"] == {"en": "People"}
    assert set(agreements["yes"]["rights"]) == {"en", "cy"}
    assert answer.json()["models"] == []
    assert not re.search(r"Person \d", answer.text)


def test_the_audit_is_exported_to_registrars_alone(department: Department) -> None:
    department.ask(f"/v1/people/subjects/{subject('P146')}")
    export = department.own("GET", "/v1/audit/export")
    assert (export.status_code, export.headers["content-type"]) == (200, "application/x-ndjson")
    assert department.own("GET", "/v1/audit/export", "clerk").json()["reason"] == "NotPermitted"
    assert department.own("GET", "/v1/audit/export?after=x").status_code == 400


def test_the_feed_is_for_the_departments_other_sites(department: Department) -> None:
    for token in (department.issuer.client("registry", "register"), department.issuer.person(OTHER), "x"):
        answer = department.http.get("/v1/feed?after=0", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
