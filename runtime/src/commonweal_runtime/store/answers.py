# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Derived booleans: kept as plain columns, set when a row is written, and set anew when the day changes.

What asks for today cannot be a generated column. So each product with answers has a function that says them for one row and a day, and a trigger
that writes them with the row. `agreement.gate.answered_on` says for which day all rows answer; the doors of agreements that list an answer look at
it and stay closed on any other day, until `sweep` has been through the table. An answer whose expression fails for a row (a division by zero) is null there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Any

from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.expressions import DAY
from commonweal_runtime.store.names import identifier, literal, table
from commonweal_runtime.store.products import SQL_TYPE, Column, Shape

BATCH = 5000
_TODAY = "(clock_timestamp() at time zone 'UTC')::date"


def listed(spec: DataProductSpec, fields: Iterable[str]) -> bool:
    """Return whether an agreement on these fields lists an answer, so that its doors have to look at the gate."""
    return bool({a.name for a in spec.answers} & set(fields))


def dated(shape: Shape) -> bool:
    """Return whether any answer asks for today."""
    return any(c.answer is not None and c.answer.dated for c in shape.answers)


def asked(shape: Shape) -> str | None:
    """Return a digest of what is asked; None when nothing is."""
    if not shape.answers:
        return None
    return hashlib.sha256("\n".join(sorted(f"{c.field} {c.origin}" for c in shape.answers)).encode()).hexdigest()


def _key(uid: str) -> int:
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big", signed=True)


def _read(shape: Shape) -> list[Column]:
    """Return the raw columns that the answers read, each once."""
    names = {name for c in shape.answers if c.answer is not None for name in c.answer.columns}
    return [c for c in shape.raw if c.field in names]


def checks(relation: str, shape: Shape) -> list[tuple[Column, str]]:
    """Return for each answer a statement that reads nothing, and that PostgreSQL refuses when the expression does not fit the table or is no boolean."""
    return [
        (c, f"select from {table(relation)} cross join (values (current_date)) as d ({DAY}) where {c.answer.text} limit 0")
        for c in shape.answers
        if c.answer is not None
    ]


def statements(relation: str, uid: str, shape: Shape) -> list[str]:
    """Return the statements that keep the answers of a product's table; none when it has no answers."""
    if not shape.answers:
        return []
    function, keep, read = _functions(relation, shape)
    fixed = "set search_path = pg_catalog set timezone = 'UTC' set datestyle = 'ISO, YMD'"  # on the caller: each costs every call a little
    return [
        f"create function {function} returns boolean[] immutable language plpgsql as {literal(_say(shape))}",
        f"create function {keep} returns trigger language plpgsql security definer {fixed} as {literal(_keep(relation, uid, shape))}",
        *(f"alter function {f} owner to cw_keeper" for f in (function, keep)),
        *(f"revoke all on function {f} from public" for f in (function, keep)),
        f"create trigger keep_answers before insert or update of {', '.join(c.name for c in read)} on {table(relation)} for each row execute function {keep}",
    ]


def removal(relation: str) -> list[str]:
    """Return the statements that end the keeping of answers, if there was any; the columns stay."""
    names = [identifier(relation + "_keep"), identifier(relation)]
    return [f"drop trigger if exists keep_answers on {table(relation)}", *(f"drop routine if exists answer.{name}" for name in names)]


def _functions(relation: str, shape: Shape) -> tuple[str, str, list[Column]]:
    read = _read(shape)
    arguments = ", ".join([*(f"{c.name} {SQL_TYPE[c.type_]}" for c in read), f"{DAY} date"])
    return f"answer.{identifier(relation)}({arguments})", f"answer.{identifier(relation + '_keep')}()", read


def _say(shape: Shape) -> str:
    """Return the body that answers for one row: what fails is not known, and not known is never yes."""
    each = [
        f"  begin v[{n}] := {c.answer.text}; exception when others then v[{n}] := null; end;\n"
        for n, c in enumerate(shape.answers, 1)
        if c.answer is not None
    ]
    return f"declare v boolean[] := array_fill(null::boolean, array[{len(shape.answers)}]);\nbegin\n{''.join(each)}  return v;\nend"


def _keep(relation: str, uid: str, shape: Shape) -> str:
    """Return the body of the trigger. Writers hold a lock together that the sweep takes alone once, so that none of them misses the new day."""
    values = ", ".join([*(f"new.{c.name}" for c in _read(shape)), "v_day"])
    wait = f"  perform pg_advisory_xact_lock_shared(2, {_key(uid)});\n" if dated(shape) else ""
    sets = "".join(f"  new.{c.name} := v[{n}];\n" for n, c in enumerate(shape.answers, 1))
    return (
        f"declare v boolean[]; v_day date;\nbegin\n{wait}"
        f"  select greatest({_TODAY}, g.answering) into v_day from agreement.gate g where g.product = {literal(uid)};\n"
        f"  v := answer.{identifier(relation)}({values});\n{sets}  return new;\nend"
    )


async def due(connection: Any) -> list[str]:
    """Return the names of the products whose answers are not of today, by the database's clock in UTC."""
    rows = await connection.fetch(
        "select p.name from agreement.gate g join agreement.product p on p.uid = g.product where g.asked is not null "
        f"and (g.answered_on is null or g.answered_on not in ({_TODAY}, 'infinity')) order by p.name"
    )
    return [r["name"] for r in rows]


async def sweep(connection: Any, product: Served, day: date | None = None) -> int:
    """Set the answers of every row for `day` (None: today) and open the gate; return how many rows changed.

    Works in batches of people, each its own transaction. Broken off, it leaves the gate closed and can be run again.
    """
    shape = product.shape
    day = await connection.fetchval(
        f"update agreement.gate set answering = greatest(answering, coalesce($2, {_TODAY})) where product = $1 returning answering",
        product.uid,
        day,
    )
    async with connection.transaction():  # every writer that may still answer for an earlier day has ended when this is got
        await connection.execute(f"select pg_advisory_xact_lock(2, {_key(product.uid)})")
    changed, after = 0, None
    while True:
        upper = await connection.fetchval(
            f"select subject from {table(product.relation)} where $1::uuid is null or subject > $1 order by subject offset {BATCH - 1} limit 1",
            after,
        )
        changed += await _set(connection, product.relation, shape, (after, upper, day))
        if upper is None:
            break
        after = upper
    await connection.execute(
        "update agreement.gate set answered_on = case when $3 then $2 else 'infinity'::date end where product = $1 and asked = $4 and answering = $2",
        product.uid,
        day,
        dated(shape),
        asked(shape),
    )
    return changed


async def _set(connection: Any, relation: str, shape: Shape, window: tuple[Any, Any, date]) -> int:
    """Set the answers of the people after the first and up to the second id. They are locked first, in the order that loads and consents keep."""
    t, key, columns = table(relation), shape.key, [c.name for c in shape.answers]
    said = f"answer.{identifier(relation)}({', '.join([*(f't.{c.name}' for c in _read(shape)), '$3'])})"
    rows = f"{t} t where ($1::uuid is null or t.subject > $1) and ($2::uuid is null or t.subject <= $2)"
    differs = f"array[{', '.join('t.' + c for c in columns)}] is distinct from"
    async with connection.transaction():
        await connection.execute("set local search_path = pg_catalog; set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'")
        locked = await connection.fetch(
            "select pg_advisory_xact_lock(1, o.b) from "
            f"(select distinct consent.bucket(t.subject) as b from {rows} and {differs} {said} order by b) o",
            *window,
        )
        if not locked:
            return 0
        tag = await connection.execute(
            f"update {t} t set {', '.join(f'{c} = s.v[{n}]' for n, c in enumerate(columns, 1))} "
            f"from (select {', '.join('t.' + k for k in key)}, {said} as v from {rows}) s "
            f"where {' and '.join(f't.{k} = s.{k}' for k in key)} and {differs} s.v",
            *window,
        )
    return int(tag.rsplit(" ", 1)[1])
