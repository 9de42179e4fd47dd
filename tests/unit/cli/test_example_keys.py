"""The example's three sources know the same people by three unlike keys, and the accounts of the demonstration are linked by them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from commonweal_cli.demo.person import PEOPLE, UNLINKED, accounts, keys, made_up_accounts
from support.postgres import HeritageServer

EXAMPLE = Path(__file__).parents[3] / "examples" / "start-a-business"
SOURCES = {
    "companies-registry": ("registry", "select director_ref as key, family_name, born_on, personal_code as number from company"),
    "tax-authority": ("tax", "select utr as key, family_name, born_on, utr as number from registration"),
    "benefits-department": ("benefits", "select distinct nino as key, family_name, born_on, nino as number from claim"),
}
Rows = dict[str, list[Any]]


@pytest.fixture(scope="module")
def rows() -> Iterator[Rows]:
    """The people of each source, as its own SQL makes them."""

    async def read(server: HeritageServer) -> Rows:
        found = {}
        for department, (name, statement) in SOURCES.items():
            await server.make(name, (EXAMPLE / "heritage" / f"{name}.sql").read_text())
            connection = await server.superuser(name)
            found[department] = await connection.fetch(statement)
            await connection.close()
        return found

    with HeritageServer() as server:
        yield asyncio.run(read(server))


def test_no_two_sources_have_a_key_in_common(rows: Rows) -> None:
    found = [{row["key"] for row in people} for people in rows.values()]
    assert all(found)
    assert not found[0] & found[1] | found[1] & found[2] | found[0] & found[2]


def test_the_people_of_the_demonstration_have_a_record_at_each(rows: Rows) -> None:
    for number, username in enumerate(PEOPLE, 1):
        for department, key in keys(number).items():
            (record,) = [row for row in rows[department] if row["key"] == key]
            assert record["family_name"].lower() == username.partition(".")[2]
    assert len({str(row["born_on"]) for row in rows["tax-authority"] if row["family_name"] == "Okri"}) > 1


def test_some_have_no_record_some_share_a_number_and_one_has_two(rows: Rows) -> None:
    everywhere = [len(people) for people in rows.values()]
    assert len(set(everywhere)) == 3, "some people are at one body only"
    by_number: dict[str, list[Any]] = {}
    for row in rows["companies-registry"]:
        by_number.setdefault(row["number"], []).append(row)
    doubles = [found for found in by_number.values() if len(found) > 1]
    people = sorted(len({(row["family_name"], row["born_on"]) for row in found}) for found in doubles)
    assert people == [1, 2], "one person with two records; two people with one number"


def test_accounts_are_linked_where_the_platform_vouches() -> None:
    linked = {account["username"]: account["links"] for account in accounts("made up")}
    assert linked["ada.lovelace"] == keys(1)
    assert set(keys(6)) - set(linked["fay.weldon"]) == {UNLINKED["fay.weldon"]}
    assert [a["root"] for a in made_up_accounts("made up")][:2] == ["P000001", "P000002"]


def test_each_department_asks_what_its_product_has() -> None:
    departments = [d for d in yaml.safe_load_all((EXAMPLE / "10-departments.yaml").read_text()) if d]
    products = {p["metadata"]["name"]: p["spec"] for p in yaml.safe_load_all((EXAMPLE / "30-products.yaml").read_text()) if p}
    for department in departments:
        matching = department["spec"]["matching"]
        fields = {field["name"] for field in products[matching["product"]]["fields"]}
        assert {a["field"] for a in (*matching["attributes"], *matching["preview"])} <= fields
        assert all({"en", "cy"} == set(a["label"]) for a in (*matching["attributes"], *matching["preview"]))
