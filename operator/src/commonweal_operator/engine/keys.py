"""The department's keys: made once, from chance and the site's master key, and never written again."""

from __future__ import annotations

import secrets
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from commonweal_api.agreement_signatures import agreement_key, read_agreement_key
from commonweal_api.jwk import Jwk
from commonweal_kube.client import FIELD_MANAGER
from commonweal_kube.exceptions import ApiError
from commonweal_operator.desired.keys import KEY_BYTES, NAME, PUBLIC_KEY, SIGNING, keys, signing
from commonweal_operator.desired.manifest import RESOURCES, Child, Owner
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.apply import Problem, is_ours

MASTER_KEY = "master"


@dataclass(frozen=True, slots=True)
class KeysWanted:
    """Whose keys shall be there, and whether they are made where there are none or awaited from another site."""

    owner: Owner
    make: bool = True


class Caller(Protocol):
    """What this needs of the client."""

    async def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]: ...
    async def metadata(self, path: str) -> dict[str, Any] | None: ...


class DepartmentKeys:
    """Knows which departments have their keys. `chance` returns that many random bytes."""

    def __init__(self, platform: PlatformConfig, chance: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._platform, self._chance = platform, chance
        self._present: set[str] = set()
        self._public: dict[str, Jwk] = {}

    def invalidate(self) -> None:
        """Have every department's Secrets looked at again, for Secrets are not watched; what was read of them is known until then."""
        self._present.clear()

    def public(self, uid: str) -> Jwk | None:
        """Return the public half of a department's signing key as it was last seen, or None."""
        return self._public.get(uid)

    async def ensure(self, wanted: KeysWanted, api: Caller) -> Problem | None:
        """Make the department's Secrets where there are none, or wait for those that a move brings; return what stands in the way."""
        owner, make = wanted.owner, wanted.make
        if owner.uid in self._present:
            return None
        problem = await self._ensure_keys(owner, api, make) or await self._ensure_signing(owner, api, make)
        if problem is None:
            self._present.add(owner.uid)
        return problem

    async def _ensure_keys(self, owner: Owner, api: Caller, make: bool) -> Problem | None:
        found = await self._found(owner, NAME, api)
        if found is not None:
            return found if isinstance(found, Problem) else None
        if not make:
            return _awaited(NAME)
        master = await master_key(api, self._platform)
        if isinstance(master, Problem):
            return master
        await _create(keys(owner, database=self._chance(KEY_BYTES), master=master), api)
        return None

    async def _ensure_signing(self, owner: Owner, api: Caller, make: bool) -> Problem | None:
        found = await self._found(owner, SIGNING, api)
        if isinstance(found, Problem):
            return found
        if found is None and not make:
            return _awaited(SIGNING)
        if found is None:
            seed = self._chance(KEY_BYTES)
            key = agreement_key(seed)
            await _create(signing(owner, seed=seed, public=key.x), api)
        else:
            try:
                key = read_agreement_key((found.get("annotations") or {}).get(PUBLIC_KEY, ""))
            except ValueError:
                return Problem("Secret", SIGNING, "Refused", f"Secret {SIGNING}: its annotation {PUBLIC_KEY} is no public key. {_REMAKE}")
        self._public[owner.uid] = key
        return None

    async def _found(self, owner: Owner, name: str, api: Caller) -> Mapping[str, Any] | Problem | None:
        """Return the Secret's metadata, None when it is missing, or the problem that it is not ours."""
        found = await api.metadata(RESOURCES["Secret"].path(owner.namespace, name))
        if found is None or is_ours(found, owner.uid):
            return found
        text = f"Secret {name} exists and does not belong to this department; delete it, and it is made again."
        return Problem("Secret", name, "NameConflict", text)


async def master_key(api: Caller, platform: PlatformConfig) -> bytes | Problem:
    """Return the site's master key, or the problem that there is none."""
    name, namespace = platform.sectors_secret, platform.system_namespace
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


def _awaited(name: str) -> Problem:
    return Problem(
        "Secret", name, "Awaited", f"Secret {name}: is awaited from the site that the department moves from. Run `commonweal move` again."
    )


_REMAKE = "Delete it, and it is made again; agreements signed with the old key must then be signed again."


async def _create(secret: Child, api: Caller) -> None:
    # POST, never apply: if it came into being meanwhile the server answers 409, and nothing is overwritten.
    await api.call("POST", f"{RESOURCES['Secret'].path(secret.namespace)}?fieldManager={FIELD_MANAGER}", secret.body)
