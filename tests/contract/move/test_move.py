"""A department moves between two real stores: nothing is lost, nothing opens that was closed, and what is said on the way holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.data_api import Issuer, subject
from support.moving import MOVE, Hold, Move, pass_over
from support.postgres import HeritageServer

ADA, BEN, CLEO = (subject(f"P{n}") for n in (1, 2, 3))


@pytest.fixture(scope="module")
def moved(heritage: HeritageServer, issuer: Issuer) -> Iterator[Move]:
    """A move from beginning to end, with words in the middle of it."""
    with Move(heritage, issuer) as move:
        yield move


def test_a_whole_move(moved: Move) -> None:
    old, new = moved.old, moved.new
    for who in (ADA, BEN, CLEO):
        assert old.say(who, "Given").status_code == 200
        assert old.read(who, "tax").status_code == 200
    assert old.say(CLEO, "Objected", "task").status_code == 200
    before = old.receipts(ADA)
    numbers = old.store.value("select json_agg(json_build_array(number, name) order by number)::text from agreement.register")

    first, _ = pass_over(old, new)
    assert old.read(ADA).status_code == 200, "the old site serves while most is copied"
    with Hold(old):
        frozen = old.read(ADA)
        assert (frozen.status_code, frozen.json()["reason"]) == (503, "DepartmentMoving")
        assert old.say(BEN, "Withdrawn").status_code == 200, "what people say is taken while the department is frozen"
        second, told = pass_over(old, new, "last")
        assert second < first / 2, "the last pass sends what has changed"
        assert old.say(ADA, "Objected", "task").status_code == 200, "also after the moment of the copy"
        late = old.receipts(ADA)
        new.step("settle", MOVE, asked={"tables": told["tables"], "identities": moved.identities(), "models": {}})
        new.step("put-in-place", MOVE)
        moved.take_up()
        assert new.read(BEN).json()["reason"] == "DepartmentMoving", "a copy is born closed, whatever its plan says"
        assert moved.leave(told["reached"], told["models"]) == "More"
        reached = moved.carry(told["reached"])
        assert moved.carry(reached) == reached
        assert moved.leave(reached, told["models"]) == "Gone"
    gone = old.read(CLEO)
    assert (gone.status_code, gone.json()["reason"]) == (421, "DepartmentMoved")
    assert gone.headers["location"] == new.api.url
    assert old.say(CLEO, "Withdrawn").status_code == 421
    assert new.step("open", MOVE) == {"serves": True}

    assert new.read(BEN).status_code == 200
    assert new.read(BEN, "tax").status_code == 404, "withdrawn during the move stays withdrawn"
    assert new.read(ADA).status_code == 404, "objected during the move stays objected"
    assert new.read(ADA, "tax").status_code == 200, "and what was given stays given"
    assert new.read(CLEO).status_code == 404
    assert new.receipts(ADA) == late, "the receipts of the old site, letter for letter"
    assert before == [receipt for receipt in late if receipt in before]
    assert new.store.value("select json_agg(json_build_array(number, name) order by number)::text from agreement.register") == numbers
    assert new.store.value("select count(*) from audit.use where subject = $1", CLEO) == 2, "the uses of the old site and of the new one"
