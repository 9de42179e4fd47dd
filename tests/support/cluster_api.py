"""Cluster API's real core controller with its webhooks, on a real API server with the providers' real definitions. No provider runs.

    with ClusterApi(home, upstream=("aws", "gcp"), more=[open_definition(...)]) as management:
        management.create(site_objects)

What core makes of a Cluster (the infrastructure's objects, the control plane's, the workers') is therefore made, validated by the providers'
own definitions, and never acted upon: no cloud is called.
"""

from __future__ import annotations

import base64
import datetime as dt
import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from commonweal_local import toolchain
from commonweal_stacks import fleet_names as names
from commonweal_stacks.management import controllers
from commonweal_stacks.management.certificates import issue
from commonweal_stacks.management.upstream import UPSTREAM
from support.control_plane import ControlPlane, _free_ports
from support.kube_api import Refused, manifests_in
from support.waiting import wait_for

HOST = "localhost"
# Kinds for which other parts are used than these adapters take; each kind costs the API server memory.
USED = ("clusters", "clustertemplates", "machines", "machinetemplates")


class ClusterApi(ControlPlane):
    """A management cluster: the definitions of core, of kubeadm, of these providers and these more, and core itself."""

    def __init__(self, home: Path, upstream: Iterable[str], more: Iterable[Mapping[str, Any]] = ()) -> None:
        super().__init__(home, ("garbage-collector-controller", "namespace-controller"))
        self._upstream, self._more = tuple(upstream), tuple(more)
        self._tools["cluster-api"] = toolchain.path_of("cluster-api")
        self._webhooks, self._health, self._metrics = _free_ports(3)

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._install()
            self._start("cluster-api", *self._core_flags())
            wait_for("Cluster API to be ready", self._core_ready)
            for hook in controllers.webhooks(controllers.CORE, self._webhook):
                self.apply(hook)
        except BaseException:
            self.__exit__()
            raise
        return self

    def create(self, objects: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Create objects one after the other, unknown fields refused; a Cluster as soon as core has looked at its class."""
        return [self._create(obj) for obj in objects]

    def dry_run(self, obj: Mapping[str, Any]) -> str:
        """Return why the server refuses an object, strictly validated; the empty string when it takes it. Nothing is stored."""
        try:
            self.api().create(obj, dry_run=True)
        except Refused as refused:
            return refused.message
        return ""

    def found(self, api_version: str, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object of the fleet; None when it is not there."""
        try:
            return self.api().get({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": names.FLEET}})
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def _create(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        def attempt() -> dict[str, Any] | None:
            try:
                return self.api().create(obj)
            except Refused as refused:
                if obj["kind"] == "Cluster" and "successfully reconciled" in refused.message:
                    return None
                raise

        return wait_for(f"{obj['kind']} {obj['metadata']['name']} to be taken", attempt)

    def _install(self) -> None:
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.FLEET}})
        own = [found for controller in (controllers.CORE, *controllers.KUBEADM) for found in controllers.definitions(controller)]
        installed = [*own, *(found for name in self._upstream for found in definitions(name)), *self._more]
        api = self.api()
        for definition in installed:
            api.apply(definition)
        for definition in installed:
            version = next(each["name"] for each in definition["spec"]["versions"] if each["served"])
            path = f"/apis/{definition['spec']['group']}/{version}"
            wait_for(definition["metadata"]["name"], partial(self._served, path, definition["spec"]["names"]["plural"]))

    def _webhook(self, path: str) -> dict[str, str]:
        return {"url": f"https://{HOST}:{self._webhooks}{path}", "caBundle": base64.b64encode(self._authority.encode()).decode()}

    def _core_flags(self) -> list[str]:
        folder = self.home / "webhooks"
        folder.mkdir()
        pair = issue(os.urandom(32), "test", [HOST], year=dt.datetime.now(dt.UTC).year)
        self._authority = pair.authority
        (folder / "tls.crt").write_text(pair.certificate)
        (folder / "tls.key").write_text(pair.key)
        return [
            f"--kubeconfig={self.kubeconfig()}",
            f"--webhook-port={self._webhooks}",
            f"--webhook-cert-dir={folder}",
            f"--health-addr=127.0.0.1:{self._health}",
            f"--diagnostics-address=127.0.0.1:{self._metrics}",
            "--insecure-diagnostics",
            "--kube-api-qps=50",
            "--kube-api-burst=100",
            f"--feature-gates={controllers.GATES}",
        ]

    def _core_ready(self) -> bool | None:
        self._ready()
        try:
            with urlopen(f"http://127.0.0.1:{self._health}/readyz", timeout=2) as answer:
                return answer.status == 200 or None
        except (URLError, OSError):
            return None


def definitions(name: str) -> list[dict[str, Any]]:
    """Return a provider's real definitions of the kinds that adapters use, with the labels that its installer would put on them."""
    folder = toolchain.definitions(name)
    found = manifests_in(folder / "crds")
    label = labels(name)
    return [_plain(each, label) for each in found if each["spec"]["names"]["plural"].removeprefix(UPSTREAM[name].name) in USED]


def labels(name: str) -> dict[str, str]:
    """Return the labels that a provider's installer puts on its definitions: they say which of its versions speak which contract."""
    kustomization = yaml.safe_load((toolchain.definitions(name) / "crds.kustomization.yaml").read_text())
    found = dict(kustomization.get("commonLabels", {}))
    for entry in kustomization.get("labels", []):
        found |= entry.get("pairs", {})
    return found


def _plain(definition: Mapping[str, Any], label: Mapping[str, str]) -> dict[str, Any]:
    """Return a definition without the webhook that converts between its versions, for nothing is stored in an older one here."""
    spec = {key: value for key, value in definition["spec"].items() if key != "conversion"}
    metadata = {"name": definition["metadata"]["name"], "labels": dict(label)}
    return {"apiVersion": definition["apiVersion"], "kind": definition["kind"], "metadata": metadata, "spec": spec}


def open_definition(api_version: str, kind: str, contract: str) -> dict[str, Any]:
    """Return a definition of a kind without a schema: with it core can be asked what it makes of a class, and nothing of the kind is checked."""
    group, _, version = api_version.partition("/")
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": anything}}
    label = {f"{names.GROUP}/{contract}": version}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": label},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [served],
        },
    }
