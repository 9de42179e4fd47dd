"""What the keeper reports is what is particular to one product or agreement; the register's words are added once, by who shows the reason."""

from __future__ import annotations

import pytest

from commonweal_api.plan import Outcome, ProductPlan
from commonweal_api.reasons import REASONS, Reason
from commonweal_runtime.store.product_health import _lacking
from commonweal_runtime.store.product_tables import outcome_of

PLANNED = ProductPlan.model_construct(name="people", uid="u", generation=3, spec=None)


@pytest.mark.parametrize("reason", Reason)
def test_an_outcome_carries_the_detail_alone(reason: Reason) -> None:
    made = outcome_of(PLANNED, reason, "The detail.", ready=False)
    assert (made.reason, made.message) == (reason, "The detail.")


@pytest.mark.parametrize(
    ("said", "message", "expected"),
    [
        ("SourceUnreachable", "db:5432.", "Version 1.0.0: db:5432."),
        ("SourceUnreachable", "", "Version 1.0.0: the same."),
        ("Serving", "db:5432.", f"Version 1.0.0: {REASONS[Reason.SOURCE_UNREACHABLE].sentence} db:5432."),
    ],
)
def test_why_an_earlier_version_is_not_served_repeats_nothing_that_is_said_already(said: str, message: str, expected: str) -> None:
    lacking = Outcome(uid="u@1", generation=1, ready=False, reason="SourceUnreachable", message=message)
    assert _lacking("1.0.0", lacking, said) == expected
