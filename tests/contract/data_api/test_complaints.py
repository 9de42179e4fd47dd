"""Complaints over HTTP: what a person sends and is shown, what registrars answer, and that it is all under the seals."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from support.data_api import subject
from support.department import OTHER, Department
from support.waiting import wait_for

SOON = (datetime.now(UTC) + timedelta(days=90)).isoformat()
WORDS = "They were told my income.\nI never said that they might."


def complaint(**over: Any) -> dict[str, Any]:
    return {"about": {}, "text": WORDS, **over}


def a_use(department: Department, who: uuid.UUID) -> str:
    """Have somebody read, and return the use as the person sees it."""
    department.ask(f"/v1/people/subjects/{who}", "tax")
    return str(department.me("GET", "/me/uses", who).json()["items"][0]["id"])


def proven(department: Department, who: uuid.UUID, event: str) -> httpx.Response:
    """Return the proof of an event once a seal is over it."""

    def sealed() -> httpx.Response | None:
        found = department.me("GET", f"/me/receipts/{event}/proof", who)
        return found if found.status_code == 200 else None

    return wait_for("a seal over the complaint", sealed)


def test_a_complaint_is_answered_and_each_word_of_it_can_be_proven(department: Department) -> None:
    me = subject("P190")
    use = a_use(department, me)
    made = department.me("POST", "/me/complaints", me, json=complaint(about={"use": use}))
    assert made.status_code == 201, made.text
    said = made.json()
    assert (said["state"], said["about"], said["text"], said["answer"]) == ("Open", {"use": use}, WORDS, None)
    term = datetime.fromisoformat(said["due"]) - datetime.fromisoformat(said["made"])
    assert term == timedelta(days=30)
    listed = department.own("GET", "/v1/complaints?state=Open&limit=1").json()["items"]
    assert [(c["id"], c["subject"], c["overdue"]) for c in listed] == [(said["id"], str(me), False)]
    answer = {"en": "We have put it right.", "cy": "Rydym wedi cywiro hyn."}
    answered = department.own("PUT", f"/v1/complaints/{said['id']}", json={"state": "Upheld", "answer": answer})
    assert (answered.status_code, answered.json()["state"], answered.json()["answer"]) == (200, "Upheld", answer)
    [shown] = department.me("GET", "/me/complaints", me).json()["items"]
    assert (shown["state"], shown["answer"], shown["id"]) == ("Upheld", answer, said["id"])
    hashed = [
        ["complaint", said["id"], {"use": use}, WORDS],
        ["answer", said["id"], 1, "Upheld", {"cy": answer["cy"], "en": answer["en"]}],
    ]
    for event, words in zip((said["event"], shown["answerEvent"]), hashed, strict=True):
        proof = proven(department, me, event)
        row = json.loads(proof.json()["row"])
        assert row["said"] == hashlib.sha256(json.dumps(words, ensure_ascii=False).encode()).hexdigest()
        assert "income" not in proof.text
    assert [c["id"] for c in department.me("GET", "/me/export", me).json()["complaints"]] == [said["id"]]


def test_the_person_alone_sees_it(department: Department) -> None:
    me, other = subject("P191"), subject("P192")
    said = department.me("POST", "/me/complaints", me, json=complaint()).json()
    assert department.me("GET", "/me/complaints", other).json() == {"items": [], "next": None}
    assert department.me("GET", "/me/complaints", other, me).json()["reason"] == "NotDelegated"
    assert department.me("GET", f"/me/receipts/{said['event']}/proof", other).status_code == 404
    for route in (("GET", "/v1/complaints"), ("PUT", f"/v1/complaints/{said['id']}")):
        refused = department.own(*route, "clerk", json={"state": "Answered", "answer": {"en": "No."}})
        assert (refused.status_code, refused.json()["reason"]) == (403, "NotRegistrar")


def test_a_delegate_complains_for_a_person_and_sees_their_own_words_only(department: Department) -> None:
    me, adviser = subject("P193"), subject("P194")
    department.me("POST", "/me/complaints", me, json=complaint(text="My adviser presses me."))
    delegation = {"delegate": str(adviser), "type": "Adviser", "acts": ["See"], "agreements": ["task"], "until": SOON}
    department.me("POST", "/me/delegations", me, json=delegation)
    about = {"about": {"agreement": "task"}}
    assert department.me("POST", "/me/complaints", adviser, me, json=complaint(**about)).json()["reason"] == "NotDelegated"
    department.me("POST", "/me/delegations", me, json={**delegation, "acts": ["Object"]})
    made = department.me("POST", "/me/complaints", adviser, me, json=complaint(**about))
    assert (made.status_code, made.json()["indicatedBy"]) == (201, f"Adviser:{adviser}")
    for other in ({}, {"agreement": "yes"}, {"link": True}, {"use": a_use(department, OTHER)}):
        assert department.me("POST", "/me/complaints", adviser, me, json=complaint(about=other)).status_code == 403
    assert [c["id"] for c in department.me("GET", "/me/complaints", adviser, me).json()["items"]] == [made.json()["id"]]
    assert len(department.me("GET", "/me/complaints", me).json()["items"]) == 2


WRONG: dict[str, tuple[dict[str, Any], int]] = {
    "no words": ({"text": ""}, 400),
    "blank": ({"text": " \n "}, 400),
    "too long": ({"text": "x" * 2001}, 400),
    "a control": ({"text": "a\u0000b"}, 400),
    "a mark of direction": ({"text": "a\u202eb"}, 400),
    "two things": ({"about": {"use": "1", "link": True}}, 400),
    "no such thing": ({"about": {"model": "x"}}, 400),
    "null": ({"about": {"use": None}}, 400),
    "a number": ({"about": {"use": 1}}, 400),
    "not a link": ({"about": {"link": False}}, 400),
    "no such use": ({"about": {"use": "999999999999"}}, 404),
    "no such agreement": ({"about": {"agreement": "nothing"}}, 404),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_complained_of_is_refused(department: Department, case: str) -> None:
    over, status = WRONG[case]
    answer = department.me("POST", "/me/complaints", subject("P195"), json=complaint(**over))
    assert (answer.status_code, answer.json()["reason"]) == (status, "InvalidRequest" if status == 400 else "NotFound")
    assert answer.json()["remedy"]


def test_the_longest_words_in_any_script_fit(department: Department) -> None:
    me = subject("P196")
    text = "\U0001f3f4" * 2000  # twelve bytes each, as a client without Unicode sends them
    made = department.me("POST", "/me/complaints", me, json=complaint(text=text, about={"link": True}))
    assert (made.status_code, made.json()["text"] == text) == (201, True)
    lines = department.me("POST", "/me/complaints", me, json=complaint(text="one\r\ntwo")).json()
    assert lines["text"] == "one\ntwo"


def test_another_persons_use_is_no_use(department: Department) -> None:
    use = a_use(department, OTHER)
    refused = department.me("POST", "/me/complaints", subject("P197"), json=complaint(about={"use": use}))
    never = department.me("POST", "/me/complaints", subject("P197"), json=complaint(about={"use": "999999999999"}))
    assert refused.status_code == 404
    assert refused.json() == never.json()


def test_ten_a_day_and_answering_again_adds_what_differs(department: Department) -> None:
    me = subject("P198")
    made = [department.me("POST", "/me/complaints", me, json=complaint()) for _ in range(11)]
    assert [m.status_code for m in made] == [201] * 10 + [429]
    assert made[-1].json()["reason"] == "SayingLimit"
    assert 86000 < int(made[-1].headers["Retry-After"]) <= 86400
    place = f"/v1/complaints/{made[0].json()['id']}"
    first, same, other = (
        department.own("PUT", place, json={"state": state, "answer": {"en": "We have looked."}}).json()
        for state in ("Answered", "Answered", "NotUpheld")
    )
    assert first == same
    assert int(other["answerEvent"]) > int(first["answerEvent"])
    page = department.me("GET", "/me/complaints?limit=4", me).json()
    rest = department.me("GET", f"/me/complaints?limit=9&before={page['next']}", me).json()
    ids = [c["id"] for c in page["items"] + rest["items"]]
    assert ids == [m.json()["id"] for m in reversed(made[:10])]
    assert rest["next"] is None


def test_answers_that_cannot_be_are_refused(department: Department) -> None:
    said = department.me("POST", "/me/complaints", subject("P199"), json=complaint()).json()
    for body in ({"state": "Open", "answer": {"en": "x"}}, {"state": "Upheld"}, {"state": "Upheld", "answer": {"cy": "x"}}):
        assert department.own("PUT", f"/v1/complaints/{said['id']}", json=body).json()["reason"] == "InvalidRequest"
    right = {"state": "Upheld", "answer": {"en": "x"}}
    assert department.own("PUT", f"/v1/complaints/{uuid.uuid4()}", json=right).status_code == 404
    assert department.own("GET", "/v1/complaints?state=Closed").json()["reason"] == "InvalidRequest"
