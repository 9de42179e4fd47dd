"""The reader of a department's own volumes, beside them: a claim cannot be mounted from another namespace, so its files are read over HTTP.

What it holds is the department's own, and it has nothing else but its certificate: no key of ours, no token, no right. Whoever takes it over can give the store other files of the
department, which whoever writes to the volume can do as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from commonweal_operator.desired.certificates import TLS_MOUNT, TLS_VARIABLE, tls_volume
from commonweal_operator.desired.manifest import Child, Manifest, Owner, child
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.pods import VOLUMES_DIRECTORY, container, http_probes, pod, resources, service_host

COMPONENT, PORT = "volumes", 8084


def volumes_url(owner: Owner) -> str:
    """Return where the store reads the department's volumes."""
    return f"https://{service_host(COMPONENT, owner.own.namespace)}:{PORT}"


def volumes(owner: Owner, platform: PlatformConfig, claims: Iterable[str]) -> list[Child]:
    """Return the reader's Deployment and Service; without a claim there is no pod.

    `claims` are the department's volume claims that sources lie on; they must exist, for a pod with an unknown claim never starts.
    """
    found = sorted(set(claims))
    main = container(
        COMPONENT,
        platform.images.store,
        "commonweal_runtime.volumes",
        env=[TLS_VARIABLE],
        ports=[{"name": "https", "containerPort": PORT, "protocol": "TCP"}],
        volumeMounts=[
            TLS_MOUNT,
            *({"name": f"source-{i}", "mountPath": f"{VOLUMES_DIRECTORY}/{c}", "readOnly": True} for i, c in enumerate(found)),
        ],
        resources=resources("25m", "256Mi"),
        **http_probes(PORT),
    )
    spec = {
        "replicas": int(bool(found)),
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": owner.selector(COMPONENT)},
        # A volume that one node at a time may hold is let go before it is taken again.
        "strategy": {"type": "Recreate"},
        "template": pod(owner, COMPONENT, [main], [tls_volume(COMPONENT), *_volumes(found)]),
    }
    # Headless: one pod, and its address is the service's.
    ports = [{"name": "https", "port": PORT, "protocol": "TCP", "targetPort": PORT}]
    service = {"clusterIP": "None", "selector": owner.selector(COMPONENT), "ports": ports}
    return [
        child("Deployment", owner.metadata(COMPONENT, COMPONENT), spec=spec),
        child("Service", owner.metadata(COMPONENT, COMPONENT), spec=service),
    ]


def _volumes(claims: Sequence[str]) -> list[Manifest]:
    # Numbered: a claim's name may be as long as a volume's, and with a word before it too long.
    return [{"name": f"source-{i}", "persistentVolumeClaim": {"claimName": c, "readOnly": True}} for i, c in enumerate(claims)]
