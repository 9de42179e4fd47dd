"""Errors of the store's own PostgreSQL, and of the keeper itself, in words with what to do: never a code, a class or their text, which can hold data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import asyncpg

from commonweal_runtime.store.sqlstates import REGISTER, ours

_AGAIN = "it is tried again by itself."
_LOG = "see the log of the store"
# By SQLSTATE, or by its class, the first two characters. Those of columns and functions that an expression reads are told by `misfit`.
_STORE: Mapping[str, str] = MappingProxyType({
    "08": f"The connection to the store broke off; {_AGAIN}",
    "0A": "The store's PostgreSQL does not support what this needs; run the store image of this release.",
    "21": f"A row stands twice where the store takes it once; {_LOG} for the table.",
    "22": f"The store cannot hold or compute a value; {_LOG} for the column, and correct the value in the source.",
    "23": f"A rule of the store's tables refuses a row; {_LOG} for the rule.",
    "25": "The store takes no change now, as while it is restored or a transaction waits too long; " + _AGAIN,
    "28": "The store refuses the keeper's login; see StoreReady of the Department.",
    "3D": "The store's database is not there; see StoreReady of the Department.",
    "40": f"Another transaction of the store was in the way; {_AGAIN}",
    "42": "The store's tables, functions or rights are not those of this release; see StoreReady of the Department, and run keeper and store of one release.",
    "53": f"The store is short of memory, disk space or connections; {_LOG} for which, and give it more.",
    "53100": "The store's volume is full; enlarge it, or have what is not needed removed.",
    "53200": "The store's PostgreSQL has no memory left; raise the memory of its pod.",
    "53300": f"The store has no connection left; {_AGAIN}",
    "54": "A row, an index entry or a statement is larger than PostgreSQL holds; shorten the values in the source, or leave the column out of spec.fields.",
    "55": f"Something else holds what is to be changed in the store; {_AGAIN}",
    "57": f"The store was stopped or is starting; {_AGAIN}",
    "57014": f"A statement in the store was cancelled or took too long; {_AGAIN}",
    "58": f"The store's disk or machine failed; {_LOG} and look at its volume.",
    "P0": f"A rule of the store's own refuses it; {_LOG} for which.",
    "XX": f"PostgreSQL finds the store damaged; {_LOG}, and restore a backup if it stays so.",
})  # fmt: skip
_MISFIT: Mapping[str, str] = MappingProxyType({
    "42804": "its parts have types that do not fit together",
    "42846": "it turns a value into a type that cannot be had of it",
    "42883": "no function or operator takes values of these types",
    "42725": "more than one function or operator would take these values",
})  # fmt: skip


def misfit(state: str | None) -> str:
    """Return why an expression fits no row, as part of a sentence."""
    return _MISFIT.get(state or "", "PostgreSQL does not take it as it is written")


def told(error: BaseException) -> str:
    """Return what happened and what to do, in one sentence."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        known = ours(state)
        if known is not None:
            return f"The store refuses it: {REGISTER[known].meaning} {REGISTER[known].remedy}"
        return _STORE.get(state) or _STORE.get(state[:2]) or f"The store's PostgreSQL refuses it; {_LOG}."
    if isinstance(error, MemoryError):
        return "The keeper has no memory left; raise the memory of its pod."
    if isinstance(error, TimeoutError):
        return f"It took too long; {_AGAIN}"
    if isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return f"A connection of the keeper broke off; {_AGAIN}"
    return "The keeper met a fault of its own, which its log names; report it to who maintains this software."
