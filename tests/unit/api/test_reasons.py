"""Every reason is documented, fits the schema of a condition, and stands under a condition that some kind shows."""

from __future__ import annotations

import re

import pytest

from commonweal_api.common import Condition
from commonweal_api.generate import rendered
from commonweal_api.reasons import CONDITIONS_OF, REASONS, ConditionType, Reason, entry_of


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_says_what_it_means_and_what_to_do(reason: Reason) -> None:
    entry = REASONS[reason]
    assert entry.types
    assert entry.sentence.endswith(".")
    assert entry.remedy.endswith(".") != (entry.status == "True")


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_says_nothing_twice(reason: Reason) -> None:
    entry = REASONS[reason]
    said = [part.strip(" .").casefold() for part in re.split(r"[.;]\s", f"{entry.sentence} {entry.remedy}") if part.strip(" .")]
    assert len(set(said)) == len(said)
    assert entry.sentence.strip(".").casefold() not in entry.remedy.casefold()


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_fits_a_condition(reason: Reason) -> None:
    entry = REASONS[reason]
    made = Condition.model_validate(
        {
            "type": entry.types[0],
            "status": entry.status,
            "reason": reason,
            "message": entry.text("x" * 100),
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    )
    assert made.reason == reason


def test_every_condition_can_be_true_and_something_else() -> None:
    for type_ in ConditionType:
        statuses = {entry.status for entry in REASONS.values() if type_ in entry.types}
        assert "True" in statuses
        assert type_ is ConditionType.READY or len(statuses) > 1


def test_every_condition_belongs_to_a_kind_and_ready_comes_last() -> None:
    assert set(ConditionType) == {type_ for types in CONDITIONS_OF.values() for type_ in types}
    assert {types[-1] for types in CONDITIONS_OF.values()} == {ConditionType.READY}


def test_a_message_has_sentence_detail_and_remedy_in_that_order() -> None:
    assert re.fullmatch(
        r"There is no such DataProduct, or it is being deleted\. tax/people\. Correct .+",
        REASONS[Reason.PRODUCT_NOT_FOUND].text("tax/people."),
    )
    assert REASONS[Reason.IN_FORCE].text() == "The agreement's term has begun and has not ended."


def test_an_unregistered_reason_is_named() -> None:
    with pytest.raises(KeyError, match="BadWeather: not a registered reason"):
        entry_of("BadWeather")
    assert entry_of("Expired") is REASONS[Reason.EXPIRED]


def test_the_page_shows_them_all() -> None:
    page = rendered("0")["docs/reference/reasons.md"]
    assert [type_ for type_ in ConditionType if f"`{type_}`" not in page] == []
    assert [reason for reason in Reason if f"`{reason}`" not in page] == []
