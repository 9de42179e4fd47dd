"""What the portal is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from commonweal_runtime.certificates import is_secured

COOKIE_KEY = "cookie"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a process needs to know; what is secret stays out of `repr`."""

    url: str
    issuer: str
    issuer_inner: str
    assets: Path
    key: bytes = field(repr=False)
    deadline: float = 0.7

    @staticmethod
    def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this process; KeyError names a missing variable, ValueError one that cannot be understood.

        COMMONWEAL_PORTAL_URL is the portal's own public address, COMMONWEAL_ISSUER that of the issuer and COMMONWEAL_ISSUER_INNER where this process
        reaches it, if that is elsewhere; COMMONWEAL_PORTAL_DIR has the file `cookie`, a key of 64 hexadecimal digits; COMMONWEAL_PORTAL_ASSETS is the
        folder of compiled style and script; COMMONWEAL_PORTAL_DEADLINE is how many seconds a page waits for a department.
        """
        issuer = _address(env, "COMMONWEAL_ISSUER")
        return Settings(
            url=_address(env, "COMMONWEAL_PORTAL_URL"),
            issuer=issuer,
            issuer_inner=_address(env, "COMMONWEAL_ISSUER_INNER") if env.get("COMMONWEAL_ISSUER_INNER") else issuer,
            assets=Path(env.get("COMMONWEAL_PORTAL_ASSETS", "/opt/commonweal/portal")),
            key=_key(Path(env.get("COMMONWEAL_PORTAL_DIR", "/etc/commonweal/portal"))),
            deadline=_seconds(env.get("COMMONWEAL_PORTAL_DEADLINE", "0.7")),
        )

    @property
    def secure(self) -> bool:
        """Whether people reach the portal over TLS. Where they do not, it is on their own machine."""
        return self.url.startswith("https:")

    @property
    def origin(self) -> str:
        """What a browser says that a form of the portal came from."""
        return origin_of(self.url)


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _address(env: Mapping[str, str], variable: str) -> str:
    url = env[variable].rstrip("/")
    if not is_secured(url):
        raise ValueError(f"{variable}: {url} is neither https nor on this machine. Write an https address.")
    if variable == "COMMONWEAL_PORTAL_URL" and urlsplit(url).path:
        raise ValueError(f"{variable}: {url} has a path, and the portal's cookie is for a whole host. Give the portal a host of its own.")
    return url


def _key(folder: Path) -> bytes:
    text = (folder / COOKIE_KEY).read_text(encoding="ascii").strip()
    if len(text) != 64:
        raise ValueError(f"{folder / COOKIE_KEY}: a key of 64 hexadecimal digits is expected. Write one: openssl rand -hex 32.")
    return bytes.fromhex(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.05 <= seconds <= 30:
        raise ValueError(f"COMMONWEAL_PORTAL_DEADLINE: {text!r} is not a number of seconds from 0.05 to 30. Leave it out for 0.7.")
    return seconds
