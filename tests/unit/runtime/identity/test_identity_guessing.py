"""Attack j on the issuer: guesses, alone and at once, from one address and from many, and what they mean for the person guessed at."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from commonweal_runtime.exceptions import SignInBusyError
from commonweal_runtime.identity.accounts import Account, Accounts, hash_password
from commonweal_runtime.identity.clients import read_clients
from commonweal_runtime.identity.devices import COOKIE, Devices
from commonweal_runtime.identity.directory import Directory
from commonweal_runtime.identity.hashing import MOST_OF_A_NAME, MOST_OF_AN_ADDRESS, Lane
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.parts import Given, Parts
from commonweal_runtime.identity.requests import AuthorizationRequest
from commonweal_runtime.identity.responses import remembered
from commonweal_runtime.identity.service import BUSY, WRONG, Accepted, Cookies, Rejected, SignInContext
from commonweal_runtime.identity.stored import Store
from commonweal_runtime.identity.subjects import Subjects
from commonweal_runtime.identity.throttle import ADDRESS, NAME, NAME_AND_ADDRESS, Throttle
from support.identity_memory import MemoryStore

MASTER, PASSWORD = bytes(range(32)), "correct horse"
ASKED = AuthorizationRequest(
    client_id="commonweal-portal", redirect_uri="http://127.0.0.1/callback", department="tax-authority", scopes=["openid"], state="s" * 900,
    nonce=None, code_challenge="eeuZlUhmkuZVWJFjASlKw38hnwfi4oJHZZTdEsZjHh8",
)  # fmt: skip
AMINA = Account(username="amina", name="Amina Khan", root="QQ123456C", password_hash=hash_password(PASSWORD))


class Clock:
    """A clock that only the test moves."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class People(Accounts):
    """One person, whose password is compared without a hash, and a count of how often it was."""

    def __init__(self) -> None:
        self.checked = 0
        self.entered = threading.Semaphore(0)
        self.gate: threading.Event | None = None

    def find(self, username: str) -> Account | None:
        return AMINA if username == "amina" else None

    def check(self, username: str, password: str) -> Account | None:
        self.checked += 1
        self.entered.release()
        if self.gate:
            self.gate.wait()
        return self.find(username) if password == PASSWORD else None


@pytest.fixture
def clock() -> Clock:
    return Clock()


def replica(clock: Clock, store: Store | None = None) -> SignInContext:
    key = SigningKey(ec.generate_private_key(ec.SECP256R1()))
    folder = Path("none")
    made = Given(
        url="https://i.test",
        key=key,
        seal=MASTER,
        accounts=People(),
        clients=read_clients(folder),
        subjects=Subjects(folder),
        directory=Directory(folder),
        store=store or MemoryStore(),
        clock=clock,
    )
    return Parts.of(made).sign_in


@pytest.fixture
def context(clock: Clock) -> SignInContext:
    return replica(clock)


def attempt(context: SignInContext, password: str = "guess", *, name: str = "amina", address: str = "a", cookie: str = "") -> Any:
    return asyncio.run(context.sign_in(ASKED, name, password, address, Cookies(cookie)))


def checked(context: SignInContext) -> int:
    people = context.accounts
    assert isinstance(people, People)
    return people.checked


def guess_from(context: SignInContext, address: str, times: int, name: str = "amina") -> list[str]:
    return ["heard" if attempt(context, name=name, address=address).text == WRONG else "made to wait" for _ in range(times)]


def test_of_guesses_at_once_no_more_are_heard_than_the_limit(context: SignInContext) -> None:
    async def burst() -> list[Any]:
        return await asyncio.gather(*(context.sign_in(ASKED, "amina", f"guess {n}", "a", Cookies()) for n in range(50)))

    outcomes = [outcome for _ in range(5) for outcome in asyncio.run(burst())]
    assert checked(context) == NAME_AND_ADDRESS.burst
    assert sum(bool(o.seconds) for o in outcomes) == 250 - NAME_AND_ADDRESS.burst


def test_guessing_gets_slow_and_never_shuts(context: SignInContext, clock: Clock) -> None:
    assert guess_from(context, "a", 12) == ["heard"] * 10 + ["made to wait"] * 2
    refused = attempt(context, PASSWORD)
    assert isinstance(refused, Rejected)
    assert 0 < refused.seconds <= NAME_AND_ADDRESS.seconds + 1
    clock.now += refused.seconds
    assert isinstance(attempt(context, PASSWORD), Accepted)


def test_an_attacker_behind_one_address_shuts_the_person_out_nowhere_else(context: SignInContext, clock: Clock) -> None:
    for _ in range(20):
        guess_from(context, "attacker", 20)
        assert isinstance(attempt(context, PASSWORD, address="home"), Accepted)
        clock.now += NAME.seconds


def test_a_known_device_is_heard_whatever_strangers_do_even_behind_its_own_address(context: SignInContext) -> None:
    cookie = attempt(context, PASSWORD).device
    for n in range(5):
        guess_from(context, f"attacker {n}", 20)
    guess_from(context, "a", 100)
    assert attempt(context, PASSWORD).seconds > 0
    assert isinstance(attempt(context, PASSWORD, cookie=cookie), Accepted)


def test_a_known_device_cannot_guess_without_end_either_and_is_of_no_use_for_another_name(context: SignInContext) -> None:
    cookie = attempt(context, PASSWORD).device
    assert [bool(attempt(context, cookie=cookie, address=f"{n}").seconds) for n in range(12)] == [False] * 10 + [True] * 2
    assert context.devices.of(cookie, "amina") is not None
    assert context.devices.of(cookie, "bram") is None
    assert Devices(b"x" * 32, context.clock).of(cookie, "amina") is None


def test_guesses_from_everywhere_are_bounded_for_one_name(context: SignInContext) -> None:
    for n in range(100):
        attempt(context, address=f"address {n}")
    assert checked(context) == NAME.burst


def test_one_address_tries_many_names_slowly_and_nobody_elsewhere_notices(context: SignInContext, clock: Clock) -> None:
    for n in range(200):
        attempt(context, name=f"name {n}", address="office")
    assert checked(context) == ADDRESS.burst
    assert attempt(context, PASSWORD, address="office").seconds <= ADDRESS.seconds + 1
    assert isinstance(attempt(context, PASSWORD, address="home"), Accepted)
    clock.now += ADDRESS.seconds
    assert isinstance(attempt(context, PASSWORD, address="office"), Accepted)


def test_what_is_right_does_not_count(context: SignInContext) -> None:
    assert all(isinstance(attempt(context, PASSWORD), Accepted) for _ in range(60))


def test_inventing_names_does_not_make_a_name_under_attack_forgotten(clock: Clock) -> None:
    throttle = Throttle(clock, most_keys=50)
    while not throttle.reserve("amina", "a", None).wait:
        pass
    for n in range(500):
        throttle.reserve(f"name {n}", f"address {n}", None)
    assert throttle.reserve("amina", "a", None).wait


def test_passwords_are_checked_one_at_a_time_in_a_line_that_ends(context: SignInContext) -> None:
    people = context.accounts
    assert isinstance(people, People)
    people.gate = threading.Event()

    async def script() -> list[Any]:
        cookie = context.devices.cookie("amina")
        crowd = [asyncio.create_task(context.sign_in(ASKED, f"name {n}", "x", f"{n}", Cookies())) for n in range(60)]
        known = asyncio.create_task(context.sign_in(ASKED, "amina", PASSWORD, "home", Cookies(cookie)))
        for _ in range(2):  # one of each lane
            await asyncio.to_thread(people.entered.acquire)
        assert people.checked == 2
        assert people.gate is not None
        people.gate.set()
        assert isinstance(await known, Accepted)
        return await asyncio.gather(*crowd)

    texts = [outcome.text for outcome in asyncio.run(script())]
    assert (texts.count(WRONG), texts.count(BUSY)) == (40, 20)


@pytest.mark.parametrize("known", [True, False])
def test_who_signs_in_rightly_again_and_again_fills_no_line(context: SignInContext, known: bool) -> None:
    """What is right is not throttled, and each time it yields another known device: one account, on twenty of them, is in nobody's way."""
    people = context.accounts
    assert isinstance(people, People)
    people.gate = threading.Event()

    async def script() -> list[Any]:
        cookies = [context.devices.cookie("amina") if known else "" for _ in range(20)]
        crowd = [
            asyncio.create_task(context.sign_in(ASKED, "amina", PASSWORD, f"10.0.{n}.1", Cookies(cookie)))
            for n in range(10)
            for cookie in cookies
        ]
        await asyncio.to_thread(people.entered.acquire)
        other = asyncio.create_task(
            context.sign_in(ASKED, "bram", "guess", "home", Cookies(context.devices.cookie("bram") if known else ""))
        )
        await asyncio.sleep(0)
        assert people.gate is not None
        people.gate.set()
        assert (await other).text == WRONG  # heard
        return await asyncio.gather(*crowd)

    outcomes = asyncio.run(script())
    assert sum(isinstance(o, Accepted) for o in outcomes) == MOST_OF_A_NAME
    assert isinstance(attempt(context, PASSWORD), Accepted)


def test_one_address_fills_no_line_with_the_accounts_that_it_has(context: SignInContext) -> None:
    people = context.accounts
    assert isinstance(people, People)
    people.gate = threading.Event()

    async def script() -> list[Any]:
        crowd = [asyncio.create_task(context.sign_in(ASKED, f"name {n}", "guess", f"2001:db8::{n:x}", Cookies())) for n in range(45)]
        await asyncio.to_thread(people.entered.acquire)
        other = asyncio.create_task(context.sign_in(ASKED, "amina", PASSWORD, "2001:db8:1::1", Cookies()))
        await asyncio.sleep(0)
        assert people.gate is not None
        people.gate.set()
        assert isinstance(await other, Accepted)
        return await asyncio.gather(*crowd)

    assert sum(o.text == WRONG for o in asyncio.run(script())) == MOST_OF_AN_ADDRESS


def test_a_network_of_ipv6_is_one_address(context: SignInContext) -> None:
    """Whoever has one address of it has 2^64: password spraying would meet no limit."""
    for n in range(200):
        attempt(context, name=f"name {n}", address=f"2001:db8:0:1::{n:x}")
    assert checked(context) == ADDRESS.burst
    assert attempt(context, PASSWORD, address="2001:db8:0:1:ffff::1").seconds > 0
    assert isinstance(attempt(context, PASSWORD, address="2001:db8:0:2::1"), Accepted)


def test_an_ipv4_address_is_the_same_however_it_is_written(context: SignInContext) -> None:
    guess_from(context, "192.0.2.1", NAME_AND_ADDRESS.burst)
    assert guess_from(context, "::ffff:192.0.2.1", 1) == ["made to wait"]


def test_a_full_line_is_an_error_and_not_a_wait() -> None:
    with pytest.raises(SignInBusyError):
        asyncio.run(Lane(0).run(lambda: None))


def test_one_replica_takes_what_another_gave(clock: Clock) -> None:
    store = MemoryStore()
    one, other = replica(clock, store), replica(clock, store)
    assert other.asked(one.tickets.seal(ASKED)) == ASKED
    accepted = attempt(one, PASSWORD)
    assert other.devices.of(accepted.device, "amina") is not None
    taken = asyncio.run(other.codes.take(accepted.code))
    assert taken is not None
    session = asyncio.run(other.sessions.of_id(taken.session))
    assert session is not None
    assert (session.sign_in.person.username, taken.request.department, session.sign_in.at) == ("amina", "tax-authority", int(clock.now))
    assert asyncio.run(one.codes.take(accepted.code)) is None
    assert len(accepted.code) < 1000


def test_a_code_tells_nothing_and_its_session_ends_with_its_account(context: SignInContext, monkeypatch: pytest.MonkeyPatch) -> None:
    code = attempt(context, PASSWORD).code
    assert asyncio.run(context.codes.take(context.tickets.seal(ASKED))) is None
    monkeypatch.setattr(People, "find", lambda *_: None)
    taken = asyncio.run(context.codes.take(code))
    assert taken is not None
    assert asyncio.run(context.sessions.of_id(taken.session)) is None


@pytest.mark.parametrize(("issuer", "secure"), [("https://i.test", True), ("http://i.test", False)])
def test_what_a_device_keeps_is_for_the_issuer_alone(issuer: str, secure: bool) -> None:
    header = remembered(issuer, "value").to_header(header="")
    assert header.startswith(f"{COOKIE}=value; ")
    assert {"HttpOnly", "SameSite=strict"} <= set(header.split("; "))
    assert ("Secure" in header.split("; ")) is secure
