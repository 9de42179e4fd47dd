"""The measured site: real data APIs, one process each, over one PostgreSQL; the real issuer over its own; the real portal, alone on one core.

All bodies read one store, so that a hundred of them fit into this machine: what their keeper and PostgreSQL would cost is not in the figures, what their
data APIs cost is. Processes are forked from one that has read the program, which saves memory and start, and changes nothing afterwards.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
from progress import Progress

from commonweal_api.pairwise import pairwise
from commonweal_api.people_issuer import PORTAL, PORTAL_WEB, held, sector_of_client
from commonweal_api.plan import StorePlan, audience_of
from commonweal_local.portal_assets import assets
from commonweal_local.progress import Silent
from commonweal_runtime import server
from commonweal_runtime.data_api import app as data_api
from commonweal_runtime.identity import app as identity
from commonweal_runtime.identity.accounts import hash_password
from commonweal_runtime.portal import app as portal
from support.data_api import (
    CLIENT_ISSUER,
    GRANTS,
    READER,
    SECTOR_KEY,
    Exchange,
    Issuer,
    KeeperProcess,
    agreement,
    person_product,
    plan,
)
from support.data_api import PEOPLE as SCRIPT
from support.identity_store import IdentityServer
from support.loopback import TRUSTS_NOBODY
from support.portal import MATCHING
from support.postgres import DATABASE_KEY, HeritageServer, StoreServer

FORK = multiprocessing.get_context("fork")
MASTER = bytes(range(32))
PASSWORD = "made up for measuring"
PORTAL_CORE, OTHERS = {0}, set(range(1, os.cpu_count() or 1)) or {0}
START_SECONDS = 240
MOST_CONNECTIONS = 900
_PORTS = iter(range(12_000 + os.getpid() % 3000, 19_000))
PROGRAMS = (data_api, identity, portal)  # read here, once for all that are forked


@dataclass(frozen=True)
class Site:
    """The running site. `bodies` are the real ones with where they listen; `process` is the portal's, `key` that of its cookies."""

    portal: str
    issuer: str
    bodies: Mapping[str, str]
    tokens: Issuer
    process: int
    key: bytes

    def spent(self) -> float:
        """Return the seconds that the portal has computed."""
        parts = Path(f"/proc/{self.process}/stat").read_text().rpartition(") ")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def wanted(heritage: HeritageServer) -> StorePlan:
    """Return what each body holds and shares: one product, three agreements, two of which wait for the person's yes."""
    document = plan(
        {"people": person_product(heritage)},
        {
            "yes": agreement("Consent", consumer="health"),
            "more": agreement("Consent", consumer="library", fields=["fullName", "area"]),
            "task": agreement("PublicTask"),
        },
    ).model_dump(by_alias=True, mode="json", exclude_none=True)
    return StorePlan.model_validate({**document, "matching": MATCHING})


def person(number: int) -> tuple[str, str]:
    """Return the name to sign in as and the key in the source of one of 200 people."""
    return f"person{number}", f"P{number}"


class Processes:
    """Servers of this site as processes of their own, ended with the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Any] = []

    def start(self, program: ModuleType, name: str, url: str, env: Mapping[str, str]) -> int:
        """Start a server and return its process."""
        process = FORK.Process(target=_serve, args=(f"{program.__name__}:create", url, env, self._folder / f"{name}.log"))
        process.start()
        self._made.append(process)
        return int(process.pid)

    def wait(self, urls: Sequence[str], what: str) -> None:
        """Return when all of them say that they are ready."""
        progress, end = Progress(what, len(urls)), time.monotonic() + START_SECONDS
        with httpx.Client(verify=TRUSTS_NOBODY, timeout=5) as http:
            for n, url in enumerate(urls):
                while not _ready(http, url):
                    gone = [process.pid for process in self._made if not process.is_alive()]
                    if gone or time.monotonic() > end:
                        raise RuntimeError(f"{url} is not ready; ended: {gone}; logs in {self._folder}: {self._last_words()}")
                    time.sleep(0.1)
                progress.at(n + 1)

    def place(self, alone: int) -> None:
        """Give one process a core of its own, and the others to all the rest. PostgreSQL stays where the bench is."""
        for process in self._made:
            os.sched_setaffinity(process.pid, PORTAL_CORE if process.pid == alone else OTHERS)

    def end(self) -> None:
        for process in self._made:
            process.terminate()
        for process in self._made:
            process.join(5)
            if process.is_alive():
                process.kill()

    def _last_words(self) -> str:
        return " ".join(log.read_text()[-600:] for log in sorted(self._folder.glob("*.log")))


def _ready(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def _serve(factory: str, url: str, env: Mapping[str, str], log: Path) -> None:
    with log.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # all of them, until everything is up
    port = url.rsplit(":", 1)[1]
    os.environ |= {**env, "COMMONWEAL_LISTEN": "127.0.0.1", "COMMONWEAL_PORT": port}
    server.serve(factory, int(port))
    os._exit(0)


@contextmanager
def site(folder: Path, count: int, *, down: bool) -> Iterator[Site]:
    """Run a site of `count` bodies while the block runs; with `down`, of three more that do not answer, each in its own way."""
    folder.mkdir()
    with ExitStack() as stack:
        tokens = stack.enter_context(Issuer())
        store, heritage, people = (stack.enter_context(kind()) for kind in (StoreServer, HeritageServer, IdentityServer))
        _found(store, heritage, stack)
        issuer_url, portal_url = _url(), _url()
        bodies = {f"body-{n:02}": _url() for n in range(count)}
        gone = stack.enter_context(_gone()) if down else {}
        _furnish(folder, {**bodies, **gone}, set(bodies))
        people.write(folder)
        processes = Processes(folder)
        stack.callback(processes.end)
        shared = {"COMMONWEAL_ISSUER": issuer_url, "COMMONWEAL_PORTAL_URL": portal_url}
        processes.start(identity, "identity", issuer_url, shared | _identity(folder, people))
        alone = processes.start(portal, "portal", portal_url, shared | _portal(folder))
        common = {**_stored(folder, store, tokens), "COMMONWEAL_PERSON_ISSUER": issuer_url, "COMMONWEAL_PERSON_JWKS": f"{issuer_url}/jwks"}
        for name, url in bodies.items():
            own = {"COMMONWEAL_DEPARTMENT": name, "COMMONWEAL_AUDIENCE": audience_of(name)}
            processes.start(data_api, name, url, {**common, **own})
        processes.wait([issuer_url, portal_url, *bodies.values()], f"starting {count} bodies, issuer and portal")
        processes.place(alone)
        yield Site(portal_url, issuer_url, bodies, tokens, alone, bytes.fromhex((folder / "cookie").read_text()))


def _found(store: StoreServer, heritage: HeritageServer, stack: ExitStack) -> None:
    """Fill the store from its source, and let as many services of one kind connect as there are bodies; a store has two, and limits for them."""
    asyncio.run(heritage.make("heritage", SCRIPT + READER + ";" + GRANTS))
    asyncio.run(_run(store, f"alter system set max_connections = {MOST_CONNECTIONS}"))
    store.stop()
    store.run()
    exchange, goal = Exchange(store.directory / "exchange"), wanted(heritage)
    exchange.put(goal)
    stack.enter_context(KeeperProcess(store, exchange.directory))
    asyncio.run(exchange.settled(goal))
    asyncio.run(_run(store, *(f"alter role {role} connection limit -1" for role in ("api", "person"))))


async def _run(store: StoreServer, *statements: str) -> None:
    root = await store.superuser("department")
    for statement in statements:
        await root.execute(statement)
    await root.close()


def _url() -> str:
    """Return an address of this machine that nothing listens at, from below the ports that connections get: those may be taken before a server starts."""
    for port in _PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return f"http://127.0.0.1:{port}"
    raise RuntimeError("no port is free")


def _stored(folder: Path, store: StoreServer, tokens: Issuer) -> dict[str, str]:
    """Return what is the same for every data API, and write its keys."""
    keys = folder / "keys"
    keys.mkdir()
    for name, key in (("database", DATABASE_KEY), ("sector", SECTOR_KEY)):
        (keys / name).write_text(key.hex())
    return {
        "COMMONWEAL_CLIENT_ISSUER": CLIENT_ISSUER,
        "COMMONWEAL_CLIENT_JWKS": tokens.url,
        "COMMONWEAL_STORE": f"127.0.0.1:{store.port}",
        "COMMONWEAL_KEYS_DIR": str(keys),
    }


def _identity(folder: Path, people: IdentityServer) -> dict[str, str]:
    return {
        "COMMONWEAL_IDENTITY_DIR": str(folder),
        "COMMONWEAL_IDENTITY_STORE": people.address,
        "COMMONWEAL_PEOPLE": str(folder / "people.json"),
    }


def _portal(folder: Path) -> dict[str, str]:
    return {"COMMONWEAL_PORTAL_DIR": str(folder), "COMMONWEAL_PORTAL_ASSETS": str(assets(Silent()))}


def _furnish(folder: Path, addresses: Mapping[str, str], real: set[str]) -> None:
    """Write what the operator would: the issuer's files, who is known where by which id, the accounts, and the directory."""
    for name, text in held(MASTER, [], addresses, [PORTAL, PORTAL_WEB]).files.items():
        (folder / name).write_text(text)
    (folder / "cookie").write_text(secrets.token_bytes(32).hex())
    known, hashed = dict(person(n) for n in range(1, 201)), hash_password(PASSWORD)
    ids = {key: str(pairwise(SECTOR_KEY, key)) for key in known.values()}
    sectors = {name: ids if name in real else {} for name in addresses}
    (folder / "subjects.json").write_text(json.dumps({**sectors, sector_of_client(PORTAL): {}, sector_of_client(PORTAL_WEB): {}}))
    people = [
        {"username": name, "name": name.title(), "passwordHash": hashed, "links": dict.fromkeys(sorted(real), key)}
        for name, key in known.items()
    ]
    (folder / "people.json").write_text(json.dumps(people))
    listed = [
        {
            "name": name,
            "displayName": {"en": name.title().replace("-", " "), "cy": f"Corff {name[-2:]}"},
            "contact": f"mailto:{name}@example.test",
            "dataApi": url,
            "keys": [],
        }
        for name, url in addresses.items()
    ]
    (folder / "directory.json").write_text(json.dumps({"site": "bench", "departments": listed}))


@contextmanager
def _gone() -> Iterator[dict[str, str]]:
    """Three bodies that are down: one refuses connections, one takes them and never answers, one answers 503."""

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            return

    busy = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=busy.serve_forever, daemon=True).start()
    try:
        with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
            yield {
                "down-refused": _url(),
                "down-mute": f"http://127.0.0.1:{mute.getsockname()[1]}",
                "down-busy": f"http://127.0.0.1:{busy.server_port}",
            }
    finally:
        busy.shutdown()
        busy.server_close()
