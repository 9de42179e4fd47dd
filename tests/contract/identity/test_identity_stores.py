"""What keeps the issuer's sessions and links: PostgreSQL, and what stands in for it in unit tests, which must not differ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID, uuid4

import pytest

from commonweal_runtime.exceptions import IdentityStoreError
from commonweal_runtime.identity.postgres import Address, PostgresStore
from commonweal_runtime.identity.stored import (
    IDLE_SECONDS,
    MOST_SESSIONS,
    Family,
    Member,
    Once,
    Rotated,
    Store,
    StoredLink,
    StoredSession,
)
from support.identity_memory import MemoryStore
from support.identity_store import PASSWORD, IdentityServer
from support.postgres import free_port

NOW = 1_800_000_000.0
AMINA, BRAM = UUID(int=1), UUID(int=2)
Script = Callable[[Store, Store], Awaitable[None]]


def session(account: UUID = AMINA, seen: float = NOW, ends: float = NOW + 28_800) -> StoredSession:
    id_ = uuid4()
    return StoredSession(id_, id_.bytes, account, b"sealed", seen, seen, ends)


@asynccontextmanager
async def opened(server: IdentityServer) -> AsyncIterator[PostgresStore]:
    store = server.store()
    async with store.running():
        await store.set_up()
        yield store


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest) -> Callable[[Script], None]:
    """Run a script against two replicas over one store."""

    async def in_memory(script: Script) -> None:
        store = MemoryStore()
        await script(store, store)

    async def in_postgres(script: Script) -> None:
        server: IdentityServer = request.getfixturevalue("empty")
        async with AsyncExitStack() as stack:
            one, other = [await stack.enter_async_context(opened(server)) for _ in range(2)]
            await script(one, other)

    chosen = in_memory if request.param == "memory" else in_postgres
    if request.param == "postgres":
        request.getfixturevalue("empty")
    return lambda script: asyncio.run(chosen(script))


def test_a_session_of_one_replica_is_known_by_the_other(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        made = session()
        await one.begin(made, NOW)
        assert await other.session(made.id, NOW + 5) == made._replace(seen=NOW + 5)
        assert await other.session_of(made.secret, NOW + 3) == made._replace(seen=NOW + 5), "seen never goes back"
        assert await one.session(uuid4(), NOW) is None
        assert await one.session_of(b"other", NOW) is None
        again = made._replace(secret=b"new", sealed=b"again", seen=NOW + 9, ends=made.ends + 9)
        await other.renew(again)
        await other.renew(again._replace(id=uuid4()))
        assert await one.session_of(made.secret, NOW + 9) is None
        assert await one.session_of(b"new", NOW + 9) == again

    run(script)


def test_a_session_is_over_by_idling_and_after_its_time(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        idle, short = session(), session(ends=NOW + 100)
        for made in (idle, short):
            await one.begin(made, NOW)
        assert await other.session(short.id, NOW + 99.9) is not None
        assert await other.session(short.id, NOW + 100) is None
        assert await other.session(idle.id, NOW + IDLE_SECONDS) is None
        assert [s.id for s, _ in await one.sessions(AMINA, NOW)] == [short.id, idle.id]
        assert await one.sessions(AMINA, NOW + IDLE_SECONDS) == []

    run(script)


def test_of_too_many_sessions_those_unused_for_longest_end(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        made = [session(seen=NOW + n / 1000) for n in range(MOST_SESSIONS + 2)]
        elsewhere = session(BRAM, seen=NOW - 1)
        for one_session in (elsewhere, *made):
            await one.begin(one_session, NOW)
        kept = [s.id for s, _ in await other.sessions(AMINA, NOW)]
        assert kept == [s.id for s in reversed(made[2:])]
        assert await one.session(elsewhere.id, NOW) is not None

    run(script)


def test_a_session_ends_with_its_applications_told(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        made = session()
        await one.begin(made, NOW)
        for member in (Member("b", "s2"), Member("a", "s1"), Member("a", "s1")):
            await other.join(made.id, member)
        await one.join(uuid4(), Member("a", "elsewhere"))
        assert [clients for _, clients in await one.sessions(AMINA, NOW)] == [["a", "b"]]
        assert await one.named(Member("a", "s1")) == made.id
        assert await one.named(Member("b", "s1")) is None
        assert await one.end(made.id, BRAM) is None, "of another account"
        assert await one.end(made.id, AMINA) == [Member("a", "s1"), Member("b", "s2")]
        assert await other.end(made.id) is None
        assert await other.session(made.id, NOW) is None
        assert await other.named(Member("a", "s1")) is None

    run(script)


def test_what_is_spent_at_one_replica_is_spent_at_the_other(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        once = Once(b"code", NOW + 10)
        first = await asyncio.gather(*(store.spend(once, NOW) for store in (one, other) * 4))
        assert sorted(first) == [False] * 7 + [True]
        assert not await other.spend(once, NOW + 9.9)
        assert await other.spend(Once(b"other", NOW + 10), NOW)
        assert await one.spend(Once(b"code", NOW + 20), NOW + 10), "forgotten when it would not be taken any more"

    run(script)


async def holder(store: Store, record: bytes) -> UUID | None:
    """Return whom of the two a record is linked to."""
    kept = [link for account in (AMINA, BRAM) for link in await store.links(account)]
    return next((link.account for link in kept if link.record == record), None)


def test_a_link_is_one_for_each_account_and_department_and_a_record_belongs_to_who_was_linked_last(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        first = StoredLink(AMINA, "tax", b"sealed", b"record", NOW)
        assert await one.put_link(first, Once(b"1", NOW + 9), NOW) == "Linked"
        assert await other.put_link(first, Once(b"1", NOW + 9), NOW) == "Spent"
        assert await other.put_link(first._replace(account=BRAM), Once(b"2", NOW + 9), NOW) == "Linked"
        assert await one.links(AMINA) == [StoredLink(AMINA, "tax", None, None, NOW)], "the department said last that the record is Bram's"
        assert await one.put_link(first, Once(b"5", NOW + 9), NOW) == "Linked"
        assert (await other.links(AMINA), await holder(one, b"record")) == ([first], AMINA)
        moved = first._replace(sealed=b"again", record=b"another", since=NOW + 1)
        assert await other.put_link(moved, Once(b"3", NOW + 9), NOW) == "Linked"
        assert await one.links(AMINA) == [moved]
        await one.end_link(AMINA, "tax", NOW + 2)
        await one.end_link(BRAM, "benefits", NOW + 2)
        assert await other.links(AMINA) == [StoredLink(AMINA, "tax", None, None, NOW + 2)]
        assert await holder(other, b"another") is None
        assert await other.put_link(moved._replace(account=BRAM), Once(b"4", NOW + 9), NOW) == "Linked"

    run(script)


def test_two_accounts_that_ask_at_once_for_one_record_do_not_both_get_it(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        wanted = [StoredLink(UUID(int=n), "tax", b"sealed", b"record", NOW) for n in range(8)]
        told = await asyncio.gather(*((one, other)[n % 2].put_link(link, Once(bytes([n]), NOW + 9), NOW) for n, link in enumerate(wanted)))
        assert told == ["Linked"] * 8
        kept = [link for n in range(8) for link in await one.links(UUID(int=n))]
        assert [link.record for link in kept if link.record is not None] == [b"record"]

    run(script)


def test_a_refresh_token_works_once_over_both_replicas_and_reuse_ends_the_session(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        made = session()
        await one.begin(made, NOW)
        await one.join(made.id, Member("a", "sid"))
        family = Family(uuid4(), made.id, "a", b"request", b"first")
        assert not await one.begin_family(family._replace(session=uuid4()))
        assert await one.begin_family(family)
        assert await other.family(family.id) == family
        assert await other.rotate(family.id, b"first", b"second", NOW + 60) == Rotated(family)
        kept = await one.session(made.id, NOW)
        assert kept is not None
        assert kept.seen == NOW + 60, "using it is using the session"
        assert await one.rotate(uuid4(), b"first", b"x", NOW) == Rotated(None)
        assert await one.rotate(family.id, b"second", b"third", NOW + 60 + IDLE_SECONDS) == Rotated(None), "its session is over"
        reused = await one.rotate(family.id, b"first", b"x", NOW + 61)
        assert (reused.reused, reused.told) == (True, (Member("a", "sid"),))
        assert await other.session(made.id, NOW) is None
        assert await other.family(family.id) is None
        assert await other.rotate(family.id, b"second", b"x", NOW + 61) == Rotated(None)

    run(script)


def test_of_two_who_refresh_at_once_one_is_told_of_reuse(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        made = session()
        await one.begin(made, NOW)
        family = Family(uuid4(), made.id, "a", b"request", b"first")
        await one.begin_family(family)
        told = await asyncio.gather(*(store.rotate(family.id, b"first", bytes([n]), NOW) for n, store in enumerate((one, other))))
        assert sorted(t.reused for t in told) == [False, True]
        assert await one.session(made.id, NOW) is None

    run(script)


def test_a_family_can_be_ended_alone(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        made = session()
        await one.begin(made, NOW)
        family = Family(uuid4(), made.id, "a", b"request", b"first")
        await one.begin_family(family)
        await other.end_family(family.id)
        await other.end_family(family.id)
        assert await one.rotate(family.id, b"first", b"x", NOW) == Rotated(None)
        assert await one.session(made.id, NOW) is not None

    run(script)


def test_preferences_have_versions(run: Callable[[Script], None]) -> None:
    async def script(one: Store, other: Store) -> None:
        assert await one.put_preferences(AMINA, b"x", 1) is None
        assert await one.preferences(AMINA) is None
        assert await one.put_preferences(AMINA, b"first", 0) == 1
        assert await other.put_preferences(AMINA, b"second", 0) is None
        assert await other.preferences(AMINA) == (1, b"first")
        assert await other.put_preferences(AMINA, b"third", None) == 2
        assert await one.preferences(AMINA) == (2, b"third")
        assert await one.preferences(BRAM) is None

    run(script)


def test_replicas_that_start_at_once_bring_one_schema_about(empty: IdentityServer) -> None:
    async def script() -> None:
        stores = [empty.store() for _ in range(6)]
        async with AsyncExitStack() as stack:
            for store in stores:
                await stack.enter_async_context(store.running())
            await asyncio.gather(*(store.set_up() for store in stores))
            await asyncio.gather(*(store.answers() for store in stores))
            await stores[0].set_up()

    asyncio.run(script())


def test_a_store_that_is_away_at_first_is_found_later_and_nothing_is_assumed_meanwhile(empty: IdentityServer) -> None:
    async def script() -> None:
        tried, back = asyncio.Event(), asyncio.Event()

        async def pause(_: float) -> None:
            tried.set()
            await back.wait()

        store = PostgresStore(Address("127.0.0.1", free_port()), PASSWORD, pause)
        async with store.running():
            await tried.wait()
            for asking in (store.answers(), store.session(uuid4(), NOW), store.spend(Once(b"x", NOW + 1), NOW), store.links(AMINA)):
                with pytest.raises(IdentityStoreError):
                    await asking
            store._address, store._pool = Address("127.0.0.1", empty.port), None
            back.set()
            async with asyncio.timeout(60):
                while True:
                    try:
                        await store.answers()
                        break
                    except IdentityStoreError:
                        await asyncio.sleep(0)

    asyncio.run(script())


@pytest.mark.parametrize(
    ("text", "near"), [("127.0.0.1:5432", True), ("[::1]:5432", True), ("localhost:5432", True), ("store.ns.svc:5432", False)]
)
def test_only_a_store_on_this_machine_is_spoken_to_in_the_clear(text: str, near: bool) -> None:
    assert Address.read(text).is_near is near


@pytest.mark.parametrize("text", ["", "host", "host:", ":5432", "host:x", "host:0", "host:65536"])
def test_an_address_that_is_wrong_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"COMMONWEAL_IDENTITY_STORE.*give host:port"):
        Address.read(text)
