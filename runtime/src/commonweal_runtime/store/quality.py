# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Quality checks: run after each load and on schedule, kept per run. A check that did not run has not passed.

A check with `onFail: StopServing` closes the product by `agreement.gate.passed_until`: the doors of such a product refuse from that moment on. So a check
that fails closes at once, one that goes stale closes by the database's clock even when nothing runs any more, and one that passes opens. The
agreements themselves stay as they are: closing them would end connections and write to the catalogue each time a count crosses its bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import asyncpg

from commonweal_api.data_product import DataProductSpec
from commonweal_api.quality import Metric, OnFail, QualityCheck
from commonweal_runtime.exceptions import PlanRefusedError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.names import literals, table
from commonweal_runtime.store.words import told

TIMEOUT = "30s"
GRACE_SECONDS = 300
_KEPT = 100


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of a check found."""

    name: str
    state: Literal["Passed", "Failed", "NotRun"]
    found: int | None
    detail: str
    stops: bool


def stops(spec: DataProductSpec) -> bool:
    """Return whether a check of the product can stop it, so that its doors have to look at the gate."""
    return any(q.on_fail is OnFail.STOP_SERVING for q in spec.quality)


def valid_seconds(spec: DataProductSpec) -> int:
    """Return how long the result of a run counts: two refreshes and five minutes."""
    return 2 * spec.serve.refresh_seconds + GRACE_SECONDS


def statement(check: QualityCheck, product: Served) -> str:
    """Return the query that counts what the check is about; PlanRefusedError if its field is none of the product's raw ones."""
    t = table(product.relation)
    if check.metric is Metric.ROW_COUNT:
        return f"select count(*) from {t}"
    column = next((c.name for c in product.shape.raw if c.field == check.field), None)
    if column is None:
        raise PlanRefusedError(f"spec.quality {check.name}.field: «{check.field}» is no raw field; name one.")
    if check.metric is Metric.NULL_VALUES:
        return f"select count(*) from {t} where {column} is null"
    if check.metric is Metric.DUPLICATE_VALUES:
        return f"select coalesce(sum(n - 1), 0)::bigint from (select count(*) as n from {t} where {column} is not null group by {column}) d"
    return f"select count(*) from {t} where {column} is not null and ({column})::text <> all ({literals(check.valid_values or [])})"


def judge(check: QualityCheck, found: int) -> Result:
    """Return whether a count lies between the bounds."""
    low, high = check.at_least, check.at_most
    if low is not None and found < low:
        return Result(check.name, "Failed", found, f"{found} is less than atLeast {low}.", check.on_fail is OnFail.STOP_SERVING)
    if high is not None and found > high:
        return Result(check.name, "Failed", found, f"{found} is more than atMost {high}.", check.on_fail is OnFail.STOP_SERVING)
    return Result(check.name, "Passed", found, "", check.on_fail is OnFail.STOP_SERVING)


async def run(connection: Any, product: Served) -> list[Result]:
    """Run the checks of a product that is loaded, keep their results, forget those of checks that are gone, and open or close it by them."""
    results = [await _one(connection, product, check) for check in product.spec.quality]
    seconds = valid_seconds(product.spec)
    async with connection.transaction():
        for r in results:
            await _keep(connection, product.uid, r, seconds)
        await connection.execute(
            "delete from agreement.quality where product = $1 and name <> all ($2::text[])", product.uid, [r.name for r in results]
        )
        held = all(r.state == "Passed" for r in results if r.stops)
        await connection.execute(
            "update agreement.gate set passed_until = case when $2 then clock_timestamp() + make_interval(secs => $3) else '-infinity' end where product = $1",
            product.uid,
            held,
            float(seconds),
        )
    return results


async def _one(connection: Any, product: Served, check: QualityCheck) -> Result:
    stop = check.on_fail is OnFail.STOP_SERVING
    try:
        async with connection.transaction(readonly=True):
            await connection.execute(
                f"set local statement_timeout = '{TIMEOUT}'; set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'"
            )
            found = await connection.fetchval(statement(check, product))
    except PlanRefusedError as refused:
        return Result(check.name, "NotRun", None, str(refused), stop)
    except asyncpg.QueryCanceledError:
        return Result(check.name, "NotRun", None, f"It took longer than {TIMEOUT}.", stop)
    except asyncpg.PostgresError as error:
        return Result(check.name, "NotRun", None, told(error), stop)
    return judge(check, found)


async def _keep(connection: Any, uid: str, result: Result, seconds: int) -> None:
    await connection.execute(
        "insert into agreement.quality (product, name, until, state, found, detail) "
        "values ($1, $2, clock_timestamp() + make_interval(secs => $3), $4, $5, $6)",
        uid,
        result.name,
        float(seconds),
        result.state,
        result.found,
        result.detail,
    )
    await connection.execute(
        "delete from agreement.quality where product = $1 and name = $2 and run <= "
        f"(select run from agreement.quality where product = $1 and name = $2 order by run desc offset {_KEPT} limit 1)",
        uid,
        result.name,
    )
