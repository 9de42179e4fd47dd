"""Products of CSV files, from the file to what is served: each example of docs/reference/types.md, bad rows by file and line, the same people as elsewhere."""

from __future__ import annotations

import asyncio
import codecs
from pathlib import Path
from typing import Any

import pytest

from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.store.sources import open_source
from commonweal_runtime.store.sources.contract import UNREADABLE
from support.data_api import plan, subject
from support.keeper import Bench
from support.types_page import Example, examples
from support.waiting import until, until_none

EXAMPLES = examples("CSV")
SPECIAL = {"nothing": b"", "a text with a zero byte": b"a\0b", "bytes that the encoding has not": b"M\xfcller"}
Seen = dict[int, tuple[str | None, str]]


def product(location: str, *fields: dict[str, Any], **csv: Any) -> dict[str, Any]:
    body = {"title": "Typed", "version": "1.0.0", "class": "Person", "subject": {"column": "ref"}, "serve": {"refreshSeconds": 5}}
    return {**body, "source": {"csv": {"location": f"volume://files/{location}", **csv}}, "fields": list(fields)}


def written(example: Example) -> bytes:
    content = SPECIAL.get(example.value, example.value.encode())
    return b'"' + content.replace(b'"', b'""') + b'"' if example.type_ == "in quotes" else content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The volume `files`."""
    with pytest.MonkeyPatch.context() as patch:
        volumes = tmp_path_factory.mktemp("volumes")
        patch.setenv("COMMONWEAL_VOLUMES_DIR", str(volumes))
        (volumes / "files").mkdir()
        yield volumes / "files"


@pytest.fixture(scope="module")
def seen(bench: Bench, folder: Path) -> Seen:
    """Text and JSON of each example, or the reason why its row is in quarantine; each is in a row of its own, with no other value."""
    count = len(EXAMPLES)
    lines = [";".join(["ref", *(f"v{n}" for n in range(count))]).encode()]
    lines += [b";".join([str(n).encode(), *(written(e) if m == n else b"" for m in range(count))]) for n, e in enumerate(EXAMPLES)]
    (folder / "typed.csv").write_bytes(codecs.BOM_UTF8 + b"\r\n".join(lines))
    body = product("typed.csv", *({"name": f"v{n}", "column": f"v{n}", "type": e.field} for n, e in enumerate(EXAMPLES)), delimiter=";")

    async def texts() -> dict[int, str | None]:
        async with open_source(DataProductSpec.model_validate(body), None) as source:
            await source.inspect()
            found = [r for b in [b async for b in source.batches(None)] for r in zip(*(c.to_pylist() for c in b.columns), strict=True)]
        return {int(row[0]): row[1 + int(row[0])] for row in found}

    async def script(root: Any) -> dict[int, str]:
        await bench.exchange.until("typed", "RowsRefused")
        relation, uid = await root.fetchrow("select relation, uid from agreement.product where name = 'typed'")
        people, fields = [subject(str(n)) for n in range(count)], [f"v{n}" for n in range(count)]
        await root.execute("set timezone = 'UTC'")
        served = f'select k.f, (row_to_json(r) -> k.f)::text from unnest($1::uuid[], $2::text[]) k(s, f) join product."{relation}" r on r.subject = k.s'
        held = "select k.f, q.reason from unnest($1::uuid[], $2::text[]) k(s, f) join staging.quarantine q on q.subject = k.s and q.field = k.f where q.product = $3"
        found = [*await root.fetch(served, people, fields), *await root.fetch(held, people, fields, uid)]
        return {int(field.removeprefix("v")): answer for field, answer in found}

    answers: dict[int, str] = bench.run(plan({"typed": body}, {}), script, settle=False)
    read = asyncio.run(texts())
    return {n: (read[n], answers[n]) for n in range(count)}


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[f"{e.type_}-{e.value}-{e.field}" for e in EXAMPLES])
def test_the_page_tells_what_becomes_of_it(seen: Seen, number: int) -> None:
    example, (text, json) = EXAMPLES[number], seen[number]
    assert ("" if text in {None, UNREADABLE} else text, json) == (example.text, example.json)


def test_a_bad_row_is_set_aside_by_file_and_line_and_leaves_when_it_is_good(bench: Bench, folder: Path) -> None:
    """An expression reads local forms; its failures have their place too. Unchanged files are not read again."""
    place = folder / "people"
    place.mkdir()
    (place / "1.csv").write_text('ref,born,member\n10000,31/01/1990,yes\n10001,31/02/1990,no\n10002,"1/2\n10003,x,yes,more\n', "utf-8")
    (place / "2.csv").write_bytes("ref,born,member\n10004,01/02/1991,é\n".encode("latin-1"))
    fields = [
        {"name": "born", "from": "to_date(born, 'DD/MM/YYYY')", "type": "Date"},
        {"name": "member", "from": "member = 'yes'", "type": "Boolean"},
    ]

    async def script(root: Any) -> None:
        relation = await root.fetchval("select relation from agreement.product where name = 'people'")
        served = f'select subject, born::text, member from product."{relation}" order by born'
        assert [tuple(r) for r in await root.fetch(served)] == [(subject("10000"), "1990-01-31", True)]
        held = "select field, reason, origin from staging.quarantine where product like 'p-people%' order by origin"
        assert [tuple(r) for r in await root.fetch(held)] == [
            ("born", "MappingFailed", "1.csv, line 3"),
            ("spec.source.csv", "Unreadable", "1.csv, line 4"),
            ("spec.source.csv", "Unreadable", "1.csv, line 5"),
            ("member", "Unreadable", "2.csv, line 2"),
        ]
        first = await root.fetchval("select loaded_at from agreement.product where name = 'people'")
        await root.execute(f"update product.\"{relation}\" set born = '1900-01-01'")
        await until_none(root, "select count(*) from agreement.product where name = 'people' and loaded_at = $1", first)
        assert await root.fetchval(f'select born::text from product."{relation}"') == "1900-01-01", "unchanged files are not read again"
        fresh = place / "1.fresh"
        fresh.write_text("ref,born,member\n10000,31/01/1990,yes\n10001,28/02/1990,no\n", "utf-8")
        fresh.replace(place / "1.csv")
        (place / "2.csv").unlink()

        async def good() -> bool:
            return bool(await root.fetchval("select count(*) = 0 from staging.quarantine where product like 'p-people%'"))

        await until(good)
        assert [r[1] for r in await root.fetch(served)] == ["1990-01-31", "1990-02-28"]

    bench.run(plan({"people": product("people", *fields)}, {}), script)
