"""Whether a record is what a body sealed, and a receipt what it signed; decided here from the body's published keys, as the browser does it again. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from commonweal_runtime.audit.proofs import Proven, check
from commonweal_runtime.audit.receipts import Receipt
from commonweal_runtime.exceptions import ProofError, SignatureError
from commonweal_runtime.seal_key import KeyRing


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check showed. `holds` is the whole of it: the record is what was sealed, and it is about this person."""

    holds: bool
    about_person: bool = False
    number: str = ""
    recorded: str = ""
    seal: str = ""
    sealed: str = ""
    key: str = ""


BROKEN = Verdict(holds=False)


def verdict_of(proof: Any, keys: Sequence[Mapping[str, Any]], person: str) -> Verdict:
    """Return what a proof shows. What is no proof does not hold."""
    try:
        proven = check(proof, KeyRing(keys))
        about = any(proven.concerns(UUID(name)) for name in (person, *former(proof)))
    except (ProofError, SignatureError, ValueError, TypeError, AttributeError):
        return BROKEN
    return Verdict(
        holds=about,
        about_person=about,
        number=str(proven.number),
        recorded=_time(proven),
        seal=str(proven.seal.n),
        sealed=proven.seal.at,
        key=", ".join(KeyRing(keys).ids),
    )


def former(proof: Mapping[str, Any]) -> Sequence[str]:
    """Return the ids that the person had at the body before, which older records are about."""
    listed = proof.get("former") or []
    return [str(name) for name in listed] if isinstance(listed, list) else []


def receipt_of(jws: object, keys: Iterable[Mapping[str, Any]]) -> Receipt | None:
    """Return a receipt whose signature holds, or None."""
    try:
        return Receipt.opened(KeyRing(keys), str(jws))
    except SignatureError:
        return None


def embedded(value: object) -> str:
    """Return a value as a page carries it for its script."""
    return json.dumps(value, separators=(",", ":"))


def _time(proven: Proven) -> str:
    """Return when the record was made, as other times are written."""
    at = proven.row.get("at")
    return datetime.fromtimestamp(float(at), UTC).isoformat() if isinstance(at, int | float) else ""
