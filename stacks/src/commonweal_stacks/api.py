"""A cluster's API server, with the rights of a kubeconfig: any login that a kubeconfig can name, programs that fetch credentials included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kubernetes
import yaml

from commonweal_kube import blocking
from commonweal_kube.exceptions import ApiError
from commonweal_stacks.exceptions import SiteConfigError, SiteRefusedError, SiteSilentError

_new_client: Any = kubernetes.config.new_client_from_config_dict  # the package has no types
_BEARER = ["BearerToken"]


class Api(blocking.Api):
    """An API server. Every call raises SiteSilentError when it does not answer; `call` and what is made of it also SiteRefusedError when it refuses."""

    def __init__(self, kubeconfig: str, *, site: str) -> None:
        """Log in with a kubeconfig's contents; `site` is how messages name the cluster. Raises SiteConfigError."""
        try:
            client = _new_client(yaml.safe_load(kubeconfig))
        except (kubernetes.config.ConfigException, OSError, TypeError, yaml.YAMLError) as error:
            raise SiteConfigError(f"The kubeconfig of site {site} cannot be used: {error}. Make it again.") from error

        def login() -> Mapping[str, str]:
            headers: dict[str, str] = {}
            client.update_params_for_auth(headers, [], _BEARER, "", "", None)  # fetches a token again that has run out
            return headers

        super().__init__(client.configuration.host, client.rest_client.pool_manager, login)
        self.site = site

    def silence(self, method: str, path: str, cause: Exception) -> SiteSilentError:  # noqa: ARG002 - the cluster is silent, whatever was asked
        """Return what is raised when the server does not answer."""
        return SiteSilentError(self.site, f"{self.url}: {type(cause).__name__}")

    def refusal(self, method: str, path: str, error: ApiError) -> SiteRefusedError:
        """Return what is raised when the server refuses."""
        return SiteRefusedError(f"Site {self.site} ({self.url}) refused to {'show' if method == 'GET' else method} {path}", error)
