"""Answers as columns and statements: pure functions."""

from __future__ import annotations

from typing import Any

from commonweal_runtime.store import answers
from commonweal_runtime.store.products import Shape, shape_of
from support.products import spec

FIELDS = ({"name": "born", "column": "born", "type": "Date"}, {"name": "score", "column": "score", "type": "Integer"})
ADULT = {"name": "adult", "expression": "born <= current_date - interval '18 years'", "description": "Is the person 18?"}
HIGH = {"name": "high", "expression": "score > 50", "description": "Is the score high?"}


def shape(*asked: dict[str, Any], fields: Any = FIELDS) -> Shape:
    return shape_of(spec(*fields, answers=list(asked)))


def test_an_answer_is_a_boolean_column_that_no_load_fills() -> None:
    made = shape(ADULT, HIGH)
    assert [c.field for c in made.raw] == ["born", "score"]
    assert [(c.field, str(c.type_), c.definition) for c in made.answers] == [
        ("adult", "Boolean", '"adult" boolean'),
        ("high", "Boolean", '"high" boolean'),
    ]


def test_what_a_person_is_told_is_the_question_and_the_meaning_of_what_it_reads() -> None:
    before, other = shape(HIGH), shape(HIGH, fields=(FIELDS[0], {**FIELDS[1], "column": "points"}))
    assert before.answers[0].origin == "whether score > 50 (score: Integer score)"
    assert other.answers[0] != before.answers[0]  # the same words over another column are another question
    assert answers.asked(other) != answers.asked(before)


def test_only_what_asks_for_today_has_to_wait_for_the_day() -> None:
    assert answers.dated(shape(ADULT, HIGH))
    assert not answers.dated(shape(HIGH))
    assert "pg_advisory_xact_lock_shared" in "".join(answers.statements("people_0", "uid", shape(ADULT)))
    assert "pg_advisory_xact_lock_shared" not in "".join(answers.statements("people_0", "uid", shape(HIGH)))


def test_only_agreements_that_list_an_answer_look_at_the_gate() -> None:
    product = spec(*FIELDS, answers=[ADULT])
    assert answers.listed(product, ["born", "adult"])
    assert not answers.listed(product, ["born"])


def test_a_product_without_answers_has_nothing_to_keep() -> None:
    assert answers.asked(shape()) is None
    assert answers.statements("people_0", "uid", shape()) == []
    assert answers.checks("people_0", shape()) == []


def test_the_trigger_fires_for_the_columns_that_are_read_and_no_others() -> None:
    trigger = answers.statements("people_0", "uid", shape(HIGH))[-1]
    assert 'before insert or update of "score" on product."people_0"' in trigger
