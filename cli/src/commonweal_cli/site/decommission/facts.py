"""What a site holds, asked of it before anything is erased: the certificate can name only what was known then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import kubernetes
import urllib3
from kubernetes.client.exceptions import ApiException

from commonweal_api.signing import canonical
from commonweal_local.failure import LocalError
from commonweal_stacks.clusters.identity import client_of, cluster_uid

API_GROUP, API_VERSION = "commonweal.dev", "v1alpha1"
TIMEOUT = (5.0, 30.0)
NOT_FOUND = 404


@dataclass(frozen=True)
class Holdings:
    """What a site held. `cluster` is the uid of its kube-system, empty for a site that could not be asked; digests are SHA-256 in hexadecimal."""

    cluster: str = ""
    departments: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """For the journal and the certificate."""
        return asdict(self)


def ask(kubeconfig: str, site: str) -> Holdings:
    """Ask the site. Raises LocalError when it does not answer."""
    try:
        client = client_of(kubeconfig, site=site)
        core: Any = kubernetes.client.CoreV1Api(client)
        listed = {
            "namespaces": core.list_namespace(_request_timeout=TIMEOUT).items,
            "nodes": core.list_node(_request_timeout=TIMEOUT).items,
            "volumes": core.list_persistent_volume(_request_timeout=TIMEOUT).items,
            "secrets": core.list_secret_for_all_namespaces(_request_timeout=TIMEOUT).items,
        }
        departments = _departments(client)
        volumes = {one.metadata.name: digest(client.sanitize_for_serialization(one.spec)) for one in listed["volumes"]}
        counts = {"departments": len(departments), **{name: len(items) for name, items in listed.items()}}
        return Holdings(cluster_uid(kubeconfig, site=site), departments, volumes, counts)
    except (ApiException, ValueError, urllib3.exceptions.HTTPError, OSError) as error:
        raise LocalError(
            f"site {site} cannot be asked what it holds ({str(error).splitlines()[0]})",
            "Start it, so that the certificate can name it; if it is gone for good, add `--unreachable`.",
        ) from error


def subjects(site: str, held: Holdings) -> dict[str, str]:
    """What the certificate is about: the site, each department and each volume, by name, with a digest of what it was declared to be."""
    departments = {f"department/{name}": value for name, value in held.departments.items()}
    volumes = {f"volume/{name}": value for name, value in held.volumes.items()}
    return {f"site/{site}": digest(held.document()), **departments, **volumes}


def digest(content: object) -> str:
    """SHA-256 of an object's canonical JSON."""
    return hashlib.sha256(canonical(content)).hexdigest()


def _departments(client: Any) -> dict[str, str]:
    try:
        found: Any = kubernetes.client.CustomObjectsApi(client).list_cluster_custom_object(
            API_GROUP, API_VERSION, "departments", _request_timeout=TIMEOUT
        )
    except ApiException as error:
        if error.status == NOT_FOUND:  # the platform was never there, or is off already
            return {}
        raise
    items: Sequence[Mapping[str, Any]] = found["items"]
    return {str(item["metadata"]["name"]): digest(item["spec"]) for item in items}
