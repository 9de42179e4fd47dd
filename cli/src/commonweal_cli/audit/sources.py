"""Where keys, receipts, proofs and exports come from: files, `-`, and addresses. Nothing here judges them."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_api import namespace_of
from commonweal_api.common import AUTHORITY, AUTHORITY_KEY
from commonweal_api.plan import audience_of
from commonweal_cli.kubectl import Cluster
from commonweal_local.exceptions import LocalError
from commonweal_local.surroundings import opener
from commonweal_runtime.seal_key import KeyRing

SECONDS = 30.0
CERTIFICATES = f"{AUTHORITY_KEY} of the ConfigMap {AUTHORITY} in the department's namespace"


def text_of(name: str) -> str:
    """Return the text of a file, of `-` (standard input), or of an http(s) address."""
    try:
        if name == "-":
            return sys.stdin.read()
        if name.startswith(("http://", "https://")):
            return _fetch(name)
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise LocalError(f"{name}: {error}", "Name a file, `-`, or an address that answers.") from None


def keys_of(name: str) -> KeyRing:
    """Return the keys of a JWKS; LocalError when it holds none for signatures by Ed25519."""
    try:
        document = json.loads(text_of(name))
    except ValueError:
        raise LocalError(f"{name} is no JSON", "Fetch /.well-known/jwks.json of the department's data API.") from None
    found = document.get("keys") if isinstance(document, dict) else document
    ring = KeyRing([key for key in found if isinstance(key, dict)] if isinstance(found, list) else [])
    if not len(ring):
        raise LocalError(f"{name} holds no Ed25519 key", "Fetch /.well-known/jwks.json of the department's data API.")
    return ring


def receipts_of(name: str) -> list[str]:
    """Return the signed texts of a file: one receipt, an answer that carries one, or a page of /me/receipts."""
    text = text_of(name).strip()
    if not text.startswith(("{", "[")):
        return [text]
    try:
        document = json.loads(text)
    except ValueError:
        raise LocalError(f"{name} is neither a receipt nor JSON", "Name what /me/receipts answered, or one receipt.") from None
    items = document.get("items", [document]) if isinstance(document, dict) else document
    found = [str(item["receipt"]) if isinstance(item, dict) and "receipt" in item else str(item) for item in items]
    if not found:
        raise LocalError(f"{name} holds no receipt", "Name what /me/receipts answered, or one receipt.")
    return found


@dataclass(frozen=True)
class Department:
    """One department as its cluster tells of it: the address of its data API and which authority to trust there, its seal keys, and a registrar to ask as."""

    name: str
    address: str
    keys: KeyRing
    token: str
    authority: str = ""

    @staticmethod
    def of(kubectl: Cluster, name: str, account: str | None) -> Department:
        """Look a department up and make a registrar's token. LocalError says what is missing."""
        found = kubectl.get("departments.commonweal.dev", name)
        spec, status = found.get("spec") or {}, found.get("status") or {}
        registrars = spec.get("registrars") or []
        if not registrars:
            raise LocalError(
                f"The Department {name} names no registrar",
                "Add an own ServiceAccount to its spec.registrars; it may then fetch the audit.",
            )
        if account is not None and account not in registrars:
            raise LocalError(f"{account} is no registrar of {name}", f"Take one of spec.registrars: {', '.join(registrars)}.")
        if not status.get("dataApi"):
            raise LocalError(f"The Department {name} has no data API yet", f"Look at `kubectl get department {name}`.")
        token = kubectl.token(namespace_of(name), account or registrars[0], audience_of(name))
        authority = kubectl.authority(namespace_of(name))
        return Department(name, str(status["dataApi"]).rstrip("/"), KeyRing(status.get("keys") or []), token, authority)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the department's export, part by part, to its last line."""
        cursor = ""
        while True:
            part = _fetch(f"{self.address}/v1/audit/export{cursor}", self.token, self.authority).splitlines()
            yield from part
            last: dict[str, Any] = json.loads(part[-1]) if part else {}
            if last.get("kind") != "more":
                return
            cursor = f"?after={last['after']}"


def _fetch(address: str, token: str | None = None, authority: str = "") -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with opener(address, authority).open(urllib.request.Request(address, headers=headers), timeout=SECONDS) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        told = error.read(2000).decode(errors="replace")
        raise LocalError(f"{address} answered {error.code}: {told}", "Do what the answer says.") from None
    except OSError as error:
        unproven = "CERTIFICATE_VERIFY_FAILED" in str(error)
        remedy = (
            f"Set SSL_CERT_FILE to the authority to trust there: {CERTIFICATES}."
            if unproven
            else "Check the address, and that the department's data API runs."
        )
        raise LocalError(f"{address}: {error}", remedy) from None
