"""A site's cluster as the management cluster knows it: its kubeconfig Secret, and the version of its Cluster."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from commonweal_stacks import fleet_names as names
from commonweal_stacks.api import Api
from commonweal_stacks.exceptions import SiteConfigError, SiteRefusedError, SiteSilentError
from commonweal_stacks.management_access import management_kubeconfig
from commonweal_stacks.manifests import Manifest, manifest

SECRET_TYPE = f"{names.GROUP}/secret"


class ManagedCluster:
    """A cluster whose kubeconfig is a Secret on the management cluster, where its provider wrote it."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def kubeconfig(self) -> str:
        """Return the Secret's value. Raises SiteConfigError when there is no management cluster, or no such Secret on it."""
        secret = names.kubeconfig_secret(self._name)
        found = _found(f"/api/v1/namespaces/{names.FLEET}/secrets/{secret}")
        if found is None:
            raise SiteConfigError(
                f"Site {self._name} has no cluster yet: the management cluster has no Secret {names.FLEET}/{secret}. "
                f"Make it with `commonweal site up {self._name}`."
            )
        try:
            return base64.b64decode((found.get("data") or {})[names.KUBECONFIG_KEY], validate=True).decode()
        except (KeyError, binascii.Error, UnicodeDecodeError) as error:
            raise SiteConfigError(
                f"Secret {names.FLEET}/{secret} of the management cluster holds no kubeconfig under {names.KUBECONFIG_KEY!r}. "
                "Delete it; the site's provider writes it again."
            ) from error


def running_version(site: str) -> str | None:
    """Return the Kubernetes version that a site's Cluster asks for; None when there is no Cluster. Raises SiteConfigError."""
    found = _found(f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{names.FLEET}/clusters/{site}")
    return None if found is None else found.get("spec", {}).get("topology", {}).get("version")


def _found(path: str) -> dict[str, Any] | None:
    """Return an object of the management cluster; None when there is no such object. Raises SiteConfigError."""
    try:
        return Api(management_kubeconfig(), site="the management cluster").find(path)
    except SiteRefusedError as error:
        raise SiteConfigError(f"The management cluster refused to answer: {error.reason}. Use an administrator's kubeconfig.") from error
    except SiteSilentError as error:
        raise SiteConfigError(
            f"The management cluster does not answer at {error.where}. Start it with `commonweal management up`, or correct its kubeconfig."
        ) from error


def kubeconfig_secret(site: str, kubeconfig: str) -> Manifest:
    """Return the Secret in which the fleet's tools find the kubeconfig of an adopted site, in the shape that Cluster API gives every other's."""
    data = {names.KUBECONFIG_KEY: base64.b64encode(kubeconfig.encode()).decode()}
    made = manifest("v1", "Secret", names.kubeconfig_secret(site), namespace=names.FLEET, type=SECRET_TYPE, data=data)
    made["metadata"]["labels"][names.CLUSTER_NAME_LABEL] = site
    return made
