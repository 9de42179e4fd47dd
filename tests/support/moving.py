"""A department at two sites for tests of a move: two stores with keeper and data API, and the steps that the command runs in their pods."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import uuid
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import httpx

from commonweal_api.plan import StorePlan
from commonweal_runtime.migration import frames
from support.data_api import DataApi, Exchange, Issuer, KeeperProcess, agreement, person_product, plan
from support.loopback import client
from support.postgres import HeritageServer, StoreServer
from support.signing import nonce_of
from support.waiting import HANG

MOVE = "20260101-registry"


class StepError(RuntimeError):
    """A step ended with an error; the text is what it said."""


class Site:
    """One site: store, keeper and data API as processes."""

    def __init__(self, name: str, issuer: Issuer) -> None:
        self.name, self._issuer = name, issuer
        self.prefix: tuple[str, ...] = ()  # of a step's command, to limit what it may use
        self.store = StoreServer()
        self.exchange = Exchange(self.store.directory / "exchange")
        self.keeper = KeeperProcess(self.store, self.exchange.directory)
        self.api = DataApi(self.store, issuer)
        self.http = client(self.api.url)

    def read(self, who: uuid.UUID, consumer: str = "benefits") -> httpx.Response:
        """Read a person as a consumer's client: `tax` by consent, `benefits` by public task."""
        headers = {"Authorization": f"Bearer {self._issuer.client(consumer, 'app')}", "Purpose": f"{consumer}/serve"}
        return self.http.get(f"/v1/people/subjects/{who}", headers=headers)

    def say(self, who: uuid.UUID, what: str, name: str = "yes") -> httpx.Response:
        """Give, withdraw, object or lift as the person."""
        kind = "consents" if what in {"Given", "Withdrawn"} else "objections"
        return self.http.put(f"/me/{kind}/{name}", headers={"Authorization": f"Bearer {self._issuer.person(who)}"}, json={"state": what})

    def complain(self, who: uuid.UUID, words: str) -> httpx.Response:
        """Complain of the department as the person."""
        headers = {"Authorization": f"Bearer {self._issuer.person(who)}"}
        return self.http.post("/me/complaints", headers=headers, json={"about": {}, "text": words})

    def receipts(self, who: uuid.UUID) -> list[dict[str, Any]]:
        """Return the receipts of a person."""
        answer = self.http.get("/me/receipts", headers={"Authorization": f"Bearer {self._issuer.person(who)}"})
        return list(answer.json()["items"])

    def process(self, verb: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a step as `kubectl exec` would, with pipes."""
        environment = {
            **os.environ,
            "PGDATA": str(self.store.data),
            "PGPORT": str(self.store.port),
            "COMMONWEAL_SOCKET_DIR": str(self.store.sockets),
            "TMPDIR": "/tmp",
        }
        command = [*self.prefix, sys.executable, "-m", "commonweal_runtime.migration", verb, *words]
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")

    def step(self, verb: str, *words: str, asked: Any = None) -> Any:
        """Run a step and return what it said."""
        text = self.bytes(verb, *words, given=json.dumps(asked).encode()).decode()
        return json.loads(text.splitlines()[-1]) if text.strip() else None

    def bytes(self, verb: str, *words: str, given: bytes = b"") -> bytes:
        """Run a step on bytes. Raises StepError."""
        process = self.process(verb, *words)
        out, error = process.communicate(given, timeout=HANG)
        if process.returncode:
            raise StepError(error.decode().strip())
        return out


class Hold:
    """The old site kept frozen, as long as the block runs."""

    def __init__(self, site: Site, move: str = MOVE) -> None:
        self._process = site.process("hold", move)

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline() or b"{}")
        if not said.get("frozen"):
            raise StepError(f"{said} {self._process.communicate(timeout=20)[1].decode()}")
        return self

    def kill(self) -> None:
        """End it as a lost node would."""
        self._process.kill()
        self._process.wait(10)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate(timeout=20)


def pass_over(old: Site, new: Site, *last: str) -> tuple[int, dict[str, Any]]:
    """Pass pieces from the one to the other; return how many bytes, and what the old site told at the end."""
    had = new.bytes("have")
    told: dict[str, Any] = {}
    stream, out, length = io.BytesIO(old.bytes("send", *last, given=had)), io.BytesIO(), 0
    while (one := frames.read(stream)) is not None:
        if one.kind == "told":
            told = one.head
        else:
            length += frames.write(out, one)
    frames.write(out, frames.frame("end"))
    new.bytes("receive", given=out.getvalue())
    return length, told


class Move:
    """Both sites: the old one with a product and its agreements, the new one with nothing yet. `with` starts everything."""

    def __init__(self, heritage: HeritageServer, issuer: Issuer) -> None:
        self.old, self.new = Site("east", issuer), Site("west", issuer)
        self._heritage, self._stack = heritage, ExitStack()

    def __enter__(self) -> Self:
        import asyncio

        with ExitStack() as stack:
            for site in (self.old, self.new):
                stack.enter_context(site.store)
                stack.enter_context(site.keeper)
            self.old.exchange.put(self.plan_of(self.old))
            asyncio.run(self.old.exchange.settled(self.plan_of(self.old)))
            for site in (self.old, self.new):
                stack.enter_context(site.api)
                stack.enter_context(site.http)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def plan_of(self, site: Site) -> StorePlan:
        """Return the plan of a site: the same manifests under that site's uids."""
        agreements = {
            "yes": agreement("Consent", nonce=nonce_of("yes")),
            "task": agreement("PublicTask", consumer="benefits", nonce=nonce_of("task")),
        }
        products = {"people": person_product(self._heritage, serve={"refreshSeconds": 86400})}
        return plan(products, agreements, uid=f"-{site.name}").model_copy(update={"site": site.name})

    def identities(self) -> dict[str, str]:
        """Return what the command tells the new store: its uids and those of the old site."""
        return {f"{kind}-west": f"{kind}-east" for kind in ("p-people", "a-yes", "a-task")}

    def copy(self) -> dict[str, Any]:
        """Copy, compare and put in place; the old site is frozen. Return what the old site told."""
        _, told = pass_over(self.old, self.new, "last")
        self.new.step("settle", MOVE, asked={"tables": told["tables"], "identities": self.identities(), "models": {}})
        self.new.step("put-in-place", MOVE)
        return told

    def take_up(self) -> None:
        """Start the new site's keeper anew, as its pod would, with the plan of its own manifests; return when that is in force."""
        import asyncio

        self.new.keeper.__exit__(None, None, None)
        self.new.keeper.__enter__()
        self.new.exchange.put(self.plan_of(self.new))
        asyncio.run(self.new.exchange.settled(self.plan_of(self.new)))

    def carry(self, reached: dict[str, int]) -> dict[str, int]:
        """Carry what was said since; return how far that is, with the uses of the copy."""
        said = self.old.step("words", asked=reached)
        self.new.step("take", asked=said)
        return {**said["reached"], "uses": reached["uses"]}

    def carry_nothing(self, reached: dict[str, int]) -> dict[str, int]:
        """Return how far the old site's words have come now, as if they had been carried."""
        return {**self.old.step("words", asked=reached)["reached"], "uses": reached["uses"]}

    def leave(self, reached: dict[str, int], models: str) -> str:
        """Try the switch; return the answer."""
        asked = {"reached": reached, "models": models, "url": self.new.api.url}
        return str(self.old.step("leave", MOVE, asked=asked)["answer"])
