"""The way to the store: over TLS or not at all, with a certificate that only a holder of the department's key can make (attacks a and h)."""

from __future__ import annotations

import asyncio
import gc
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from commonweal_api.store_access import password_of, store_authority
from commonweal_runtime.data_api.connections import Address
from commonweal_runtime.keeper import store_tls
from commonweal_runtime.store import passwords
from commonweal_runtime.store.certificate import LIFETIME, issue, trust
from commonweal_runtime.store.postgres import PEM, PRESENTED
from support.data_api import DATABASE_KEY
from support.postgres import StoreServer
from support.waiting import EVERY

LOGIN = "person"


async def made(store: StoreServer) -> None:
    root = await store.superuser("department")
    await root.execute(f"create role {LOGIN} login password '{password_of(DATABASE_KEY, LOGIN)}'")
    await root.close()


@pytest.fixture(scope="module", autouse=True)
def role(store: StoreServer) -> None:
    asyncio.run(made(store))


async def serial(store: StoreServer, key: bytes = DATABASE_KEY) -> int:
    """Connect as the data API does; return the number of the certificate that was presented."""
    connection = await Address("127.0.0.1", store.port, key).open(LOGIN)
    try:
        found = connection._transport.get_extra_info("ssl_object").getpeercert()
        return int(found["serialNumber"], 16)
    finally:
        connection.terminate()


def test_a_login_without_tls_is_no_login(store: StoreServer) -> None:
    async def plain() -> None:
        options = {"user": LOGIN, "password": password_of(DATABASE_KEY, LOGIN), "database": "department"}
        await passwords.connect(host="127.0.0.1", port=store.port, ssl=False, **options)

    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        asyncio.run(plain())
    assert asyncio.run(serial(store))


def test_a_store_of_another_key_or_name_or_time_is_not_spoken_to(store: StoreServer) -> None:
    now = datetime.now(UTC)
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(serial(store, b"another key of 32 bytes in length"[:32]))
    for wrong in (
        issue(DATABASE_KEY, "store.dept-other-platform.svc.cluster.local", now),
        issue(DATABASE_KEY, "127.0.0.1", now - LIFETIME - timedelta(hours=1)),
    ):
        asyncio.run(placed(store, wrong))
        with pytest.raises(ssl.SSLCertVerificationError):
            asyncio.run(serial(store))
    asyncio.run(placed(store, issue(DATABASE_KEY, "127.0.0.1", now)))
    assert asyncio.run(serial(store))


def test_a_login_that_is_refused_or_given_up_leaves_no_connection(store: StoreServer) -> None:
    """Whatever moment it comes to: over TLS the driver waits until the server says goodbye, and a loop may have ended by then."""
    trusted = trust(store_authority(DATABASE_KEY).certificate)

    async def refused() -> None:
        await passwords.connect(host="127.0.0.1", port=store.port, ssl=trusted, user=LOGIN, password="guessed", database="department")

    async def given_up(turns: int) -> None:
        opening = asyncio.create_task(Address("127.0.0.1", store.port, DATABASE_KEY).open(LOGIN))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        with suppress(asyncio.CancelledError):
            (await opening).terminate()

    for turns in range(60):
        with pytest.raises(asyncpg.InvalidPasswordError):
            asyncio.run(refused())
        asyncio.run(given_up(turns))
    gc.collect()  # what is still open says so when it goes


async def placed(store: StoreServer, certificate: store_tls.Certificate) -> None:
    root = await store.superuser("department")
    await store_tls.place(root, certificate)
    await root.close()
    # The postmaster reads the new one when the signal reaches it: what it presents says so.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    wanted = ssl.PEM_cert_to_DER_cert(certificate.certificate)
    async with asyncio.timeout(30):
        while True:
            options = {"user": LOGIN, "password": password_of(DATABASE_KEY, LOGIN), "database": "department"}
            try:
                connection = await passwords.connect(host="127.0.0.1", port=store.port, ssl=context, **options)
            except ConnectionError:  # it has none yet
                await asyncio.sleep(EVERY)
                continue
            shown = connection._transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
            connection.terminate()
            if shown == wanted:
                return


def test_a_certificate_is_renewed_while_it_is_asked_and_nobody_is_refused(store: StoreServer) -> None:
    async def go() -> tuple[int, int]:
        kept = await Address("127.0.0.1", store.port, DATABASE_KEY).open(LOGIN)
        seen, asked = {await serial(store)}, 0
        for _ in range(5):
            before = set(seen)
            await store.certify(datetime.now(UTC))
            async with asyncio.timeout(30):
                while seen == before:
                    seen.add(await serial(store))
                    assert await kept.fetchval("select 1") == 1
                    asked += 1
        kept.terminate()
        return len(seen), asked

    seen, asked = asyncio.run(go())
    assert seen == 6
    assert asked >= 5


def test_the_keeper_renews_after_two_thirds_and_tries_again_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, hours, placed = datetime(2026, 1, 1, tzinfo=UTC), [0], []

    class Store:
        def terminate(self) -> None:
            pass

    async def connect() -> Store:
        if hours[0] == 1:
            raise OSError
        return Store()

    async def place(_: object, certificate: store_tls.Certificate) -> None:
        placed.append((hours[0], certificate.renew_at - begun))

    async def pause(seconds: float) -> None:
        hours[0] += 1
        if hours[0] > 24 * 12:
            raise asyncio.CancelledError
        assert seconds in {store_tls.LONGEST_PAUSE, store_tls.RETRY_SECONDS}

    monkeypatch.setattr(store_tls, "place", place)
    monkeypatch.setattr(store_tls.asyncio, "sleep", pause)
    hours[0] = 1
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(store_tls.keep(connect, DATABASE_KEY, "store", lambda: begun + timedelta(hours=hours[0])))
    assert [at for at, _ in placed] == [2, 114, 226]


def test_a_store_whose_certificate_is_broken_starts_and_lets_nobody_in_until_the_keeper_made_another(store: StoreServer) -> None:
    store.stop()
    (store.data / PEM).write_text("half a certificate")
    assert (store.data / PRESENTED).exists()
    super(StoreServer, store).run()
    with pytest.raises(ConnectionError):
        asyncio.run(serial(store))
    asyncio.run(placed(store, issue(DATABASE_KEY, "127.0.0.1", datetime.now(UTC))))
    assert asyncio.run(serial(store))
    authority = store_authority(DATABASE_KEY).certificate
    assert trust(authority) is trust(authority)
