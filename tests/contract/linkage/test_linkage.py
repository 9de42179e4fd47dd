"""Reading by the consumer's own references: whom they mean is found by the provider, told to nobody, and read under the same rules as ever."""

from __future__ import annotations

import asyncio
import json
import random
import uuid

import asyncpg
import pytest

from commonweal_runtime.linkage.tokens import Normalise, written
from support.data_api import login, subject
from support.linkage import Provider, number_of
from support.waiting import until, wait_for


def test_a_reference_reads_the_person_it_means_and_shows_no_id(provider: Provider) -> None:
    assert provider.consumer.link({"case-1": number_of(1), "case-5": "qq 00 00 05 c"}).json() == {"accepted": 2}
    answer = provider.consumer.becomes("case-1", 200)
    assert answer.json() == {"reference": "case-1", "record": {"fullName": "Person 1", "birthYear": 1950}}
    assert provider.consumer.becomes("case-5", 200).json()["record"]["fullName"] == "Person 5"
    assert str(subject("P1")) not in answer.text
    assert provider.consumer.linked("case-1", fields="birthYear").json()["record"] == {"birthYear": 1950}


def test_neither_the_answer_nor_the_store_tells_which_link_found_somebody(provider: Provider) -> None:
    nobody, unlinked = {"none-1": "ZZ999999Z"}, "never-linked"
    assert provider.consumer.link(nobody).json() == {"accepted": 1}
    provider.resolved()
    answers = [provider.consumer.linked(r) for r in ("none-1", unlinked)]
    assert {a.status_code for a in answers} == {404}
    assert len({a.content for a in answers}) == 1

    number = provider.sql("select number from agreement.register where name = 'task'")

    async def as_the_agreement() -> None:
        connection = await login(provider.store, f"agr_{number}")
        ids = [await connection.fetchval("select link.subject($1)", r) for r in ("case-1", "none-1", unlinked, unlinked)]
        assert ids[2] == ids[3], "an id of nobody stays the same"
        assert len({i[14] for i in ids} | {"8"}) == 1, "ids of nobody are made like any other"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from link.entry")
        await connection.close()

    asyncio.run(as_the_agreement())


def test_an_allowance_does_not_tell_that_somebody_who_withholds_all_is_known(provider: Provider) -> None:
    """Two references with one identifier shared an allowance if it was somebody's, and each had its own if it was nobody's."""
    withholding, nobody = number_of(20), "ZZ999998Z"
    told = {}
    for name, identifier in (("who", withholding), ("none", nobody)):
        provider.consumer.link({f"{name}-1": identifier, f"{name}-2": identifier}, "seldom")
        told[name] = [provider.consumer.linked(f"{name}-1", "seldom")]  # perhaps before it was looked up
    provider.resolved()
    for name, answers in told.items():
        answers += [provider.consumer.linked(f"{name}-{n}", "seldom") for n in (1, 2, 1)]
        provider.consumer.ask("DELETE", f"links/{name}-1", "seldom")
        provider.consumer.link({f"{name}-1": withholding if name == "who" else nobody}, "seldom")
    provider.resolved()
    for name, answers in told.items():
        answers.append(provider.consumer.linked(f"{name}-1", "seldom"))
    assert [a.json()["reason"] for a in told["who"][1:]] == [a.json()["reason"] for a in told["none"][1:]]
    assert [a.status_code for a in told["who"][2:]] == [429, 429, 429]


def test_what_is_counted_publicly_is_alike_for_absent_and_denied(provider: Provider) -> None:
    """Whoever reads somebody and then looks at the public counts finds out nothing that the 404 did not tell."""

    def counts() -> dict[str, list[int]]:
        told = json.loads(provider.sql("select audit.transparency()"))
        # of «seldom», another consumer's, an earlier test's reads may be counted meanwhile
        return {a["agreement"]: [a["uses"], a["given"]] for a in told["agreements"] if a["agreement"] != "seldom"}

    def counted(before: dict[str, list[int]]) -> None:
        wait_for("the read to be counted", lambda: True if counts() != before else None)

    moved = []
    for who in (subject("P21"), uuid.uuid4()):
        before = counts()
        assert provider.consumer.ask("GET", f"subjects/{who}", "tax").status_code == 404
        counted(before)
        moved.append({name: [now - then for now, then in zip(numbers, before[name], strict=True)] for name, numbers in counts().items()})
    assert moved[0] == moved[1]
    assert moved[0]["yes"] == [1, 0]


def test_an_identifier_that_two_people_bear_means_neither(provider: Provider) -> None:
    provider.consumer.link({"twice": number_of(3)})
    provider.resolved()
    assert provider.consumer.linked("twice").status_code == 404


def test_reading_by_reference_obeys_consent_and_objection_and_is_seen_by_the_person(provider: Provider) -> None:
    consumer, who = provider.consumer, subject("P7")
    for department in ("tax", "benefits"):
        consumer.link({"case-7": number_of(7)}, department)
    consumer.becomes("case-7", 200, "benefits")
    assert consumer.linked("case-7", "tax").status_code == 404
    consumer.me("PUT", "/me/consents/yes", who, json={"state": "Given"})
    assert consumer.becomes("case-7", 200, "tax").json()["reference"] == "case-7"
    consumer.me("PUT", "/me/consents/yes", who, json={"state": "Withdrawn"})
    assert consumer.linked("case-7", "tax").status_code == 404
    consumer.me("PUT", "/me/objections/task", who, json={"state": "Objected"})
    assert consumer.linked("case-7", "benefits").status_code == 404
    uses = consumer.me("GET", "/me/uses", who).json()["items"]
    assert {(u["consumer"], u["given"]) for u in uses} == {("tax", True), ("tax", False), ("benefits", True), ("benefits", False)}


def test_an_agreement_sees_its_own_links_only_and_no_identifier_is_kept(provider: Provider) -> None:
    provider.consumer.link({"mine": number_of(8)}, "benefits")
    provider.consumer.becomes("mine", 200, "benefits")
    provider.consumer.me("PUT", "/me/consents/yes", subject("P8"), json={"state": "Given"})
    assert provider.consumer.linked("mine", "tax").status_code == 404
    assert provider.sql("select count(*) from link.entry where convert_from(token, 'LATIN1') like '%QQ%' or reference like '%QQ%'") == 0
    provider.consumer.link({"mine": number_of(8)}, "tax")
    assert provider.sql("select count(distinct token) from link.entry where reference = 'mine'") == 2, "two agreements, two keys"


def test_links_are_revoked_one_by_one_and_all_together(provider: Provider) -> None:
    provider.consumer.link({f"r{n}": number_of(n) for n in (10, 12)})
    for reference in ("r10", "r12"):
        provider.consumer.becomes(reference, 200)
    assert provider.consumer.ask("DELETE", "links/r10").json() == {"removed": True}
    assert provider.consumer.linked("r10").status_code == 404
    assert provider.consumer.linked("r12").status_code == 200
    assert provider.consumer.ask("DELETE", "links/r10").json() == {"removed": True}, "nor does removing tell whether there was one"
    assert provider.consumer.ask("DELETE", "links").status_code == 200
    assert provider.consumer.linked("r12").status_code == 404


@pytest.mark.parametrize(
    "links",
    [
        [],
        {},
        "x",
        [{"reference": "a"}],
        [{"reference": "", "token": "0" * 64}],
        [{"reference": "a", "token": "0" * 63}],
        [{"reference": "a", "token": "G" * 64}],
        [{"reference": 1, "token": "0" * 64}],
        [{"reference": "a" * 201, "token": "0" * 64}],
        [{"reference": "a\nb", "token": "0" * 64}],
        [{"reference": "a", "token": "0" * 64}, {"reference": "a", "token": "1" * 64}],
        [{"reference": f"n{n}", "token": "0" * 64} for n in range(1001)],
    ],
    ids=lambda v: str(v)[:40],
)
def test_links_that_are_not_understood_are_refused_whole(provider: Provider, links: object) -> None:
    before = provider.sql("select count(*) from link.entry")
    answer = provider.consumer.ask("POST", "links", json={"links": links})
    assert (answer.status_code, answer.json()["reason"]) == (400, "InvalidRequest")
    assert provider.sql("select count(*) from link.entry") == before


def test_an_agreement_without_linkage_is_refused(provider: Provider) -> None:
    for method, path in (("POST", "links/key"), ("DELETE", "links"), ("GET", "linked/x")):
        assert (provider.consumer.ask(method, path, "other").json()["reason"]) == "LinkageNotAgreed"
    assert provider.consumer.ask("POST", "links/key", "stranger").json()["reason"] == "NoAgreement"


def test_guessing_is_bounded_by_the_day(provider: Provider) -> None:
    dice = random.Random(6)
    statuses = []
    for batch in range(3):
        links = [{"reference": f"g{batch}-{n}", "token": dice.randbytes(32).hex()} for n in range(600)]
        statuses.append(provider.consumer.ask("POST", "links", "tax", json={"links": links}))
    assert [s.status_code for s in statuses] == [200, 429, 429]
    assert 0 < int(statuses[1].headers["retry-after"]) <= 86400
    assert statuses[1].json()["reason"] == "RateLimit"
    assert provider.consumer.ask("DELETE", "links", "tax").status_code == 200
    assert provider.consumer.ask("POST", "links", "tax", json={"links": links}).status_code == 429, "removing them gives no new guesses"


@pytest.mark.parametrize("normalise", ["Upper", "Lower", "Digits", "AsIs"])
def test_the_store_writes_identifiers_as_the_consumer_does(provider: Provider, normalise: Normalise) -> None:
    dice = random.Random(7)
    texts = ["".join(dice.choice("aZz09 \t\r\nß ıİéÅ٣-_/.") for _ in range(dice.randrange(12))) for _ in range(300)]

    async def go() -> None:
        root = await provider.store.superuser("department")
        for text in texts:
            assert await root.fetchval("select link.written($1, $2)", text, normalise) == written(text, normalise)
        await root.close()

    asyncio.run(go())


def test_links_end_with_their_agreement(provider: Provider) -> None:
    provider.consumer.link({"last": number_of(14)})
    provider.consumer.becomes("last", 200)
    number = provider.sql("select number from agreement.register where name = 'task'")
    rest = provider.plan.model_copy(update={"agreements": [a for a in provider.plan.agreements if a.name != "task"]})
    provider.exchange.put(rest)
    asyncio.run(provider.exchange.settled(rest))

    async def wait() -> None:
        root = await provider.store.superuser("department")

        async def none_left() -> bool:
            return not await root.fetchval("select count(*) from link.entry where agreement = $1", number)

        await until(none_left)
        await root.close()

    asyncio.run(wait())
    assert provider.consumer.linked("last").json()["reason"] == "NoAgreement"
