"""What the department's sources and the other sites' feeds need of the store's pod: ports, logins, volumes."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from commonweal_api.data_source import Source

HTTPS_PORT, HTTP_PORT = 443, 80
_VOLUME = "volume://"


def claim_of(source: Source) -> str | None:
    """Return the name of the volume claim that a source lies on, or None."""
    location = source.files.location if source.files else ""
    return location.removeprefix(_VOLUME).partition("/")[0] if location.startswith(_VOLUME) else None


def ports_of(sources: Iterable[Source]) -> set[int]:
    """Return the TCP ports on which sources are read."""
    return {port for source in sources for port in _ports(source)}


def port_of(url: str) -> int:
    """Return the TCP port of a URL; that of its scheme when it names none."""
    parts = urlsplit(url)
    return parts.port or (HTTP_PORT if parts.scheme == "http" else HTTPS_PORT)


def credentials_of(sources: Iterable[Source]) -> set[str]:
    """Return the names of the Secrets with the sources' logins."""
    found = (source.chosen for source in sources)
    return {part.credentials.name for part in found if part is not None and part.credentials is not None}


def _ports(source: Source) -> list[int]:
    if source.http is not None:
        return [port_of(url) for url in (source.http.url, source.http.auth and source.http.auth.token_url) if url]
    database = source.postgres or source.mysql
    if database is not None:
        return [database.port]
    return [port_of(source.files.endpoint)] if source.files and source.files.endpoint else []
