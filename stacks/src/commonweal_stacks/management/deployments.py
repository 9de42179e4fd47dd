"""A controller of Cluster API as a workload: what upstream's installer makes, with certificates of our own in the place of cert-manager's. Pure."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from commonweal_stacks.management.certificates import Pair
from commonweal_stacks.management.controllers import RBAC, Controller
from commonweal_stacks.manifests import Manifest

ACCOUNT, SERVICE, SECRET = "manager", "webhook-service", "webhook-service-cert"
CERTIFICATES = "/tmp/k8s-webhook-server/serving-certs"  # noqa: S108 - where upstream's image looks by default
WEBHOOK_PORT, HEALTH_PORT, METRICS_PORT = 9443, 9440, 8443
NOBODY = 65532
POD_FIELDS = {"POD_NAMESPACE": "metadata.namespace", "POD_NAME": "metadata.name", "POD_UID": "metadata.uid"}
# Two minutes without one answer end a controller: on a busy node answers are late, and a start takes the most of all.
SILENCE = {"periodSeconds": 15, "failureThreshold": 8, "timeoutSeconds": 15}


def hosts(controller: Controller) -> tuple[str, ...]:
    """Return the names under which the API server reaches the webhooks."""
    service = f"{controller.prefix}-{SERVICE}.{controller.namespace}"
    return (f"{service}.svc", f"{service}.svc.cluster.local")


def account(controller: Controller) -> dict[str, str]:
    """Return the subject that the controller works as."""
    return {"kind": "ServiceAccount", "name": _name(controller, ACCOUNT), "namespace": controller.namespace}


def client(controller: Controller, pair: Pair) -> Callable[[str], Mapping[str, Any]]:
    """Return how the API server reaches a path of the webhooks."""
    bundle = base64.b64encode(pair.authority.encode()).decode()
    service = {"name": _name(controller, SERVICE), "namespace": controller.namespace, "port": 443}
    return lambda path: {"service": {**service, "path": path}, "caBundle": bundle}


def namespace(controller: Controller) -> Manifest:
    """Return the controller's namespace, in which only pods of the `restricted` standard are admitted."""
    standard = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": controller.namespace, "labels": {**controller.labels, **standard}},
    }


def objects(controller: Controller, pair: Pair, *, key: Any) -> list[Manifest]:
    """Return what runs the controller and lets its copies agree on one leader; `key` may be a Pulumi output."""
    secret = {"tls.crt": pair.certificate, "tls.key": key}
    ports = [{"port": 443, "targetPort": "webhook-server", "protocol": "TCP"}]
    return [
        _object(controller, "v1", "ServiceAccount", ACCOUNT),
        _object(controller, "v1", "Secret", SECRET, type="kubernetes.io/tls", stringData=secret),
        _object(controller, "v1", "Service", SERVICE, spec={"ports": ports, "selector": _selector(controller), "type": "ClusterIP"}),
        *_leader_election(controller),
        deployment(controller),
    ]


def deployment(controller: Controller) -> Manifest:
    """Return the controller's Deployment, with upstream's image by its release."""
    labels = {**controller.labels, **_selector(controller)}
    pod = {
        "serviceAccountName": _name(controller, ACCOUNT),
        "terminationGracePeriodSeconds": 10,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": [{"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane"}],
        "containers": [_container(controller)],
        "volumes": [{"name": "cert", "secret": {"secretName": _name(controller, SECRET)}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": _selector(controller)}, "template": template}
    return _object(controller, "apps/v1", "Deployment", "controller-manager", spec=spec)


def _container(controller: Controller) -> dict[str, Any]:
    ports = {"webhook-server": WEBHOOK_PORT, "healthz": HEALTH_PORT, "metrics": METRICS_PORT}
    return {
        "name": "manager",
        "image": f"{controller.upstream.image}:{controller.upstream.version}",
        "command": ["/manager"],
        "args": ["--leader-elect", f"--diagnostics-address=:{METRICS_PORT}", f"--feature-gates={controller.gates}"],
        "env": [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in POD_FIELDS.items()],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "healthz"}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "healthz"}, **SILENCE},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "cert", "mountPath": CERTIFICATES, "readOnly": True}],
    }


def _leader_election(controller: Controller) -> list[Manifest]:
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    rules = [
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs},
    ]
    role = _object(controller, f"{RBAC}/v1", "Role", "leader-election-role", rules=rules)
    reference = {"apiGroup": RBAC, "kind": "Role", "name": role["metadata"]["name"]}
    bound = _object(
        controller, f"{RBAC}/v1", "RoleBinding", "leader-election-rolebinding", roleRef=reference, subjects=[account(controller)]
    )
    return [role, bound]


def _selector(controller: Controller) -> dict[str, str]:
    return {"cluster.x-k8s.io/provider": controller.provider, "control-plane": "controller-manager"}


def _name(controller: Controller, name: str) -> str:
    return f"{controller.prefix}-{name}"


def _object(controller: Controller, api_version: str, kind: str, name: str, **body: Any) -> Manifest:
    metadata = {"name": _name(controller, name), "namespace": controller.namespace, "labels": controller.labels}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}
