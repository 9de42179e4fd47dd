"""The operator as a process of its own, our chart, and stand-ins for what runs in pods; for contract tests and benches."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_api.jwk import Jwk
from commonweal_api.negotiation import WhatIf
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
from commonweal_api.quality import QualityCount
from commonweal_api.signatures import public_key
from support.control_plane import OPERATOR, REPOSITORY, ControlPlane, find_tools
from support.kube_api import MERGE, Refused, manifests_in
from support.signing import signed
from support.waiting import wait_for

SYSTEM = "commonweal-system"
IMAGES = {
    "operator": "localhost/commonweal/operator:t",
    "runtime": "localhost/commonweal/runtime:t",
    "store": "localhost/commonweal/store:t",
    "portal": "localhost/commonweal/portal:t",
}
EXAMPLE = REPOSITORY / "examples" / "start-a-business"
DEPARTMENTS = ("benefits-department", "companies-registry", "tax-authority")
API = "/apis/commonweal.dev/v1alpha1"


def chart(**values: Any) -> list[dict[str, Any]]:
    """Return the objects of our chart."""
    given = {"images": IMAGES, **values}
    command = [str(find_tools("helm")["helm"]), "template", "commonweal", str(REPOSITORY / "charts" / "commonweal"), "--namespace", SYSTEM]
    done = subprocess.run([*command, "--values", "-"], input=yaml.safe_dump(given), capture_output=True, text=True, timeout=60, check=True)
    return manifests_in(done.stdout)


@contextmanager
def running_operator(plane: ControlPlane, directory: Path) -> Iterator[Operator]:
    """Run the operator; a test that stops it starts it again. One that runs at the end must end well."""
    process = Operator(plane, directory / "operator.log")
    process.start()
    yield process
    if process.running:
        assert process.stop() == 0


class Operator:
    """The operator's process, configured by the chart's `values`. Every write it makes is read from the audit log of the API server."""

    def __init__(self, plane: ControlPlane, log: Path, *options: str, **values: Any) -> None:
        self.plane, self._log, self._options, self._values = plane, log, options, values
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._written, self._read = list[str](), 0  # and how many bytes of the log that is

    def start(self) -> None:
        """Start it; returns when it says that it is ready."""
        config = next(o for o in chart(**self._values) if o["kind"] == "ConfigMap")["data"]["config.yaml"]
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
        wait_for("the operator to be ready", self._ready)

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
        with self.plane.audit_log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for entry in map(json.loads, whole.splitlines()):
            if entry["user"]["username"] == OPERATOR and entry.get("objectRef", {}).get("resource") != "leases":
                self._written.append(f"{entry['verb']} {entry['requestURI'].partition('?')[0]} {entry['responseStatus']['code']}")
        return list(self._written)

    def settled(self, seconds: float = 1.5) -> int:
        """Return how many writes there were when the operator had been still for so long."""
        state = {"count": -1, "polls": 0}

        def still() -> int | None:
            count = len(self.writes())
            state["polls"] = state["polls"] + 1 if count == state["count"] else 0
            state["count"] = count
            return count if state["polls"] >= seconds / 0.25 else None

        return wait_for("the operator to come to rest", still, every=0.25)

    def _ready(self) -> bool | None:
        assert self._process.poll() is None, f"the operator ended:\n{self._log.read_text()[-3000:]}"
        try:
            return self.get("/readyz") == "ok\n" or None
        except OSError:
            return None


class Pods:
    """Does what keeper, model runtime, kubelet and the quota's controller do: every plan is carried out, every pod is ready, everything is counted."""

    def __init__(self, plane: ControlPlane) -> None:
        self._api = plane.api()

    def work(self, department: str, *, ending: bool = False) -> None:
        """Carry out both plans of a department and say so. The workloads of one that is `ending` may go while it is told."""
        space = platform_namespace_of(department)
        self.count(department)
        for plan_name, report_name, answer in ((STORE_PLAN, STORE_REPORT, _store_report), (MODEL_PLAN, MODEL_REPORT, _model_report)):
            text = wait_for(f"{plan_name} of {department}", partial(self._data, space, plan_name))["plan.json"]
            path = f"/api/v1/namespaces/{space}/configmaps/{report_name}"
            body = {"data": {"report.json": json.dumps(answer(text).wire())}}
            wait_for(f"{report_name} of {department}", partial(self._patch, path, body))
        self.run(space, there=not ending)

    def run(self, space: str, *, there: bool = True) -> None:
        """Say that the workloads of a platform namespace run. They are waited for, unless they need not be `there`."""
        for plural, name in (("statefulsets", "store"), ("deployments", "data-api"), ("deployments", "models")):
            self._ready(f"/apis/apps/v1/namespaces/{space}/{plural}/{name}", there=there)

    def count(self, department: str) -> None:
        """Count what the quotas of both namespaces limit."""
        for space in (namespace_of(department), platform_namespace_of(department)):
            path = f"/api/v1/namespaces/{space}/resourcequotas/department"
            hard = wait_for(path, partial(self._get, path))["spec"]["hard"]
            self._patch(f"{path}/status", {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}})

    def _ready(self, path: str, *, there: bool) -> None:
        workload = wait_for(path, partial(self._get, path)) if there else self._get(path)
        if workload is None:
            return
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
        p.name: Outcome(
            uid=p.uid,
            generation=p.generation,
            ready=True,
            reason="Serving",
            contract="sha256:c",
            quality=QualityCount(passed=len(p.spec.quality)),
            sla_met=True,
            versions=[p.spec.version],
            quarantined=0,
        )
        for p in plan.products
    }
    agreements = {
        p.name: Outcome(
            uid=p.uid,
            generation=p.generation,
            ready=True,
            reason="DryRun" if p.dry_run else "Enforced",
            number=None if p.dry_run else n,
            what_if=WhatIf(subjects_gained=7, subjects_lost=0, fields_gained=p.spec.fields, as_of=datetime.now(UTC)) if p.dry_run else None,
        )
        for n, p in enumerate(plan.agreements, 1)
    }
    seal_key = Jwk.of(public_key(b"w" * 32), "Seal")
    return StoreReport(plan=digest_of(plan), seal_key=seal_key, products=products, agreements=agreements)


def _model_report(text: str) -> ModelReport:
    plan = ModelPlan.model_validate_json(text)
    models = {m.name: Outcome(uid=m.uid, generation=m.generation, ready=True, reason="RuntimeReady") for m in plan.models}
    return ModelReport(plan=digest_of(plan), models=models)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def install(plane: ControlPlane, **values: Any) -> None:
    """Put on a control plane what the stack puts on a site: our kinds, the platform's namespace with its two keys, and everything of the chart."""
    plane.install_crds()
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
    for name, key, content in (("commonweal-sectors", "master", "cd" * 32), ("commonweal-authority", "authority", "ab" * 32)):
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": SYSTEM}}
        plane.apply({**secret, "stringData": {key: content}})
    for obj in chart(**values):
        obj["metadata"].setdefault("namespace", SYSTEM)
        plane.apply(obj)


def seeds(plane: ControlPlane, *departments: str) -> dict[str, bytes]:
    """Return the departments' signing keys, as the operator made them."""
    paths = {name: f"/api/v1/namespaces/{platform_namespace_of(name)}/secrets/commonweal-signing" for name in departments}
    found = {name: plane.api().request("GET", path)["data"]["seed"] for name, path in paths.items()}
    return {name: bytes.fromhex(b64decode(seed).decode()) for name, seed in found.items()}


def agreed(plane: ControlPlane, policy: dict[str, Any], by: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Return the agreement as both parties (or those in `by`) sign it with the keys that they have here."""
    provider = policy["metadata"]["namespace"].removeprefix("dept-")
    return signed(policy, seeds(plane, *dict.fromkeys((provider, policy["spec"]["consumer"]["department"]))), by)


def open_business(plane: ControlPlane, operator: Operator, pods: Pods) -> None:
    """Apply the example of three departments, with pods that do their work."""
    plane.apply(EXAMPLE / "10-departments.yaml")
    api = plane.api()

    def present(name: str) -> bool | None:
        try:
            return bool(api.request("GET", f"/api/v1/namespaces/{platform_namespace_of(name)}/secrets/commonweal-signing"))
        except Refused:
            return None

    for name in DEPARTMENTS:
        wait_for(f"the namespace of {name}", partial(present, name))
    for file in ("20-access", "30-products"):
        plane.apply(EXAMPLE / f"{file}.yaml")
    for manifest in manifests_in(EXAMPLE / "40-agreements.yaml"):
        plane.apply(agreed(plane, manifest))
    plane.apply(EXAMPLE / "50-model.yaml")
    operator.settled()
    for name in DEPARTMENTS:
        pods.work(name)
