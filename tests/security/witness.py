"""Legitimate clients beside an attack: each asks again and again as a real one does, with the certificate checked, and remembers what it got."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp

from commonweal_cli.demo.journey import REGISTER, REGISTRY, TAX
from commonweal_cli.demo.person import PEOPLE, SignIn
from commonweal_cli.demo.web import Caller
from commonweal_cli.exceptions import KubectlError
from commonweal_runtime.exceptions import SignInError
from security.findings import Asked, Finding, answered, disturbed
from security.stage import Stage
from support.waiting import wait_for

READ_PATIENCE, SIGN_IN_PATIENCE = 30.0, 60.0
SETTLED_SECONDS, LEAST = 60.0, 3
PERSON_EVERY = 5.0  # a person may open the same thing a hundred times a day, and all attacks together last some ten minutes
FAILURES = (OSError, http.client.HTTPException, aiohttp.ClientError, SignInError, KubectlError, TimeoutError)


@dataclass
class Witness:
    """One client. `ask` returns what was wrong with an answer, or nothing."""

    who: str
    ask: Callable[[], str]
    every: float
    patience: float
    asked: list[Asked] = field(default_factory=list)

    def run(self, over: threading.Event) -> None:
        """Ask until it is over."""
        while not over.is_set():
            began = time.monotonic()
            try:
                problem = self.ask()
            except FAILURES as error:
                problem = f"{type(error).__name__}: {error}"[:120]
            self.asked.append(Asked(began, time.monotonic(), problem))
            over.wait(self.every)


def settled(witness: Witness) -> None:
    """Return when the client is answered, before anything is attacked: what it then misses is the attack's doing. Raises TimeoutError."""

    def good() -> bool | None:
        try:
            return not witness.ask() or None
        except FAILURES:
            return None

    wait_for(f"an answer before the attack: {witness.who}", good, seconds=SETTLED_SECONDS, every=0.5)
    witness.asked.clear()


@contextmanager
def watching(part: str, stage: Stage, witnesses: Sequence[Witness], found: list[Finding]) -> Iterator[None]:
    """Have these clients ask for the length of the block; what they and the platform's pods came to is added to `found`."""
    for each in witnesses:
        settled(each)
    over, before, began = threading.Event(), stage.pods(), time.monotonic()
    threads = [threading.Thread(target=each.run, args=(over,), daemon=True) for each in witnesses]
    for thread in threads:
        thread.start()
    try:
        yield
        # An attack that was refused at once is followed by a few questions all the same.
        wait_for("each client to have asked", lambda: all(len(each.asked) >= LEAST for each in witnesses) or None, every=0.1)
    finally:
        ended = time.monotonic()
        over.set()
        for thread in threads:
            thread.join(90)
    found += [answered(part, each.who, each.asked, began, ended, each.patience) for each in witnesses]
    hurt = disturbed(before, stage.pods())
    found.append(
        Finding(part, "meanwhile: every pod of the platform stays as it is", not hurt, "not ended or started again", "; ".join(hurt))
    )


def consumer(stage: Stage) -> Witness:
    """The other department's service, which reads a person at the victim's data API, each time over a new connection."""
    base, token = stage.site.apis[REGISTRY], stage.site.service(TAX, "tax-app", REGISTRY).token
    path = f"/v1/companies/subjects/{stage.site.subject(REGISTRY)}"

    def ask() -> str:
        answer = Caller(base, token, trust=stage.site.trust).get(path, Purpose=REGISTER)
        return "" if answer.status == 200 and "companyName" in answer.body.get("record", {}) else answer.brief()

    return Witness("a service of another department reads", ask, 0.5, READ_PATIENCE)


def person(stage: Stage) -> Witness:
    """A person who is signed in, gives a consent and withdraws it in turn."""
    token = stage.site.sign_in.person(PEOPLE[1], stage.site.password, REGISTRY).access_token
    states = itertools.cycle(("Given", "Withdrawn"))

    def ask() -> str:
        caller = Caller(stage.site.apis[REGISTRY], token, trust=stage.site.trust)
        answer = caller.call("PUT", "/me/consents/guidance-knows-company", {"state": next(states)})
        return "" if answer.status == 200 else answer.brief()

    return Witness("a person gives and withdraws a consent", ask, PERSON_EVERY, READ_PATIENCE)


def newcomer(stage: Stage, number: int = 5) -> Witness:
    """Another person, who signs in with the right password from an address of its own, each time as if on a new device."""
    name, password = PEOPLE[number], stage.site.password

    def ask() -> str:
        SignIn(stage.site.sign_in.base, stage.site.trust).person(name, password, REGISTRY)
        return ""

    return Witness("a person signs in", ask, 3.0, SIGN_IN_PATIENCE)


def everybody(stage: Stage) -> list[Witness]:
    """Return those who watch every attack."""
    return [consumer(stage), person(stage), newcomer(stage)]
