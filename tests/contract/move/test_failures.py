"""Whatever fails before the switch, the old store serves again, and no copy of an earlier moment ever does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from commonweal_local.waiting import until
from commonweal_runtime.migration.stores import LEASE_SECONDS
from support.data_api import Issuer, subject
from support.moving import MOVE, Hold, Move, Site, StepError, pass_over
from support.postgres import HeritageServer
from support.waiting import HANG

ADA = subject("P1")
PATIENCE = LEASE_SECONDS + 30


@pytest.fixture(scope="module")
def whole(heritage: HeritageServer, issuer: Issuer) -> Iterator[Move]:
    """Two sites for all of these tests; none of them hands the department over."""
    with Move(heritage, issuer) as move:
        move.old.say(ADA, "Given")
        yield move


@pytest.fixture
def move(whole: Move) -> Iterator[Move]:
    """The sites as they should be found: the old one serves, and nothing has been laid at the new one."""
    assert whole.old.read(ADA).status_code == 200
    yield whole
    whole.old.step("thaw", MOVE)
    whole.new.step("clear")


def test_a_store_says_how_much_would_go_with_it_and_nothing_of_anybody(move: Move) -> None:
    found = move.old.step("holdings")
    assert found["consents"] >= 1
    assert set(found) == {"consents", "objections", "delegations", "links", "erasures"}
    assert all(isinstance(count, int) for count in found.values())


def serves_again(site: Site) -> None:
    until("the old site to serve again", PATIENCE, lambda: site.read(ADA).status_code == 200)


def crash(site: Site) -> None:
    """End PostgreSQL at once and start it again: it recovers from its log."""
    os.kill(int((site.store.data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
    site.store.stop()
    site.store.start()


def test_when_everything_that_holds_it_dies_the_lease_ends_and_what_was_served_since_forbids_the_switch(move: Move) -> None:
    with Hold(move.old) as hold:
        _, told = pass_over(move.old, move.new, "last")
        hold.kill()
        assert move.old.read(ADA).status_code == 503
        assert move.old.say(ADA, "Withdrawn").status_code == 200
        assert move.old.say(ADA, "Given").status_code == 200
        serves_again(move.old)
    assert move.leave(told["reached"], told["models"]) == "Lapsed"
    with Hold(move.old):
        assert move.leave(move.carry_nothing(told["reached"]), told["models"]) == "Lapsed", "frozen again, and yet the copy is too old"


def test_a_copy_of_a_store_that_froze_served_and_froze_is_not_switched_to(move: Move) -> None:
    with Hold(move.old):
        _, told = pass_over(move.old, move.new, "last")
    assert move.old.read(ADA).status_code == 200
    with Hold(move.old):
        assert move.leave(told["reached"], told["models"]) == "Lapsed"


def test_a_crash_of_the_old_store_while_frozen_ends_in_its_serving(move: Move) -> None:
    with Hold(move.old) as hold:
        assert move.old.read(ADA).status_code == 503
        crash(move.old)
        hold.kill()
        assert move.old.read(ADA).status_code == 503, "the crash did not open it early: the lease is on disk"
        serves_again(move.old)


def test_a_keeper_that_dies_makes_no_difference(move: Move) -> None:
    move.old.keeper.__exit__(None, None, None)
    try:
        with Hold(move.old):
            pass_over(move.old, move.new, "last")
            assert move.old.say(ADA, "Given").status_code in {200, 409}
    finally:
        move.old.keeper.__enter__()
    assert move.old.read(ADA).status_code == 200


def test_two_moves_at_once_are_refused(move: Move) -> None:
    with Hold(move.old), pytest.raises(StepError, match="False"), Hold(move.old, "another-move"):
        pytest.fail("two moves held the department")


def test_a_volume_without_room_is_named_and_nothing_is_adopted(move: Move) -> None:
    move.new.prefix = ("prlimit", "--fsize=65536")
    try:
        with pytest.raises(StepError, match=r"File too large|No space"):
            pass_over(move.old, move.new)
    finally:
        move.new.prefix = ()
    assert move.old.read(ADA).status_code == 200
    crash(move.new)
    assert move.new.store.value("select count(*) from agreement.register") == 0


def test_rows_that_differ_stop_the_move(move: Move) -> None:
    with Hold(move.old):
        _, told = pass_over(move.old, move.new, "last")
        told["tables"]["department"]["consent.event"] = "1:2:3"
        with pytest.raises(StepError, match=r"department: consent\.event"):
            move.new.step("settle", MOVE, asked={"tables": told["tables"], "identities": {}, "models": {}})
    crash(move.new)
    assert move.new.step("look")["standing"] is None, "what was not compared is never put in place"


def test_a_store_that_is_used_is_not_written_over(move: Move) -> None:
    with pytest.raises(StepError, match="holds data of its own"):
        move.old.bytes("receive")


def test_a_crash_of_the_new_store_after_the_comparison_leaves_it_closed(move: Move) -> None:
    with Hold(move.old):
        _, told = pass_over(move.old, move.new, "last")
        move.new.step("settle", MOVE, asked={"tables": told["tables"], "identities": move.identities(), "models": {}})
        crash(move.new)  # before it was told to change over: it does so when it starts
        move.new.step("put-in-place", MOVE)
        move.take_up()
        until("the data API to know the copy", PATIENCE, lambda: move.new.read(ADA).json()["reason"] == "DepartmentMoving")
    assert move.old.read(ADA).status_code == 200
    assert move.new.read(ADA).status_code == 503, "the old one serves, so the new one does not"
    assert move.new.step("look")["standing"]["state"] == "Arrived"
    assert move.old.step("look")["standing"] is None


def test_what_a_killed_command_still_sends_is_in_no_other_s_way(move: Move) -> None:
    """Its connection lives until it writes to the pipe that nobody reads any more; by then the command has been run again."""

    async def backed_up() -> bool:
        root = await move.old.store.superuser("department")
        try:
            return bool(await root.fetchval("select count(*) from pg_replication_slots where slot_name like 'commonweal_move%'"))
        finally:
            await root.close()

    had = move.new.bytes("have")
    with Hold(move.old):
        killed = move.old.process("send", "last")
        try:
            assert killed.stdin is not None
            killed.stdin.write(had)
            killed.stdin.flush()
            until("the first command to be under way", HANG, lambda: asyncio.run(backed_up()))
            assert b'"told"' in move.old.bytes("send", "last", given=had), "what is said at the end"
            assert killed.poll() is None, "it is still there"
        finally:
            killed.kill()
            killed.communicate()
