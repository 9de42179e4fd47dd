"""A real model runtime as a process of its own, the data API that it reads, and the issuer of its callers' tokens."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from commonweal_api.model_service import Caller as ListedCaller
from commonweal_api.model_service import ModelServiceSpec
from commonweal_api.plan import FeatureSource, ModelEntry, ModelPlan, ModelReport, audience_of
from commonweal_api.store_access import models_access
from support.loopback import answers, client
from support.waiting import wait_for

ISSUER = "https://kubernetes.default.svc.cluster.local"
DEPARTMENT = "tax"
KEY = bytes(range(32))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Provider:
    """A data API in a thread: people's records per product, and switches for all that can go wrong. It also serves the JWKS of its issuer."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.records: dict[tuple[str, str], dict[str, Any]] = {}
        self.status: dict[str, tuple[int, str]] = {}
        self.requests: list[dict[str, Any]] = []
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def reset(self) -> None:
        self.records.clear()
        self.status.clear()
        self.requests.clear()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, department: str, client: str, audience: str | None = None, lifetime: int = 600) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": [audience or audience_of(DEPARTMENT)],
            "sub": f"system:serviceaccount:dept-{department}:{client}",
            "iat": now,
            "exp": now + lifetime,
        }
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": "k1"})

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.add_routes([web.get("/jwks", self._jwks), web.get("/v1/{product}/subjects/{subject}", self._read)])
        runner = web.AppRunner(app, access_log=None)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self.port).start())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _jwks(self, _: web.Request) -> web.Response:
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return web.json_response({"keys": [jwk | {"kid": "k1", "use": "sig", "alg": "ES256"}]})

    async def _read(self, request: web.Request) -> web.Response:
        product, subject, fields = request.match_info["product"], request.match_info["subject"], request.query["fields"].split(",")
        self.requests.append({"product": product, "subject": subject, "fields": fields, "headers": dict(request.headers)})
        if product in self.status:
            status, reason = self.status[product]
            return web.json_response({"reason": reason, "status": status}, status=status)
        found = self.records.get((product, subject))
        if found is None:
            return web.json_response({"reason": "NotFound", "status": 404}, status=404)
        if isinstance(found, list):
            return web.json_response({"subject": subject, "records": [{"record": i, **r} for i, r in enumerate(found)]})
        return web.json_response({"subject": subject, "record": {f: found[f] for f in fields}})


class ModelsProcess:
    """`python -m commonweal_runtime.models`, started, killed and started again on the same store."""

    def __init__(self, folder: Path, store: str, provider: Provider, database: str = "models") -> None:
        self.folder, self.port, self.provider = folder, free_port(), provider
        self.log = folder / "runtime.log"
        for name in ("exchange", "keys", "tokens"):
            (folder / name).mkdir(parents=True)
        for name, text in models_access(KEY).items():
            (folder / "keys" / name).write_text(text)
        for department in ("tax", "companies"):
            (folder / "tokens" / department).write_text(f"token-for-{department}\n")
        self._env = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "COMMONWEAL_DEPARTMENT": DEPARTMENT,
            "COMMONWEAL_AUDIENCE": audience_of(DEPARTMENT),
            "COMMONWEAL_CLIENT_ISSUER": ISSUER,
            "COMMONWEAL_CLIENT_JWKS": f"{provider.url}/jwks",
            "COMMONWEAL_STORE": store,
            "COMMONWEAL_MODELS_DATABASE": database,
            "COMMONWEAL_KEYS_DIR": str(folder / "keys"),
            "COMMONWEAL_TOKENS_DIR": str(folder / "tokens"),
            "COMMONWEAL_PLAN_EXCHANGE": str(folder / "exchange"),
            "COMMONWEAL_LISTEN": "127.0.0.1",
            "COMMONWEAL_PORT": str(self.port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as out:
            words = [sys.executable, "-m", "commonweal_runtime.models"]
            self._process = subprocess.Popen(words, env=self._env, stdout=out, stderr=out, start_new_session=True)
        wait_for("the runtime to be ready", lambda: self._is_ready() or None)

    def kill(self) -> None:
        """Kill it as a crash of the machine would: at once, all of it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it as Kubernetes does."""
        self._end(signal.SIGTERM)

    def plan(self, *entries: ModelEntry, at: Mapping[str, str] | None = None) -> ModelReport:
        """Hand in a plan, and return the report that answers it. `at` says where each department's data API is, if not at the provider."""
        urls = at or dict.fromkeys(("tax", "companies"), self.provider.url)
        sources = [FeatureSource(department=d, url=url, audience=audience_of(d)) for d, url in urls.items()]
        text = ModelPlan(department=DEPARTMENT, models=list(entries), sources=sources).model_dump_json(by_alias=True, exclude_none=True)
        new = self.folder / "exchange" / "plan.new"
        new.write_text(text)
        new.replace(self.folder / "exchange" / "plan.json")
        wanted = {e.name: (e.uid, e.generation) for e in entries}
        return wait_for("the report on the plan", lambda: self._report(wanted))

    def report(self) -> ModelReport | None:
        file = self.folder / "exchange" / "report.json"
        return ModelReport.model_validate_json(file.read_text()) if file.exists() else None

    def _report(self, wanted: dict[str, tuple[str, int]]) -> ModelReport | None:
        report = self.report()
        fits = report is not None and {n: (o.uid, o.generation) for n, o in report.models.items()} == wanted
        return report if fits else None

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-3000:]
        return answers(f"{self.url}/healthz")

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, number) if number == signal.SIGKILL else self._process.send_signal(number)
            self._process.wait(15)
            self._process = None


class Caller:
    """A service that calls one model."""

    def __init__(self, process: ModelsProcess, model: str, token: str) -> None:
        self._client = client(process.url, headers={"Authorization": f"Bearer {token}"})
        self.model = model

    def post(self, verb: str, body: Any, **more: Any) -> httpx.Response:
        return self._client.post(f"/v1/models/{self.model}/{verb}", json=body, **more)

    def get(self, path: str) -> httpx.Response:
        return self._client.get(path)

    def send(self, path: str, **more: Any) -> httpx.Response:
        return self._client.post(path, **more)

    def state(self) -> dict[str, Any]:
        return dict(self._client.get(f"/v1/models/{self.model}").json())

    def close(self) -> None:
        self._client.close()


@contextmanager
def calling(process: ModelsProcess, model: str, client: str = "tax-app", department: str = DEPARTMENT) -> Iterator[Caller]:
    """Call a model as a service of a department."""
    caller = Caller(process, model, process.provider.token(department, client))
    try:
        yield caller
    finally:
        caller.close()


FEATURES = (
    {"department": "companies", "product": "companies", "field": "sector"},
    {"department": "companies", "product": "companies", "field": "year", "encoding": "Number", "min": 2000, "max": 2030},
    {"department": "tax", "product": "registrations", "field": "vatRegistered"},
    {"department": "tax", "product": "payments", "field": "late"},
)
APP = {"department": DEPARTMENT, "client": "tax-app"}


def entry(
    name: str,
    uid: str | None = None,
    generation: int = 1,
    callers: Sequence[dict[str, str]] = (APP,),
    agreed: Sequence[dict[str, str]] = (APP,),
    features: Sequence[dict[str, Any]] = FEATURES,
    purpose: str = "tax/personalise-guidance",
    **learning: Any,
) -> ModelEntry:
    """A model that reads a sector and a year from one department, and two fields of its own. Its caller is named in the agreements, if not said otherwise."""
    spec = ModelServiceSpec.model_validate(
        {
            "title": "Next step",
            "purpose": purpose,
            "features": list(features),
            "callers": list(callers),
            "learning": learning,
        }
    )
    return ModelEntry(name=name, uid=uid or f"uid-{name}", generation=generation, spec=spec, agreed=[ListedCaller(**c) for c in agreed])
