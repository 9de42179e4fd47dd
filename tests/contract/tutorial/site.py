"""What a node would run of the library department: keeper and data API as processes, between the real API server and a real PostgreSQL.

Plan, Secrets and report are carried between the cluster's objects and the keeper's directory, as its pod's own account would read and write them.
"""

from __future__ import annotations

import base64
import json
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_api.plan import PLAN_KEY, REPORT_KEY, STORE_PLAN, STORE_REPORT, StorePlan, audience_of, digest_of
from contract.operator.stage import Pods
from support.control_plane import ControlPlane
from support.data_api import DataApi, Exchange, Issuer, KeeperProcess
from support.kube_api import MERGE, KubeApi, Refused
from support.loopback import Loopback
from support.postgres import HeritageServer, StoreServer
from support.waiting import EVERY, HANG

LIBRARY = "library"
READERS = (LIBRARY, "town-hall")
CLUSTER_ISSUER = "https://kubernetes.default.svc.cluster.local"


class Keys(Issuer):
    """Serves the API server's own public keys; a pod would ask for them with its account's token."""

    def __init__(self, api: KubeApi) -> None:
        body = json.dumps(api.request("GET", "/openid/v1/jwks", accept="application/jwk-set+json")).encode()
        Loopback.__init__(self, lambda *_: (200, body))
        self.url += "/jwks"


class Library:
    """The library's pods, and the quota controller's count of both departments."""

    def __init__(self, plane: ControlPlane, store: StoreServer, heritage: HeritageServer, tls: Path) -> None:
        self._api, self._heritage, self._tls = plane.api(), heritage, tls
        self.exchange, self._pods = Exchange(store.directory / "exchange"), Pods(plane)
        self._store, self._stack, self._ended = store, ExitStack(), threading.Event()
        self._digests, self._told = dict[str, str](), dict[str, str]()
        self._carrier = threading.Thread(target=self._carry)
        self.faults: list[Exception] = []

    def __enter__(self) -> Self:
        keys = self._stack.enter_context(Keys(self._api))
        self._stack.enter_context(KeeperProcess(self._store, self.exchange.directory))
        env = {"COMMONWEAL_DEPARTMENT": LIBRARY, "COMMONWEAL_AUDIENCE": audience_of(LIBRARY), "COMMONWEAL_CLIENT_ISSUER": CLUSTER_ISSUER}
        self._carrier.start()
        self.api = self._stack.enter_context(DataApi(self._store, keys, COMMONWEAL_TLS_DIR=str(self._tls), **env))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._carrier.join(HANG)
        self._stack.close()

    def _carry(self) -> None:
        """Until the end: plan and logins to the keeper, its report to the cluster, and what kubelet and quota controller would say of it."""
        while not self._ended.wait(EVERY):
            try:
                for department in READERS:
                    self._ran(department)
                self._plan()
                self._report()
            except (Refused, KeyError):
                continue  # not there yet, or written by somebody else at the same moment
            except Exception as fault:  # noqa: BLE001 - the test shows it
                self.faults.append(fault)
                return

    def _ran(self, department: str) -> None:
        """Say once of each department that its quota is counted and its workloads run."""
        space = platform_namespace_of(department)
        if department not in self._told and self._get(f"/api/v1/namespaces/{space}/resourcequotas/department"):
            self._pods.count(department)
            self._pods.run(space)
            self._told[department] = "counted"

    def _plan(self) -> None:
        text = self._api.request("GET", self._path("configmaps", STORE_PLAN))["data"][PLAN_KEY]
        if self._told.get("plan") == text:
            return
        wanted = StorePlan.model_validate_json(text)
        led = self._led(json.loads(text))
        for product in json.loads(text).get("products", []):
            self._login(product["spec"]["source"]["postgres"]["credentials"]["name"])
        self._digests[digest_of(led)] = digest_of(wanted)
        self.exchange.put(led)
        self._told["plan"] = text

    def _led(self, document: dict[str, Any]) -> StorePlan:
        """Return the plan with the old machine's name led to this test's, as the cluster's DNS would."""
        for product in document.get("products", []):
            product["spec"]["source"]["postgres"] |= {"host": "127.0.0.1", "port": self._heritage.port}
        for agreement in document.get("agreements", []):
            agreement.pop("signed", None)  # what was signed names the old machine, and the keeper would find another one
        return StorePlan.model_validate(document)

    def _login(self, name: str) -> None:
        data = self._api.request("GET", f"/api/v1/namespaces/{namespace_of(LIBRARY)}/secrets/{name}")["data"]
        username, password = (base64.b64decode(data[key]).decode() for key in ("username", "password"))
        self.exchange.login(name, username, password)

    def _report(self) -> None:
        report = self.exchange.reported()
        if report is None or report.plan not in self._digests:
            return
        text = json.dumps(report.model_copy(update={"plan": self._digests[report.plan]}).wire())
        if self._told.get("report") != text:
            body = {"data": {REPORT_KEY: text}}
            self._api.request("PATCH", self._path("configmaps", STORE_REPORT), body, content_type=MERGE)
            self._told["report"] = text

    def _path(self, plural: str, name: str) -> str:
        return f"/api/v1/namespaces/{platform_namespace_of(LIBRARY)}/{plural}/{name}"

    def _get(self, path: str) -> Any:
        try:
            return self._api.request("GET", path)
        except Refused:
            return None
