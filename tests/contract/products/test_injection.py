"""Every text of the corpus, wherever a product's specification holds a text that comes near SQL, tried as superuser on a real server.

Each is refused, or is harmless: it reads rows and changes nothing, within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest
from pydantic import TypeAdapter, ValidationError

from commonweal_api.common import Text
from commonweal_api.data_product import Answer, DataProductSpec, Mask, ProductField, QualityCheck
from commonweal_runtime.exceptions import MappingInvalidError, PlanRefusedError
from commonweal_runtime.store import answers, quality
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.expressions import DAY, compile_expression
from commonweal_runtime.store.products import create, shape_of
from commonweal_runtime.store.schema import migrate
from contract.products.corpus import CORPUS
from support.postgres import StoreServer
from support.products import spec

ROWS = 5
HARMLESS = ("22", "42")  # classes: a value that does not fit, types that do not fit


PRODUCT = spec(
    {"name": "fullName", "column": "full_name", "type": "String"},
    {"name": "score", "column": "score", "type": "Integer"},
    {"name": "born", "column": "born", "type": "Date"},
)
PEOPLE = f"""
create table public.canary (n int); insert into public.canary values (1);
create table public.incoming as select 'Person ' || n as full_name, n::bigint as score, n % 2 = 0 as active, date '1990-01-01' + n as born,
  timestamptz '2026-01-01 00:00+00' as seen from generate_series(1, {ROWS}) n;
alter table product.people_0 disable trigger user;
insert into product.people_0 (subject, "fullName", score) select gen_random_uuid(), 'Person ' || n, n + 1 from generate_series(1, {ROWS}) n;
insert into agreement.product (uid, name, relation, spec, unfilled, contract) values ('uid', 'people', 'people_0', '{{}}', '{{}}', '');
insert into agreement.gate (product) values ('uid');
"""


class Target:
    """A store with a product table, a table of source columns, and something to lose."""

    def __init__(self, store: StoreServer) -> None:
        self._store = store
        self.served = Served("uid", "people", "people_0", PRODUCT, ())

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Any]:
        """A connection as superuser, so that nothing but the text's harmlessness stands between it and the store."""
        root = await self._store.superuser("department")
        try:
            await root.execute("set statement_timeout = '1s'; set search_path = pg_catalog, public, pg_temp")
            yield root
        finally:
            await root.close()

    async def prepare(self) -> None:
        root = await self._store.superuser("department")
        await migrate(root)
        for statement in (*create(self.served.relation, self.served.uid, self.served.shape), PEOPLE):
            await root.execute(statement)
        await root.close()

    async def state(self, root: Any) -> str:
        """Return everything that an attack would change, as one text."""
        text: str = await root.fetchval(
            "select md5(concat_ws('/', (select string_agg(n::text, ',') from public.canary), (select count(*) from pg_class), (select count(*) from pg_proc), "
            "(select string_agg(concat(rolname, rolsuper, rolpassword), ',' order by rolname) from pg_authid), (select count(*) from pg_extension), "
            "(select string_agg(relacl::text, ',' order by oid) from pg_class), (select last_value from consent.event_seq), current_user, "
            "current_setting('row_security'), current_setting('role'), (select count(*) from pg_prepared_statements where name not like '%asyncpg%'), "
            "(select count(*) from pg_locks where locktype = 'advisory'), (select count(*) from pg_largeobject_metadata)))"
        )
        return text


@pytest.fixture(scope="module")
def target(store: StoreServer) -> Target:
    found = Target(store)
    asyncio.run(found.prepare())
    return found


def fits(error: asyncpg.PostgresError) -> bool:
    """Return whether an error says no more than that a value, or a type, does not fit."""
    return (error.sqlstate or "").startswith(HARMLESS)


async def harmless(root: Any, statement: str) -> list[Any]:
    """Run a statement by the protocol that allows several at once; return the rows, if the values let it end."""
    try:
        async with root.transaction():
            await root.execute(statement)
            rows: list[Any] = await root.fetch(statement)
            return rows
    except asyncpg.PostgresError as error:
        if not fits(error):
            raise
        return []


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def too_long_or_no_text(text: str) -> bool:
    """Whether the API takes no such text: it is too long, or holds what is no character, or one that cannot be seen."""
    try:
        TypeAdapter(Text).validate_python(text)
    except ValidationError:
        return True
    return len(text) > 150


def compiled(expression: str) -> str | None:
    """Return the SQL of a mapping, or None if it is refused in the form that a condition shows."""
    try:
        return compile_expression("spec.fields x.from", expression).text
    except MappingInvalidError as refused:
        return None if str(refused).startswith("spec.fields x.from: ") else str(refused)


def test_the_corpus_is_large_and_has_nothing_twice() -> None:
    assert len(CORPUS) == len(set(CORPUS)) >= 300


def test_as_an_expression_each_is_refused_or_only_reads(target: Target) -> None:
    async def go() -> int:
        accepted = 0
        async with target.connected() as root:
            before = await target.state(root)
            for text in CORPUS:
                sql = compiled(text)
                if sql is not None:
                    accepted += 1
                    assert len(await harmless(root, f"select {sql} from public.incoming")) in (0, ROWS), text
                    assert await target.state(root) == before, text
        return accepted

    assert 0 < asyncio.run(go()) < len(CORPUS) / 10  # nearly everything is refused outright


def test_as_a_constant_each_comes_back_as_it_was_written(target: Target) -> None:
    async def go() -> None:
        async with target.connected() as root:
            before = await target.state(root)
            for text in CORPUS:
                sql = compiled(f"case when full_name is not null then {quoted(text)} end")
                assert (sql is None) <= too_long_or_no_text(text), text
                if sql is not None:
                    rows = await harmless(root, f"select {sql} as v from public.incoming")
                    assert [r["v"] for r in rows] == [text] * ROWS, text
                    assert await target.state(root) == before, text

    asyncio.run(go())


def questions(text: str) -> list[DataProductSpec]:
    """Return products with a question made of a text: the question itself, and a constant in one. Those that the API refuses are left out."""
    out = []
    for expression in (text, f"score > 1 and fullName in ({quoted(text)}, 'x')"):
        with suppress(ValidationError):
            out.append(Answer(name="asked", expression=expression, description="A question."))
    return [PRODUCT.model_copy(update={"answers": [a]}) for a in out]


async def answered(root: Any, wanted: DataProductSpec) -> list[bool | None]:
    """Make an answer's column, functions and trigger, sweep, take all away again, and return what was said."""
    served = Served("uid", "people", "people_0", wanted, ())
    shape = shape_of(wanted)
    async with root.transaction():
        made = ['alter table product.people_0 add column "asked" boolean', *answers.statements("people_0", "uid", shape)]
        for statement in [*made, *(s for _, s in answers.checks("people_0", shape))]:
            await root.execute(statement)
    await answers.sweep(root, served)
    said = [r["asked"] for r in await root.fetch("select asked from product.people_0")]
    for statement in [*answers.removal("people_0"), 'alter table product.people_0 drop column "asked"']:
        await root.execute(statement)
    return said


async def asked(root: Any, wanted: DataProductSpec) -> list[bool | None] | None:
    """Return what was said; None if the question was refused."""
    try:
        return await answered(root, wanted)
    except MappingInvalidError:
        return None
    except asyncpg.PostgresError as error:
        if not fits(error):
            raise
        return None


def test_in_an_answer_each_is_refused_or_only_answers(target: Target) -> None:
    async def go() -> int:
        count = 0
        async with target.connected() as root:
            before = await target.state(root)
            for wanted in (q for text in CORPUS for q in questions(text)):
                said = await asked(root, wanted)
                count += said is not None
                assert said in (None, [False] * ROWS, [None] * ROWS), wanted.answers
                assert await target.state(root) == before, wanted.answers
        return count

    assert asyncio.run(go()) > len(CORPUS) * 0.9  # constants are constants: the question is asked, and nobody has such a name


def test_as_a_valid_value_of_a_check_each_is_compared_and_nothing_else(target: Target) -> None:
    def counting(text: str) -> str | None:
        try:
            check = QualityCheck.model_validate(
                {"name": "valid", "metric": "InvalidValues", "field": "fullName", "validValues": [text], "atMost": 0}
            )
            return quality.statement(check, target.served)
        except (ValidationError, PlanRefusedError):
            return None

    async def go() -> None:
        async with target.connected() as root:
            before = await target.state(root)
            for text in CORPUS:
                statement = counting(text)
                assert (statement is None) <= too_long_or_no_text(text), text
                if statement is not None:
                    assert (await harmless(root, statement))[0][0] == ROWS, text
                    assert await target.state(root) == before, text

    asyncio.run(go())


def test_as_a_name_each_is_refused_before_the_store_sees_it() -> None:
    for text in CORPUS:
        if text.isalnum() and text.isascii() and len(text) < 64:
            continue
        with pytest.raises(ValidationError):
            ProductField.model_validate({"name": text, "column": "x", "type": "String"})
        with pytest.raises(ValidationError):
            Mask.model_validate({"of": text, "kind": "Year"})
        with pytest.raises(ValidationError):
            Mask.model_validate({"of": "x", "kind": text})
        with pytest.raises(ValidationError):
            ProductField.model_validate({"name": "x", "column": "x", "type": "String", "semantic": text})


def test_the_placeholder_for_today_cannot_be_written_by_an_author() -> None:
    with pytest.raises(MappingInvalidError):
        compile_expression("spec.answers x.expression", f"born < {DAY}", names=["born"], today=DAY)
