"""A department as it was before the platform had a namespace for each: its store, data API and keys in its own namespace."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass, replace
from typing import Any

import yaml

from commonweal_api.agreement_signatures import agreement_key
from commonweal_api.closings import STORE_CLOSINGS
from commonweal_api.move import ARRIVING, SPLITTING
from commonweal_api.plan import STORE_PLAN, STORE_REPORT
from commonweal_api.signatures import canonical, issuer_jwks
from commonweal_cli.demo import bring_up
from commonweal_cli.kubectl import Kubectl
from commonweal_operator.desired.keys import keys, signing
from commonweal_operator.desired.manifest import Child, Owner, child
from commonweal_operator.desired.namespace import namespace
from commonweal_operator.desired.plans import reports
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.store import store
from commonweal_operator.desired.web import data_api
from support.waiting import HANG

SEED, DATABASE = b"\x07" * 32, b"\x08" * 32
MOVE = "split-test"


@dataclass(frozen=True)
class OldDepartment:
    """Makes it on a site. The Department is marked as being split from the first, so that the operator makes no keys of its own for it."""

    cluster: Kubectl
    name: str

    def make(self) -> None:
        """Make the Department and all that an earlier release had made of it, while no operator works: its quotas were not there then."""
        deployment = ("deployment", "commonweal-operator", "-n", bring_up.SYSTEM)
        self.cluster.run("scale", *deployment, "--replicas=0")
        try:
            selector = "app.kubernetes.io/component=operator"
            self.cluster.run("wait", "pod", "-l", selector, "-n", bring_up.SYSTEM, "--for=delete", f"--timeout={HANG:.0f}s")
            self._make()
        finally:
            self.cluster.run("scale", *deployment, "--replicas=1")

    def _make(self) -> None:
        spec = {"displayName": "Almanac", "contact": "mailto:data@almanac.example", "registrars": ["desk"]}
        marks = {ARRIVING: MOVE, SPLITTING: MOVE}
        meta = {"name": self.name, "annotations": marks}
        self.cluster.apply_object({"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "metadata": meta, "spec": spec})
        owner = Owner(self.name, self.cluster.get("departments", self.name)["metadata"]["uid"])
        found = [namespace(owner), *self._keys(owner), *self._access(owner), *reports(owner), *self._pods(owner)]
        # Its pods call each other where they are, and not where the operator would have put them.
        bodies = ",".join(c.body.decode().replace(f".dept-{self.name}-platform.svc", f".dept-{self.name}.svc") for c in found)
        listed = f'{{"apiVersion":"v1","kind":"List","items":[{bodies}]}}'
        self.cluster.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=listed)
        published = json.dumps({"status": {"keys": [agreement_key(SEED).wire()]}})
        self.cluster.run("patch", "department", self.name, "--subresource=status", "--type=merge", "-p", published)

    def _master(self) -> bytes:
        secret = self.cluster.get("secret", "commonweal-sectors", bring_up.SYSTEM)["data"]["master"]
        return bytes.fromhex(b64decode(secret).decode().strip())

    def _keys(self, owner: Owner) -> list[Child]:
        return [keys(owner, database=DATABASE, master=self._master()), signing(owner, seed=SEED, public=agreement_key(SEED).x)]

    def _access(self, owner: Owner) -> list[Child]:
        rules: list[dict[str, Any]] = [
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": [STORE_PLAN, STORE_CLOSINGS],
                "verbs": ["get", "list", "watch"],
            },
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [STORE_REPORT], "verbs": ["get", "patch"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        ]
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "store"}
        subject = {"kind": "ServiceAccount", "name": "store", "namespace": owner.namespace}
        ours = {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": ["store", "data-api"]}]}
        open_ = {"podSelector": ours, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
        return [
            *(child("ServiceAccount", owner.metadata(name, name), automountServiceAccountToken=False) for name in ("store", "data-api")),
            child("Role", owner.metadata("store", "store"), rules=rules),
            child("RoleBinding", owner.metadata("store"), roleRef=role, subjects=[subject]),
            child("NetworkPolicy", owner.metadata("store"), spec=open_),
        ]

    def _pods(self, owner: Owner) -> list[Child]:
        text = self.cluster.get("configmap", "commonweal-operator", bring_up.SYSTEM)["data"]["config.yaml"]
        issuer = json.loads(self.cluster.run("get", "--raw", "/.well-known/openid-configuration"))["issuer"]
        known = {"clientIssuer": issuer, "personKeys": canonical(issuer_jwks(self._master())).decode()}
        platform = PlatformConfig.model_validate(yaml.safe_load(text) | known)
        return [_in_the_clear(each) for each in (*store(owner, platform, "1Gi"), *data_api(owner, platform, has_peers=False))]


# That release knew no certificates: what the present one does with them is taken out of the process.
_WITHOUT_TLS = (
    "from commonweal_runtime import server; server.presented = lambda _: None\n"
    "from commonweal_runtime.data_api.__main__ import main; main()"
)


def _in_the_clear(made: Child) -> Child:
    """Return what an earlier release made of it: a Service on port 80, probes over HTTP, and no certificates in any pod."""
    body = json.loads(made.body)
    if made.kind == "Service":
        body["spec"]["ports"] = [port | {"port": 80, "name": "http"} if port["port"] == 443 else port for port in body["spec"]["ports"]]
        return replace(made, body=json.dumps(body).encode())
    pod = body["spec"]["template"]["spec"]
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "tls"]
    for container in pod["containers"]:
        container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "tls"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            container.get(probe, {}).get("httpGet", {}).pop("scheme", None)
        if container["name"] == "data-api":
            container["command"] = ["python3", "-c", _WITHOUT_TLS]
            container["env"] = [each for each in container["env"] if each["name"] != "COMMONWEAL_TLS_DIR"]
    return replace(made, body=json.dumps(body).encode())
