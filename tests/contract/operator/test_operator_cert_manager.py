"""Where cert-manager issues: the operator asks it in objects that its own definitions take, and admission lets it, and nobody else, put the Secrets there.

The definitions are those of the pinned release, from its Go module. cert-manager itself does not run here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commonweal_local.progress import Silent
from commonweal_local.toolchain import golang
from commonweal_operator.desired.certificates import Wanted, certificate, term
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.desired.platform import Images, IssuerRef, PlatformConfig
from contract.operator.stage import SYSTEM, Operator, install
from support.certificates import SITE
from support.control_plane import ControlPlane, User
from support.kube_api import Refused
from support.waiting import wait_for

MODULE, VERSION = "github.com/cert-manager/cert-manager", "v1.19.1"
CHECKSUM = "h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY="
CERTIFICATES = {"issuerRef": {"name": "company"}, "authority": SITE.certificate}
OWN, OURS = "dept-registry", "dept-registry-platform"
DEPARTMENT = {
    "apiVersion": "commonweal.dev/v1alpha1",
    "kind": "Department",
    "metadata": {"name": "registry"},
    "spec": {"displayName": "The Registry", "contact": "mailto:registry@example.test"},
}


def definitions(empty: Path) -> list[Path]:
    """Return the files of the release, whose checksum is the one written here."""
    said = golang.download(golang.ensure(Silent()), MODULE, VERSION, empty)
    assert said["Sum"] == CHECKSUM
    return sorted((Path(said["Dir"]) / "deploy" / "crds").glob("cert-manager.io_certificate*.yaml"))


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    home = tmp_path_factory.mktemp("cert-manager-plane")
    users = {"issues": User("issues"), "stranger": User("stranger"), "rules-all": User("rules-all")}
    with ControlPlane(home, controllers=("garbage-collector-controller", "namespace-controller"), users=users) as started:
        for file in definitions(tmp_path_factory.mktemp("empty")):
            started.apply(file.read_text())
        install(started, certificates=CERTIFICATES)
        started.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "identity", "namespace": SYSTEM},
                "spec": {"ports": [{"port": 443}]},
            }
        )
        rules = [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]},
            {"apiGroups": ["cert-manager.io"], "resources": ["certificaterequests"], "verbs": ["*"]},
        ]
        status = {"apiGroups": ["cert-manager.io"], "resources": ["certificates/status"], "verbs": ["update"]}
        everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
        for user, has in (("issues", [*rules, status]), ("stranger", rules), ("rules-all", [everything])):
            started.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": has})
            started.allow(user, user)
        yield started


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    running = Operator(plane, tmp_path_factory.mktemp("operator") / "log", certificates=CERTIFICATES)
    running.start()
    plane.apply(DEPARTMENT)
    yield running
    running.stop()


def found(plane: ControlPlane, path: str) -> dict[str, Any] | None:
    try:
        return plane.api().request("GET", path)
    except Refused:
        return None


@pytest.mark.parametrize(("namespace", "service"), [(OURS, "data-api"), (OURS, "models"), (SYSTEM, "identity")])
def test_each_workloads_certificate_is_asked_for_in_words_that_cert_manager_takes(
    plane: ControlPlane, operator: Operator, namespace: str, service: str
) -> None:
    path = f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates/commonweal-{service}-tls"
    made = wait_for(path, lambda: found(plane, path), seconds=90)
    assert made["spec"]["issuerRef"] == {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "company"}
    assert made["spec"]["secretName"] == f"commonweal-{service}-tls"
    assert made["spec"]["dnsNames"][0] == f"{service}.{namespace}.svc.cluster.local"
    again = {**made, "metadata": {k: v for k, v in made["metadata"].items() if k in ("name", "namespace", "labels", "ownerReferences")}}
    plane.api().request(
        "PUT",
        path,
        {**again, "metadata": {**again["metadata"], "resourceVersion": made["metadata"]["resourceVersion"]}},
        dryRun="All",
        fieldValidation="Strict",
    )


def test_the_certificate_beside_the_volumes_is_taken_as_well_and_none_of_another_name(plane: ControlPlane, operator: Operator) -> None:
    """In the department's own namespace, where more is refused, with what the operator would write for a source on a volume."""
    wait_for("the namespace", lambda: found(plane, f"/api/v1/namespaces/{OWN}"))
    uid = plane.api().request("GET", "/apis/commonweal.dev/v1alpha1/departments/registry")["metadata"]["uid"]
    one = Wanted("volumes", OWN, term(datetime.now(UTC), "p"), owner=Owner("registry", uid))
    platform = PlatformConfig(images=Images(runtime="r", store="s"), issuer_ref=IssuerRef(name="company"))
    body = json.loads(certificate(one, platform, None).body)
    plane.api("operator").apply(body, dry_run=True)
    other = {**body, "spec": {**body["spec"], "secretName": "commonweal-keys"}}
    with pytest.raises(Refused, match="each in the Secret of the same name"):
        plane.api("operator").apply(other, dry_run=True)


def test_no_secret_is_made_by_the_operator_and_whom_to_believe_is_as_the_values_say(plane: ControlPlane, operator: Operator) -> None:
    operator.settled()
    assert found(plane, f"/api/v1/namespaces/{OURS}/secrets/commonweal-data-api-tls") is None
    assert found(plane, f"/api/v1/namespaces/{OWN}/configmaps/commonweal-ca")["data"] == {"ca.crt": SITE.certificate}


def test_at_rest_and_after_a_restart_it_writes_nothing(operator: Operator) -> None:
    before = operator.settled()
    assert operator.stop() == 0
    operator.start()
    assert operator.settled() == before


def secret(name: str, namespace: str) -> dict[str, Any]:
    content = {"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, **content}


def request(namespace: str) -> dict[str, Any]:
    spec = {"issuerRef": {"name": "company"}, "request": "bm8="}
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": "commonweal-data-api-tls-1", "namespace": namespace},
        "spec": spec,
    }


WRITES = [
    secret("commonweal-data-api-tls", OURS),
    secret("commonweal-models-tls-x7k2p", OURS),
    secret("commonweal-volumes-tls", OWN),
    request(OURS),
]


@pytest.mark.parametrize("body", WRITES, ids=lambda b: f"{b['kind']} {b['metadata']['name']}")
def test_who_issues_may_write_these_and_nobody_else_may(plane: ControlPlane, operator: Operator, body: dict[str, Any]) -> None:
    wait_for("the namespace", lambda: found(plane, f"/api/v1/namespaces/{OURS}"))
    plane.api("issues").create(body, dry_run=True)
    with pytest.raises(Refused, match=r"belongs to Commonweal|is the platform's"):
        plane.api("stranger").create(body, dry_run=True)
    with pytest.raises(Refused, match=r"belongs to Commonweal|is the platform's"):
        plane.api("rules-all").create(body, dry_run=True)


@pytest.mark.parametrize("name", ["commonweal-keys", "commonweal-signing", "commonweal-other-tls", "another"])
def test_who_issues_may_write_no_other_secret_of_the_platform(plane: ControlPlane, operator: Operator, name: str) -> None:
    wait_for("the namespace", lambda: found(plane, f"/api/v1/namespaces/{OURS}"))
    with pytest.raises(Refused, match="is the platform's"):
        plane.api("issues").create(secret(name, OURS), dry_run=True)
