"""Columns have whatever names their source gives them: read, keyed by and mapped from every kind of source, and no name is anything but a name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commonweal_api.data_product import DataProductSpec
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources import Credentials, open_source
from support.data_api import PASSWORD, USER, plan, subject
from support.keeper import Bench
from support.mariadb import MariaDb

KEY, RECORD, BORN = "National No.", "Zeile/№", "Date of birth"
ODD = [
    BORN, "straße", "a-b", 'quo"te', "back`tick", "it's", "; drop table odd; --", "back\\slash", "%s %(x)s", "{0}", "$1", "a.b", "a", "select", ":0", ":key", "ref, v",
    '" from odd; select "', "` from odd; --", "/pointer/x", "~1", "naïve", "日本語", "*", "1",
]  # fmt: skip


def product(source: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    fields = [{"name": f"f{n}", "column": name, "type": "String"} for n, name in enumerate(ODD)]
    mapped = {"name": "made", "from": f'upper("{BORN}") || "a.b" || "quo""te"', "type": "String"}
    about = {"column": KEY, "records": "Many", "recordKey": RECORD}
    body = {"title": "Odd", "version": "1.0.0", "class": "Person", "source": source, "subject": about, "serve": {"refreshSeconds": 3600}}
    return {**body, "fields": [*fields, mapped, *more]}


def postgres(bench: Bench) -> dict[str, Any]:
    names = ", ".join(f'"{name.replace(chr(34), 2 * chr(34))}" text' for name in [KEY, RECORD, *ODD])
    values = ", ".join(f"$v${value}$v$" for value in ["P1", "R1", *ODD])
    bench.change(
        f'create table odd ({names}, unique ("{KEY}", "{RECORD}")); insert into odd values ({values}); grant select on odd to {USER}'
    )
    return {
        "postgres": {
            "host": "127.0.0.1",
            "port": bench.heritage.port,
            "database": "heritage",
            "table": "odd",
            "credentials": {"name": "heritage"},
        }
    }


def mysql(server: MariaDb) -> dict[str, Any]:
    names = ", ".join(f"`{name.replace('`', '``')}` varchar(60) not null" for name in [KEY, RECORD, *ODD])
    values = ", ".join(f"x'{value.encode().hex()}'" for value in ["P1", "R1", *ODD])
    unique = f"unique (`{KEY}`, `{RECORD}`)"
    server.run(f"create table odd ({names}, {unique}) charset utf8mb4", f"insert into odd values ({values})", database="heritage")
    return {
        "mysql": {"host": "127.0.0.1", "port": server.port, "database": "heritage", "table": "odd", "credentials": {"name": "heritage"}}
    }


def parquet(volumes: Path) -> dict[str, Any]:
    folder = volumes / "files" / "odd"
    folder.mkdir()
    pq.write_table(
        pa.table({name: [value] for name, value in zip([KEY, RECORD, *ODD], ["P1", "R1", *ODD], strict=True)}), folder / "1.parquet"
    )
    return {"parquet": {"location": "volume://files/odd"}}


def test_a_column_may_have_any_name(bench: Bench, mariadb: MariaDb, volumes: Path) -> None:
    sources = {"pg": postgres(bench), "my": mysql(mariadb), "files": parquet(volumes)}
    bodies = {name: product(source) for name, source in sources.items()}
    for source in sources.values():
        for missing in ("Dates of birth", "x" * 255, "ü" * 32, 'a" or 1=1 --', "` or 1=1 -- "):
            error = asyncio.run(_refused(source, missing))
            assert error.reason is Reason.COLUMN_MISSING
            assert f"«{missing}»" in error.detail

    async def script(root: Any) -> None:
        for name in bodies:
            relation = await root.fetchval("select relation from agreement.product where name = $1", name)
            rows = [dict(r) for r in await root.fetch(f'select * from product."{relation}"')]
            assert [(r["subject"], r["record"], r["made"]) for r in rows] == [(subject("P1"), "R1", f'{BORN.upper()}a.bquo"te')], name
            assert [rows[0][f"f{n}"] for n in range(len(ODD))] == ODD, name

    bench.run(plan(bodies, {}), script)


async def _refused(source: dict[str, Any], missing: str) -> SourceReadError:
    body = product(source, {"name": "missing", "column": missing, "type": "String"})
    with pytest.raises(SourceReadError) as refused:
        async with open_source(DataProductSpec.model_validate(body), Credentials(USER, PASSWORD)) as reader:
            await reader.inspect()
    return refused.value
