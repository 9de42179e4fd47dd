"""A site of one department with its people's issuer and its portal, all real processes on loopback; and two bodies more in the directory that do not answer."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from commonweal_api.pairwise import pairwise
from commonweal_api.people_issuer import PORTAL, PORTAL_WEB, held, sector_of_client
from commonweal_api.plan import ModelRecord, StorePlan
from commonweal_local.portal_assets import assets
from commonweal_local.progress import Silent
from commonweal_runtime.identity.accounts import hash_password
from support.data_api import DEPARTMENT, SECTOR_KEY, Issuer
from support.department import Department, running
from support.identity_store import IdentityServer
from support.loopback import client, until_it_listens
from support.postgres import HeritageServer, StoreServer, free_port

PASSWORD = "made up for tests"
MASTER = bytes(range(32))
SLOW, DOWN = "slow-office", "closed-office"
NAMES = {
    DEPARTMENT: {"en": "Companies Registry", "cy": "Cofrestrfa Cwmnïau"},
    SLOW: {"en": "Slow Office", "cy": "Swyddfa Araf"},
    DOWN: {"en": "Closed Office"},
}


MATCHING = {
    "product": "people",
    "attributes": [
        {"field": "fullName", "label": {"en": "Full name", "cy": "Enw llawn"}, "normalise": "Upper", "unique": True},
        {"field": "born", "label": {"en": "Date of birth"}, "description": {"en": "For example, 27 3 1987"}, "normalise": "Date"},
    ],
    "preview": [{"field": "fullName", "label": {"en": "Full name", "cy": "Enw llawn"}}, {"field": "birthYear", "label": {"en": "Born in"}}],
    "tries": 20,
    "addressTries": 100000,
}


@dataclass(frozen=True)
class PortalSite:
    """The running site. `key` is the portal's cookie key; accounts are named by the key by which the department knows them."""

    url: str
    issuer: str
    department: Department
    key: bytes
    folder: Path

    def http(self) -> httpx.Client:
        """Return a browser without a screen: it keeps cookies, and follows nobody."""
        return client(self.url, follow_redirects=False)


def with_matching(wanted: StorePlan) -> StorePlan:
    """Return the plan of a department at which people find their record by name and date of birth."""
    document = wanted.model_dump(by_alias=True, mode="json", exclude_none=True)
    return StorePlan.model_validate({**document, "matching": MATCHING})


def with_model(wanted: StorePlan) -> StorePlan:
    """Return the plan of a department that has a model, for its register."""
    reads = [f"{DEPARTMENT}/people/score"]
    model = ModelRecord(
        name="next-step", title="Next step", purpose="made-up/next", reads=reads, callers=[f"{DEPARTMENT}/desk"], shape="Shared", floor=0.1
    )
    return wanted.model_copy(update={"models": [model]})


def accounts(people: Mapping[str, str | None]) -> list[dict[str, object]]:
    """Return accounts by username; the value is the person's key at the department, None for a person whom it does not know yet."""
    hashed = hash_password(PASSWORD)
    return [
        {"username": name, "name": name.title(), "passwordHash": hashed, **({"links": {DEPARTMENT: key}} if key else {})}
        for name, key in people.items()
    ]


@contextmanager
def site(
    folder: Path, store: StoreServer, heritage: HeritageServer, tokens: Issuer, wanted: StorePlan, people: Mapping[str, str | None]
) -> Iterator[PortalSite]:
    """Run the whole site while the block runs."""
    with ExitStack() as stack:
        issuer, portal, nowhere = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        silent = stack.enter_context(_silent())
        person = {"COMMONWEAL_PERSON_ISSUER": issuer, "COMMONWEAL_PERSON_JWKS": f"{issuer}/jwks"}
        department = stack.enter_context(running(store, heritage, tokens, wanted, **person))
        addresses = {DEPARTMENT: department.api.url, SLOW: silent, DOWN: nowhere}
        identity = stack.enter_context(IdentityServer())
        keys = department.http.get("/.well-known/jwks.json").json()["keys"]
        _furnish(folder, identity, addresses, people, keys)
        key = secrets.token_bytes(32)
        (folder / "cookie").write_text(key.hex())
        shared = {"COMMONWEAL_ISSUER": issuer, "COMMONWEAL_PORTAL_URL": portal}
        own = {
            "COMMONWEAL_IDENTITY_DIR": str(folder),
            "COMMONWEAL_IDENTITY_STORE": identity.address,
            "COMMONWEAL_PEOPLE": str(folder / "people.json"),
        }
        pages = {
            "COMMONWEAL_PORTAL_DIR": str(folder),
            "COMMONWEAL_PORTAL_ASSETS": str(assets(Silent())),
            "COMMONWEAL_PORTAL_DEADLINE": "0.5",
        }
        stack.enter_context(_process("identity", issuer, folder, {**shared, **own}))
        stack.enter_context(_process("portal", portal, folder, {**shared, **pages}))
        yield PortalSite(portal, issuer, department, key, folder)


def _furnish(
    folder: Path, identity: IdentityServer, addresses: Mapping[str, str], people: Mapping[str, str | None], keys: list[object]
) -> None:
    for name, text in held(MASTER, [], addresses, [PORTAL, PORTAL_WEB]).files.items():
        (folder / name).write_text(text)
    identity.write(folder)
    ids = {key: str(pairwise(SECTOR_KEY, key)) for key in people.values() if key}
    sectors = {DEPARTMENT: ids, SLOW: {}, DOWN: {}, sector_of_client(PORTAL): {}, sector_of_client(PORTAL_WEB): {}}
    (folder / "subjects.json").write_text(json.dumps(sectors))
    (folder / "people.json").write_text(json.dumps(accounts(people)))
    listed = [
        {
            "name": name,
            "displayName": NAMES[name],
            "contact": f"mailto:{name}@example.test",
            "dataApi": url,
            "keys": keys if name == DEPARTMENT else [],
        }
        for name, url in addresses.items()
    ]
    (folder / "directory.json").write_text(json.dumps({"site": "test", "departments": listed}))


@contextmanager
def _process(name: str, url: str, folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    port, log = int(url.rsplit(":", 1)[1]), folder / f"{name}.log"
    whole = {**os.environ, **env, "COMMONWEAL_LISTEN": "127.0.0.1", "COMMONWEAL_PORT": str(port)}
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-W", "error", "-m", f"commonweal_runtime.{name}"], env=whole, stdout=file, stderr=file)
    try:
        until_it_listens(process, port, log)
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _silent() -> Iterator[str]:
    """A body that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
