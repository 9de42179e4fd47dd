"""Which cluster this is: the uid of its kube-system namespace, which lives and dies with the cluster."""

from __future__ import annotations

from typing import Any

import kubernetes
import urllib3
import yaml
from kubernetes.client.exceptions import ApiException

from commonweal_stacks.site import SiteConfigError

_new_client: Any = kubernetes.config.new_client_from_config_dict  # the package has no types
CONNECT_SECONDS, READ_SECONDS = 5.0, 20.0


def client_of(kubeconfig: str, *, site: str) -> Any:
    """Return an API client for the contents of a kubeconfig. Raises SiteConfigError."""
    try:
        return _new_client(yaml.safe_load(kubeconfig))
    except (kubernetes.config.ConfigException, OSError, TypeError, yaml.YAMLError) as error:
        raise SiteConfigError(f"The kubeconfig of site {site} cannot be used: {error}. Make it anew.") from error


def cluster_uid(kubeconfig: str, *, site: str) -> str:
    """Return the cluster's identity. Raises SiteConfigError when it does not answer, or refuses."""
    client = client_of(kubeconfig, site=site)
    server = client.configuration.host
    try:
        found: Any = kubernetes.client.CoreV1Api(client).read_namespace("kube-system", _request_timeout=(CONNECT_SECONDS, READ_SECONDS))
    except ApiException as error:
        raise SiteConfigError(
            f"Site {site} ({server}) refused to tell which cluster it is: {error.reason}. Use an administrator's kubeconfig."
        ) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise SiteConfigError(
            f"Site {site} does not answer at {server}: {type(error).__name__}. Start it, or correct its kubeconfig."
        ) from error
    return str(found.metadata.uid)
