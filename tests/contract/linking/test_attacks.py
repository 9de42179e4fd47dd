"""Attacks on linking: tickets of others, guessing, what an answer tells, and two people who share a number."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from support.data_api import Issuer, subject
from support.department import Department, running
from support.postgres import HeritageServer, StoreServer
from support.rolls import Citizen, rolled, told


async def _root(store: StoreServer, statement: str, *args: object) -> Any:
    root = await store.superuser("department")
    try:
        return await root.fetch(statement, *args)
    finally:
        await root.close()


def rows(store: StoreServer, statement: str, *args: object) -> list[Any]:
    """Return rows as the superuser sees them."""
    found: list[Any] = asyncio.run(_root(store, statement, *args))
    return found


def void(answer: Any) -> None:
    assert (answer.status_code, answer.json()["reason"]) == (409, "TicketVoid"), answer.text


def test_a_ticket_is_good_once_for_its_own_sign_in_and_session(department: Department) -> None:
    citizen = Citizen(department)
    ticket = citizen.tells(told(20))["ticket"]
    void(Citizen(department).confirms(ticket))
    void(citizen.again(sid=uuid.uuid4().hex).confirms(ticket))
    void(citizen.again(sid=None).confirms(ticket))
    void(citizen.confirms("0" * 64))
    assert citizen.confirms(ticket).status_code == 200
    void(citizen.confirms(ticket))


def test_a_ticket_that_is_old_is_void(department: Department, store: StoreServer) -> None:
    citizen = Citizen(department)
    ticket = citizen.tells(told(21))["ticket"]
    rows(store, "update matching.ticket set at = at - interval '10 minutes', code_until = null where asking = $1", citizen.id)
    void(citizen.confirms(ticket))


def test_two_tickets_for_one_record_make_one_link(department: Department) -> None:
    first, second = Citizen(department), Citizen(department)
    tickets = [c.tells(told(22))["ticket"] for c in (first, second)]
    assert first.confirms(tickets[0]).status_code == 200
    void(second.confirms(tickets[1]))
    assert second.tells(told(22))["state"] == "Referred"


def test_a_sign_in_without_a_session_cannot_link(department: Department) -> None:
    loose = Citizen(department).again(sid=None)
    assert loose.standing()["state"] == "NotOffered"
    refused = loose.asks("POST", json={"values": told(23)})
    assert (refused.status_code, refused.json()["reason"]) == (409, "LinkNotOffered")


def _reasons(store: StoreServer, *citizens: Citizen) -> list[str]:
    found = rows(store, "select asking, reason from matching.referral where asking = any ($1)", [c.id for c in citizens])
    by_id = {row["asking"]: row["reason"] for row in found}
    return [by_id[c.id] for c in citizens]


def _cases(department: Department) -> dict[str, tuple[Citizen, dict[str, str]]]:
    Citizen(department).links(told(24))
    tired = Citizen(department)
    for _ in range(3):
        tired.tells({"surname": "x", "born": "1900-01-01", "number": "1"})
    shared = {"surname": "Shared", "born": "1970-01-01", "number": "2000000001"}
    return {
        "NoRecord": (Citizen(department), told(25, number="9999999999")),
        "NotEqual": (Citizen(department), told(25, surname="Other")),
        "Several": (Citizen(department), shared),
        "LinkedAlready": (Citizen(department), told(24)),
        "TooOften": (tired, told(26)),
    }


def test_all_that_is_not_one_free_record_is_the_same_answer_after_the_same_steps(department: Department, store: StoreServer) -> None:
    """The steps are counted by what PostgreSQL read and wrote: they are equal, whatever stood in the way."""
    answers, worked = [], {}
    for name, (citizen, values) in _cases(department).items():
        before = _work(store)
        answer = citizen.asks("POST", json={"values": values})
        worked[name] = {table: n - before[table] for table, n in _work(store).items()}
        assert answer.elapsed.total_seconds() >= 0.1, "no answer comes before the first tick"
        reference = answer.json().pop("reference")
        assert len(reference) == 10
        answers.append((answer.status_code, answer.text.replace(reference, ""), sorted(answer.headers)))
        assert _reasons(store, citizen) == [name]
    assert len({str(a) for a in answers}) == 1, answers
    assert len({str(w) for w in worked.values()}) == 1, worked


def _work(store: StoreServer) -> dict[str, int]:
    """Return what was inserted or updated in the tables of linking so far."""
    asyncio.run(_root(store, "select pg_stat_force_next_flush()"))
    found = rows(
        store,
        "select 'attempt' as t, count(*) as n from matching.attempt union all select 'ticket', count(*) from matching.ticket "
        "union all select 'case', coalesce(sum(attempts), 0) from matching.referral union all select 'event', count(*) from consent.event",
    )
    return {row["t"]: row["n"] for row in found}


def test_a_record_is_found_by_an_index_and_no_value_is_read_one_by_one(department: Department, store: StoreServer) -> None:
    assert department.http.get("/readyz").status_code == 200
    relation = rows(store, "select relation from agreement.product where name = 'roll'")[0]["relation"]

    async def plan() -> str:
        root = await store.superuser("department")
        await root.execute("set role cw_scribe; set enable_seqscan = off")
        found = await root.fetch(f"explain select t.subject from product.{relation} t where matching.written(t.number, 'Digits') = 'x'")
        await root.close()
        return "\n".join(row[0] for row in found)

    assert "Index Scan" in asyncio.run(plan()) or "Bitmap" in asyncio.run(plan())


@pytest.mark.parametrize("row", ["1970-01-01"])
def test_two_people_with_one_number_are_never_found_nor_made_one(department: Department, store: StoreServer, row: str) -> None:
    citizen = Citizen(department)
    assert citizen.tells({"surname": "Shared", "born": row, "number": "2000000001"})["state"] == "Referred"
    near = rows(store, "select subjects from matching.referral where asking = $1", citizen.id)[0]["subjects"]
    assert set(near) == {subject("S1"), subject("S2")}, "both are shown to the registrar, and neither is chosen"
    assert rows(store, "select from matching.link where subject = any ($1)", near) == []


def test_a_person_whose_own_records_differ_is_not_found(department: Department) -> None:
    for born in ("1972-02-03", "1972-02-04"):
        assert Citizen(department).tells({"surname": "Clash", "born": born, "number": "4000000001"})["state"] == "Referred"


def test_guessing_ends_for_the_sign_in_and_for_the_record(department: Department, store: StoreServer) -> None:
    guesser = Citizen(department)
    for n in range(3):
        guesser.tells(told(30, surname=f"guess{n}"))
    assert guesser.tells(told(30))["state"] == "Referred", "the right answer, after three tries"
    another = Citizen(department)
    assert another.tells(told(30))["state"] == "Referred", "the record has had its three failed tries"
    assert _reasons(store, guesser, another) == ["TooOften", "TooOften"]
    assert Citizen(department).tells(told(31))["state"] == "Found", "nobody else is held up"


def test_guessing_ends_for_the_address(roll: HeritageServer, issuer: Issuer) -> None:
    with StoreServer() as store, running(store, roll, issuer, rolled(roll, addressTries=4)) as department:
        for n in range(4):
            assert Citizen(department).tells(told(40 + n, surname="x"))["state"] == "Referred"
        last = Citizen(department)
        assert last.tells(told(50))["state"] == "Referred"
        assert _reasons(store, last) == ["TooOften"]
        kept = rows(store, "select distinct address from matching.attempt")
        assert [len(row["address"]) for row in kept] == [32], "an address is kept as a keyed hash only"


def test_a_loop_of_attempts_is_refused_in_the_end(department: Department, store: StoreServer) -> None:
    citizen = Citizen(department)
    citizen.tells(told(32, surname="x"))
    fill = "insert into matching.attempt (asking, address, found) select $1, 'x', false from generate_series(1, 99)"
    rows(store, fill, citizen.id)
    refused = citizen.asks("POST", json={"values": told(32)})
    assert (refused.status_code, refused.json()["reason"]) == (429, "SayingLimit")
    assert int(refused.headers["retry-after"]) > 0


NASTY = ["' or '1'='1", "x'; drop schema matching cascade; --", "$1", "%s", '"', "\\", "{}", "1) or (1=1", "null", "\u2028", "é" * 60]


@pytest.mark.parametrize("value", NASTY)
def test_sql_in_a_value_is_a_value(department: Department, store: StoreServer, value: str) -> None:
    assert Citizen(department).tells(told(33, surname=value))["state"] == "Referred"
    answer = Citizen(department).asks("POST", json={"values": told(33, number=value)})
    assert (answer.status_code, answer.json().get("reason", answer.json().get("state"))) in {(400, "InvalidRequest"), (200, "Referred")}
    rows(store, "delete from matching.attempt where subject = $1", subject("T33"))


@pytest.mark.parametrize(
    "body", ['{"values": {"surname": "a\\u0000", "born": "1950-01-01", "number": "1"}}', '{"values": ' + "[" * 5000, "x" * 9000]
)
def test_values_that_no_store_holds_are_refused(department: Department, body: str) -> None:
    answer = Citizen(department).asks("POST", content=body.encode())
    assert answer.status_code in {400, 413}
    assert answer.json()["remedy"]
