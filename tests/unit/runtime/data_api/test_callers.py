"""For whom a model runtime reads, and under which agreements."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from commonweal_runtime.data_api.callers import Asked, Calling, calling_of, read_request
from commonweal_runtime.data_api.catalogue import Agreement, Catalogue
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.tokens import Client

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OURS = Agreement(
    1,
    "ours",
    "people",
    "tax",
    frozenset({"models", "named"}),
    ("tax/serve",),
    ("a", "b"),
    100,
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
)
THEIRS = replace(OURS, number=2, name="theirs", department="health", clients=frozenset({"app"}))
CATALOGUE = Catalogue({}, (), {"people": (OURS, THEIRS)})
MODELS, NAMED, APP, HEALTH = Client("tax", "models"), Client("tax", "named"), Client("tax", "app"), Client("health", "app")
ASKED = Asked("people", "tax/serve", ["a"])


def refusal(client: Client, calling: Calling | None, catalogue: Catalogue = CATALOGUE, asked: Asked = ASKED) -> ProblemError:
    with pytest.raises(ProblemError) as refused:
        read_request(catalogue, client, asked, calling, NOW)
    return refused.value


def test_a_decision_for_a_caller_of_the_own_department_is_one_read_that_names_it() -> None:
    for caller in (APP, NAMED):
        read = read_request(CATALOGUE, MODELS, ASKED, Calling(caller, "Decision"), NOW)
        assert (read.agreement, read.client, read.caller, read.values, read.permit) == (OURS, "tax/models", str(caller), False, None)


def test_values_need_the_caller_to_be_named_where_one_agreement_does_both_the_store_checks_it() -> None:
    read = read_request(CATALOGUE, MODELS, ASKED, Calling(NAMED, "Values"), NOW)
    assert (read.caller, read.values, read.permit) == ("tax/named", True, None)
    assert refusal(MODELS, Calling(APP, "Values")).reason == "CallerNotAgreed"


@pytest.mark.parametrize("gets", ["Decision", "Values"])
def test_a_caller_of_another_department_reads_itself_first_under_its_own_agreement(gets: str) -> None:
    read = read_request(CATALOGUE, MODELS, ASKED, Calling(HEALTH, gets), NOW)  # type: ignore[arg-type]
    assert (read.agreement, read.caller, read.values) == (OURS, "health/app", False)
    assert read.permit is not None
    assert (read.permit.agreement, read.permit.client, read.permit.fields, read.permit.purpose) == (THEIRS, "health/app", "a", "tax/serve")


NOT_COVERED = {
    "another purpose": replace(THEIRS, purposes=("health/serve",)),
    "another client": replace(THEIRS, clients=frozenset({"other"})),
    "fewer fields": replace(THEIRS, fields=("b",)),
    "ended": replace(THEIRS, ends=NOW),
    "not begun": replace(THEIRS, begins=datetime(2026, 7, 1, tzinfo=UTC)),
}


@pytest.mark.parametrize("case", NOT_COVERED)
def test_an_agreement_that_falls_short_permits_nothing_and_the_refusal_names_caller_product_and_field(case: str) -> None:
    found = refusal(MODELS, Calling(HEALTH, "Decision"), Catalogue({}, (), {"people": (OURS, NOT_COVERED[case])}))
    assert (found.status, found.reason) == (403, "CallerNotAgreed")
    assert found.detail.startswith("health/app may not read a of people itself")
    assert "spec.consumer.clients" in found.remedy


def test_a_runtime_without_a_caller_and_a_caller_without_a_runtime_are_refused() -> None:
    assert refusal(MODELS, None).reason == "CallerMissing"
    assert refusal(NAMED, Calling(APP, "Decision")).reason == "CallerNotAccepted"
    read = read_request(CATALOGUE, NAMED, ASKED, None, NOW)
    assert (read.client, read.caller) == ("tax/named", None)


def test_headers_have_one_form() -> None:
    assert calling_of(None, None) is None
    assert calling_of("tax/app", "Values") == Calling(APP, "Values")
    for caller, gets in (
        ("tax/app", None),
        (None, "Values"),
        ("tax/app\n", "Values"),
        ("tax", "Values"),
        ("/app", "Values"),
        ("t/a/b", "Values"),
    ):
        with pytest.raises(ProblemError) as refused:
            calling_of(caller, gets)
        assert refused.value.status == 400
