"""The department's keys: made once, from chance and the site's master key, and never written again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from commonweal_api.agreement_signatures import agreement_key, read_agreement_key
from commonweal_api.jwk import Jwk
from commonweal_operator.desired.certificates import Wanted
from commonweal_operator.desired.keys import DATABASE, KEY_BYTES, MODELS, NAME, PUBLIC_KEY, SIGNING, keys, models_keys, signing
from commonweal_operator.desired.manifest import RESOURCES, Child, Owner
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.apply import Problem, is_ours
from commonweal_operator.engine.certificates import Certificates
from commonweal_operator.engine.master import key_in, master_key


@dataclass(frozen=True, slots=True)
class KeysWanted:
    """Whose keys shall be there, and whether they are made where there are none or awaited from another site; and the certificates that go with them."""

    owner: Owner
    make: bool = True
    certificates: tuple[Wanted, ...] = ()


class Caller(Protocol):
    """What this needs of the client."""

    async def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]: ...
    async def apply(self, path: str, body: bytes) -> dict[str, Any]: ...
    async def create(self, path: str, body: bytes) -> dict[str, Any]: ...
    async def metadata(self, path: str) -> dict[str, Any] | None: ...


class DepartmentKeys:
    """Knows which departments have their keys. `chance` returns that many random bytes."""

    def __init__(self, platform: PlatformConfig, chance: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._platform, self._chance = platform, chance
        self._present: set[str] = set()
        self._public: dict[str, Jwk] = {}
        self._certificates = Certificates(platform)

    def invalidate(self) -> None:
        """Have every department's Secrets looked at again, for Secrets are not watched; what was read of them is known until then."""
        self._present.clear()
        self._certificates.invalidate()

    def public(self, uid: str) -> Jwk | None:
        """Return the public half of a department's signing key as it was last seen, or None."""
        return self._public.get(uid)

    async def ensure(self, wanted: KeysWanted, api: Caller) -> Problem | None:
        """Make the department's Secrets where there are none, or wait for those that a move brings; return what stands in the way."""
        owner, make, problem = wanted.owner, wanted.make, None
        if owner.uid not in self._present:
            problem = (
                await self._ensure_keys(owner, api, make)
                or await self._ensure_signing(owner, api, make)
                or await self._ensure_models(owner, api)
            )
            if problem is None:
                self._present.add(owner.uid)
        # Certificates wait for no key that a move brings: what runs there is to be reached as soon as it has arrived.
        uncertified = await self.certify(wanted, api)
        return problem or uncertified

    async def certify(self, wanted: KeysWanted, api: Caller) -> Problem | None:
        """Have the certificates be there and fresh; return what stands in the way."""
        return await self._certificates.ensure(wanted.certificates, api)

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

    async def _ensure_models(self, owner: Owner, api: Caller) -> Problem | None:
        """Make what the model runtime holds, from the department's database key; also where an earlier release or a move has brought the keys alone."""
        found = await self._found(owner, MODELS, api)
        if found is not None:
            return found if isinstance(found, Problem) else None
        secret = await api.call("GET", RESOURCES["Secret"].path(owner.namespace, NAME))
        database = key_in(secret, DATABASE)
        if database is None:
            return Problem(
                "Secret",
                NAME,
                "Refused",
                f"Secret {NAME}: its key {DATABASE} is not 64 hexadecimal digits. Bring it back from a backup of the site.",
            )
        await _create(models_keys(owner, database=database), api)
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


def _awaited(name: str) -> Problem:
    return Problem(
        "Secret", name, "Awaited", f"Secret {name}: is awaited from the site that the department moves from. Run `commonweal move` again."
    )


_REMAKE = "Delete it, and it is made again; agreements signed with the old key must then be signed again."


async def _create(secret: Child, api: Caller) -> None:
    # POST, never apply: if it came into being meanwhile the server answers 409, and nothing is overwritten.
    await api.create(secret.collection, secret.body)
