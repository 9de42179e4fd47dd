"""Whoever stands where a data API, another site or the reader of volumes should, is not told a token and is not believed (attack a)."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from commonweal_api.model_service import Feature
from commonweal_api.plan import FeatureSource, FeedPeer
from commonweal_cli.audit.sources import Department
from commonweal_cli.demo.web import Caller
from commonweal_local.exceptions import LocalError
from commonweal_runtime import certificates
from commonweal_runtime.exceptions import FeedError, SignInError, SourceReadError
from commonweal_runtime.federation.pulling import Puller
from commonweal_runtime.federation.sealing import FeedKey
from commonweal_runtime.identity.sign_in import sign_in
from commonweal_runtime.models.sources import FeatureReader, TokenFiles
from commonweal_runtime.seal_key import KeyRing
from commonweal_runtime.store.sources.served import served
from contract.wire.conftest import Start
from support.certificates import OTHER_SITE, SITE, in_place
from support.loopback import Loopback

TOKEN, WHO = "a-token-that-nobody-else-may-see", UUID(int=7)
IMPOSTORS = {"another authority": (OTHER_SITE, "127.0.0.1"), "another name": (SITE, "data-api.dept-other-platform.svc")}


class Heard(Loopback):
    """Answers as any of them would, with the certificate in a directory, and keeps the heads of requests that it was sent."""

    def __init__(self, folder: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        super().__init__(self._answer, context)
        self.requests: list[str] = []

    def _answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self.requests.append(f"{path} {dict(headers)}")
        return 200, json.dumps({"files": [], "record": {"postcode": "EH1 1AA"}, "subject": str(WHO)}).encode()


@pytest.fixture
def believing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have this process believe the site's authority, as a pod does."""
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv(certificates.VARIABLE, str(in_place(own)))
    certificates.inside.cache_clear()
    certificates.outside.cache_clear()
    yield own
    certificates.inside.cache_clear()
    certificates.outside.cache_clear()


@pytest.fixture(params=IMPOSTORS)
def impostor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Heard]:
    authority, name = IMPOSTORS[request.param]
    folder = tmp_path / "impostor"
    folder.mkdir()
    with Heard(in_place(folder, name, by=authority)) as heard:
        yield heard


@pytest.fixture
def true_one(tmp_path: Path) -> Iterator[Heard]:
    folder = tmp_path / "true"
    folder.mkdir()
    with Heard(in_place(folder)) as heard:
        yield heard


def model_reads(url: str, folder: Path) -> Any:
    """Have a model ask a data API for one field; return why it cannot, or None."""
    (folder / "registry").write_text(TOKEN)
    feature = Feature(department="registry", product="people", field="postcode")
    entry = SimpleNamespace(spec=SimpleNamespace(features=[feature], purpose="a/b"))
    call = SimpleNamespace(model=SimpleNamespace(entry=entry), caller="a/app", values=False)

    async def read() -> Any:
        async with aiohttp.ClientSession() as session:
            reader = FeatureReader(session, TokenFiles(folder))
            source = FeatureSource(department="registry", url=url, audience="https://commonweal.dev/departments/registry")
            await reader.read(call, {"registry": source}, {"registry": WHO})  # type: ignore[arg-type]
            return reader.source_errors.get(("registry", "people"))

    return asyncio.run(read())


class _Store:
    """As much of the own store as a question needs."""

    async def fetchrow(self, *_: object) -> Any:
        return {"epoch": None, "taken": 0, "seen": None, "asked": datetime.now(UTC)}


def feed_reads(url: str) -> str:
    async def pull() -> str:
        async with aiohttp.ClientSession() as session:
            puller = Puller(_Store(), session, "east", FeedPeer.model_construct(name="west", url=url), FeedKey(b"s" * 32, "registry"))
            with pytest.raises(FeedError) as refused:
                await puller.pull()
            return str(refused.value)

    return asyncio.run(pull())


def test_a_model_tells_an_impostor_no_token(believing: Path, impostor: Heard, tmp_path: Path) -> None:
    error = model_reads(impostor.url, tmp_path)
    assert error.state == "Unavailable"
    assert error.reason == "ClientConnectorCertificateError"
    assert impostor.requests == []


def test_a_model_asks_the_true_data_api(believing: Path, true_one: Heard, tmp_path: Path) -> None:
    model_reads(true_one.url, tmp_path)
    assert TOKEN in true_one.requests[0]


def test_a_model_asks_nobody_in_the_clear(believing: Path, tmp_path: Path) -> None:
    assert model_reads("http://data-api.dept-registry-platform.svc.cluster.local", tmp_path).reason == "NotHttps"


def test_the_feed_asks_an_impostor_nothing(believing: Path, impostor: Heard) -> None:
    assert feed_reads(impostor.url) == "it does not answer: ClientConnectorCertificateError"
    assert impostor.requests == []


def test_the_feed_asks_the_true_site_and_nobody_in_the_clear(believing: Path, true_one: Heard) -> None:
    assert "was not made by a site" in feed_reads(true_one.url)
    assert "/v1/feed" in true_one.requests[0]
    assert "its address is not https" in feed_reads("http://10.0.0.2")


def test_the_keeper_takes_no_file_of_an_impostor(believing: Path, impostor: Heard) -> None:
    with pytest.raises(SourceReadError, match="no certificate of this site's authority"):
        served(impostor.url, "volume://files/a").files()
    assert impostor.requests == []
    with pytest.raises(SourceReadError, match="give an https address"):
        served("http://volumes.dept-registry.svc:8084", "volume://files/a").files()


def test_the_keeper_reads_from_the_true_reader(believing: Path, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    base = start(in_place(folder))
    (tmp_path / "volumes" / "files").mkdir()
    (tmp_path / "volumes" / "files" / "a.parquet").write_bytes(b"not parquet")
    assert [f.name for f in served(base, "volume://files/").files()] == ["a.parquet"]


def test_the_command_line_tells_an_impostor_no_registrars_token(impostor: Heard) -> None:
    department = Department("registry", impostor.url, KeyRing([]), TOKEN, SITE.certificate)
    with pytest.raises(LocalError, match="CERTIFICATE_VERIFY_FAILED") as refused:
        list(department.lines())
    assert "SSL_CERT_FILE" in refused.value.remedy
    assert impostor.requests == []


def test_the_command_line_asks_the_true_data_api(true_one: Heard) -> None:
    list(Department("registry", true_one.url, KeyRing([]), TOKEN, SITE.certificate).lines())
    assert TOKEN in true_one.requests[0]


def test_the_journey_and_its_people_tell_an_impostor_nothing(impostor: Heard) -> None:
    trust = ssl.create_default_context(cadata=SITE.certificate)
    with pytest.raises(ssl.SSLCertVerificationError):
        Caller(impostor.url, TOKEN, trust=trust).get("/me/uses")
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        asyncio.run(sign_in(impostor.url, "ada", "secret", "registry", trust=trust))
    assert impostor.requests == []


def test_the_journey_and_its_people_ask_the_true_ones(true_one: Heard) -> None:
    trust = ssl.create_default_context(cadata=SITE.certificate)
    assert Caller(true_one.url, TOKEN, trust=trust).get("/me/uses").status == 200
    with pytest.raises(SignInError):
        asyncio.run(sign_in(true_one.url, "ada", "secret", "registry", trust=trust))
    assert "/authorize" in true_one.requests[-1]
