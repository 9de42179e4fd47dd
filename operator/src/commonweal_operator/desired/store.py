"""The department's store: PostgreSQL and its keeper in one pod, so that superuser rights never cross the network."""

from __future__ import annotations

from commonweal_operator.desired.certificates import TLS_MOUNT, tls_volume
from commonweal_operator.desired.keys import KEYS_OF_KEEPER
from commonweal_operator.desired.keys import NAME as KEYS
from commonweal_operator.desired.manifest import Child, Manifest, Owner, child
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.pods import (
    ACCOUNT_MOUNT,
    DATA_DIRECTORY,
    KEYS_MOUNT,
    SOCKET_DIRECTORY,
    SOCKETS,
    account_volume,
    container,
    empty,
    environment,
    keys_volume,
    pod,
    resources,
)
from commonweal_operator.desired.volumes import volumes_url

COMPONENT, PORT = "store", 5432
_SOCKET = {"name": "socket", "mountPath": SOCKET_DIRECTORY}


def store(owner: Owner, platform: PlatformConfig, size: str) -> list[Child]:
    """Return the StatefulSet and its headless Service. `size` is that of the volume, in Kubernetes' notation."""
    claim = {
        "metadata": {"name": "data", "labels": owner.labels(COMPONENT)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": platform.storage_class,
            "resources": {"requests": {"storage": size}},
        },
    }
    volumes = [empty("socket", SOCKETS), keys_volume(KEYS, KEYS_OF_KEEPER), account_volume(), tls_volume()]
    spec = {
        "serviceName": COMPONENT,
        "replicas": 1,
        "selector": {"matchLabels": owner.selector(COMPONENT)},
        "template": pod(owner, COMPONENT, [_postgres(owner, platform), _keeper(owner, platform)], volumes, grace=60),
        "volumeClaimTemplates": [claim],
    }
    ports = [{"name": "postgres", "port": PORT, "protocol": "TCP", "targetPort": PORT}]
    # Headless: one pod, and its address is the service's, so that no proxy stands between a reader and the store.
    service = {"clusterIP": "None", "selector": owner.selector(COMPONENT), "ports": ports}
    return [
        child("StatefulSet", owner.metadata(COMPONENT, COMPONENT), spec=spec),
        child("Service", owner.metadata(COMPONENT, COMPONENT), spec=service),
    ]


def _postgres(owner: Owner, platform: PlatformConfig) -> Manifest:
    # The port is open as soon as the server takes connections, and a look at it starts no process in the container.
    answers = {"tcpSocket": {"port": PORT}}
    return container(
        "postgres",
        platform.images.store,
        "commonweal_runtime.store.postgres",
        env=[*environment(owner, platform), {"name": "PGDATA", "value": f"{DATA_DIRECTORY}/pgdata"}],
        ports=[{"name": "postgres", "containerPort": PORT, "protocol": "TCP"}],
        volumeMounts=[{"name": "data", "mountPath": DATA_DIRECTORY}, _SOCKET],
        resources=resources("50m", "768Mi"),
        startupProbe=answers | {"periodSeconds": 1, "failureThreshold": 900, "timeoutSeconds": 5},
        livenessProbe=answers | {"periodSeconds": 30, "failureThreshold": 4, "timeoutSeconds": 15},
        readinessProbe=answers | {"periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 5},
    )


def _keeper(owner: Owner, platform: PlatformConfig) -> Manifest:
    # No probe: what the keeper has done is in its report, and a keeper that cannot reach a source must not make the store unready.
    return container(
        "keeper",
        platform.images.store,
        "commonweal_runtime.keeper",
        env=[*environment(owner, platform), {"name": "COMMONWEAL_VOLUMES", "value": volumes_url(owner)}],
        volumeMounts=[_SOCKET, KEYS_MOUNT, ACCOUNT_MOUNT, TLS_MOUNT],
        resources=resources("25m", "384Mi"),
    )
