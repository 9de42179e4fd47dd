"""What one pass decides from, written down: for each kind a table of inputs, and the reason that each gives. No cache, no server, no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from unit.operator.inputs import (
    BENEFITS,
    CONSUMER,
    COVERING,
    DEPARTMENTS,
    EXPIRED,
    LATER,
    MODEL,
    MODELS,
    NAMING,
    NEED,
    POLICIES,
    PRODUCTS,
    PROVIDER,
    RUNNING,
    SERVED,
    UNSIGNED,
    agreement,
    called_by,
    department,
    found_in,
    problem,
    shown,
    told,
)

from commonweal_api.reasons import REASONS, ConditionType, Reason
from commonweal_operator.engine.apply import Problem
from commonweal_operator.kinds import data_product
from commonweal_operator.kinds import department as department_kind
from commonweal_operator.kinds.consent_policy import Agreement
from commonweal_operator.kinds.department import DepartmentInput
from commonweal_operator.kinds.gather import Input

_C, _R = ConditionType, Reason


@pytest.mark.parametrize(("inputs", "type_", "reason"), [*PRODUCTS, *POLICIES, *MODELS], ids=shown)
def test_an_input_gives_its_reason(inputs: Input, type_: ConditionType, reason: Reason) -> None:
    assert found_in(inputs)[type_]["reason"] == reason


@pytest.mark.parametrize(("given", "type_", "reason"), DEPARTMENTS, ids=shown)
def test_a_departments_input_gives_its_reason(
    given: tuple[DepartmentInput, tuple[Problem, ...]], type_: ConditionType, reason: Reason
) -> None:
    assert found_in(*given)[type_]["reason"] == reason


def test_the_tables_give_every_reason_of_the_register() -> None:
    rows = [((inputs, ()), type_, reason) for inputs, type_, reason in (*PRODUCTS, *POLICIES, *MODELS)]
    assert {reason for *_, reason in (*rows, *DEPARTMENTS)} == set(REASONS)
    given = {(type_, condition["reason"]) for row in (*rows, *DEPARTMENTS) for type_, condition in found_in(*row[0]).items()}
    of_one_kind = {
        (str(t), str(reason)) for reason, entry in REASONS.items() if len(entry.types) < len(ConditionType) - 1 for t in entry.types
    }
    assert of_one_kind - given == set(), "the register says that these may stand there"


def test_ready_says_what_is_wrong_before_what_is_only_awaited() -> None:
    """A store that refuses a product has not read its source: that is awaited, and the refusal is what somebody has to act on."""
    found = found_in(told("StoreRefused", "The store has no connection left."))
    assert (found["SourceReachable"]["status"], found["Ready"]["status"], found["Ready"]["reason"]) == ("Unknown", "False", "StoreRefused")


def test_a_name_that_is_taken_is_told_once_with_its_remedy() -> None:
    message = found_in(*department(problem("NameConflict")))["NamespaceReady"]["message"]
    assert message.count("does not belong to it") == 1
    assert "Role store." in message
    assert "Rename or delete that object" in message


def test_a_plan_holds_what_is_agreed_and_dry_runs_and_the_network_only_what_is_enforced() -> None:
    dry, unsigned = agreement({"mode": "DryRun", "signatures": []}, state=UNSIGNED), agreement({"signatures": []}, state=UNSIGNED)
    for one, planned, consumers in ((agreement(), [False], {CONSUMER}), (dry, [True], set()), (unsigned, [], set())):
        inputs = replace(RUNNING[0], agreements=(one,))
        assert [a.dry_run for a in department_kind.store_plan(inputs).agreements] == planned
        assert department_kind.content(inputs).consumers == consumers


def test_only_departments_that_exist_are_let_into_the_network() -> None:
    calling = (replace(MODEL, key=MODEL.key._replace(tenant="dept-nobody")), MODEL)
    inputs = replace(RUNNING[0], consumed=(agreement(),), calling=calling)
    for exist, peers in (({PROVIDER, CONSUMER}, {PROVIDER, CONSUMER}), ({PROVIDER}, {PROVIDER}), (set(), set())):
        assert department_kind.content(replace(inputs, departments=frozenset(exist))).peers == peers


def test_time_wakes_an_object_at_the_next_moment_that_it_was_given() -> None:
    begins, ends = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    later = agreement({"validity": LATER, "assurance": None})
    inputs = replace(RUNNING[0], agreements=(later,), consumed=())
    assert department_kind.next_moment(inputs) == begins
    assert department_kind.next_moment(replace(inputs, now=begins)) == ends
    about = replace(SERVED, agreements=(later.record,))
    assert data_product.next_moment(about) == begins
    assert data_product.next_moment(replace(about, now=ends + timedelta(days=1))) is None


def test_a_caller_is_named_by_nothing_less_than_an_agreement_over_all_that_the_model_reads() -> None:
    def named(*agreements: Agreement) -> list[dict[str, str]]:
        found = called_by(BENEFITS, *agreements)
        plan = department_kind.model_plan(replace(department(own_models=(found.record,))[0], needed={found.record.key: found.needed}))
        return [c.wire() for m in plan.models for c in m.agreed]

    assert named(agreement(NAMING)) == [BENEFITS]
    less = (COVERING, NAMING | {"fields": ["sector"]}, NAMING | {"validity": EXPIRED, "assurance": None}, NAMING | {"mode": "DryRun"})
    assert [named(agreement(spec)) for spec in less] + [named()] == [[]] * 5
    message = found_in(called_by(BENEFITS))[_C.CALLERS_AGREED]["message"]
    assert all(word in message for word in ("benefits-department/benefits-app", "companies-registry/companies", *NEED.fields))
