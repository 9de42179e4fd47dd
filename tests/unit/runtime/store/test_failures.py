"""What went wrong, as the reason that a report gives: one map for products, agreements, loads and models."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import AgreementClosedError, MappingInvalidError, PlanRefusedError, SourceReadError, TableBusyError
from commonweal_runtime.store.failures import Work, failure_of
from commonweal_runtime.store.sqlstates import SqlState
from commonweal_runtime.store.words import misfit

FAULT = "The keeper met a fault of its own, which its log names; report it to who maintains this software."
BUSY = asyncpg.LockNotAvailableError("secret")


@pytest.mark.parametrize(
    ("error", "work", "reason", "words"),
    [
        (AgreementClosedError(Reason.FIELD_NOT_OFFERED, "«x» is no field."), Work.AGREEMENT, Reason.FIELD_NOT_OFFERED, "«x» is no field."),
        (SourceReadError(Reason.SOURCE_UNREACHABLE, "Away."), Work.LOAD, Reason.SOURCE_UNREACHABLE, "Away."),
        (MappingInvalidError("fields x: no."), Work.PRODUCT, Reason.MAPPING_INVALID, "fields x: no."),
        (PlanRefusedError("fields x: no."), Work.PRODUCT, Reason.STORE_REFUSED, "fields x: no."),
        (PlanRefusedError("All are given."), Work.AGREEMENT, Reason.STORE_REFUSED, "All are given."),
        (TableBusyError(), Work.PRODUCT, Reason.LOAD_PENDING, "A load of the product as it was is under way."),
        (BUSY, Work.PRODUCT, Reason.LOAD_PENDING, "A load of the product as it was is under way."),
        (TableBusyError(), Work.AGREEMENT, Reason.PRODUCT_NOT_READY, "The product is being loaded; the agreement opens right after."),
        (BUSY, Work.AGREEMENT, Reason.PRODUCT_NOT_READY, "The product is being loaded; the agreement opens right after."),
        (BUSY, Work.LOAD, Reason.LOAD_FAILED, "Something else holds what is to be changed in the store; it is tried again by itself."),
        (
            asyncpg.DiskFullError("secret"),
            Work.AGREEMENT,
            Reason.STORE_REFUSED,
            "The store's volume is full; enlarge it, or have what is not needed removed.",
        ),
        (RuntimeError("secret"), Work.LOAD, Reason.LOAD_FAILED, FAULT),
        (ValueError("secret"), Work.LOAD, Reason.LOAD_FAILED, FAULT),
        (ValueError("features: two are named x"), Work.MODEL, Reason.RUNTIME_REFUSED, "features: two are named x"),
    ],
    ids=repr,
)
def test_each_failure_has_its_reason(error: Exception, work: Work, reason: Reason, words: str) -> None:
    assert failure_of(error, work) == (reason, words)


@pytest.mark.parametrize("work", Work)
@pytest.mark.parametrize(
    "error", [asyncpg.PostgresError("secret"), asyncpg.UniqueViolationError("secret"), RuntimeError("secret")], ids=repr
)
def test_no_text_that_can_hold_data_is_in_a_report(error: Any, work: Work) -> None:
    assert "secret" not in failure_of(error, work)[1]


CODE, CLASS = re.compile(r"\b(?=[0-9A-Z]*[0-9])[0-9A-Z]{5}\b"), re.compile(r"\b[A-Z][A-Za-z]+(?:Error|Exception)\b")


def faults() -> Iterator[Exception]:
    """Every error that asyncpg knows a SQLSTATE for, every SQLSTATE of ours, one that nobody knows, and what Python itself raises."""
    for kind in vars(asyncpg.exceptions).values():
        if isinstance(kind, type) and issubclass(kind, asyncpg.PostgresError):
            yield kind("secret")
    for state in (*SqlState, "ZZ999", None):
        error = asyncpg.PostgresError("secret")
        error.sqlstate = state
        yield error
    for kind in vars(builtins).values():
        if (
            isinstance(kind, type)
            and issubclass(kind, Exception)
            and kind not in {UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError}
        ):
            yield kind("secret", [ValueError("secret")]) if issubclass(kind, BaseExceptionGroup) else kind("secret")
    yield asyncpg.InterfaceError("secret")


@pytest.mark.parametrize("work", [Work.PRODUCT, Work.AGREEMENT, Work.LOAD])
def test_no_message_is_a_class_or_a_code(work: Work) -> None:
    found = list(faults())
    assert len(found) > 250
    for error in found:
        detail = failure_of(error, work)[1]
        assert detail.endswith("."), detail
        assert not CODE.search(detail), detail
        assert not CLASS.search(detail), detail
        assert "secret" not in detail, detail


@pytest.mark.parametrize("state", ["42883", "42804", "42725", "42P18", None])
def test_why_an_expression_fits_no_row_is_said_in_words(state: str | None) -> None:
    assert not CODE.search(misfit(state))
