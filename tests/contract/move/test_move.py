"""A department moves between two real stores: nothing is lost, nothing opens that was closed, and what is said on the way holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from commonweal_local.waiting import until
from support.data_api import Issuer, subject
from support.moving import MOVE, Hold, Move, Site, pass_over
from support.postgres import HeritageServer

ADA, BEN, CLEO = (subject(f"P{n}") for n in (1, 2, 3))


NUMBERS = "select json_agg(json_build_array(number, name) order by number)::text from agreement.register"
NONCES = "select json_agg(to_jsonb(n) order by nonce)::text from agreement.nonce n"
SEALS = "select json_agg(jws order by n)::text from audit.seal"


@dataclass
class Before:
    """What the old site knew when it went."""

    numbers: str
    nonces: str
    receipts: list[dict[str, Any]]
    seals: list[str]


def copied(move: Move) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Copy while people go on speaking; return what the old site told at the moment of the copy, and the receipts that it gave until after it."""
    old, new = move.old, move.new
    assert old.say(BEN, "Withdrawn").status_code == 200, "what people say is taken while the department is frozen"
    _, told = pass_over(old, new, "last")
    assert old.say(ADA, "Objected", "task").status_code == 200, "also after the moment of the copy"
    assert old.complain(BEN, "Said on the way.").status_code == 201
    new.step("settle", MOVE, asked={"tables": told["tables"], "identities": move.identities(), "models": {}})
    new.step("put-in-place", MOVE)
    move.take_up()
    return told, old.receipts(ADA)


def closed(site: Site) -> None:
    """A copy is born closed, whatever its plan says: the data API reads the catalogue of the copy, and the store refuses."""

    def refused() -> bool:
        answer = site.read(BEN)
        assert answer.status_code in {403, 503}, answer.text
        return bool(answer.json()["reason"] == "DepartmentMoving")

    until("the data API to know the copy", 30, refused)


@pytest.fixture(scope="module")
def moved(heritage: HeritageServer, issuer: Issuer) -> Iterator[tuple[Move, Before]]:
    """A move from beginning to end, with words in the middle of it, looked at as it goes."""
    with Move(heritage, issuer) as move:
        old, new = move.old, move.new
        for who in (ADA, BEN, CLEO):
            assert old.say(who, "Given").status_code == 200
            assert old.read(who, "tax").status_code == 200
        assert old.say(CLEO, "Objected", "task").status_code == 200
        old.store.value("select agreement.end_nonce('over', null, 'Revoked')")
        numbers, nonces = old.store.value(NUMBERS), old.store.value(NONCES)
        assert old.complain(BEN, "Said before.").status_code == 201
        pass_over(old, new)
        assert old.read(ADA).status_code == 200, "the old site serves while most is copied"
        with Hold(old):
            frozen = old.read(ADA)
            assert (frozen.status_code, frozen.json()["reason"]) == (503, "DepartmentMoving")
            told, receipts = copied(move)
            closed(new)
            assert move.leave(told["reached"], told["models"]) == "More"
            reached = move.carry(told["reached"])
            assert move.carry(reached) == reached, "a second time carries nothing"
            assert move.leave(reached, told["models"]) == "Gone"
        assert new.read(BEN).status_code == 503, "gone there, and not opened here"
        assert new.step("open", MOVE) == {"serves": True}
        yield move, Before(numbers, nonces, receipts, json.loads(old.store.value(SEALS)))


def test_what_was_said_on_the_way_holds(moved: tuple[Move, Before]) -> None:
    new = moved[0].new
    assert new.read(BEN).status_code == 200
    assert new.read(BEN, "tax").status_code == 404, "withdrawn during the move stays withdrawn"
    assert new.read(ADA).status_code == 404, "objected during the move stays objected"
    assert new.read(ADA, "tax").status_code == 200, "and what was given stays given"
    assert new.read(CLEO).status_code == 404, "as what was objected to before"


COMPLAINTS = "select json_agg(to_jsonb(c) - 'seq' || jsonb_build_object('event', c.seq) order by seq)::text from consent.complaints c"


def test_complaints_go_along_with_their_events(moved: tuple[Move, Before]) -> None:
    old, new = moved[0].old, moved[0].new
    complaints = json.loads(new.store.value(COMPLAINTS))
    assert [c["words"] for c in complaints] == ["Said before.", "Said on the way."]
    assert complaints == json.loads(old.store.value(COMPLAINTS))


def test_it_is_the_same_department(moved: tuple[Move, Before]) -> None:
    move, before = moved
    assert move.new.store.value(NUMBERS) == before.numbers
    assert move.new.store.value(NONCES) == before.nonces, (
        "what was over is over, and what is signed is signed: no line of a manifest changes"
    )
    assert move.new.receipts(ADA) == before.receipts, (
        "the receipts of the old site, letter for letter, also of what was said after the copy"
    )
    assert move.new.store.value("select count(*) from audit.use where subject = $1 and agreement = 1", BEN) >= 1


def test_the_chain_of_seals_goes_on_and_the_old_site_adds_nothing_to_it(moved: tuple[Move, Before]) -> None:
    move, before = moved
    assert move.old.say(ADA, "Given").status_code == 421

    def goes_on() -> bool:
        return len(json.loads(move.new.store.value(SEALS))) > len(before.seals)

    until("the new site to seal", 30, goes_on)
    assert json.loads(move.new.store.value(SEALS))[: len(before.seals)] == before.seals
    assert json.loads(move.old.store.value(SEALS)) == before.seals


def test_the_old_site_says_where_to_go_and_takes_nothing(moved: tuple[Move, Before]) -> None:
    old, new = moved[0].old, moved[0].new
    for answer in (old.read(CLEO), old.read(CLEO, "tax"), old.say(CLEO, "Withdrawn")):
        assert (answer.status_code, answer.json()["reason"]) == (421, "DepartmentMoved")
        assert answer.headers["location"] == new.api.url
    assert old.step("thaw", MOVE) == {"serves": False}, "there is no way back"
    assert old.read(CLEO).status_code == 421
