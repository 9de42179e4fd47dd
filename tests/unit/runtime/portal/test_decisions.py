"""What pages decide from what departments and the issuer told: pure, without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from commonweal_runtime.portal.departments import Department, Reply, State, read_directory
from commonweal_runtime.portal.languages import languages
from commonweal_runtime.portal.views.adding import asked_of, mistakes_of, values_of
from commonweal_runtime.portal.views.agreements import Agreement, agreement_of, groups_of, readable
from commonweal_runtime.portal.views.answering import choices_of, objections_of
from commonweal_runtime.portal.views.bodies import Link, bodies_of
from commonweal_runtime.portal.views.start import safe_onward

ENGLISH, WELSH = languages()["en"], languages()["cy"]
BODY = Department("tax", {"en": "Tax Office", "cy": "Swyddfa Dreth"}, "mailto:a@example.test", "http://127.0.0.1:1")


def told(state: str = "NotGiven", **over: Any) -> Agreement:
    item = {"agreement": "yes", "consumer": "health", "consent": {"state": state}, "objected": {"state": "None"}, "inForce": True, **over}
    return agreement_of(BODY, item, {"tax": BODY}, ENGLISH)


@pytest.mark.parametrize(
    ("state", "values"),
    [
        ("NotGiven", ["Given", "Refused", "RequestDeferred"]),
        ("RequestDeferred", ["Given", "Refused"]),
        ("Given", ["Given", "Withdrawn"]),
        ("Refused", ["Given"]),
        ("Withdrawn", ["Given"]),
        ("Expired", ["Given"]),
        ("NotNeeded", []),
    ],
)
def test_only_what_the_body_would_record_is_offered(state: str, values: list[str]) -> None:
    assert [choice.value for choice in choices_of(told(state))] == values


def test_what_is_closed_can_still_be_taken_back_and_not_given() -> None:
    assert [choice.value for choice in choices_of(told("Given", inForce=False))] == ["Given", "Withdrawn"]
    assert choices_of(told("NotGiven", inForce=False)) == ()


def test_an_objection_is_made_or_taken_back() -> None:
    assert [choice.value for choice in objections_of(told())] == ["Objected"]
    assert [choice.value for choice in objections_of(told(objected={"state": "Objected"}))] == ["Lifted"]
    assert objections_of(told(objected={"state": "NotApplicable"})) == ()


def test_agreements_are_grouped_by_what_there_is_to_do() -> None:
    listed = [told("NotGiven"), told("Given"), told("NotNeeded"), told("Withdrawn"), told("NotNeeded", objected={"state": "Objected"})]
    assert {name: len(group) for name, group in groups_of(listed).items()} == {"awaited": 1, "shared": 2, "closed": 2}


def test_an_end_within_sixty_days_is_soon() -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    assert told("Given", until="2027-01-15T00:00:00Z").ends_soon(now)
    assert not told("Given", until="2027-03-15T00:00:00Z").ends_soon(now)
    assert not told("NotGiven", until="2027-01-15T00:00:00Z").ends_soon(now)


def test_a_body_says_itself_how_a_person_stands_and_the_issuer_says_it_meanwhile() -> None:
    replies = [
        Reply(BODY, State.ANSWERED, {"state": "Unlinked"}),
        Reply(BODY, State.DOWN),
        Reply(BODY, State.REFUSED, reason="LinkFrozen"),
        Reply(BODY, State.REFUSED, reason="NotFound"),
    ]
    assert [body.link for body in bodies_of(replies, {}, ENGLISH)] == [Link.UNLINKED, Link.UNKNOWN, Link.FROZEN, Link.NOT_OFFERED]
    assert [body.link for body in bodies_of(replies, {"tax": ""}, ENGLISH)] == [Link.UNLINKED, Link.LINKED, Link.FROZEN, Link.LINKED]


def test_proof_is_taken_as_the_body_wants_it() -> None:
    told = {"proof": [{"field": "born", "kind": "date", "label": {"en": "Born"}}, {"field": "number", "kind": "digits"}, {"field": "name"}]}
    form = {"born-day": "7", "born-month": "3", "born-year": "1987", "number": "12 34", "name": " Ada "}
    assert values_of(asked_of(told, ENGLISH, form)) == ({"born": "1987-03-07", "number": "12 34", "name": "Ada"}, [])
    wrong = {"born-day": "31", "born-month": "2", "born-year": "1987", "number": "x"}
    assert [mistake.field for mistake in values_of(asked_of(told, ENGLISH, wrong))[1]] == ["proof-born-day", "proof-number", "proof-name"]
    assert [mistake.field for mistake in mistakes_of("yes", "", wants_code=True)] == ["code"]
    assert mistakes_of("no", "", wants_code=True) == []


def test_words_come_in_the_pages_language_or_say_which_they_are_in() -> None:
    assert WELSH.words({"en": "Tax", "cy": "Treth"}).__html__() == "Treth"
    assert WELSH.words({"en": "<b>"}).__html__() == '<span lang="en">&lt;b&gt;</span>'
    assert WELSH.words("Tax").foreign
    assert not ENGLISH.words(None)
    assert (ENGLISH.day("2026-11-30"), WELSH.day("2026-11-30")) == ("30 November 2026", "30 Tachwedd 2026")


def test_names_of_fields_are_read_as_words() -> None:
    assert readable("dateOfBirth") == "Date of birth"


@pytest.mark.parametrize("path", ["//evil.test", "https://evil.test", "/\\evil.test", "", "/a\nb", "/" + "a" * 600])
def test_onward_is_an_address_of_ours_or_home(path: str) -> None:
    assert safe_onward(path) == "/"


def test_a_directory_that_is_none_names_nobody() -> None:
    assert read_directory(None) == {}
    assert (
        read_directory({"departments": [{"name": "tax"}, 5, {"name": "tax", "dataApi": "https://a.test/"}]})["tax"].data_api
        == "https://a.test"
    )
