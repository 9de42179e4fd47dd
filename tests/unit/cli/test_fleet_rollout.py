"""Rings, and a roll-out over them: the order, the stop at the first site that is not alike, the resumption, the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal_cli.fleet.rings import DEFAULT, rings
from commonweal_cli.fleet.roll import back, begin, roll
from commonweal_cli.fleet.state import Before, Phase, Record, Rollout
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Silent
from commonweal_stacks.conformity.examine import Examined, Say
from commonweal_stacks.conformity.probes.verdicts import Verdict, broken, holds
from commonweal_stacks.conformity.tree import Digest

FLEET = [f"site-{number:03}" for number in range(465)]
SOME = FLEET[:60]


def test_a_fleet_of_465_goes_one_then_a_tenth_then_all() -> None:
    made = rings(FLEET)
    assert [len(ring) for ring in made] == [1, 46, 418]
    assert made[0] == ("site-000",)
    assert [site for ring in made for site in ring] == FLEET


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [1, 1]), (10, [1, 9]), (11, [1, 1, 9]), (100, [1, 9, 90])])
def test_a_ring_that_would_add_none_is_left_out(count: int, sizes: list[int]) -> None:
    assert [len(ring) for ring in rings(FLEET[:count])] == sizes


@given(count=st.integers(1, 465), ends=st.lists(st.integers(1, 100), max_size=4))
def test_every_site_is_in_exactly_one_ring_in_its_order(count: int, ends: list[int]) -> None:
    made = rings(FLEET[:count], [*(f"{share}%" for share in sorted(ends)), "all"])
    assert [site for ring in made for site in ring] == FLEET[:count]
    assert all(made)


@pytest.mark.parametrize(
    ("sites", "sizes", "said"),
    [
        ([], DEFAULT, "there are no sites"),
        (["a", "b", "a"], DEFAULT, "a is named twice"),
        (["a"], ["1", "10%"], "the last ring is not `all`"),
        (["a"], [], "the last ring is not `all`"),
        (FLEET, ["50%", "10", "all"], "10 is less than the ring before it"),
        (["a"], ["0", "all"], "'0' is no size"),
        (["a"], ["101%", "all"], "'101%' is no size"),
        (["a"], ["a tenth", "all"], "'a tenth' is no size"),
    ],
)
def test_rings_that_make_no_sense_are_refused_by_name(sites: Sequence[str], sizes: Sequence[str], said: str) -> None:
    with pytest.raises(LocalError, match=said):
        rings(sites, sizes)


class Scripted:
    """Sites that do as they are told: each has a leaf, which `up` sets from the stack files' version; some have a will of their own."""

    def __init__(self, **odd: str) -> None:
        self.version, self.odd = "new", odd
        self.has: dict[str, str] = {}
        self.kept: dict[str, Digest] = {}
        self.broken: set[str] = set()
        self.raises: dict[str, BaseException] = {}
        self.ups: list[str] = []
        self._lock, self.now, self.most = Lock(), 0, 0

    def before(self, name: str) -> Before:
        signed = self.signed(name)
        return Before({"version": self.has.get(name, "old")}, signed.root if signed else "")

    def up(self, name: str, say: Say, *, config: Mapping[str, Any] | None = None) -> None:
        with self._lock:
            self.ups.append(name)
            self.now += 1
            self.most = max(self.most, self.now)
        say("up")
        if name in self.raises:
            raise self.raises.pop(name)
        self.has[name] = config["version"] if config else self.odd.get(name.replace("-", "_"), self.version)
        with self._lock:
            self.now -= 1

    def examine(self, name: str, say: Say, *, config: Mapping[str, Any] | None = None) -> Examined:
        say("looking")
        verdicts: dict[str, Verdict] = {"clock": broken("clock", "an hour apart") if name in self.broken else holds()}
        return Examined(name, Digest({"layer": {"version": self.has[name]}}), verdicts, "")

    def sign(self, found: Examined) -> None:
        self.kept[found.site] = found.digest

    def signed(self, name: str) -> Digest | None:
        return self.kept.get(name)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "roll.json")


def run(record: Record, sites: Scripted, names: Sequence[str] = SOME, *, at_once: int = 4, **more: Any) -> Rollout:
    begin(record, rings(names), **more)
    return roll(record, sites, Silent(), at_once=at_once)


def test_all_sites_get_the_change_ring_by_ring_a_few_at_once_and_each_signs(record: Record) -> None:
    sites = Scripted()
    rollout = run(record, sites)
    assert rollout.complete
    assert sites.ups[0] == SOME[0]
    assert set(sites.ups[1:6]) == set(SOME[1:6])
    assert len(sites.ups) == len(SOME)
    assert 1 <= sites.most <= 4
    assert {digest.root for digest in sites.kept.values()} == {rollout.expected}


def test_a_canary_that_breaks_a_promise_stops_everything(record: Record) -> None:
    sites = Scripted()
    sites.broken.add(SOME[0])
    rollout = run(record, sites)
    assert sites.ups == [SOME[0]]
    assert rollout.failed == [SOME[0]]
    assert "it breaks a promise: clock: broken: clock: an hour apart" in rollout.sites[SOME[0]].why
    assert rollout.expected == ""
    assert sites.kept == {}


def test_the_first_site_that_is_not_alike_stops_its_ring_and_the_leaf_is_named(record: Record) -> None:
    sites = Scripted(site_020="other")
    rollout = run(record, sites, at_once=1)
    assert rollout.failed == ["site-020"]
    assert 'it differs in 1 leaf (expected | found): layer: version: "new" | "other"' in rollout.sites["site-020"].why
    assert len(sites.ups) == 1 + 20, "no further one is begun"
    assert {rollout.sites[name].phase for name in SOME[21:]} == {Phase.WAITING}
    assert "site-020" not in sites.kept


def test_a_site_that_cannot_be_brought_up_stops_it_and_the_next_run_goes_on_from_there(record: Record) -> None:
    sites = Scripted()
    sites.raises["site-005"] = LocalError("pulumi up of site site-005 failed", "Correct it.")
    stopped = run(record, sites)
    assert stopped.failed == ["site-005"]
    assert "pulumi up of site site-005 failed" in stopped.sites["site-005"].why

    done = sum(state.phase is Phase.DONE for state in stopped.sites.values())
    assert run(record, sites).complete
    assert len(sites.ups) == len(SOME) + 1
    assert done >= 1


def test_a_run_that_is_killed_amid_a_site_goes_on_with_that_site(record: Record) -> None:
    sites = Scripted()
    sites.raises["site-001"] = KeyboardInterrupt()
    begin(record, rings(SOME[:3]))
    with pytest.raises(KeyboardInterrupt):
        roll(record, sites, Silent(), at_once=1)
    interrupted = Record(record.file).known()
    assert [interrupted.sites[name].phase for name in SOME[:2]] == [Phase.DONE, Phase.MOVING]
    assert interrupted.sites["site-001"].before == Before({"version": "old"})

    assert run(record, sites, SOME[:3]).complete
    assert sites.ups.count("site-000") == 1


def test_a_given_root_binds_the_canary_too(record: Record) -> None:
    sites = Scripted()
    rollout = run(record, sites, expected="ab" * 32)
    assert rollout.failed == [SOME[0]]
    assert f"{'ab' * 32} is expected" in rollout.sites[SOME[0]].why
    with pytest.raises(LocalError, match="holds its sites to"):
        begin(record, rings(SOME), "cd" * 32)


def test_what_was_moved_goes_back_to_what_it_was_last_first(record: Record) -> None:
    sites = Scripted(site_020="other")
    stopped = run(record, sites)
    sites.ups.clear()
    after = back(record, sites, Silent())
    assert sites.ups == stopped.moved
    assert sites.ups[-1] == SOME[0]
    assert {sites.has[name] for name in sites.ups} == {"old"}
    assert {after.sites[name].phase for name in sites.ups} == {Phase.BACK}
    assert begin(record, rings(SOME[:2])).rings == (("site-000",), ("site-001",))  # and another roll-out may begin


def test_only_some_go_back_when_they_are_named_and_only_sites_that_moved(record: Record) -> None:
    sites = Scripted()
    run(record, sites, SOME[:3])
    after = back(record, sites, Silent(), ["site-001"])
    assert [after.sites[name].phase for name in SOME[:3]] == [Phase.DONE, Phase.BACK, Phase.DONE]
    with pytest.raises(LocalError, match="has not reached site-040"):
        back(record, sites, Silent(), ["site-040"])


def test_a_site_that_would_not_go_back_keeps_no_other_from_it(record: Record) -> None:
    sites = Scripted()
    run(record, sites, SOME[:3])
    sites.raises["site-002"] = LocalError("it is down", "Start it.")
    after = back(record, sites, Silent())
    assert after.sites["site-002"].why == "not rolled back: it is down. Start it."
    assert [after.sites[name].phase for name in SOME[:2]] == [Phase.BACK, Phase.BACK]


def test_other_sites_while_one_is_under_way_are_refused_and_anew_keeps_what_was_before(record: Record) -> None:
    sites = Scripted(site_020="other")
    run(record, sites)
    with pytest.raises(LocalError, match=r"another roll-out is under way.*fleet rollback"):
        begin(record, rings(SOME[:3]))
    sites.odd.clear()
    sites.version = "mended"
    assert run(record, sites, anew=True).complete
    assert set(sites.has.values()) == {"mended"}
    after = back(record, sites, Silent(), ["site-000", "site-020"])
    assert {sites.has["site-000"], sites.has["site-020"]} == {"old"}
    assert after.sites["site-000"].phase is Phase.BACK


def test_there_is_nothing_to_take_back_before_anything_moved(record: Record) -> None:
    with pytest.raises(LocalError, match="There is nothing to take back"):
        back(record, Scripted(), Silent())


def test_a_record_that_is_none_is_named(record: Record) -> None:
    record.file.write_text("{")
    with pytest.raises(LocalError, match=r"roll\.json: is no record"):
        record.load()
