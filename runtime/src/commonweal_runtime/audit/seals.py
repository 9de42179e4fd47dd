"""What a seal says: `n`, the time, the snapshot up to which rows are under it, how many, their Merkle root, and the seal before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commonweal_runtime.audit.snapshots import NOTHING, Snapshot
from commonweal_runtime.exceptions import SignatureError
from commonweal_runtime.seal_key import SEAL, KeyRing, SealKey


@dataclass(frozen=True, slots=True)
class Seal:
    """The body of one seal. `before` is the hash of the seal before it, empty for the first."""

    n: int
    at: str
    snapshot: str
    uses: int
    events: int
    root: str
    before: str

    def signed(self, seal_key: SealKey) -> str:
        """Return the seal as a compact JWS."""
        return seal_key.sign(SEAL, {name: getattr(self, name) for name in self.__slots__})

    @property
    def window(self) -> Snapshot:
        """The transactions that are under this seal or an earlier one."""
        return Snapshot.of(self.snapshot)

    @staticmethod
    def opened(keys: KeyRing, text: str) -> Seal:
        """Return the body of a signed seal; SignatureError if it must not be believed."""
        return Seal.of(keys.open(SEAL, text))

    @staticmethod
    def of(body: Mapping[str, Any]) -> Seal:
        """Return the seal that a signed body describes."""
        try:
            seal = Seal(**{name: body[name] for name in Seal.__slots__})
            Snapshot.of(seal.snapshot)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise SignatureError("The signed text is no seal of this release.") from None
        return seal


FIRST = Seal(0, "", NOTHING, 0, 0, "", "")


def hash_of(jws: str) -> str:
    """Return the hash by which the next seal names this one."""
    return hashlib.sha256(jws.encode()).hexdigest()
