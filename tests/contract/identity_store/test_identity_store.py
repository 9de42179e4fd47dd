"""The issuer's PostgreSQL as its pod runs it: who comes in, as what, and what outlives a start."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from commonweal_runtime.certificates import client_context
from support import room
from support.certificates import OTHER_SITE, SITE
from support.issuers_postgres import IdentityStore
from support.postgres import NOBODY
from support.waiting import wait_for

NOW = datetime.now(UTC)


def certify(folder: Path, hours: int, *hosts: str) -> None:
    """Put a certificate there as the kubelet would."""
    issued = SITE.issue(hosts or ["127.0.0.1"], NOW - timedelta(hours=1), NOW + timedelta(hours=hours))
    for name, text in (("tls.crt", issued.certificate), ("tls.key", issued.key)):
        (folder / f"{name}.new").write_text(text)
        shutil.chown(folder / f"{name}.new", NOBODY.pw_uid, NOBODY.pw_gid) if os.geteuid() == 0 else None
        (folder / f"{name}.new").rename(folder / name)


def trust(text: str) -> ssl.SSLContext:
    context = client_context(system=False)
    context.load_verify_locations(cadata=text)
    return context


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = room.directory("tls")
    made.chmod(0o755)
    certify(made, 2)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[IdentityStore]:
    with IdentityStore(certificates=folder) as made:
        yield made


async def entered(store: IdentityStore, **given: Any) -> Any:
    wanted = {"user": "identity", "password": store.password, "database": "identity", "ssl": trust(SITE.certificate)}
    return await asyncpg.connect(host="127.0.0.1", port=store.port, **(wanted | given))


def asked(store: IdentityStore, query: str, **given: Any) -> Any:
    async def go() -> Any:
        connection = await entered(store, **given)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(go())


def test_the_one_role_comes_in_and_makes_its_tables(store: IdentityStore) -> None:
    assert asked(store, "select current_user || '@' || current_database()") == "identity@identity"
    assert asked(store, "create schema links") is None
    assert asked(store, "drop schema links") is None
    assert asked(store, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")


@pytest.mark.parametrize(
    "given",
    [{"password": "0" * 64}, {"ssl": False}, {"user": "postgres"}, {"database": "postgres"}, {"user": "postgres", "ssl": False}],
    ids=["another password", "in the clear", "the superuser", "another database", "the superuser in the clear"],
)
def test_nobody_else_comes_in_over_the_network(store: IdentityStore, given: dict[str, Any]) -> None:
    with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
        asked(store, "select 1", **given)


def test_whoever_believes_another_authority_does_not_speak_with_it(store: IdentityStore) -> None:
    with pytest.raises(ssl.SSLError):
        asked(store, "select 1", ssl=trust(OTHER_SITE.certificate))


@pytest.mark.parametrize(
    "statement", ["create role more", "create database more", "copy (select 1) to program 'true'", "set role postgres"]
)
def test_the_role_can_do_nothing_beyond_its_own_database(store: IdentityStore, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asked(store, statement)


def test_another_certificate_is_presented_and_no_connection_ends(store: IdentityStore, folder: Path) -> None:
    async def go() -> None:
        before = await entered(store)
        certify(folder, 3, "127.0.0.1", "renewed.example")
        await asyncio.to_thread(wait_for, "the renewed certificate", lambda: "renewed.example" in _names(store) or None)
        assert await before.fetchval("select 1") == 1
        await before.close()

    asyncio.run(go())


def _names(store: IdentityStore) -> list[str]:
    async def go() -> list[str]:
        connection = await entered(store)
        try:
            shown = connection._transport.get_extra_info("ssl_object").getpeercert()
            return [name for _, name in shown["subjectAltName"]]
        finally:
            await connection.close()

    return asyncio.run(go())


def test_what_is_in_it_outlives_a_start_and_what_was_changed_of_the_role_does_not(store: IdentityStore) -> None:
    asked(store, "create table kept as select 7 as number")

    async def opened() -> None:
        root = await store.superuser()
        await root.execute("alter role identity superuser; alter role identity password 'guessed'")
        await root.close()

    asyncio.run(opened())
    store.stop()
    store.start()
    assert asked(store, "select number from kept") == 7
    assert asked(store, "select rolsuper from pg_roles where rolname = 'identity'") is False


def test_without_a_certificate_it_is_there_for_this_machine_alone() -> None:
    with IdentityStore() as made:
        assert asked(made, "select current_setting('listen_addresses')", ssl=False) == "127.0.0.1"
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            asked(made, "select 1", ssl=False, user="postgres", password=None)
