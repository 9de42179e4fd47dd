"""Closing agreements: at once, without waiting for a table, a plan or a load."""

from __future__ import annotations

from typing import Any

import asyncpg
from pydantic import ValidationError

from commonweal_api.closings import StoreClosings
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_runtime.store.agreements import revoke_sql
from commonweal_runtime.store.names import login_of
from commonweal_runtime.store.product_tables import CHANNEL

# A copy that a move has laid down lets nobody read, and there is no list for it yet: what it holds is closed or not by the first plan that is its own.
_OPEN = "select number, uid, spec::text from agreement.register where in_force and not exists (select from move.standing where state = 'Arrived') order by number"
# Two hands are at one agreement: the plan's and the list's. Who opens looks at the list once more before committing, and both come again.
CROSSED = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.InternalServerError)


async def shut(connection: Any, number: int) -> None:
    """Close one agreement: its login ends, its door goes, and whoever is in is thrown out. What is left of it on the product's table lets nobody in."""
    async with connection.transaction():
        for statement in revoke_sql(number):
            await connection.execute(statement)
        await connection.execute("update agreement.register set in_force = false where number = $1", number)
        await connection.execute(f"notify {CHANNEL}")
    # after the commit, so that nobody comes back in
    await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", login_of(number))


async def shut_unlisted(connection: Any, closings: StoreClosings) -> bool:
    """Close every agreement in force that may not be open as it is; return whether all are closed. One that is in somebody's hands is to be asked for again."""
    done = True
    for row in await connection.fetch(_OPEN):
        if _admitted(closings, row["uid"], row["spec"]):
            continue
        try:
            await shut(connection, row["number"])
        except CROSSED:
            done = False
    return done


def _admitted(closings: StoreClosings, uid: str, spec: str) -> bool:
    try:
        return closings.admits(uid, ConsentPolicySpec.model_validate_json(spec))
    except ValidationError:
        return False  # of a release whose rules were others: it opens again with the plan
