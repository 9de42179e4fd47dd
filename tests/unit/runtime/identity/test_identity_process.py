"""The issuer as the process that a pod runs, used over HTTP as the demo uses it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commonweal_api.plan import audience_of
from commonweal_api.signatures import sector_key
from commonweal_runtime.exceptions import SignInError
from commonweal_runtime.identity.accounts import hash_password
from commonweal_runtime.identity.sign_in import sign_in
from commonweal_runtime.pairwise import pairwise
from commonweal_runtime.tokens import KeySet, Person, Verifier, fetch_from
from support.loopback import answers
from support.model_runtime import free_port
from support.waiting import wait_for

ISSUER = "http://identity.commonweal-system.svc.cluster.local"
MASTER = bytes(range(32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pod mounts: the master key and one person."""
    folder = tmp_path_factory.mktemp("identity")
    (folder / "master").write_text(MASTER.hex())
    (folder / "people.json").write_text(
        json.dumps([{"username": "amina", "name": "Amina Khan", "root": "QQ123456C", "passwordHash": hash_password("correct horse")}])
    )
    return folder


@contextmanager
def issuing(folder: Path) -> Iterator[str]:
    """An issuer that calls itself by its name on the site and is reached at another address."""
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "COMMONWEAL_ISSUER": ISSUER,
        "COMMONWEAL_SECTORS_DIR": str(folder),
        "COMMONWEAL_PEOPLE": str(folder / "people.json"),
        "COMMONWEAL_PORT": str(port),
    }
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "commonweal_runtime.identity"], env=env, stdout=log, stderr=log)

    def ready() -> bool | None:
        assert process.poll() is None, (folder / "log").read_text()
        return answers(f"http://127.0.0.1:{port}/readyz") or None

    try:
        wait_for("the issuer", ready)
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
