"""What every pod of a department shares: the restricted security context, its environment, its volumes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commonweal_api import platform_namespace_of
from commonweal_api.plan import audience_of
from commonweal_operator.desired.certificates import TLS_DIRECTORY
from commonweal_operator.desired.manifest import Manifest, Owner
from commonweal_operator.desired.platform import PRIORITY_CLASS, PlatformConfig

USER = 10001  # `commonweal` in every image
TOKEN_SECONDS = 3600
GRACE_SECONDS = 30
LEAVING_SECONDS = 5  # with what the server takes for its last words (20) it is within the grace
# A node that was short of memory takes no new pods for five minutes more. Ours asked for all they may take, so that they are no part of the shortage, and a store
# or data API that starts again must not wait for it.
MEMORY_PRESSURE = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}
DISK = "512Mi"  # of the node's own, for logs and what a container writes to /tmp
ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
SOCKET_DIRECTORY = "/run/postgresql"
DATA_DIRECTORY = "/var/lib/postgresql/data"
VOLUMES_DIRECTORY = "/var/lib/commonweal/volumes"
KEYS_DIRECTORY = "/etc/commonweal/keys"
TOKENS_DIRECTORY = "/var/run/commonweal/tokens"

ACCOUNT_MOUNT = {"name": "account", "mountPath": ACCOUNT_DIRECTORY, "readOnly": True}
KEYS_MOUNT = {"name": "keys", "mountPath": KEYS_DIRECTORY, "readOnly": True}
# What a component writes beside its claim: a few sockets, and nothing that lasts. A pod that writes more is evicted.
SCRATCH, SOCKETS = "64Mi", "1Mi"


def cluster_host(service: str, department: str) -> str:
    """Return the DNS name of a department's Service inside the cluster."""
    return service_host(service, platform_namespace_of(department))


def service_host(service: str, namespace: str) -> str:
    """Return the DNS name of a Service inside the cluster."""
    return f"{service}.{namespace}.svc.cluster.local"


def environment(owner: Owner, platform: PlatformConfig) -> list[Manifest]:
    """Return the variables that every container of a department gets, sorted by name."""
    values = {
        "AUDIENCE": audience_of(owner.department),
        "CLIENT_ISSUER": platform.client_issuer,
        "DEPARTMENT": owner.department,
        "KEYS_DIR": KEYS_DIRECTORY,
        "PERSON_AUDIENCE": platform.person_audience,
        "PERSON_CLAIM": platform.person_claim,
        "PERSON_ISSUER": platform.person_issuer,
        "PERSON_JWKS": platform.person_jwks,
        "PERSON_KEYS": platform.person_keys,
        "PERSON_SKEW_SECONDS": str(platform.person_skew_seconds),
        "PERSON_SUBJECT": platform.person_subject,
        "STORE": f"{cluster_host('store', owner.department)}:5432",
        "TLS_DIR": TLS_DIRECTORY,
        "TOKENS_DIR": TOKENS_DIRECTORY,
    }
    variables: list[Manifest] = [{"name": f"COMMONWEAL_{key}", "value": value} for key, value in values.items()]
    own = {"name": "COMMONWEAL_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    return sorted([*variables, own], key=lambda v: str(v["name"]))


def account_volume() -> Manifest:
    """Return what Kubernetes mounts for a ServiceAccount by itself; mounted by name, only the containers that need it see it."""
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]
    return {"name": "account", "projected": {"defaultMode": 0o440, "sources": sources}}


def keys_volume(secret: str, names: Iterable[str]) -> Manifest:
    """Return a component's keys, each by its name: whatever else a Secret has, or ever gets, is not seen in this pod."""
    items = [{"key": name, "path": name} for name in names]
    return {"name": "keys", "secret": {"secretName": secret, "defaultMode": 0o440, "items": items}}


def empty(name: str, most: str) -> Manifest:
    """Return a volume that begins empty, goes with the pod, and holds no more than `most`."""
    return {"name": name, "emptyDir": {"sizeLimit": most}}


def container(name: str, image: str, module: str, **more: Any) -> Manifest:
    """Return a container that runs one Python module as nobody in particular, on a read-only file system with a writable /tmp of its own."""
    mounts = [{"name": _scratch(name), "mountPath": "/tmp"}, *more.pop("volumeMounts", [])]  # noqa: S108 - an emptyDir of the pod's own
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", module],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": mounts,
        **more,
    }


def pod(owner: Owner, component: str, containers: list[Manifest], volumes: list[Manifest], grace: int = GRACE_SECONDS) -> Manifest:
    """Return the pod template of a component."""
    return {
        "metadata": {"labels": owner.labels(component)},
        "spec": {
            "serviceAccountName": component,
            "priorityClassName": PRIORITY_CLASS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": grace,
            "tolerations": [MEMORY_PRESSURE],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": containers,
            "volumes": [*(empty(_scratch(c["name"]), SCRATCH) for c in containers), *volumes],
        },
    }


def _scratch(container: str) -> str:
    # One for each: what is taken over in one container plants no file in the other.
    return f"tmp-{container}"


def resources(cpu: str, most: str) -> Manifest:
    """Return what a container is promised: CPU, and all the memory and node's disk that it may ever take.

    A node that runs short ends first who takes more than he asked for, so one of ours never does; a tenant's pod that asked well could otherwise outlast
    a store. CPU beyond the promise is free to whoever is idle, for it can be taken back.
    """
    kept = {"memory": most, "ephemeral-storage": DISK}
    return {"requests": {"cpu": cpu, **kept}, "limits": kept}


def http_probes(port: int) -> Manifest:
    """Return the three probes of an HTTP pod: a quarter of an hour to start, then two minutes without one answer end it.

    On a busy node answers are late, and a start takes the most of all: a pod that is ended for being late comes back later still, until all of them only
    start. Likewise the only pod of a service does no good when it is called unready for being slow: callers are then refused.
    """
    live = {"httpGet": {"path": "/healthz", "port": port, "scheme": "HTTPS"}}
    ready = {"httpGet": {"path": "/readyz", "port": port, "scheme": "HTTPS"}}
    return {
        "startupProbe": live | {"periodSeconds": 1, "failureThreshold": 900, "timeoutSeconds": 5},
        "livenessProbe": live | {"periodSeconds": 15, "failureThreshold": 8, "timeoutSeconds": 15},
        "readinessProbe": ready | {"periodSeconds": 2, "failureThreshold": 4, "timeoutSeconds": 10},
    }
