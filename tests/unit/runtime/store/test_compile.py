"""Plans become SQL: pure, repeatable, and safe whatever the texts hold."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import AgreementPlan
from commonweal_api.reasons import Reason
from commonweal_api.rights import BasisType
from commonweal_api.store_access import password_of
from commonweal_runtime.exceptions import AgreementClosedError, PlanRefusedError
from commonweal_runtime.store.agreements import PublisherContext, Served, compile_agreement, widens
from commonweal_runtime.store.logins import verifier_of
from commonweal_runtime.store.names import identifier, literal, login_of, relation_of
from commonweal_runtime.store.preconditions import preconditions_of
from commonweal_runtime.store.products import change, create, shape_of, unfilled_after
from support.data_api import agreement, person_product


class Heritage:
    port = 1


SPEC = DataProductSpec.model_validate(person_product(Heritage()))  # type: ignore[arg-type]
SERVED = Served("p", "people", "people_x", SPEC, ())


def opening(**over: Any) -> Any:
    spec = agreement(**over)
    return compile_agreement(7, AgreementPlan(name="a", uid="u", generation=1, spec=spec), SERVED)  # type: ignore[arg-type]


def test_the_same_agreement_compiles_to_the_same_statements() -> None:
    assert opening() == opening()
    assert opening().digest != opening(fields=["fullName"]).digest


@pytest.mark.parametrize(
    ("basis", "policies"),
    [
        ("Consent", {"period", "objection", "basis"}),
        ("PublicTask", {"period", "objection", "basis"}),
        ("LegalObligation", {"period", "basis"}),
        ("VitalInterests", {"period", "basis"}),
        ("Contract", {"period", "basis"}),
        ("RecognisedLegitimateInterest", {"period", "objection", "basis"}),
    ],
)
def test_each_basis_has_its_policies_and_the_permissive_one_comes_last(basis: str, policies: set[str]) -> None:
    made = [s for s in opening(basis=basis).statements if s.startswith("create policy")]
    assert {s.split()[2].removeprefix("a7_") for s in made} == policies
    assert [" permissive " in s for s in made] == [False] * (len(made) - 1) + [True]
    assert ("any (_consent)" in made[-1]) == (basis == "Consent")


def test_grants_come_after_policies_and_name_each_column() -> None:
    statements = opening().statements
    grant = next(s for s in statements if s.startswith("grant select"))
    assert grant.startswith('grant select (subject, "fullName", "birthYear") on')
    assert statements.index(grant) > max(i for i, s in enumerate(statements) if "create policy" in s)


@pytest.mark.parametrize(
    ("fields", "reason"), [(["shoe"], Reason.FIELD_NOT_OFFERED), (["born", "birthYear"], Reason.MASK_AND_RAW_TOGETHER)]
)
def test_what_cannot_hold_is_closed(fields: list[str], reason: Reason) -> None:
    with pytest.raises(AgreementClosedError) as closed:
        opening(fields=fields)
    assert closed.value.reason is reason


def test_fields_without_values_stay_closed_until_loaded() -> None:
    empty = Served("p", "people", "people_x", SPEC, ("fullName",))
    plan = AgreementPlan(name="a", uid="u", generation=1, spec=agreement())  # type: ignore[arg-type]
    with pytest.raises(AgreementClosedError) as closed:
        compile_agreement(7, plan, empty)
    assert closed.value.reason is Reason.PRODUCT_NOT_READY


@given(st.text(max_size=30).filter(lambda t: "\x00" not in t))
def test_a_literal_cannot_end_early(text: str) -> None:
    quoted = literal(text)
    inner = quoted.removeprefix("E")[1:-1]
    assert "'" not in inner.replace("''", "")
    assert inner.count("\\") % 2 == 0


def test_what_postgresql_would_cut_short_or_refuse_is_refused() -> None:
    for name in ("", "x" * 64, "a\x00"):
        with pytest.raises(PlanRefusedError):
            identifier(name)
    with pytest.raises(PlanRefusedError):
        literal("\x00")
    for number in (0, 32768, True):
        with pytest.raises(PlanRefusedError):
            login_of(number)


def test_products_of_the_same_name_have_different_tables() -> None:
    assert relation_of("home-visits", "1") != relation_of("home-visits", "2")
    assert len(relation_of("x" * 40, "1")) < 60


def test_columns_that_postgresql_keeps_for_itself_are_renamed() -> None:
    fields = [{"name": "xmin", "column": "x", "type": "Integer"}]
    shape = shape_of(DataProductSpec.model_validate(person_product(Heritage(), fields=fields)))  # type: ignore[arg-type]
    assert shape.columns[0].name == '"_xmin"'
    assert "_xmin" in create("r", "u", shape)[0]


def test_a_changed_meaning_empties_the_column_and_the_masks_on_it() -> None:
    spec = person_product(Heritage())  # type: ignore[arg-type]
    spec["fields"] = [{**f, "column": "other"} if f["name"] == "born" else f for f in spec["fields"]]
    old, new = shape_of(SPEC), shape_of(DataProductSpec.model_validate(spec))
    statements = change("r", old, new)
    assert [s.split()[3:6] for s in statements if "drop" in s] == [["drop", "column", '"birthYear"'], ["drop", "column", '"born"']]
    assert unfilled_after([], old, new) == ["birthYear", "born"]
    assert change("r", old, old) == []


def test_terms_widen_by_fields_purposes_and_meanings_only() -> None:
    old = {"fields": {"a": "1"}, "purposes": {"p": "text"}}
    assert not widens(old, {"fields": {}, "purposes": {"p": "text"}})
    assert widens(old, {"fields": {"a": "1", "b": "2"}, "purposes": {"p": "text"}})
    assert widens(old, {"fields": {"a": "other"}, "purposes": {"p": "text"}})
    assert widens(old, {"fields": {"a": "1"}, "purposes": {"p": "other text"}})


def test_passwords_are_repeatable_distinct_and_not_in_the_verifier() -> None:
    key = b"k" * 32
    assert password_of(key, "api") == password_of(key, "api") != password_of(key, "person")
    assert password_of(key, "api") not in verifier_of(key, "api")
    assert verifier_of(key, "api") == verifier_of(key, "api")


def compiled(serve: str = "Durable", **over: Any) -> dict[str, str]:
    """Return the bodies of the door's functions by operation."""
    spec = person_product(Heritage(), serve={"auditDurability": serve})  # type: ignore[arg-type]
    served = Served("p", "people", "people_x", DataProductSpec.model_validate(spec), ())
    plan = AgreementPlan(name="a", uid="u", generation=1, spec=agreement(**over))  # type: ignore[arg-type]
    made = [s for s in compile_agreement(7, plan, served).statements if s.startswith("create or replace function door.a7_")]
    return {s.split("(")[0].removeprefix("create or replace function door.a7_"): s for s in made}


def test_a_door_has_the_functions_of_its_shape_and_drops_the_others() -> None:
    assert set(compiled()) == {"point", "points", "page"}
    assert set(compiled("Strict")) == {"ask", "askpage", "take"}
    dropped = [s for s in opening().statements if s.startswith("drop function")]
    assert {s.split("a7_")[1].split("(")[0] for s in dropped} == {"ask", "askpage", "take"}


def test_an_agreement_without_limits_runs_no_statement_for_them() -> None:
    for body in (*compiled().values(), *compiled("Strict").values()):
        assert "agreement." not in body
    limits = {"maxRows": 5, "requests": {"max": 3, "seconds": 60}, "once": True}
    for operation, body in compiled(limits=limits).items():
        assert body.count("agreement.take") == 2, operation
    assert all("agreement.take" not in body for operation, body in compiled("Strict", limits=limits).items() if operation == "take")


def test_each_basis_stands_in_the_audit_row() -> None:
    for basis in BasisType:
        assert f"'{basis}', p_fields" in compiled(basis=basis)["point"]


def test_a_basis_bounded_in_time_ends_then_whatever_the_plan_says() -> None:
    spec = agreement("VitalInterests", validity={"from": "2026-01-01T00:00:00Z", "until": "2026-01-20T00:00:00Z"})
    plan = AgreementPlan(name="a", uid="u", generation=1, spec=spec)  # type: ignore[arg-type]
    object.__setattr__(plan.spec.validity, "until", dt.datetime(2029, 1, 1, tzinfo=dt.UTC))  # past what the schema lets through
    statements = "\n".join(compile_agreement(7, plan, SERVED).statements)
    assert "2026-01-31T00:00:00" in statements
    assert "2029" not in statements


def test_gates_stand_before_the_read_and_only_where_they_are_needed() -> None:
    gate = ("feed.silent()", "CW008", "consents of other sites are stale")
    plan = AgreementPlan(name="a", uid="u", generation=1, spec=agreement())  # type: ignore[arg-type]
    body = next(
        s
        for s in compile_agreement(7, plan, SERVED, PublisherContext(preconditions=(gate,))).statements
        if "a7_point" in s and "create" in s
    )
    assert body.index("if feed.silent() then raise") < body.index("from product.")
    assert "feed" not in compiled()["point"]


@pytest.mark.parametrize(("basis", "fed"), [(b, f) for b in BasisType for f in (True, False)])
def test_only_consents_have_to_be_fresh(basis: BasisType, fed: bool) -> None:
    spec = AgreementPlan(name="a", uid="u", generation=1, spec=agreement(basis)).spec  # type: ignore[arg-type]
    assert [state for _, state, _ in preconditions_of(spec, SERVED, fed=fed)] == (["CW008"] if fed and basis is BasisType.CONSENT else [])
