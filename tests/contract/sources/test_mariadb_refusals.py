"""What a MariaDB says no to is told with what can be done: never by the name of a class, nor by a number alone."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
from pymysql.constants import CR, ER

from commonweal_api.data_product import MysqlSource
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources import Credentials, mysql_wire
from commonweal_runtime.store.sources.mysql_refusals import broke_off, not_let_in
from support.data_api import PASSWORD, USER
from support.mariadb import MariaDb

SOURCE = MysqlSource.model_validate({"host": "db.example", "database": "registry", "table": "person", "credentials": {"name": "login"}})
NUMBERS = sorted(
    {n for module in (ER, CR) for n in vars(module).values() if isinstance(n, int)} | {0, 1690, 1927, 1698, 3118, 4151, 4031, 9999}
)


@pytest.mark.parametrize("told", [broke_off, lambda source, error: not_let_in(source, "reader", error)], ids=["reading", "connecting"])
def test_no_message_is_a_number_or_the_name_of_a_class(told: Callable[[MysqlSource, Exception], SourceReadError]) -> None:
    for number in NUMBERS:
        detail = told(SOURCE, pymysql.OperationalError(number, "what it says")).detail
        assert detail.startswith("db.example:3306 "), detail
        assert not re.search(r"Error|[0-9]{4}|\{", detail.removeprefix("db.example:3306 ")), detail
        assert told is not broke_off or "what it says" not in detail, "the words of an error can hold a value"
        assert detail.endswith(".")


@pytest.mark.parametrize(
    ("number", "reason", "words"),
    [
        (1040, "LoadFailed", "max_connections"),
        (1203, "LoadFailed", "max_user_connections"),
        (1129, "LoadFailed", "FLUSH HOSTS"),
        (1130, "CredentialsRefused", "from the store's address"),
        (1045, "CredentialsRefused", "refuses the user «reader»"),
        (1044, "CredentialsRefused", "into the database «registry»"),
        (1049, "DatabaseMissing", "«registry»"),
        (1862, "CredentialsRefused", "a new password"),
        (2003, "SourceUnreachable", "does not answer"),
        (2013, "SourceUnreachable", "does not answer"),
        (2027, "SourceUnreachable", "not as a MySQL"),
        (2059, "CredentialsRefused", "a way of logging in"),
        (1105, "LoadFailed", "«what it says»"),
    ],
)
def test_a_connection_that_does_not_come_about_says_why(number: int, reason: str, words: str) -> None:
    error = not_let_in(SOURCE, "reader", pymysql.OperationalError(number, "what it says"))
    assert (str(error.reason), words in error.detail) == (reason, True), error.detail


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1153, "max_allowed_packet"),
        (1317, "cancelled the read of «person»"),
        (1969, "max_statement_time"),
        (3024, "max_execution_time"),
        (1412, "altered «person»"),
        (1142, "Grant SELECT"),
        (2006, "it ended the connection"),
        (2013, "it ended the connection"),
        (0, "it ended the connection"),
        (1235, "not supported yet"),
    ],
)
def test_a_read_that_ends_too_soon_says_why(number: int, words: str) -> None:
    assert words in broke_off(SOURCE, pymysql.OperationalError(number, "what it says")).detail


LOGINS = {
    "limited": ("create or replace user limited@'127.0.0.1' identified by 'x' with max_queries_per_hour 1", "it has used up its limit"),
    "locked": ("create or replace user locked@'127.0.0.1' identified by 'x' account lock", "Unlock it"),
    "expired": ("create or replace user expired@'127.0.0.1' identified by 'x' password expire", "a new password of the user «expired»"),
    "outside": ("create or replace user outside@'10.0.0.1' identified by 'x'", "refuses the user «outside»"),
    "closed": ("create or replace user closed@'127.0.0.1' identified by 'x'", "into the database «heritage»"),
    "hurried": ("create or replace user hurried@'127.0.0.1' identified by 'x' with max_statement_time 0.000001", "max_statement_time"),
}


def refused(mariadb: MariaDb, table: str, **more: Any) -> SourceReadError:
    async def read() -> None:
        async with mariadb.reader(table, {"words": "String"}, **more) as reader:
            await reader.inspect()
            async for _ in reader.batches(None):
                pass

    with pytest.raises(SourceReadError) as caught:
        asyncio.run(read())
    return caught.value


@pytest.mark.parametrize("user", LOGINS)
def test_a_login_that_a_server_does_not_take_is_told_why(mariadb: MariaDb, user: str) -> None:
    made, words = LOGINS[user]
    mariadb.run("create or replace table told (ref int, words text)", made, database="heritage")
    if user != "closed":
        mariadb.run(f"grant select on heritage.* to {made.split()[4]}")
    try:
        detail = refused(mariadb, "told", login=(user, "x")).detail
        assert words in detail, detail
    finally:
        mariadb.run(f"drop user {made.split()[4]}")


def test_a_server_without_a_connection_left_says_so(mariadb: MariaDb) -> None:
    mariadb.run(
        "create or replace user one@'127.0.0.1' identified by 'x' with max_user_connections 1",
        "grant select on heritage.* to one@'127.0.0.1'",
    )
    held = pymysql.connect(host="127.0.0.1", port=mariadb.port, user="one", password="x")
    try:
        assert "used up its limit" in refused(mariadb, "told", login=("one", "x")).detail
    finally:
        held.close()
        mariadb.run("drop user one@'127.0.0.1'")


def test_a_view_that_cannot_be_read_says_so(mariadb: MariaDb) -> None:
    mariadb.run(
        "create or replace table told (ref int, words text)",
        "create or replace view seen as select * from told",
        "create or replace definer = nobody@localhost view orphaned as select * from told",
        "create or replace table gone (ref int, words text)",
        "create or replace view hollow as select * from gone",
        "drop table gone",
        database="heritage",
    )
    assert "its definer has to exist" in refused(mariadb, "orphaned").detail
    assert "Correct the view" in refused(mariadb, "hollow").detail


@pytest.mark.parametrize(("kill", "words"), [("kill query", "kills long statements"), ("kill connection", "ended the connection")])
def test_a_read_that_is_killed_says_so(mariadb: MariaDb, kill: str, words: str) -> None:
    mariadb.run(
        "create or replace table told (ref int, words longtext)",
        "insert into told select seq, repeat('x', 1000000) from seq_1_to_60",  # more than sockets hold
        database="heritage",
    )

    async def read() -> None:
        async with mariadb.reader("told", {"words": "String"}) as reader:
            await reader.inspect()
            async for _ in reader.batches(None):
                running = mariadb.run(f"select id from information_schema.processlist where user = '{USER}' and info like 'select%'")
                mariadb.run(*(f"{kill} {process}" for (process,) in running), "select 1")

    with pytest.raises(SourceReadError) as caught:
        asyncio.run(read())
    assert words in caught.value.detail, caught.value.detail


def test_a_row_that_does_not_fit_ends_its_own_load(mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(*_: object) -> None:
        raise MemoryError

    mariadb.run("create or replace table told (ref int, words text)", database="heritage")
    monkeypatch.setattr(mysql_wire.Wire, "take", take)
    assert "more memory than the store may take" in refused(mariadb, "told").detail


@contextmanager
def answering(what: bytes) -> Iterator[int]:
    """Stand for a server of another kind, which says one thing to each who connects; return its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(what)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    "what", [b"\x05\x00\x00\x00\x0a5.5", b"\x03\x00\x00\x00\x0a\x00\x00", b"\x01\x00\x00\x00\x0a", b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_a_server_of_another_kind_is_told_from_a_mariadb(mariadb: MariaDb, what: bytes) -> None:
    with answering(what) as port:
        source = SOURCE.model_copy(update={"host": "127.0.0.1", "port": port})
        with pytest.raises(SourceReadError) as caught:
            mysql_wire.Wire(source, Credentials(USER, PASSWORD)).connect()
    assert str(caught.value.reason) == "SourceUnreachable"
    assert f"127.0.0.1:{port}" in caught.value.detail


def test_a_read_is_bounded_by_the_server_s_life_not_by_a_time(mariadb: MariaDb) -> None:
    wire = mysql_wire.Wire(
        SOURCE.model_copy(update={"host": "127.0.0.1", "port": mariadb.port, "database": "heritage"}), Credentials(USER, PASSWORD)
    )
    wire.connect()
    try:
        assert wire.query("select 1") == [("1",)]
        used = wire._connection._sock
        assert used.gettimeout() is None
        assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert 0 < used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 60_000
    finally:
        wire.cut()
