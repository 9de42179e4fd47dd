"""The blueprint's flags and files, given to the real programs of its version of Kubernetes."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from commonweal_local import toolchain
from commonweal_stacks.blueprint import REVISIONS, current, files
from support.control_plane import ControlPlane
from support.kube_api import Refused

WORD = "a word that must not lie in etcd"
PRIVILEGED = {"name": "c", "image": "example.org/none", "securityContext": {"privileged": True}}


class Blueprinted(ControlPlane):
    """A control plane with the flags and files that the blueprint gives every API server, on top of what kubeadm gives it."""

    def _apiserver_flags(self) -> list[str]:
        self.machine, blueprint = self.home / "machine", current()
        self.machine.mkdir()
        here = files.Places(*(str(self.machine / name) for name in ("audit.yaml", "admission.yaml", "encryption.yaml", "audit.log")))
        texts = {**files.texts(blueprint, here), here.encryption: files.encryption(blueprint, "5e" * 32)}
        for path, text in texts.items():
            Path(path).write_text(text)
        kept = [flag for flag in super()._apiserver_flags() if not flag.startswith("--audit-")]
        self.audit_log = self.machine / "audit.log"
        return [*kept, "--allow-privileged=true", *(f"--{name}={value}" for name, value in files.api_server_flags(blueprint, here).items())]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blueprinted]:
    with Blueprinted(tmp_path_factory.mktemp("blueprinted")) as running:
        yield running


def namespace(plane: Blueprinted, name: str, **labels: str) -> None:
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    plane.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})


def pod(name: str, space: str, container: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": space}, "spec": {"containers": [container]}}


def test_a_namespace_without_labels_admits_no_privileged_pod(plane: Blueprinted) -> None:
    namespace(plane, "unlabelled")
    with pytest.raises(Refused, match='violates PodSecurity "baseline:latest": privileged'):
        plane.api().create(pod("p", "unlabelled", PRIVILEGED))

    namespace(plane, "labelled", **{"pod-security.kubernetes.io/enforce": "privileged"})
    assert plane.api().create(pod("p", "labelled", PRIVILEGED))["kind"] == "Pod"


@pytest.mark.parametrize(("kind", "plural", "field"), [("Secret", "secrets", "stringData"), ("ConfigMap", "configmaps", "data")])
def test_what_is_encrypted_is_not_in_etcd_in_clear_text(plane: Blueprinted, kind: str, plural: str, field: str) -> None:
    namespace(plane, "secretive")
    plane.apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": "s", "namespace": "secretive"}, field: {"word": WORD}})

    stored = in_etcd(plane, f"/registry/{plural}/secretive/s")

    assert stored.startswith(b"k8s:enc:secretbox:v1:key1:")
    assert WORD.encode() not in stored


def in_etcd(plane: Blueprinted, key: str) -> bytes:
    """Return what etcd holds under a key, as etcd has it."""
    body = json.dumps({"key": base64.b64encode(key.encode()).decode()})
    url = f"http://127.0.0.1:{plane._client}/v3/kv/range"
    with urlopen(Request(url, body.encode()), timeout=10) as answer:
        return base64.b64decode(json.load(answer)["kvs"][0]["value"])


def test_the_audit_log_says_who_wrote_what_and_nothing_of_what_is_in_it(plane: Blueprinted) -> None:
    namespace(plane, "audited")
    for kind, field in (("Secret", "stringData"), ("ConfigMap", "data")):
        plane.apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": "told", "namespace": "audited"}, field: {"word": WORD}})
    plane.api().get({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "told", "namespace": "audited"}})

    log = plane.audit_log.read_text()
    entries = [json.loads(line) for line in log.splitlines()]

    of_secret = [
        each["verb"] for each in entries if each["objectRef"].get("resource") == "secrets" and each["objectRef"].get("name") == "told"
    ]
    assert of_secret == ["patch", "get"]
    assert any(each["objectRef"].get("resource") == "configmaps" for each in entries)
    assert all("requestObject" not in each and "responseObject" not in each for each in entries)
    assert WORD not in log


@pytest.mark.parametrize("version", sorted({each.kubernetes for each in REVISIONS.values()}))
def test_every_flag_is_one_of_the_programs_of_that_version(version: str) -> None:
    programs = toolchain.kubernetes(version)
    for blueprint in (each for each in REVISIONS.values() if each.kubernetes == version):
        given = {
            "kube-apiserver": files.api_server_flags(blueprint),
            "kube-controller-manager": files.controller_flags(blueprint),
            "kube-scheduler": files.scheduler_flags(blueprint),
            "kubelet": files.kubelet_flags(blueprint),
        }
        for program, flags in given.items():
            known = subprocess.run([programs[program], "--help"], check=True, capture_output=True, text=True).stdout
            assert set(flags) <= set(re.findall(r"^\s+(?:-\w, )?--([a-z0-9-]+)", known, re.MULTILINE)), program
