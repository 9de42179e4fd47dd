"""What a site holds, asked of it before anything is erased: the certificate can name only what was known then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from commonweal_api.signatures import canonical
from commonweal_local.exceptions import LocalError
from commonweal_stacks.api import Api
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.exceptions import SiteConfigError

DEPARTMENTS = "/apis/commonweal.dev/v1alpha1/departments"
COUNTED = {"namespaces": "namespaces", "nodes": "nodes", "volumes": "persistentvolumes", "secrets": "secrets"}


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
        api = Api(kubeconfig, site=site)
        listed = {name: list(api.items(f"/api/v1/{plural}")) for name, plural in COUNTED.items()}
        departments = _departments(api)
        volumes = {one["metadata"]["name"]: digest(one["spec"]) for one in listed["volumes"]}
        counts = {"departments": len(departments), **{name: len(items) for name, items in listed.items()}}
        return Holdings(cluster_uid(kubeconfig, site=site), departments, volumes, counts)
    except SiteConfigError as error:
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


def _departments(api: Api) -> dict[str, str]:
    found = api.find(DEPARTMENTS)  # none: the platform was never there, or is off already
    return {str(item["metadata"]["name"]): digest(item["spec"]) for item in (found or {}).get("items", [])}
