"""The two keys of a site, each in a Secret of its own: the master key, of which the departments' sector keys are made, and the one of the site's authority."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Protocol

from commonweal_kube.exceptions import ApiError
from commonweal_operator.desired.keys import KEY_BYTES
from commonweal_operator.desired.manifest import RESOURCES
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.apply import Problem

MASTER, AUTHORITY = "master", "authority"


class Caller(Protocol):
    """What this needs of the client."""

    async def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]: ...


async def master_key(api: Caller, platform: PlatformConfig) -> bytes | Problem:
    """Return the site's master key, or the problem that there is none."""
    return await _site_key(api, platform, platform.sectors_secret, MASTER, "master key")


async def authority_key(api: Caller, platform: PlatformConfig) -> bytes | Problem:
    """Return the key from which the site's authority is made, or the problem that there is none."""
    return await _site_key(api, platform, platform.authority_secret, AUTHORITY, "authority")


async def _site_key(api: Caller, platform: PlatformConfig, name: str, key: str, what: str) -> bytes | Problem:
    namespace = platform.system_namespace
    remedy = f"Create Secret {name} in namespace {namespace} with the key {key}: 64 hexadecimal digits."
    try:
        secret = await api.call("GET", RESOURCES["Secret"].path(namespace, name))
    except ApiError as error:
        if error.status != 404:
            raise
        return Problem("Secret", name, "Refused", f"The site's {what} is missing. {remedy}")
    return key_in(secret, key) or Problem("Secret", name, "Refused", f"The site's {what} is unusable. {remedy}")


def key_in(secret: Mapping[str, Any], name: str) -> bytes | None:
    """Return a key of 32 bytes that a Secret holds as 64 hexadecimal digits, or None."""
    try:
        key = bytes.fromhex(b64decode(secret["data"][name]).decode().strip())
    except (KeyError, TypeError, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None
