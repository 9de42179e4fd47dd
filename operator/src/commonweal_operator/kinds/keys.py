"""The department's keys: made once, from chance and the site's master key, and never written again."""

from __future__ import annotations

import secrets
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Protocol

from commonweal_operator.desired.keys import KEY_BYTES, NAME, keys
from commonweal_operator.desired.manifest import RESOURCES, Owner
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.apply import Problem, is_ours
from commonweal_operator.engine.client import FIELD_MANAGER, ApiError

MASTER_KEY = "master"


class Caller(Protocol):
    """What this needs of the client."""

    async def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]: ...
    async def metadata(self, path: str) -> dict[str, Any] | None: ...


class DepartmentKeys:
    """Knows which departments have their keys. `chance` returns that many random bytes."""

    def __init__(self, platform: PlatformConfig, chance: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._platform, self._chance = platform, chance
        self._present: set[str] = set()

    def forget(self) -> None:
        """Have every department's Secret looked at again."""
        self._present.clear()

    async def ensure(self, owner: Owner, api: Caller) -> Problem | None:
        """Make the department's Secret if there is none; return what stands in the way."""
        if owner.uid in self._present:
            return None
        path = RESOURCES["Secret"].path(owner.namespace, NAME)
        found = await api.metadata(path)
        if found is not None and not is_ours(found, owner.uid):
            return Problem(
                "Secret",
                NAME,
                "NameConflict",
                f"Secret {NAME} exists and does not belong to this department; delete it, and it is made anew.",
            )
        if found is None:
            master = await self._master(api)
            if isinstance(master, Problem):
                return master
            # POST, never apply: if it came into being meanwhile the server answers 409, and nothing is overwritten.
            body = keys(owner, database=self._chance(KEY_BYTES), master=master).body
            await api.call("POST", f"{path.removesuffix('/' + NAME)}?fieldManager={FIELD_MANAGER}", body)
        self._present.add(owner.uid)
        return None

    async def _master(self, api: Caller) -> bytes | Problem:
        name, namespace = self._platform.sectors_secret, self._platform.system_namespace
        remedy = f"Create Secret {name} in namespace {namespace} with the key {MASTER_KEY}: 64 hexadecimal digits."
        try:
            secret = await api.call("GET", RESOURCES["Secret"].path(namespace, name))
        except ApiError as error:
            if error.status != 404:
                raise
            return Problem("Secret", name, "Refused", f"The site's master key is missing. {remedy}")
        try:
            master = bytes.fromhex(b64decode(secret["data"][MASTER_KEY]).decode().strip())
        except (KeyError, TypeError, ValueError):
            master = b""
        return master if len(master) == KEY_BYTES else Problem("Secret", name, "Refused", f"The site's master key is unusable. {remedy}")
