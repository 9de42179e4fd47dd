"""The issuer as the process that a pod runs, used over HTTP as the demo uses it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commonweal_api.pairwise import pairwise
from commonweal_api.people_issuer import PORTAL, Enrolled, held
from commonweal_api.plan import audience_of
from commonweal_api.signatures import sector_key
from commonweal_runtime.exceptions import SignInError, SignInLaterError
from commonweal_runtime.identity.accounts import hash_password
from commonweal_runtime.identity.sign_in import sign_in
from commonweal_runtime.tokens import KeySet, Person, Verifier, fetch_from
from support.identity_store import IdentityServer
from support.loopback import answers
from support.model_runtime import free_port
from support.waiting import wait_for

ISSUER = "http://identity.commonweal-system.svc.cluster.local"
MASTER = bytes(range(32))


@pytest.fixture(scope="module")
def store() -> Iterator[IdentityServer]:
    with IdentityServer() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, store: IdentityServer) -> Path:
    """What the pod mounts: its own Secret, and one person."""
    folder = tmp_path_factory.mktemp("identity")
    for name, text in held(MASTER, [Enrolled("QQ123456C")], ["tax-authority", "companies-registry"], [PORTAL]).files.items():
        (folder / name).write_text(text)
    store.write(folder)
    (folder / "address").write_text(store.address)
    (folder / "people.json").write_text(
        json.dumps([{"username": "amina", "name": "Amina Khan", "root": "QQ123456C", "passwordHash": hash_password("correct horse")}])
    )
    return folder


@contextmanager
def issuing(folder: Path) -> Iterator[str]:
    """An issuer that calls itself by its name on the site and is reached at another address."""
    port = free_port()
    env = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        "COMMONWEAL_ISSUER": ISSUER,
        "COMMONWEAL_IDENTITY_DIR": str(folder),
        "COMMONWEAL_IDENTITY_STORE": (folder / "address").read_text(),
        "COMMONWEAL_PEOPLE": str(folder / "people.json"),
        "COMMONWEAL_LISTEN": "127.0.0.1",
        "COMMONWEAL_PORT": str(port),
    }
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "commonweal_runtime.identity"], env=env, stdout=log, stderr=log)

    def ready() -> bool | None:
        assert process.poll() is None, (folder / "log").read_text()
        return answers(f"http://127.0.0.1:{port}/readyz") or None

    try:
        wait_for("the issuer", ready)
        assert re.search(r"Max core file size +1 +1 ", Path(f"/proc/{process.pid}/limits").read_text()), (
            "its memory would be written out when it dies"
        )
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture(scope="module")
def base(folder: Path) -> Iterator[str]:
    with issuing(folder) as address:
        yield address


def test_a_person_signs_in_without_a_browser_and_a_department_believes_the_token(base: str) -> None:
    async def journey() -> tuple[Person, str, dict[str, str]]:
        signed_in = await sign_in(base, "amina", "correct horse", "tax-authority", links=("companies-registry",))
        verifier = Verifier(issuer=ISSUER, audience=audience_of("tax-authority"), keys=KeySet(fetch_from(f"{base}/jwks")))
        return await verifier.person(f"Bearer {signed_in.access_token}"), signed_in.subject, signed_in.links

    person, subject, links = asyncio.run(journey())
    assert person.subject == pairwise(sector_key(MASTER, "tax-authority"), "QQ123456C")
    assert subject == str(person.subject)
    assert links == {"companies-registry": str(pairwise(sector_key(MASTER, "companies-registry"), "QQ123456C"))}


def test_a_wrong_password_and_an_impossible_department_are_errors_with_a_reason(base: str) -> None:
    with pytest.raises(SignInError, match="status 400"):
        asyncio.run(sign_in(base, "amina", "wrong", "tax-authority"))
    with pytest.raises(SignInError, match="resource must be"):
        asyncio.run(sign_in(base, "amina", "correct horse", "no such department"))


def test_a_token_from_before_a_restart_is_still_believed(base: str, folder: Path) -> None:
    async def token() -> str:
        return (await sign_in(base, "amina", "correct horse", "tax-authority")).access_token

    async def person(address: str, bearer: str) -> Person:
        verifier = Verifier(issuer=ISSUER, audience=audience_of("tax-authority"), keys=KeySet(fetch_from(f"{address}/jwks")))
        return await verifier.person(f"Bearer {bearer}")

    before = asyncio.run(token())
    with issuing(folder) as after:
        assert asyncio.run(person(after, before)).subject == pairwise(sector_key(MASTER, "tax-authority"), "QQ123456C")


def test_a_department_that_the_issuer_does_not_know_yet_is_told_from_a_refusal(base: str) -> None:
    with pytest.raises(SignInLaterError, match="try again in two minutes"):
        asyncio.run(sign_in(base, "amina", "correct horse", "new-department"))


def test_somebody_whose_id_is_not_there_yet_is_told_from_a_refusal(base: str, folder: Path) -> None:
    people, before = folder / "people.json", (folder / "people.json").read_text()
    people.write_text(before.replace("QQ123456C", "QQ000000A"))
    try:
        with pytest.raises(SignInLaterError, match="this person has no id for tax-authority yet"):
            asyncio.run(sign_in(base, "amina", "correct horse", "tax-authority"))
    finally:
        people.write_text(before)
