"""What every pod of a department shares: the restricted security context, its environment, its volumes."""

from __future__ import annotations

from typing import Any

from commonweal_api import platform_namespace_of
from commonweal_api.plan import audience_of
from commonweal_operator.desired.keys import NAME as KEYS
from commonweal_operator.desired.manifest import Manifest, Owner
from commonweal_operator.desired.platform import PRIORITY_CLASS, PlatformConfig

USER = 10001  # `commonweal` in every image
TOKEN_SECONDS = 3600
ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
SOCKET_DIRECTORY = "/run/postgresql"
DATA_DIRECTORY = "/var/lib/postgresql/data"
VOLUMES_DIRECTORY = "/var/lib/commonweal/volumes"
KEYS_DIRECTORY = "/etc/commonweal/keys"
TOKENS_DIRECTORY = "/var/run/commonweal/tokens"

ACCOUNT_MOUNT = {"name": "account", "mountPath": ACCOUNT_DIRECTORY, "readOnly": True}
KEYS_MOUNT = {"name": "keys", "mountPath": KEYS_DIRECTORY, "readOnly": True}
KEYS_VOLUME = {"name": "keys", "secret": {"secretName": KEYS, "defaultMode": 0o440}}


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


def container(name: str, image: str, module: str, **more: Any) -> Manifest:
    """Return a container that runs one Python module as nobody in particular, on a read-only file system with a writable /tmp."""
    mounts = [{"name": "tmp", "mountPath": "/tmp"}, *more.pop("volumeMounts", [])]  # noqa: S108 - an emptyDir of the pod's own
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


def pod(owner: Owner, component: str, containers: list[Manifest], volumes: list[Manifest], grace: int = 30) -> Manifest:
    """Return the pod template of a component."""
    return {
        "metadata": {"labels": owner.labels(component)},
        "spec": {
            "serviceAccountName": component,
            "priorityClassName": PRIORITY_CLASS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": grace,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": containers,
            "volumes": [{"name": "tmp", "emptyDir": {}}, *volumes],
        },
    }


def resources(cpu: str, memory: str, most: str) -> Manifest:
    """Return what a container is promised (CPU, memory) and the most memory it may take; CPU beyond the promise is free to whoever is idle."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most}}


def http_probes(port: int) -> Manifest:
    """Return the three probes of an HTTP pod: two minutes to start, then half a minute of silence ends it."""
    live = {"httpGet": {"path": "/healthz", "port": port}}
    ready = {"httpGet": {"path": "/readyz", "port": port}}
    return {
        "startupProbe": live | {"periodSeconds": 1, "failureThreshold": 120, "timeoutSeconds": 2},
        "livenessProbe": live | {"periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 3},
        "readinessProbe": ready | {"periodSeconds": 2, "failureThreshold": 3, "timeoutSeconds": 3},
    }
