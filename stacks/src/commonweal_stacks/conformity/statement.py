"""Signed statements: an in-toto Statement v1 in a DSSE envelope, signed with Ed25519 and nothing else. Pure.

The signature covers DSSE's pre-authentication encoding of the payload's type and bytes. DSSE leaves the key's id and the spelling of base64 open; here
neither may vary, so that no byte of an envelope can be changed without `verify` saying so.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from commonweal_api import signatures
from commonweal_api.signatures import canonical, holds, key_id, public_key
from commonweal_stacks.exceptions import StatementError

CONFORMITY: Final = "https://commonweal.dev/conformity/v1"
ERASURE: Final = "https://commonweal.dev/erasure/v1"
BUNDLE: Final = "https://commonweal.dev/bundle/v1"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PAYLOAD: Final = "application/vnd.in-toto+json"
SIGNED_AT: Final = "signedAt"  # member of the predicate: when, in UTC, as the signer's clock said
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PARTS = frozenset({"payloadType", "payload", "signatures"})


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that DSSE signs: version, type and payload, each with its length, so that none can run into the next."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(predicate_type: str, subjects: Mapping[str, str], predicate: Mapping[str, Any], *, seed: bytes, at: datetime) -> dict[str, Any]:
    """Return the signed envelope; the same seed, content and moment give the same envelope.

    `subjects` maps names to SHA-256 digests in lower-case hexadecimal. The moment is put into the predicate as `signedAt`. Raises ValueError.
    """
    _refuse_unfit(subjects, predicate, at)
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
        "predicateType": predicate_type,
        "predicate": {**predicate, SIGNED_AT: at.astimezone(UTC).isoformat(timespec="seconds")},
    }
    payload = canonical(statement)
    signature = signatures.sign(seed, pre_authentication_encoding(PAYLOAD, payload))
    return {
        "payloadType": PAYLOAD,
        "payload": b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(public_key(seed)), "sig": b64encode(signature).decode()}],
    }


def _refuse_unfit(subjects: Mapping[str, str], predicate: Mapping[str, Any], at: datetime) -> None:
    if not subjects:
        raise ValueError("subjects: a statement is about something; give at least one name with its SHA-256.")
    for name, digest in subjects.items():
        if not _SHA256.fullmatch(digest):
            raise ValueError(f"subjects.{name}: is no SHA-256 in lower-case hexadecimal.")
    if SIGNED_AT in predicate:
        raise ValueError(f"predicate.{SIGNED_AT}: is set by signing; leave it out.")
    if at.tzinfo is None:
        raise ValueError("at: has no time zone; give one, such as UTC.")


def verify(envelope: Mapping[str, Any], public_keys: Iterable[bytes], *, predicate_type: str | None = None) -> dict[str, Any]:
    """Return the statement, if one of the raw public keys has signed it (and it is of that type, when one is given). Raises StatementError."""
    payload, keyid, signature = _opened(envelope)
    keys = {key_id(raw): raw for raw in public_keys}
    if keyid not in keys:
        raise StatementError(
            f"signatures[0].keyid: {keyid!r} is not among the keys that are trusted here ({', '.join(sorted(keys)) or 'none'}). "
            "Get the signer's public key from a place that you trust; do not take it from beside the statement."
        )
    try:
        fits = holds(keys[keyid], signature, pre_authentication_encoding(PAYLOAD, payload))
    except ValueError:
        fits = False
    if not fits:
        raise StatementError("signatures[0].sig: does not fit the payload: one of them was changed. Get the original again.")
    statement = _statement(payload)
    if predicate_type is not None and statement.get("predicateType") != predicate_type:
        raise StatementError(
            f"predicateType: is {statement.get('predicateType')!r}, not {predicate_type!r}. Give a statement of that type."
        )
    return statement


def subjects_of(statement: Mapping[str, Any]) -> dict[str, str]:
    """Return a verified statement's subjects: SHA-256 in hexadecimal by name."""
    return {str(subject["name"]): str(subject["digest"]["sha256"]) for subject in statement["subject"]}


def _opened(envelope: Mapping[str, Any]) -> tuple[bytes, str, bytes]:
    """Return payload, key id and signature; every part in the one spelling in which it is signed."""
    if not isinstance(envelope, Mapping) or set(envelope) != _PARTS:
        raise StatementError(
            f"the envelope: needs exactly {', '.join(sorted(_PARTS))}. Give a DSSE envelope, as `commonweal conform sign` writes it."
        )
    if envelope["payloadType"] != PAYLOAD:
        raise StatementError(f"payloadType: is {envelope['payloadType']!r}, not {PAYLOAD!r}. Give an in-toto statement.")
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], Mapping):
        raise StatementError("signatures: needs exactly one. Give the envelope as it was signed.")
    if set(signatures[0]) != {"keyid", "sig"} or not isinstance(signatures[0]["keyid"], str):
        raise StatementError("signatures[0]: needs exactly keyid and sig. Give the envelope as it was signed.")
    return _decoded("payload", envelope["payload"]), signatures[0]["keyid"], _decoded("signatures[0].sig", signatures[0]["sig"])


def _decoded(where: str, text: Any) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except (TypeError, ValueError):
        raw = b""
    if not raw or b64encode(raw).decode() != text:
        raise StatementError(f"{where}: is not base64 as it was signed. Get the original again.")
    return raw


def _statement(payload: bytes) -> dict[str, Any]:
    try:
        statement = json.loads(payload)
        plain = canonical(statement) == payload
    except ValueError:
        statement, plain = None, False
    if not isinstance(statement, dict) or not plain or statement.get("_type") != STATEMENT:
        raise StatementError(f"payload: is no canonical statement of type {STATEMENT}. Another program signed it; sign it with ours.")
    return statement
