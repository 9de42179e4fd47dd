"""A server that stands where a source or the store should learns no password, whatever it asks for (attack a)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from commonweal_api.data_product import DataProductSpec, PostgresSource
from commonweal_api.store_access import password_of
from commonweal_runtime.data_api.connections import Address
from commonweal_runtime.exceptions import PasswordExposedError, SourceReadError
from commonweal_runtime.store import passwords
from commonweal_runtime.store.live import foreign
from commonweal_runtime.store.sources import Credentials, open_source
from commonweal_stacks.management.certificates import issue
from support.data_api import PASSWORD, USER, person_product, plan
from support.impostors import FakeMysql, FakePostgres, Impostor, ThievingMysql
from support.keeper import Bench
from support.live import live_product
from support.mariadb import MariaDb
from support.postgres import CERTIFICATE, HeritageServer

KEY = b"k" * 32
FORGED = issue(b"an impostor's key", "impostor", ["localhost"], year=datetime.now(UTC).year)
VERIFY = {"mode": "Verify"}
METHODS = {
    "clear": "the password in clear text",
    "md5": "the password under MD5",
    "nothing": "no proof of the password by SCRAM",
    "guess": "SCRAM with too few iterations",
}


def shown(server: Impostor, password: str = PASSWORD, user: str = USER) -> bool:
    """Tell whether what a server was sent holds the password, or what stands for it with MD5."""
    heard = bytes(server.heard)
    inner = hashlib.md5((password + user).encode()).hexdigest()
    return password.encode() in heard or hashlib.md5(inner.encode() + b"salt").hexdigest().encode() in heard


async def _look(spec: DataProductSpec, credentials: Credentials) -> None:
    async with open_source(spec, credentials) as source:
        await source.inspect()


def look(kind: str, port: int, authority: str = "", **more: Any) -> None:
    """Read a source of a kind on a port of this machine."""
    spec = person_product(HeritageServer.__new__(_At).at(port))
    where = {**spec["source"]["postgres"], "host": "localhost", **more}
    parsed = DataProductSpec.model_validate({**spec, "source": {kind: where}})
    asyncio.run(_look(parsed, Credentials(USER, PASSWORD, authority)))


class _At(HeritageServer):
    def at(self, port: int) -> HeritageServer:
        self.port = port
        return self


def refused(act: Callable[[], None]) -> tuple[str, str]:
    with pytest.raises(SourceReadError) as caught:
        act()
    return str(caught.value.reason), caught.value.detail


@pytest.mark.parametrize("certificate", [None, FORGED], ids=["plain", "tls"])
@pytest.mark.parametrize("method", METHODS)
def test_a_postgres_that_asks_for_more_than_scram_learns_nothing(method: str, certificate: Any) -> None:
    with FakePostgres(method, certificate) as server:
        reason, detail = refused(lambda: look("postgres", server.port))
        assert (reason, METHODS[method] in detail, shown(server)) == ("PasswordExposed", True, False)


def test_a_postgres_that_lies_about_knowing_the_password_is_sent_no_statement() -> None:
    with FakePostgres("lie") as server:
        assert refused(lambda: look("postgres", server.port))[0] == "SourceUnreachable"
        assert b"select" not in server.heard
        assert not shown(server)


@pytest.mark.parametrize("certificate", [None, FORGED], ids=["plain", "tls"])
def test_a_store_that_is_none_is_not_even_told_which_login_asks(certificate: Any) -> None:
    login = "cw_agreement_1"
    with FakePostgres("clear", certificate) as server, pytest.raises(OSError, match=r"rejected SSL upgrade|certificate verify failed"):
        asyncio.run(Address("localhost", server.port, KEY).open(login))
    assert not shown(server, password_of(KEY, login), login)
    assert login.encode() not in server.heard


@pytest.mark.parametrize("method", METHODS)
def test_any_connection_of_ours_is_guarded_a_pools_too(method: str) -> None:
    async def ask(port: int) -> None:
        pool = passwords.pool(host="127.0.0.1", port=port, user=USER, password=PASSWORD, database="models", min_size=0, ssl=False)
        async with pool:
            await pool.fetchval("select 1")

    with FakePostgres(method) as server, pytest.raises(PasswordExposedError, match=METHODS[method]):
        asyncio.run(ask(server.port))
    assert not shown(server)


MYSQL = {
    "clear by greeting": ("mysql_clear_password", ""),
    "clear by switch": ("mysql_native_password", "mysql_clear_password"),
    "sha256 by greeting": ("sha256_password", ""),
    "sha256 by switch": ("mysql_native_password", "sha256_password"),
    "dialog": ("mysql_native_password", "dialog"),
    "full caching_sha2": ("caching_sha2_password", ""),
    "full caching_sha2 by switch": ("mysql_native_password", "caching_sha2_password"),
}


@pytest.mark.parametrize("certificate", [None, FORGED], ids=["plain", "tls"])
@pytest.mark.parametrize("case", MYSQL)
def test_a_mysql_that_asks_for_more_than_a_challenge_learns_nothing(case: str, certificate: Any) -> None:
    with FakeMysql(*MYSQL[case], certificate) as server:
        reason, _ = refused(lambda: look("mysql", server.port))
        assert (reason, shown(server)) == ("PasswordExposed", False)


def test_a_mysql_that_asks_for_a_file_of_ours_gets_none(tmp_path: Path) -> None:
    """The keeper has the department's keys as files, and whoever drafts a product names the server that it talks to."""
    (tmp_path / "database").write_text("the key of everything")
    with ThievingMysql(tmp_path / "database") as server:
        with pytest.raises((SourceReadError, RuntimeError)):
            look("mysql", server.port)
        assert b"set session" in server.heard
        assert b"the key of everything" not in server.heard


def test_a_certificate_is_checked_where_the_product_says_so(heritage: HeritageServer, mariadb: MariaDb) -> None:
    look("postgres", heritage.port, CERTIFICATE.authority, tls=VERIFY)
    with FakePostgres("clear", FORGED) as server:
        assert refused(lambda: look("postgres", server.port, CERTIFICATE.authority, tls=VERIFY))[0] == "SourceUnproven"
        assert refused(lambda: look("postgres", server.port, tls=VERIFY))[0] == "SourceUnproven"
        assert not shown(server)
    with FakePostgres("clear") as server:
        reason, detail = refused(lambda: look("postgres", server.port, CERTIFICATE.authority, tls=VERIFY))
        assert (reason, "offers no TLS" in detail, shown(server)) == ("SourceUnproven", True, False)
    assert refused(lambda: look("postgres", heritage.port, "no certificate", tls=VERIFY))[0] == "SourceUnproven"
    with FakeMysql("mysql_clear_password", "", FORGED) as server:
        assert refused(lambda: look("mysql", server.port, CERTIFICATE.authority, tls=VERIFY))[0] == "SourceUnproven"
        assert not shown(server)
    assert refused(lambda: look("mysql", mariadb.port, CERTIFICATE.authority, tls=VERIFY))[0] == "SourceUnproven"  # it offers none


def test_a_source_that_proved_itself_may_ask_as_it_likes() -> None:
    mine = issue(b"a source's key", "source", ["localhost"], year=datetime.now(UTC).year)
    with FakePostgres("clear", mine) as server:
        refused(lambda: look("postgres", server.port, mine.authority, tls=VERIFY))  # it hangs up; it had the password by then
        assert shown(server)


@pytest.mark.parametrize("tls", [None, VERIFY], ids=["offered", "verify"])
def test_the_stores_own_connection_of_a_live_product_shows_nothing_either(bench: Bench, tls: Any) -> None:
    """PostgreSQL's client is asked as a product would have it, at a server that was put in the source's place."""
    # With Verify the authority is a public one, and the impostor has no certificate of those.
    where = live_product(bench.heritage)["source"]["postgres"] | ({"tls": tls} if tls else {})

    async def go() -> list[str]:
        root = await bench.store.superuser("postgres")  # a database that no keeper prepares
        said = []
        try:
            await root.execute("create extension if not exists postgres_fdw")
            for certificate in (None, FORGED):
                with FakePostgres("clear", certificate) as server:
                    source = PostgresSource.model_validate({**where, "host": "localhost", "port": server.port})
                    options = ", ".join(f"{k} '{v}'" for k, v in foreign.server_options(source).items())
                    await root.execute(f"create server impostor foreign data wrapper postgres_fdw options ({options})")
                    await root.execute(f"create user mapping for postgres server impostor options (user '{USER}', password '{PASSWORD}')")
                    await root.execute("create foreign table impostor_t (a text) server impostor")
                    with pytest.raises(asyncpg.PostgresError) as caught:
                        await root.fetch("select * from impostor_t")
                    said.append(str(caught.value))
                    await root.execute("drop server impostor cascade")
                    assert not shown(server)
        finally:
            await root.close()
        return said

    plain, forged = asyncio.run(go())
    assert "server does not support SSL" in plain
    assert ("certificate verify failed" if tls else "channel binding required") in forged


def test_a_live_product_is_read_from_a_source_that_has_a_certificate(bench: Bench) -> None:
    """PostgreSQL's client finds the authority that the login's Secret names, and takes no other."""
    file = bench.exchange.directory / "secrets" / "heritage" / "ca.crt"
    for name, authority, reason in (("own", CERTIFICATE.authority, "Serving"), ("other", FORGED.authority, "SourceUnproven")):
        file.write_text(authority)
        spec = live_product(bench.heritage)
        spec["source"]["postgres"] |= {"host": "localhost", "tls": VERIFY}

        async def told(_: Any, product: str = name, wanted: str = reason) -> str:
            return await bench.exchange.until(product, wanted)

        bench.run(plan({name: spec}, {}), told, settle=False)
    file.unlink()
