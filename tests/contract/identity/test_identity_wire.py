"""The issuer and its store as sites run both: over TLS that is checked, and through the store's end and return."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal_runtime import certificates
from commonweal_runtime.exceptions import IdentityStoreError
from commonweal_runtime.identity.postgres import Address, PostgresStore
from commonweal_runtime.identity.stored import Once
from support import room
from support.certificates import OTHER_SITE, SITE, in_place
from support.issuers_postgres import IdentityStore
from support.postgres import NOBODY
from support.waiting import until

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def presented() -> Iterator[Path]:
    folder = room.directory("tls")
    folder.chmod(0o755)
    in_place(folder, "127.0.0.1")
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(presented: Path) -> Iterator[IdentityStore]:
    with IdentityStore(certificates=presented) as made:
        yield made


@pytest.fixture
def believing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have this process speak with the store as if it were on another machine, and believe what lies in the folder."""
    monkeypatch.setattr(Address, "is_near", property(lambda _: False))
    monkeypatch.setenv("COMMONWEAL_TLS_DIR", str(tmp_path))
    certificates.outside.cache_clear()
    yield tmp_path
    certificates.outside.cache_clear()


def store_at(server: IdentityStore) -> PostgresStore:
    return PostgresStore(Address("127.0.0.1", server.port), server.password)


async def _answers(store: PostgresStore) -> bool:
    try:
        await store.answers()
    except IdentityStoreError:
        return False
    return True


def test_the_store_is_believed_by_the_sites_authority(server: IdentityStore, believing: Path) -> None:
    (believing / "ca.crt").write_text(SITE.certificate)

    async def script() -> bool:
        store = store_at(server)
        async with store.running():
            assert await store.spend(Once(b"over TLS", NOW + 1), NOW)
            async with store._asking() as connection:
                return bool(await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()"))

    assert asyncio.run(script())


def test_whoever_stands_in_its_place_is_told_nothing(server: IdentityStore, believing: Path) -> None:
    (believing / "ca.crt").write_text(OTHER_SITE.certificate)

    async def script() -> None:
        store = store_at(server)
        async with store.running():
            with pytest.raises(IdentityStoreError):
                await store.answers()

    asyncio.run(script())


def test_a_store_that_ends_and_comes_back_is_used_again_with_all_that_was_in_it(server: IdentityStore, believing: Path) -> None:
    (believing / "ca.crt").write_text(SITE.certificate)

    async def script() -> None:
        store = store_at(server)
        async with store.running():
            assert await store.spend(Once(b"before", NOW + 1), NOW)
            await asyncio.to_thread(server.stop)
            with pytest.raises(IdentityStoreError):
                await store.spend(Once(b"meanwhile", NOW + 1), NOW)
            server._process = None
            await asyncio.to_thread(server.start)
            await until(lambda: _answers(store))
            assert not await store.spend(Once(b"before", NOW + 1), NOW)
            assert await store.spend(Once(b"meanwhile", NOW + 1), NOW)

    asyncio.run(script())
