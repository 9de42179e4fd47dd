"""Products of Parquet files on object storage: read over TLS with signed requests; what is wrong is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.data_api import plan, subject
from support.keeper import Bench
from support.objects import ACCESS_KEY, SECRET_KEY, ObjectStorage
from support.waiting import until

Spec = dict[str, Any]
NAME = {"name": "fullName", "column": "full_name", "type": "String"}


@pytest.fixture(scope="module")
def storage() -> Iterator[ObjectStorage]:
    with ObjectStorage() as running:
        yield running


@pytest.fixture(autouse=True)
def trust(storage: ObjectStorage, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the storage's certificate as a system would whose certificates hold it, and give its keys to the exchange."""
    monkeypatch.setenv("SSL_CERT_FILE", str(storage.authority))
    bench.exchange.login("storage", ACCESS_KEY, SECRET_KEY)


def write(storage: ObjectStorage, name: str, people: range) -> None:
    path = storage.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"ref": [f"P{n}" for n in people], "full_name": [f"Person {n}" for n in people]}
    fresh = Path(f"{path}.fresh")
    pq.write_table(pa.table(data), fresh, row_group_size=100)
    fresh.replace(path)


def product(storage: ObjectStorage, location: str, **over: Any) -> Spec:
    source = {"location": location, "endpoint": storage.endpoint, "region": "eu-west-2", "credentials": {"name": "storage"}, **over}
    return {
        "title": "People",
        "version": "1.0.0",
        "class": "Person",
        "source": {"parquet": source},
        "subject": {"column": "ref"},
        "serve": {"refreshSeconds": 5},
        "fields": [NAME],
    }


def csv_of(storage: ObjectStorage, location: str) -> Spec:
    """Return a product of the CSV files there."""
    spec = product(storage, location)
    return {**spec, "source": {"csv": spec["source"]["parquet"]}}


async def people(root: Any, name: str) -> set[Any]:
    relation = await root.fetchval("select relation from agreement.product where name = $1", name)
    return {r["subject"] for r in await root.fetch(f'select subject from product."{relation}"')}


def test_a_prefix_is_one_table_an_object_is_one_too_and_a_new_object_is_seen(bench: Bench, storage: ObjectStorage) -> None:
    write(storage, "bucket/people/1.parquet", range(250))
    write(storage, "bucket/people/more/2.parquet", range(250, 500))
    write(storage, "bucket/peoples/3.parquet", range(900, 910))
    products = {
        "prefix": product(storage, "s3://bucket/people"),
        "one": product(storage, "s3://bucket/people/1.parquet"),
        "whole": product(storage, "s3://bucket"),
        "csv": csv_of(storage, "s3://bucket/people"),
        "csv-one": csv_of(storage, "s3://bucket/people/4.csv"),
    }
    (storage.directory / "bucket/people/4.csv").write_text("ref,full_name\n" + "".join(f'P{n},"Person, {n}"\n' for n in range(1000)))

    async def script(root: Any) -> None:
        assert await people(root, "prefix") == {subject(f"P{n}") for n in range(500)}
        assert len(await people(root, "one")) == 250
        assert len(await people(root, "whole")) == 510
        assert await people(root, "csv") == await people(root, "csv-one") == {subject(f"P{n}") for n in range(1000)}
        write(storage, "bucket/people/3.parquet", range(500, 510))

        async def seen() -> bool:
            return await people(root, "prefix") == {subject(f"P{n}") for n in range(510)}

        await until(seen)

    bench.run(plan(products, {}), script)


def test_each_way_object_storage_can_be_wrong_has_its_reason(bench: Bench, storage: ObjectStorage) -> None:
    write(storage, "bucket/fine.parquet", range(5))
    (storage.directory / "bucket" / "broken.parquet").write_bytes(b"PAR1 no more")
    bench.exchange.login("other", ACCESS_KEY, "not the secret")
    bench.exchange.login("stranger", "nobody", "nothing")
    fine = "s3://bucket/fine.parquet"
    cases = {
        "down": (product(storage, fine, endpoint="https://127.0.0.1:1"), "SourceUnreachable", "127.0.0.1:1"),
        "secret": (product(storage, fine, credentials={"name": "other"}), "CredentialsRefused", ACCESS_KEY),
        "stranger": (product(storage, fine, credentials={"name": "stranger"}), "CredentialsRefused", "«nobody»"),
        "missing": (product(storage, fine, credentials={"name": "none"}), "CredentialsMissing", "none"),
        "object": (product(storage, "s3://bucket/none.parquet"), "FileMissing", "none.parquet"),
        "bucket": (product(storage, "s3://nothing/x"), "BucketMissing", "nothing"),
        "broken": (product(storage, "s3://bucket/broken.parquet"), "FileUnreadable", "broken"),
    }

    async def script(root: Any) -> None:
        for name, (_, reason, named) in cases.items():
            message = await bench.exchange.until(name, reason)
            assert named in message, (name, message)
            assert SECRET_KEY not in message

    bench.run(plan({name: spec for name, (spec, _, _) in cases.items()}, {}), script, settle=False)


def test_a_certificate_that_nobody_here_trusts_is_not_read_from(
    bench: Bench, storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    write(storage, "bucket/fine.parquet", range(5))

    async def script(root: Any) -> None:
        await bench.exchange.until("untrusted", "SourceUnreachable")
        assert await people(root, "untrusted") == set()

    bench.run(plan({"untrusted": product(storage, "s3://bucket/fine.parquet")}, {}), script, settle=False)
