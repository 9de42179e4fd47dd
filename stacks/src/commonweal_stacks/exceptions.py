"""Every exception of this package: when it is raised, and who turns it into what. None is defined elsewhere."""

from __future__ import annotations

from commonweal_kube.exceptions import ApiError


class SiteConfigError(ValueError):
    """A site cannot be used as it is configured; the text names key, file and remedy. The stack's program and the commands print it and end."""


class SiteSilentError(SiteConfigError):
    """A site's API server does not answer at all; `where` is its address and what went wrong there. What reads a site adds what it looked for."""

    def __init__(self, site: str, where: str) -> None:
        super().__init__(f"Site {site} does not answer at {where}. Start it, or correct its kubeconfig.")
        self.where = where


class SiteRefusedError(SiteConfigError):
    """A site's API server refused; `reason` is its word. What reads a site adds what it looked for, or takes NotFound as an answer."""

    def __init__(self, what: str, error: ApiError) -> None:
        self.reason = error.reason or str(error.status)
        super().__init__(f"{what}: {self.reason}. Use an administrator's kubeconfig.")


class UnknownRevisionError(ValueError):
    """There is no revision of the blueprint of that name; the text has those that there are. Readers of configuration name the key."""


class ChartError(RuntimeError):
    """The chart could not be rendered; the text says what helm said, and the remedy. The stack's program and the commands print it and end."""


class StatementError(ValueError):
    """A signed statement must not be believed; the text says why and what to do. The commands that verify print it and end with 1."""
