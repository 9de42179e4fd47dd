"""Each example of PostgreSQL's types that docs/reference/types.md gives is true, from the source's table to the JSON of an answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.store.sources import Credentials, open_source
from support.data_api import PASSWORD, USER, plan, subject
from support.keeper import Bench
from support.types_page import Example, examples

NAMED = {"an enumeration": "rating", "a domain over a domain over `char(5)`": "inner_code"}
MADE = "create extension citext; create type rating as enum ('bad', 'good'); create domain code as char(5); create domain inner_code as code check (value <> 'X')"
EXAMPLES = examples("PostgreSQL")
LAST_DAY = next(f"v{n}" for n, e in enumerate(EXAMPLES) if e.value == "9999-12-31")
Seen = dict[int, tuple[str | None, str]]


def product(bench: Bench) -> dict[str, Any]:
    """Return a product with a field for each example."""
    where = {
        "host": "127.0.0.1",
        "port": bench.heritage.port,
        "database": "heritage",
        "table": "typed",
        "credentials": {"name": "heritage"},
    }
    fields = [{"name": f"v{n}", "column": f"v{n}", "type": e.field} for n, e in enumerate(EXAMPLES)]
    fields += [{"name": "made", "from": f"{LAST_DAY} + 0", "type": "Date"}]
    body = {"title": "Typed", "version": "1.0.0", "class": "Person", "source": {"postgres": where}, "subject": {"column": "ref"}}
    return {**body, "serve": {"refreshSeconds": 3600}, "fields": fields}


def sql_type(example: Example) -> str:
    return NAMED.get(example.type_, example.type_.strip("`"))


@pytest.fixture(scope="module")
def seen(bench: Bench) -> Seen:
    """Text and JSON of each example, or the reason why its row is in quarantine; each is in a row of its own, with no other value."""
    columns = ", ".join(f"v{n} {sql_type(e)}" for n, e in enumerate(EXAMPLES))
    rows = "; ".join(f"insert into typed (ref, v{n}) values ({n}, $v${e.value}$v$)" for n, e in enumerate(EXAMPLES))
    bench.change(f"{MADE}; create table typed (ref int primary key, {columns}); {rows}; grant select on typed to {USER}")

    async def texts() -> dict[int, str | None]:
        spec = DataProductSpec.model_validate(product(bench))
        async with open_source(spec, Credentials(USER, PASSWORD)) as source:
            await source.inspect()
            found = [r for b in [b async for b in source.batches(None)] for r in zip(*(c.to_pylist() for c in b.columns), strict=True)]
        return {int(row[0]): row[1 + int(row[0])] for row in found}

    async def script(root: Any) -> dict[int, str]:
        await bench.exchange.until("typed", "RowsRefused")
        relation, uid = await root.fetchrow("select relation, uid from agreement.product where name = 'typed'")
        people, fields = [subject(str(n)) for n in range(len(EXAMPLES))], [f"v{n}" for n in range(len(EXAMPLES))]
        await root.execute("set timezone = 'UTC'")
        served = f'select k.f, (row_to_json(r) -> k.f)::text from unnest($1::uuid[], $2::text[]) k(s, f) join product."{relation}" r on r.subject = k.s'
        held = "select k.f, q.reason from unnest($1::uuid[], $2::text[]) k(s, f) join staging.quarantine q on q.subject = k.s and q.field = k.f where q.product = $3"
        found = [*await root.fetch(served, people, fields), *await root.fetch(held, people, fields, uid)]
        return {int(field.removeprefix("v")): answer for field, answer in found}

    answers: dict[int, str] = bench.run(plan({"typed": product(bench)}, {}), script, settle=False)
    read = asyncio.run(texts())
    return {n: (read[n], answers[n]) for n in range(len(EXAMPLES))}


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[f"{e.type_}-{e.value}" for e in EXAMPLES])
def test_the_page_tells_what_becomes_of_it(seen: Seen, number: int) -> None:
    assert seen[number] == (EXAMPLES[number].text, EXAMPLES[number].json)
