"""An inclusion proof: one row's bytes, their place in a seal's Merkle tree, and the signed seal. Whoever holds the department's JWKS can check it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from commonweal_runtime.audit.merkle import EVENT, USE, Entry, Tree, climb
from commonweal_runtime.audit.seals import Seal
from commonweal_runtime.exceptions import ProofError
from commonweal_runtime.seal_key import KeyRing


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows: the row, and the seal that it is under."""

    kind: str
    number: int
    row: Mapping[str, Any]
    seal: Seal

    def concerns(self, person: UUID) -> bool:
        """Return whether the row is about this person; their id itself does not stand in it."""
        veil = veiled(self.kind, self.number, person)
        return veil == self.row.get("subject") or veil in self.row.get("subjects", [])


def veiled(kind: str, number: int, person: UUID) -> str:
    """Return what stands for a person in the bytes of a row, as `audit.veiled` of the store makes it."""
    return Entry.of(kind, number, f"{kind}:{number}:{person}".encode()).digest.hex()


def prove(evidence: Mapping[str, Any], tree: Tree, jws: str) -> dict[str, Any]:
    """Return the proof for a row's evidence; ProofError when the row is not what was sealed. `former` are ids under one of which it may have been."""
    kind, number, row = evidence["kind"], int(evidence["number"]), evidence["row"]
    index = tree.find(Entry.of(kind, number, row.encode()).raw)
    if index is None:
        raise ProofError(f"{kind} {number} is not what seal {evidence['seal']} was made over: it was changed or put in afterwards.")
    path = [step.hex() for step in tree.path(index)]
    former = {"former": evidence["former"]} if evidence.get("former") else {}
    return {"kind": kind, "number": str(number), "row": row, "index": index, "size": tree.size, "path": path, "seal": jws, **former}


def check(proof: Mapping[str, Any], keys: KeyRing) -> Proven:
    """Return what a proof shows; ProofError or SignatureError when it does not hold. Asks nobody."""
    try:
        kind, number, text = str(proof["kind"]), int(proof["number"]), str(proof["row"])
        index, size = int(proof["index"]), int(proof["size"])
        path = [bytes.fromhex(step) for step in proof["path"]]
        row = json.loads(text)
        seal = Seal.opened(keys, str(proof["seal"]))
    except (KeyError, TypeError, ValueError):
        raise ProofError("It is no inclusion proof: it needs kind, number, row, index, size, path and seal.") from None
    if kind not in {USE, EVENT} or row.get("id" if kind == USE else "seq") != number:
        raise ProofError("The number of the proof is not that of its row.")
    root = climb(Entry.of(kind, number, text.encode()).raw, index, size, path)
    if root is None or root.hex() != seal.root or size != seal.uses + seal.events:
        raise ProofError(
            f"The row and its path do not lead to the root that seal {seal.n} has signed: the row is not the one that was sealed."
        )
    return Proven(kind, number, row, seal)
