"""A department outside Kubernetes for tests: store, heritage database, keeper and data API, all real, tied together by files and loopback ports."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import aiohttp
import asyncpg
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from commonweal_api.closings import CLOSINGS_KEY, StoreClosings, closings_of
from commonweal_api.common import namespace_of, platform_namespace_of
from commonweal_api.model_service import RUNTIME_CLIENT
from commonweal_api.pairwise import pairwise
from commonweal_api.plan import PLAN_KEY, REPORT_KEY, StorePlan, StoreReport, audience_of, digest_of
from commonweal_api.rights import RIGHTS, BasisType
from commonweal_api.store_access import password_of
from commonweal_runtime.keeper.keeper import Keeper
from commonweal_runtime.plan_exchange import DirectoryExchange, PlanExchange
from support.certificates import trusting
from support.loopback import Loopback
from support.postgres import DATABASE_KEY, HeritageServer, StoreServer, free_port
from support.signing import nonce_of
from support.waiting import EVERY, HANG

DEPARTMENT = "registry"
SECTOR_KEY = b"s" * 32
CLIENT_ISSUER, PERSON_ISSUER = "https://site.test", "https://people.test"
USER, PASSWORD = "reader", "made-up-for-tests"
T = TypeVar("T")


def subject(root: str) -> UUID:
    """Return the test department's id of a person."""
    return pairwise(SECTOR_KEY, root)


class Issuer(Loopback):
    """A JWKS server on loopback and the key behind it: stands for the site's API server and for the people's issuer."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwk = {**jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True), "kid": "test", "use": "sig", "alg": "RS256"}
        body = json.dumps({"keys": [jwk]}).encode()
        super().__init__(lambda *_: (200, body))
        self.url += "/jwks"

    def token(self, **claims: Any) -> str:
        """Return a signed token; a claim given as None is left out."""
        now = int(time.time())
        body = {"aud": audience_of(DEPARTMENT), "iat": now, "exp": now + 3600, **claims}
        return jwt.encode({k: v for k, v in body.items() if v is not None}, self._key, algorithm="RS256", headers={"kid": "test"})

    def client(self, department: str, client: str, **claims: Any) -> str:
        """Return a ServiceAccount's token; a model runtime's account is one of the platform's namespace."""
        namespace = platform_namespace_of(department) if client == RUNTIME_CLIENT else namespace_of(department)
        return self.token(**{"iss": CLIENT_ISSUER, "sub": f"system:serviceaccount:{namespace}:{client}", **claims})

    def person(self, who: UUID, **claims: Any) -> str:
        """Return a person's token."""
        return self.token(**{"iss": PERSON_ISSUER, "sub": str(who), **claims})


class DataApi:
    """The data API as a process of its own, started as in its pod."""

    def __init__(self, store: StoreServer, issuer: Issuer, command: Sequence[str] | None = None, **env: str) -> None:
        self._directory, self.port = store.directory / "api", free_port()
        self._directory.mkdir(exist_ok=True)
        for name, key in (("database", DATABASE_KEY), ("sector", SECTOR_KEY)):
            (self._directory / name).write_text(key.hex())
        self._command = list(command or [sys.executable, "-m", "commonweal_runtime.data_api"])
        self._env = {
            "COMMONWEAL_DEPARTMENT": DEPARTMENT,
            "COMMONWEAL_AUDIENCE": audience_of(DEPARTMENT),
            "COMMONWEAL_CLIENT_ISSUER": CLIENT_ISSUER,
            "COMMONWEAL_CLIENT_JWKS": issuer.url,
            "COMMONWEAL_PERSON_ISSUER": PERSON_ISSUER,
            "COMMONWEAL_PERSON_JWKS": issuer.url,
            "COMMONWEAL_STORE": f"127.0.0.1:{store.port}",
            "COMMONWEAL_KEYS_DIR": str(self._directory),
            "COMMONWEAL_LISTEN": "127.0.0.1",
            "COMMONWEAL_PORT": str(self.port),
            **env,
        }
        self.url = f"{'https' if 'COMMONWEAL_TLS_DIR' in env else 'http'}://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the process has written."""
        return (self._directory / "log").read_text()

    def __enter__(self) -> Self:
        with (self._directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command, env={**os.environ, **self._env}, stdout=log, stderr=log)
        asyncio.run(self._answers())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    async def _answers(self) -> None:
        async with asyncio.timeout(HANG), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(self.url + "/readyz", ssl=trusting()) as answer:
                        # To its end: what is let go before that is closed in TLS's own time, which is longer than the loop's.
                        await answer.read()
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    if self.process is None or self.process.poll() is not None:
                        raise RuntimeError(self.log) from None
                await asyncio.sleep(EVERY)


class Exchange(DirectoryExchange):
    """A directory exchange that a test writes plans to and waits for reports at."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(directory, interval=EVERY)
        self.directory, self.written = directory, 0
        self.login("heritage", USER, PASSWORD)

    async def report(self, text: str) -> None:
        """Leave the report, and count it if the file was written."""
        before = self._report_file()
        await super().report(text)
        self.written += self._report_file() != before

    def _report_file(self) -> tuple[int, int] | None:
        path = self.directory / REPORT_KEY
        return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None

    def login(self, name: str, username: str | None, password: str | None) -> None:
        """Write, or remove keys of, a login."""
        folder = self.directory / "secrets" / name
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in (("username", username), ("password", password)):
            (folder / key).unlink(missing_ok=True)
            if value is not None:
                (folder / key).write_text(value)

    def put(self, plan: StorePlan) -> None:
        """Put a plan on the exchange, after the list of what it opens, as the operator does."""
        self.close_all_but(closings_of(plan))
        self._place(PLAN_KEY, json.dumps(plan.wire()))

    def close_all_but(self, closings: StoreClosings) -> None:
        """Put the list of what may be open on the exchange, and no plan."""
        self._place(CLOSINGS_KEY, closings.model_dump_json())

    def _place(self, name: str, text: str) -> None:
        fresh = self.directory / "fresh"
        fresh.write_text(text)
        fresh.replace(self.directory / name)

    def reported(self) -> StoreReport | None:
        """Return the last report."""
        path = self.directory / REPORT_KEY
        return StoreReport.model_validate_json(path.read_text()) if path.exists() else None

    async def when(self, told: Callable[[StoreReport], T | None], patience: float = HANG) -> T:
        """Return the first answer about a report that is not None; TimeoutError shows the last report. A report is read once, when it is new."""
        seen = None
        try:
            async with asyncio.timeout(patience):
                while True:
                    file = self._report_file()
                    if file != seen and (report := self.reported()) is not None and (found := told(report)) is not None:
                        return found
                    seen = file
                    await asyncio.sleep(EVERY)
        except TimeoutError:
            raise TimeoutError(f"last report: {self.reported()}") from None

    async def settled(self, plan: StorePlan, *, ready: bool = True, patience: float = HANG) -> StoreReport:
        """Return the report on `plan` once every outcome is as `ready` says, and no agreement waits to be listed among the open ones."""
        wanted, names = digest_of(plan), {a.name for a in plan.agreements}

        def told(report: StoreReport) -> StoreReport | None:
            outcomes = [*report.products.values(), *report.agreements.values()]
            told = report.plan == wanted and names <= report.agreements.keys()
            return report if told and (all(o.ready for o in outcomes) == ready or not outcomes) else None

        return await self.when(told, patience)

    async def until(self, product: str, reason: str) -> str:
        """Return the message of a product once it carries `reason`."""

        def told(report: StoreReport) -> str | None:
            outcome = report.products.get(product)
            return outcome.message if outcome is not None and outcome.reason == reason else None

        return await self.when(told)


@asynccontextmanager
async def keeping(store: StoreServer, exchange: PlanExchange) -> AsyncIterator[None]:
    """Run a keeper while the block runs; a keeper that ends by itself fails the test."""
    task = asyncio.create_task(Keeper(lambda: store.superuser("department"), exchange, DATABASE_KEY, SECTOR_KEY).run())
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class KeeperProcess:
    """The keeper as a process of its own, outside Kubernetes: its plan and its logins come from a directory."""

    def __init__(self, store: StoreServer, directory: Path) -> None:
        keys = store.directory / "keys"
        keys.mkdir(exist_ok=True)
        for name, key in (("database", DATABASE_KEY), ("sector", SECTOR_KEY)):
            (keys / name).write_text(key.hex())
        self._log = store.directory / "keeper.log"
        self._env = {
            "COMMONWEAL_PLAN_EXCHANGE": str(directory),
            "COMMONWEAL_KEYS_DIR": str(keys),
            "COMMONWEAL_SOCKET_DIR": str(store.sockets),
            "PGPORT": str(store.port),
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the process has written."""
        return self._log.read_text()

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "commonweal_runtime.keeper"]
            self.process = subprocess.Popen(command, env={**os.environ, **self._env}, stdout=log, stderr=log)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)


async def login(store: StoreServer, role: str) -> Any:
    """Return a connection of one of the store's roles over TCP, as a service would make it."""
    return await asyncpg.connect(
        host="127.0.0.1", port=store.port, user=role, password=password_of(DATABASE_KEY, role), database="department"
    )


PEOPLE = """
create table person (ref text primary key, full_name text, born date, postcode text, score integer, income numeric, active boolean, seen timestamptz);
insert into person select 'P' || n, 'Person ' || n, date '1950-01-01' + n * 37, 'AB' || n % 9 || ' ' || n % 7 || 'CD', n % 100, n * 1.5, n % 2 = 0,
  timestamptz '2026-01-01 00:00+00' + n * interval '1 hour' from generate_series(1, 200) n;
create table visit (id bigint primary key, person text, kind text not null, day date);
insert into visit select n, 'P' || (1 + n % 50), (array['call','letter','desk'])[1 + n % 3], date '2025-01-01' + n % 300 from generate_series(1, 200) n;
"""
READER = f"create role {USER} login password '{PASSWORD}'"
GRANTS = f"grant select on all tables in schema public to {USER}"


def person_product(heritage: HeritageServer, **over: Any) -> dict[str, Any]:
    """Return the spec of a product of one record per person."""
    fields = [
        {"name": "fullName", "column": "full_name", "type": "String", "required": True, "semantic": "person:fullName"},
        {"name": "born", "column": "born", "type": "Date"},
        {"name": "birthYear", "mask": {"of": "born", "kind": "Year"}, "description": "Year of birth."},
        {"name": "postcode", "column": "postcode", "type": "String"},
        {"name": "area", "mask": {"of": "postcode", "kind": "FirstWord"}},
        {"name": "score", "column": "score", "type": "Integer"},
        {"name": "income", "column": "income", "type": "Number"},
        {"name": "active", "column": "active", "type": "Boolean"},
        {"name": "seen", "column": "seen", "type": "Timestamp"},
    ]
    return {
        "title": "People",
        "version": "1.0.0",
        "class": "Person",
        "source": {
            "postgres": {
                "host": "127.0.0.1",
                "port": heritage.port,
                "database": "heritage",
                "table": "person",
                "credentials": {"name": "heritage"},
            }
        },
        "subject": {"column": "ref"},
        "serve": {"refreshSeconds": 5},
        "fields": fields,
        **over,
    }


def visit_product(heritage: HeritageServer, **over: Any) -> dict[str, Any]:
    """Return the spec of a product of many records per person."""
    spec = person_product(heritage)
    source = {"postgres": {**spec["source"]["postgres"], "table": "visit"}}
    fields = [
        {"name": "kind", "column": "kind", "type": "String", "required": True},
        {"name": "day", "column": "day", "type": "Date"},
        {"name": "hasDay", "mask": {"of": "day", "kind": "Present"}},
    ]
    subject = {"column": "person", "records": "Many", "recordKey": "id"}
    return {**spec, "title": "Visits", "class": "Interaction", "source": source, "subject": subject, "fields": fields, **over}


def agreement(
    basis: str = "Consent", *, product: str = "people", consumer: str = "tax", fields: Any = ("fullName", "birthYear"), **over: Any
) -> dict[str, Any]:
    """Return the spec of an agreement with one client, `app`, and one purpose, `<consumer>/serve`."""
    rights = RIGHTS[BasisType(basis)]
    law = {} if rights.grant else {"legalPower": "Made-up Act 2026, section 1"}
    interest = {"condition": "Emergency"} if rights.condition else {}
    objection = "Honoured" if rights.objection else "NotApplicable"
    days = {"consentValidityDays": 365} if rights.grant else {}
    return {
        "product": {"name": product},
        "consumer": {"department": consumer, "clients": ["app"]},
        "purposes": [
            {"key": f"{consumer}/serve", "iri": "dpv:ServicePersonalisation", "text": "A sentence of some length that a person is shown."}
        ],
        "fields": list(fields),
        "basis": {"type": basis, **law, **interest},
        "subjects": {"objection": objection, **days},
        "limits": {"maxRows": 100},
        "validity": _validity(rights.most_days),
        **over,
    }


def _validity(most_days: int | None) -> dict[str, str]:
    """Return a time that holds now: some years, or as long as the basis allows."""
    if most_days is None:
        return {"from": "2026-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"}
    yesterday = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    return {"from": yesterday.isoformat(), "until": (yesterday + timedelta(days=most_days)).isoformat()}


def plan(products: Mapping[str, dict[str, Any]], agreements: Mapping[str, dict[str, Any]], uid: str = "") -> StorePlan:
    """Return a plan; uids follow from the names, and `uid` makes others of the same names."""
    return StorePlan.model_validate(
        {
            "department": DEPARTMENT,
            "displayName": "The Registry",
            "contact": "mailto:registry@example.test",
            "products": [{"name": n, "uid": f"p-{n}{uid}", "generation": 1, "spec": s} for n, s in products.items()],
            "agreements": [
                {"name": n, "uid": f"a-{n}{uid}", "generation": 1, "spec": {"nonce": nonce_of(f"a-{n}{uid}")} | s}
                for n, s in agreements.items()
            ],
        }
    )
