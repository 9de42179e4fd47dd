"""The two HTTP components of a department: the data API and the model runtime."""

from __future__ import annotations

from collections.abc import Iterable

from commonweal_api.plan import audience_of
from commonweal_operator.desired.certificates import TLS_MOUNT, tls_volume
from commonweal_operator.desired.keys import KEYS_OF_MODELS, keys_of_data_api
from commonweal_operator.desired.keys import MODELS as MODELS_KEYS
from commonweal_operator.desired.keys import NAME as KEYS
from commonweal_operator.desired.manifest import Child, Manifest, Owner, child
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.pods import (
    ACCOUNT_MOUNT,
    KEYS_MOUNT,
    LEAVING_SECONDS,
    TOKEN_SECONDS,
    TOKENS_DIRECTORY,
    account_volume,
    container,
    environment,
    http_probes,
    keys_volume,
    pod,
    resources,
)

DATA_API, DATA_API_PORT = "data-api", 8080
MODELS, MODELS_PORT = "models", 8081


def data_api(owner: Owner, platform: PlatformConfig, *, has_peers: bool) -> list[Child]:
    """Return the data API's Deployment and Service. `has_peers`: the department has other sites, which ask it for what people said."""
    keys = keys_of_data_api(makes_ids=platform.person_subject == "Source", has_peers=has_peers)
    main = container(
        DATA_API,
        platform.images.runtime,
        "commonweal_runtime.data_api",
        # The next pod is up already. The model runtime's waits until this one has gone, so that one does not linger.
        env=[*_environment(owner, platform), {"name": "COMMONWEAL_LEAVING_SECONDS", "value": str(LEAVING_SECONDS)}, *_mail(platform)],
        ports=[{"name": "https", "containerPort": DATA_API_PORT, "protocol": "TCP"}],
        volumeMounts=[KEYS_MOUNT, ACCOUNT_MOUNT, TLS_MOUNT],
        resources=resources("50m", "512Mi"),
        **http_probes(DATA_API_PORT),
    )
    template = pod(owner, DATA_API, [main], [keys_volume(KEYS, keys), account_volume(), tls_volume(DATA_API)])
    return [_deployment(owner, DATA_API, template, replicas=1), _service(owner, platform, DATA_API, DATA_API_PORT)]


def models(owner: Owner, platform: PlatformConfig, providers: Iterable[str], *, wanted: bool) -> list[Child]:
    """Return the model runtime's Deployment and Service; without a model there is no pod.

    `providers` are the departments whose data the models read: the pod gets one token for each, good for that department only.
    """
    sources = [
        {"serviceAccountToken": {"audience": audience_of(name), "expirationSeconds": TOKEN_SECONDS, "path": name}}
        for name in sorted(set(providers))
    ]
    tokens = {"name": "tokens", "projected": {"defaultMode": 0o440, "sources": sources}}
    main = container(
        MODELS,
        platform.images.runtime,
        "commonweal_runtime.models",
        env=_environment(owner, platform),
        ports=[{"name": "https", "containerPort": MODELS_PORT, "protocol": "TCP"}],
        volumeMounts=[KEYS_MOUNT, ACCOUNT_MOUNT, TLS_MOUNT, {"name": "tokens", "mountPath": TOKENS_DIRECTORY, "readOnly": True}],
        resources=resources("50m", "512Mi"),
        **http_probes(MODELS_PORT),
    )
    template = pod(owner, MODELS, [main], [keys_volume(MODELS_KEYS, KEYS_OF_MODELS), account_volume(), tls_volume(MODELS), tokens])
    return [_deployment(owner, MODELS, template, replicas=int(wanted)), _service(owner, platform, MODELS, MODELS_PORT)]


def _mail(platform: PlatformConfig) -> list[Manifest]:
    """Return where codes are sent from, or nothing where the platform has no mail server."""
    found = {"COMMONWEAL_SMTP": platform.smtp, "COMMONWEAL_SMTP_FROM": platform.smtp_from}
    return [{"name": name, "value": value} for name, value in found.items()] if all(found.values()) else []


def _environment(owner: Owner, platform: PlatformConfig) -> list[Manifest]:
    """Return the variables of a server: besides every container's, whose word it takes for who its client is."""
    proxies = ",".join(map(str, platform.trusted_proxies))
    return [*environment(owner, platform), *([{"name": "COMMONWEAL_TRUSTED_PROXIES", "value": proxies}] if proxies else [])]


def _deployment(owner: Owner, component: str, template: Manifest, *, replicas: int) -> Child:
    # Recreate for the model runtime: it is the only writer of its sums. The data API keeps one pod up while the next one starts.
    strategy: Manifest = (
        {"type": "Recreate"} if component == MODELS else {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}, "type": "RollingUpdate"}
    )
    spec = {
        "replicas": replicas,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": owner.selector(component)},
        "strategy": strategy,
        "template": template,
    }
    return child("Deployment", owner.metadata(component, component), spec=spec)


def _service(owner: Owner, platform: PlatformConfig, component: str, port: int) -> Child:
    # Only a node with a pod takes part, and the client's own address arrives: shares of connections and network policies go by it.
    kept: Manifest = {"externalTrafficPolicy": "Local"} if platform.expose == "LoadBalancer" else {}
    spec = {
        **kept,
        "type": platform.expose,
        "selector": owner.selector(component),
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
    }
    return child("Service", owner.metadata(component, component), spec=spec)
