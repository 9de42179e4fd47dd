"""The key with which a site signs what it says of itself: a Secret that only the site's administrators can read."""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from commonweal_stacks.api import Api, RefusedError, SilentError
from commonweal_stacks.conformity.statement import key_id
from commonweal_stacks.platform.manifests import NAMESPACE, SITE_KEY_SECRET
from commonweal_stacks.site import SiteConfigError

SEED_BYTES = 32
_SEED = re.compile(rb"[0-9a-f]{64}")


def public_key(seed: bytes) -> bytes:
    """Return the raw public half of a seed; ValueError unless it has 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def jwk_of(raw: bytes) -> dict[str, str]:
    """Return a raw public key as a JSON Web Key (RFC 8037)."""
    text = urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": text, "kid": key_id(raw), "alg": "EdDSA", "use": "sig"}


def public_jwk(seed: str) -> str:
    """Return the public half of a seed in hexadecimal, as a JWK's JSON text: the stack's output, and what `--key` takes."""
    return json.dumps(jwk_of(public_key(bytes.fromhex(seed))), sort_keys=True)


def site_seed(kubeconfig: str, *, site: str) -> bytes:
    """Return the site's signing seed, read with the rights of the kubeconfig (its contents). Raises SiteConfigError."""
    remedy = f"Run `commonweal site up {site}`, and use an administrator's kubeconfig."
    where = f"Secret {NAMESPACE}/{SITE_KEY_SECRET} on site {site}"
    try:
        found = Api(kubeconfig, site=site).call("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/{SITE_KEY_SECRET}")
    except RefusedError as error:
        raise SiteConfigError(f"{where}: {error.reason}. {remedy}") from error
    except SilentError as error:
        raise SiteConfigError(f"{where}: the site does not answer at {error.where}. Start it, or correct its kubeconfig.") from error
    try:
        text = b64decode((found.get("data") or {})["seed"])
    except (KeyError, ValueError):
        text = b""
    if not _SEED.fullmatch(text):
        raise SiteConfigError(f"{where}: its key `seed` is not 64 hexadecimal digits. {remedy}")
    return bytes.fromhex(text.decode())


def read_public_key(file: Path) -> bytes:
    """Return the raw public key of a file that holds a JWK or 64 hexadecimal digits. Raises SiteConfigError."""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SiteConfigError(f"{file}: the public key cannot be read ({error}). Give the stack's output `siteKey` as a file.") from error
    try:
        raw = bytes.fromhex(text) if re.fullmatch(r"[0-9a-f]{64}", text) else _of_jwk(json.loads(text))
        Ed25519PublicKey.from_public_bytes(raw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SiteConfigError(f"{file}: holds no Ed25519 public key ({error}). Give a JWK, or 64 hexadecimal digits.") from error
    return raw


def _of_jwk(jwk: Any) -> bytes:
    if jwk["kty"] != "OKP" or jwk["crv"] != "Ed25519":
        raise ValueError("kty and crv must be OKP and Ed25519")
    return urlsafe_b64decode(jwk["x"] + "=" * (-len(jwk["x"]) % 4))
