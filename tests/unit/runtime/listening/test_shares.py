"""Who is let in when places are scarce, and who gives one up."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from commonweal_runtime.listening.limits import Limits
from commonweal_runtime.listening.shares import Phase, Verdict, overflowing, verdict

LIMITS = Limits(connections=6, per_address=4)


@dataclass(frozen=True)
class Open:
    phase: Phase = Phase.BODY
    since: float = 0.0


def test_a_newcomer_finds_a_free_place() -> None:
    assert verdict({"a": [Open()]}, "a", LIMITS) == Verdict(admitted=True)


def test_an_address_with_its_full_share_is_refused_or_trades_its_oldest_idle_connection() -> None:
    busy = [Open(Phase.HEAD), Open(), Open(), Open(Phase.ANSWER)]
    assert verdict({"a": busy}, "a", LIMITS) == Verdict(admitted=False)
    idle = [Open(Phase.IDLE, 2.0), Open(Phase.IDLE, 1.0), Open(), Open()]
    assert verdict({"a": idle}, "a", LIMITS) == Verdict(admitted=True, displaced=idle[1])


def test_whoever_fills_the_server_takes_the_places_from_itself() -> None:
    first, second = [Open(Phase.BODY, 5.0), Open(Phase.BODY, 3.0), Open(Phase.ANSWER, 1.0)], [Open(), Open(), Open()]
    held: dict[str | None, list[Open]] = {"attacker": first, "b": second}
    assert verdict(held, "honest", LIMITS) == Verdict(admitted=True, displaced=first[1])
    assert verdict(held, "b", LIMITS) == Verdict(admitted=False)


def test_nobody_loses_a_place_to_one_who_has_as_many() -> None:
    held: dict[str | None, list[Open]] = {str(n): [Open()] for n in range(6)}
    assert verdict(held, "seventh", LIMITS) == Verdict(admitted=False)


def test_a_trusted_proxy_has_no_share_but_counts() -> None:
    held: dict[str | None, list[Open]] = {None: [Open() for _ in range(5)]}
    assert verdict(held, None, LIMITS) == Verdict(admitted=True)
    held[None].append(Open())
    assert verdict(held, None, LIMITS) == Verdict(admitted=False)
    assert verdict(held, "honest", LIMITS).admitted


@pytest.mark.parametrize(
    ("peer", "holder"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("10.1.2.3", None),
    ],
)
def test_an_address_counts_as_what_one_client_is_given(peer: str, holder: str | None) -> None:
    limits = Limits.from_environment({"COMMONWEAL_TRUSTED_PROXIES": "10.1.0.0/16, 2001:db8:ffff::/48"})
    assert limits.holder(peer) == holder


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMMONWEAL_CONNECTIONS", "0"),
        ("COMMONWEAL_CONNECTIONS", "many"),
        ("COMMONWEAL_CONNECTIONS_PER_ADDRESS", "-1"),
        ("COMMONWEAL_LEAVING_SECONDS", "soon"),
        ("COMMONWEAL_TRUSTED_PROXIES", "10.1.2.3/16"),
        ("COMMONWEAL_TRUSTED_PROXIES", "proxy"),
    ],
)
def test_a_limit_that_cannot_be_understood_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits.from_environment({name: value})


def test_what_the_environment_says_holds() -> None:
    said = {"COMMONWEAL_CONNECTIONS": "7", "COMMONWEAL_CONNECTIONS_PER_ADDRESS": "3", "COMMONWEAL_LEAVING_SECONDS": "0"}
    assert Limits.from_environment(said) == Limits(connections=7, per_address=3)
    assert Limits.from_environment({"COMMONWEAL_LEAVING_SECONDS": "5"}) == Limits(leaving_seconds=5)


def test_what_is_unsent_is_taken_from_who_holds_the_most_of_it_the_fullest_first() -> None:
    one, two, three, other = (Open(since=float(n)) for n in range(4))
    held: dict[str | None, list[Open]] = {"slow": [one, two, three], "other": [other]}
    unsent = {one: 10, two: 40, three: 30, other: 50}
    assert overflowing(held, unsent, 130) == []
    assert overflowing(held, unsent, 129) == [two]
    assert overflowing(held, unsent, 89) == [two, other]
    assert overflowing(held, dict.fromkeys(unsent, 0), 0) == []
