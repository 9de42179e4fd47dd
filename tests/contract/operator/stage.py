"""The operator as a process of its own, our chart, and stand-ins for what runs in pods; for contract tests and benches."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from commonweal_api import namespace_of
from commonweal_api.plan import (
    MODEL_PLAN,
    MODEL_REPORT,
    STORE_PLAN,
    STORE_REPORT,
    ModelPlan,
    ModelReport,
    Outcome,
    StorePlan,
    StoreReport,
    digest_of,
)
from support.control_plane import OPERATOR, REPOSITORY, ControlPlane, find_tools
from support.kube_api import MERGE, Refused, wait_for

SYSTEM = "commonweal-system"
IMAGES = {
    "operator": "localhost/commonweal/operator:t",
    "runtime": "localhost/commonweal/runtime:t",
    "store": "localhost/commonweal/store:t",
}
EXAMPLE = REPOSITORY / "examples" / "start-a-business"
DEPARTMENTS = ("benefits-department", "companies-registry", "tax-authority")
API = "/apis/commonweal.dev/v1alpha1"


def chart(**values: Any) -> list[dict[str, Any]]:
    """Return the objects of our chart."""
    given = {"images": IMAGES, **values}
    command = [str(find_tools("helm")["helm"]), "template", "commonweal", str(REPOSITORY / "charts" / "commonweal"), "--namespace", SYSTEM]
    done = subprocess.run([*command, "--values", "-"], input=yaml.safe_dump(given), capture_output=True, text=True, timeout=60, check=True)
    return [obj for obj in yaml.safe_load_all(done.stdout) if obj]


class Operator:
    """The operator's process. Every write it makes is read from the audit log of the API server."""

    def __init__(self, plane: ControlPlane, log: Path, *options: str) -> None:
        self.plane, self._log, self._options = plane, log, options
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self) -> None:
        """Start it; returns when it says that it is ready."""
        config = next(o for o in chart() if o["kind"] == "ConfigMap")["data"]["config.yaml"]
        path = self.plane.home / "operator.yaml"
        path.write_text(config)
        self._port = self._port or _free_port()
        command = [
            sys.executable,
            "-m",
            "commonweal_operator",
            "--config",
            str(path),
            "--kubeconfig",
            str(self.plane.kubeconfig("operator")),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._options, "--probes", f"127.0.0.1:{self._port}"],
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONWARNINGS": "error::ResourceWarning"},
            )
        wait_for("the operator to be ready", self._ready, seconds=60)

    def stop(self) -> int:
        """End it as Kubernetes does; return its exit status."""
        self._process.terminate()
        return self._process.wait(30)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._process.wait(10)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def get(self, path: str) -> str:
        """Return what the probe endpoint says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def writes(self) -> list[str]:
        """Return every write that the operator asked the API server for, but for its Lease: verb, path, status code."""
        found = []
        for line in self.plane.audit_log.read_text().splitlines():
            entry = json.loads(line)
            if entry["user"]["username"] == OPERATOR and entry.get("objectRef", {}).get("resource") != "leases":
                found.append(f"{entry['verb']} {entry['requestURI'].partition('?')[0]} {entry['responseStatus']['code']}")
        return found

    def settled(self, seconds: float = 1.5) -> int:
        """Return how many writes there were when the operator had been still for so long."""
        state = {"count": -1, "polls": 0}

        def still() -> int | None:
            count = len(self.writes())
            state["polls"] = state["polls"] + 1 if count == state["count"] else 0
            state["count"] = count
            return count if state["polls"] >= seconds / 0.25 else None

        return wait_for("the operator to come to rest", still, seconds=60, every=0.25)

    def _ready(self) -> bool | None:
        assert self._process.poll() is None, f"the operator ended:\n{self._log.read_text()[-3000:]}"
        try:
            return self.get("/readyz") == "ok\n" or None
        except OSError:
            return None


class Pods:
    """Does what keeper, model runtime and kubelet do: reports that every plan is carried out, and that every pod is ready."""

    def __init__(self, plane: ControlPlane) -> None:
        self._api = plane.api()

    def work(self, department: str) -> None:
        """Carry out both plans of a department and say so."""
        space = namespace_of(department)
        for plan_name, report_name, answer in ((STORE_PLAN, STORE_REPORT, _store_report), (MODEL_PLAN, MODEL_REPORT, _model_report)):
            text = wait_for(f"{plan_name} of {department}", partial(self._data, space, plan_name))["plan.json"]
            path = f"/api/v1/namespaces/{space}/configmaps/{report_name}"
            body = {"data": {"report.json": json.dumps(answer(text).wire())}}
            wait_for(f"{report_name} of {department}", partial(self._patch, path, body))
        for plural, name in (("statefulsets", "store"), ("deployments", "data-api"), ("deployments", "models")):
            self._run(f"/apis/apps/v1/namespaces/{space}/{plural}/{name}")

    def _run(self, path: str) -> None:
        workload = wait_for(path, partial(self._get, path))
        count = workload["spec"]["replicas"]
        numbers = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), count)
        self._patch(f"{path}/status", {"status": {"observedGeneration": workload["metadata"]["generation"], **numbers}})

    def _data(self, space: str, name: str) -> dict[str, str] | None:
        found = self._get(f"/api/v1/namespaces/{space}/configmaps/{name}")
        return found.get("data") if found else None

    def _get(self, path: str) -> dict[str, Any] | None:
        try:
            return self._api.request("GET", path)
        except Refused:
            return None

    def _patch(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return self._api.request("PATCH", path, body, content_type=MERGE)
        except Refused:
            return None


def _store_report(text: str) -> StoreReport:
    plan = StorePlan.model_validate_json(text)
    products = {
        p.name: Outcome(uid=p.uid, generation=p.generation, ready=True, reason="Serving", contract="sha256:c") for p in plan.products
    }
    agreements = {
        p.name: Outcome(uid=p.uid, generation=p.generation, ready=True, reason="Enforced", number=n)
        for n, p in enumerate(plan.agreements, 1)
    }
    return StoreReport(plan=digest_of(plan), products=products, agreements=agreements)


def _model_report(text: str) -> ModelReport:
    plan = ModelPlan.model_validate_json(text)
    models = {m.name: Outcome(uid=m.uid, generation=m.generation, ready=True, reason="RuntimeReady") for m in plan.models}
    return ModelReport(plan=digest_of(plan), models=models)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def install(plane: ControlPlane, **values: Any) -> None:
    """Put on a control plane what the stack puts on a site: our kinds, the platform's namespace and master key, and everything of the chart."""
    plane.install_crds()
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "commonweal-sectors", "namespace": SYSTEM}}
    plane.apply({**secret, "stringData": {"master": "ab" * 32}})
    for obj in chart(**values):
        obj["metadata"].setdefault("namespace", SYSTEM)
        plane.apply(obj)


def open_business(plane: ControlPlane, operator: Operator, pods: Pods) -> None:
    """Apply the example of three departments, with pods that do their work."""
    plane.apply(EXAMPLE / "10-departments.yaml")
    api = plane.api()

    def present(name: str) -> bool | None:
        try:
            return bool(api.request("GET", f"/api/v1/namespaces/{namespace_of(name)}/secrets/commonweal-keys"))
        except Refused:
            return None

    for name in DEPARTMENTS:
        wait_for(f"the namespace of {name}", partial(present, name))
    for file in ("20-access", "30-products", "40-agreements", "50-model"):
        plane.apply(EXAMPLE / f"{file}.yaml")
    operator.settled()
    for name in DEPARTMENTS:
        pods.work(name)
