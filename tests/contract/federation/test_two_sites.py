"""One department on two sites, all of it running: what a person says at one holds at the other, and silence closes what rests on consent."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator

import httpx
import pytest

from commonweal_runtime.federation.sealing import FeedKey, Question
from support.data_api import DEPARTMENT, SECTOR_KEY, Issuer, subject
from support.postgres import HeritageServer
from support.two_sites import STALE_SECONDS, Department

_unused = itertools.count(1)
BOUND = STALE_SECONDS
SLACK = 3  # of a busy machine, between two looks
CROWD = 4000  # sixteen pages


@pytest.fixture(scope="module")
def department(heritage: HeritageServer, issuer: Issuer) -> Iterator[Department]:
    """The department on two sites, with a bound of five seconds."""
    with Department(heritage, issuer) as running:
        yield running


@pytest.fixture
def person() -> uuid.UUID:
    """Somebody who has said nothing yet."""
    return subject(f"P{next(_unused)}")


def test_a_yes_opens_and_a_withdrawal_closes_at_the_other_site_within_the_bound(department: Department, person: uuid.UUID) -> None:
    east, west = department.sites
    for here, there in ((east, west), (west, east)):
        here.say(person, "Given")
        there.becomes(person, 200)
        here.say(person, "Withdrawn")
        assert here.read(person).status_code != 200
        assert there.closes(person) < BOUND, "even if the machine is so busy that the sites do not hear each other"
        there.becomes(person, 404)
        assert there.read(person, "benefits").status_code == 200, "public task needs no consent"


def test_an_objection_travels_for_every_basis(department: Department, person: uuid.UUID) -> None:
    department.west.say(person, "Objected", "task")
    department.east.becomes(person, 404, "benefits")
    department.east.say(person, "Lifted", "task")
    department.west.becomes(person, 200, "benefits")


def test_a_cut_link_closes_consent_alone_and_healing_it_opens_again(department: Department, person: uuid.UUID) -> None:
    east, west = department.sites
    east.say(person, "Given")
    west.becomes(person, 200)
    department.cut()
    for site in department.sites:
        assert site.becomes(person, 503, patience=4 * BOUND) < BOUND + SLACK
        refused = site.read(person)
        assert (refused.json()["reason"], refused.headers["retry-after"].isdecimal()) == ("ConsentFeedStale", True)
        assert site.read(person, "benefits").status_code == 200
    department.heal()
    for site in department.sites:
        site.becomes(person, 200)


def test_what_is_said_during_a_cut_arrives_afterwards_in_order_and_once(department: Department) -> None:
    east, west = department.sites
    people = [subject(f"P{next(_unused)}") for _ in range(12)]
    for who in people:
        east.say(who, "Given")
    for who in people:
        west.becomes(who, 200)
    department.cut()
    before = west.ask("select max(seq) from feed.entry")
    for n, who in enumerate(people):
        (east if n % 2 else west).say(who, "Withdrawn")
        if n % 4 == 1:
            east.say(who, "Given")  # withdrawn and given again at the same site: the last word holds
        if n % 4 == 0:
            east.say(who, "Objected", "task")
    department.heal()
    for site, (n, who) in itertools.product(department.sites, enumerate(people)):
        site.becomes(who, 200 if n % 4 == 1 else 404)
        site.becomes(who, 404 if n % 4 == 0 else 200, "benefits")
    for site in department.sites:
        assert site.ask("select bool_and(total = 1) from (select count(*) as total from feed.entry group by origin, number) n")
        assert site.ask("select count(*) = max(seq) from feed.entry")
    in_order = (
        "select bool_and(number > earlier) from (select number, lag(number) over (order by seq) as earlier from feed.entry "
        "where origin = 'east' and seq > $1) o where earlier is not null"
    )
    assert west.ask(in_order, before)


@pytest.mark.parametrize("what", ["keeper", "database"])
def test_a_crash_while_taking_loses_nothing_and_repeats_nothing(department: Department, what: str) -> None:
    east, west = department.sites
    department.cut()
    begun = east.ask("select count(*) from feed.entry")
    east.ask(
        "with said as (insert into consent.event (subject, agreement, kind, contract) select s.subject, r.number, 'Objected', r.contract "
        f"from (select md5('crowd' || $1 || n)::uuid as subject from generate_series(1, {CROWD}) n) s, agreement.register r where r.name = 'task' returning 1) "
        "select count(*) from said",
        what,
    )
    department.heal()
    west.holds("select count(*) > $1 from feed.entry", begun)
    if what == "keeper":
        west.kill_keeper()
    else:
        west.crash_database()
        west.keeper.process.wait(20)  # type: ignore[union-attr]
    taken = west.ask("select count(*) from feed.entry")
    assert taken < begun + CROWD, "the crash came too late to be one in the middle"
    west.keeper.__enter__()
    west.holds("select count(*) >= $1 from feed.entry", begun + CROWD)
    assert west.ask("select count(*) = max(seq) and count(distinct (origin, epoch, number)) = count(*) from feed.entry")
    objected = f"select count(*) from consent.state where objected and subject in (select md5('crowd' || $1 || n)::uuid from generate_series(1, {CROWD}) n)"
    assert west.ask(objected, what) == CROWD
    assert west.ask("select count(*) from consent.event e where kind = 'Objected'") == west.ask(
        "select count(*) from feed.entry f where kind = 'Objected' and event is not null"
    )


def test_the_feed_answers_the_departments_own_sites_only_and_under_a_seal(
    department: Department, person: uuid.UUID, issuer: Issuer
) -> None:
    east = department.east
    last = east.ask("select max(seq) from feed.entry")
    east.say(person, "Given")
    own, stranger = FeedKey(SECTOR_KEY, DEPARTMENT), FeedKey(b"x" * 32, DEPARTMENT)
    question = Question("west", "east", "", last, "")

    def get(after: str, token: str | None) -> httpx.Response:
        return east.http.get(f"/v1/feed?after={after}", headers={"Authorization": f"Bearer {token}"} if token else {})

    answer = get(str(last), own.token(question))
    assert answer.status_code == 200
    assert str(person).encode() not in answer.content
    assert str(person).encode() in own.unseal(question, answer.content)
    assert get(str(last), None).json()["reason"] == "TokenMissing"
    for token in (stranger.token(question), issuer.client("tax", "app"), own.token(Question("west", "north", "", last, ""))):
        assert (get(str(last), token).status_code, get(str(last), token).json()["reason"]) == (401, "TokenInvalid")
    assert get(str(last + 1), own.token(question)).status_code == 400
