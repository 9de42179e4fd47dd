"""Connects a Live product to its source and closes it where the source cannot be read by key alone. Done before each load of its keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from commonweal_api.data_product import PostgresSource
from commonweal_api.data_source import verified
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.live import foreign
from commonweal_runtime.store.live.pushdown import SAMPLE, check_here, check_there, unsafe
from commonweal_runtime.store.names import literal, literals
from commonweal_runtime.store.product_tables import CHANNEL, served_product
from commonweal_runtime.store.sources import Credentials
from commonweal_runtime.store.sources.postgres import open_postgres

_UNPROVEN = ("SSL", "channel binding", "certificate")  # what PostgreSQL's client says where the source proves nothing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Fit:
    """What the store calls the type of the source's key, and the statements that make foreign table and view."""

    key_type: str
    statements: list[str]


async def settle(store: Any, product: Served, credentials: Credentials | None, lock: asyncio.Lock) -> tuple[Served, bool]:
    """Bring server, login, foreign table and view to what the product says; return it as it is then, and whether agreements must be opened anew.

    Raises SourceReadError if the source is not as it should be. PushdownUnsafe leaves the product closed; of any other the product is what it was.
    """
    source = product.spec.source.postgres
    if source is None or credentials is None:
        raise SourceReadError(Reason.SOURCE_UNSUPPORTED, "spec.serve.mode: Live reads a postgres source; set Replica.")
    try:
        fit = await _survey(product, source, credentials)
        changed = await _connect(store, product, source, credentials, fit, lock)
        await _prove(store, product, fit.key_type)
    except SourceReadError as error:
        if error.reason is Reason.PUSHDOWN_UNSAFE:
            await close(store, product)
        raise
    return await served_product(store, product.name) or product, changed


async def close(store: Any, product: Served) -> None:
    """Make a product one that no load has filled: agreements on it close when the plan is carried out next."""
    fields = sorted(c.field for c in product.shape.columns)
    await store.execute("update agreement.product set unfilled = $2, loaded_at = null where uid = $1", product.uid, fields)
    await store.execute(f"notify {CHANNEL}")


async def _survey(product: Served, source: PostgresSource, credentials: Credentials) -> _Fit:
    """Look at the source with the product's own login; return how it fits."""
    key = product.spec.subject.column
    async with open_postgres(product.spec, source, credentials) as reader:
        await reader.inspect()
        found = reader.columns
        if found[key].type_ not in foreign.KEY_TYPES or found[key].domain:
            raise unsafe(f"The key «{key}» is {found[key].described}, which is not compared alike on both sides.")
        if not found[key].deterministic:
            raise unsafe(f"The key «{key}» has a collation in which different keys are equal.")
        for field in product.spec.fields:
            if field.column is not None and field.type is not None and found[field.column].type_ not in foreign.FITS[field.type]:
                detail = f"«{field.name}» declares {field.type}, and its column «{field.column}» is {found[field.column].described}; Live converts nothing."
                raise SourceReadError(Reason.COLUMN_TYPE_MISMATCH, detail)
        key_type = foreign.KEY_TYPES[found[key].type_]
        sample = f"'{SAMPLE[key_type]}'::{key_type}[]"
        check_there(await reader.explained(sorted(foreign.remote_columns(product.spec)), sample), key)
    padded = {c for c, facts in found.items() if facts.type_ == "bpchar"}
    return _Fit(key_type, foreign.definition(product.relation, product.spec, source, key_type, padded))


async def _connect(store: Any, product: Served, source: PostgresSource, credentials: Credentials, fit: _Fit, lock: asyncio.Lock) -> bool:
    """Change what differs, in place; return whether the view was made anew, with which the agreements' grants are gone."""
    relation, statements, key_type = product.relation, fit.statements, fit.key_type
    comment = "select obj_description(to_regclass($1), 'pg_class')"
    authority = await _authority(store, relation, source, credentials)
    async with lock, store.transaction():
        if await served_product(store, product.name) != product:
            raise SourceReadError(Reason.LOAD_PENDING, "The product is being changed.")
        before = await store.fetchval("select srvoptions from pg_foreign_server where srvname = $1", relation)
        known = before is not None
        await _quietly(store, foreign.server(relation, _options(before) if known else None, foreign.server_options(source, authority)))
        mapping = await store.fetchrow(
            "select umoptions from pg_user_mappings where srvname = $1 and usename = $2", relation, foreign.OWNER
        )
        of = _options(mapping["umoptions"]) if mapping is not None else None
        await _quietly(store, foreign.login(relation, of, credentials.username, credentials.password))
        if await store.fetchval(comment, foreign.view(relation)) == foreign.digest_of(statements) and product.key_type == key_type:
            return False
        await _quietly(store, statements)
        await store.execute("update agreement.product set key_type = $2 where uid = $1", product.uid, key_type)
        await store.execute("update agreement.register set opened = null where product = $1 and opened is not null", product.uid)
    return True


async def _authority(store: Any, relation: str, source: PostgresSource, credentials: Credentials) -> Path | None:
    """Return the file with who signs the source's certificate, written by PostgreSQL beside its data; None for the public authorities."""
    if not verified(source.tls) or not credentials.authority:
        return None
    directory = await store.fetchval("select current_setting('data_directory')")
    file = Path(directory) / f"authority-{relation}.crt"
    lines = literals([line for line in credentials.authority.splitlines() if line])
    await store.execute(f"copy (select unnest({lines})) to {literal(str(file))}")
    return file


async def _quietly(store: Any, statements: list[str]) -> None:
    for statement in statements:
        await store.execute(statement)


def _options(options: list[str] | None) -> Mapping[str, str]:
    return dict(o.split("=", 1) for o in options or [])


async def _prove(store: Any, product: Served, key_type: str) -> None:
    """Look at the plans of the statement that the doors run, with keys known and unknown, and run it once without any key."""
    statement = foreign.reading(product.relation, foreign.readable(product.spec), "$1")
    key, allowed = product.spec.subject.column, foreign.remote_columns(product.spec)
    async with store.transaction():
        await store.execute(f"prepare live_probe({key_type}[]) as {statement}")
        try:
            for mode in ("force_generic_plan", "force_custom_plan"):
                await store.execute(f"set local plan_cache_mode = {mode}")
                check_here(await store.fetchval(f"explain (verbose, format json) execute live_probe('{SAMPLE[key_type]}')"), key, allowed)
            async with asyncio.timeout(10):
                await store.fetch("execute live_probe('{}')")
        except (asyncpg.PostgresError, TimeoutError) as error:
            log.info("live %s: %s", product.name, getattr(error, "sqlstate", "timeout"))
            if any(word in str(error) for word in _UNPROVEN):
                detail = "The store's own connection to the source needs TLS with SCRAM, or with tls.mode Verify a certificate that holds."
                raise SourceReadError(Reason.SOURCE_UNPROVEN, detail) from None
            if "startup parameter" in str(error):
                why = (
                    "A pooler stands before the source and refuses the setting by which each of the store's statements there ends in time. "
                )
                raise unsafe(why + "Name the database itself in spec.source.") from None
            raise SourceReadError(Reason.SOURCE_UNREACHABLE, "The store's own connection to the source does not answer.") from None
        finally:
            await _deallocate(store)


async def _deallocate(store: Any) -> None:
    try:
        await store.execute("deallocate live_probe")
    except asyncpg.PostgresError:  # the transaction is broken; the session ends with the load
        return
