"""`commonweal source inspect` on real databases and files: its draft is a product that loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from commonweal_api import DataProduct
from commonweal_cli.main import main
from commonweal_cli.source.command import PASSWORD as VARIABLE
from support.data_api import GRANTS, PASSWORD, USER, plan, subject
from support.keeper import Bench
from support.mariadb import MariaDb

CSV = "Person ref;Full name;Date of birth;amount;note\r\n" + "".join(
    f'{n:03};"Ö, {n}";{1 + n % 28}/01/19{50 + n % 40};{n},5;\r\n' for n in range(200)
)


def drafted(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, dict[str, Any]]:
    """Return the draft as text, and its spec."""
    assert main(["source", "inspect", *arguments]) == 0
    text = capsys.readouterr().out
    body = yaml.safe_load(text)
    DataProduct.model_validate(body)
    return text, body["spec"]


def shown(spec: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(f["name"], f.get("column") or f.get("from"), f["type"], f.get("required", False), f.get("semantic")) for f in spec["fields"]]


def test_a_table_of_postgresql(bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bench.change(
        "create table looked (card text primary key, surname text not null, dob date, tags text[], loans int); "
        "insert into looked select 'C' || n, 'Name ' || n, date '1960-01-01' + n, null, n % 5 from generate_series(1, 500) n; " + GRANTS
    )
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    where = f"postgres://{USER}@127.0.0.1:{bench.heritage.port}/heritage/public.looked"
    text, spec = drafted(capsys, where, "--password-file", str(secret), "--secret", "heritage", "--name", "looked")
    assert spec["subject"]["column"] == "card"
    assert shown(spec) == [
        ("surname", "surname", "String", True, "person:familyName"),
        ("dob", "dob", "Date", True, "person:birthDate"),
        ("loans", "loans", "Integer", True, None),
    ]
    assert "# left out: tags (text[]): no field can hold it" in text
    assert "500 distinct; from 1960-01-02 to 1961-05-15" in text
    assert PASSWORD not in text
    assert "Name 1" not in text

    async def script(root: Any) -> None:
        relation = await root.fetchval("select relation from agreement.product where name = 'looked'")
        assert await root.fetchval(f'select surname from product."{relation}" where subject = $1', subject("C7")) == "Name 7"

    bench.run(plan({"looked": spec}, {}), script)
    assert main(["source", "inspect", where.replace("looked", "nothing"), "--password-file", str(secret)]) == 1
    assert "There is no table «public.nothing» in «heritage»" in capsys.readouterr().err


def test_a_table_of_mariadb(mariadb: MariaDb, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    mariadb.run(
        "create table looked (id int primary key, email varchar(99), member tinyint(1), picture blob)",
        "insert into looked select seq, concat('p', seq, '@mail.example'), seq % 2, null from seq_1_to_300",
        database="heritage",
    )
    monkeypatch.setenv(VARIABLE, "made-up-for-tests")
    text, spec = drafted(capsys, f"mysql://reader@127.0.0.1:{mariadb.port}/heritage/looked", "--rows", "100")
    assert spec["subject"]["column"] == "id"
    assert shown(spec) == [("email", "email", "String", True, "person:email"), ("member", "member", "Boolean", True, None)]
    assert "from the first 100 rows" in text
    assert "left out: picture" in text
    assert "@mail" not in text
    assert "made-up-for-tests" not in text


def test_a_csv_file_whose_draft_loads_as_it_is(bench: Bench, volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (volumes / "files" / "people.csv").write_bytes(CSV.encode("cp1252"))
    _, spec = drafted(capsys, str(volumes / "files" / "people.csv"), "--location", "volume://files/people.csv")
    assert spec["subject"]["column"] == "person_ref"
    assert spec["source"]["csv"]["encoding"] == "windows-1252"
    assert drafted(capsys, "volume://files/people.csv", "--volumes", str(volumes))[1] == spec

    async def script(root: Any) -> None:
        relation = await root.fetchval("select relation from agreement.product where name = 'guessed'")
        found = await root.fetchrow(
            f'select "fullName", "dateOfBirth"::text, amount::text from product."{relation}" where subject = $1', subject("007")
        )
        assert tuple(found) == ("Ö, 7", "1957-01-08", "7.5")

    bench.run(plan({"guessed": spec}, {}), script)


def test_parquet_and_what_is_not_there(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"ref": [1, 2], "seen": pa.array(["a", None]), "many": [[1], [2]]}), volumes / "files" / "a.parquet")
    text, spec = drafted(capsys, str(volumes / "files"), "--examples")
    assert (spec["subject"]["column"], shown(spec)) == ("ref", [("seen", "seen", "String", False, None)])
    assert 'such as "a"' in text
    assert main(["source", "inspect", str(volumes / "nowhere")]) == 1
    assert "there is no such file or folder" in capsys.readouterr().err
