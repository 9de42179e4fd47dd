"""Which cluster this is: the uid of its kube-system namespace, which lives and dies with the cluster."""

from __future__ import annotations

from commonweal_stacks.api import Api
from commonweal_stacks.exceptions import SiteConfigError, SiteRefusedError


def cluster_uid(kubeconfig: str, *, site: str) -> str:
    """Return the cluster's identity. Raises SiteConfigError when it does not answer, or refuses."""
    api = Api(kubeconfig, site=site)
    try:
        return str(api.call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"])
    except SiteRefusedError as error:
        raise SiteConfigError(
            f"Site {site} ({api.url}) refused to tell which cluster it is: {error.reason}. Use an administrator's kubeconfig."
        ) from error
