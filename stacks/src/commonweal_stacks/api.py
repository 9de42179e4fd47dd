"""A cluster's API server, with the rights of a kubeconfig: any login that a kubeconfig can name, programs that fetch credentials included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kubernetes
import yaml

from commonweal_kube import blocking
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from commonweal_kube.protocol import JSON
from commonweal_stacks.exceptions import SiteConfigError, SiteRefusedError, SiteSilentError

_new_client: Any = kubernetes.config.new_client_from_config_dict  # the package has no types
_BEARER = ["BearerToken"]


class Api(blocking.Api):
    """An API server. `ask` raises SiteSilentError when it does not answer; `call` and what is made of it also SiteRefusedError when it refuses."""

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

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        user: str = "",
        content: str = JSON,
        seconds: float | None = None,
    ) -> blocking.Answer:
        """Ask, as `user` if one is named. Raises SiteSilentError."""
        try:
            return super().ask(method, path, body, query=query, user=user, content=content, seconds=seconds)
        except ApiServerUnavailableError as error:
            raise SiteSilentError(self.site, f"{self.url}: {type(error.__cause__).__name__}") from error

    def refusal(self, method: str, path: str, error: ApiError) -> SiteRefusedError:
        """Return what is raised when the server refuses."""
        return SiteRefusedError(f"Site {self.site} ({self.url}) refused to {'show' if method == 'GET' else method} {path}", error)
