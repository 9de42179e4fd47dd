"""What went wrong, as the reason that a report gives: one map for products, agreements, loads and models."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import AgreementClosedError, MappingInvalidError, PlanRefusedError, SourceReadError, TableBusyError
from commonweal_runtime.store.failures import Work, failure_of

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
        (BUSY, Work.LOAD, Reason.LOAD_FAILED, "PostgreSQL answered 55P03."),
        (asyncpg.DiskFullError("secret"), Work.AGREEMENT, Reason.STORE_REFUSED, "PostgreSQL answered 53100."),
        (RuntimeError("secret"), Work.LOAD, Reason.LOAD_FAILED, "RuntimeError."),
        (ValueError("secret"), Work.LOAD, Reason.LOAD_FAILED, "ValueError."),
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
