"""The key with which a site signs what it says of itself: a Secret that only the site's administrators can read."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path

from commonweal_api.signatures import checked_public_key, jwk_of, key_of_jwk, public_key
from commonweal_stacks.api import Api
from commonweal_stacks.exceptions import SiteConfigError, SiteRefusedError, SiteSilentError
from commonweal_stacks.manifests import NAMESPACE, SITE_KEY_SECRET

SEED_BYTES = 32
_SEED = re.compile(rb"[0-9a-f]{64}")


def public_jwk(seed: str) -> str:
    """Return the public half of a seed in hexadecimal, as a JWK's JSON text: the stack's output, and what `--key` takes."""
    return json.dumps(jwk_of(public_key(bytes.fromhex(seed))), sort_keys=True)


def site_seed(kubeconfig: str, *, site: str) -> bytes:
    """Return the site's signing seed, read with the rights of the kubeconfig (its contents). Raises SiteConfigError."""
    remedy = f"Run `commonweal site up {site}`, and use an administrator's kubeconfig."
    where = f"Secret {NAMESPACE}/{SITE_KEY_SECRET} on site {site}"
    try:
        found = Api(kubeconfig, site=site).call("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/{SITE_KEY_SECRET}")
    except SiteRefusedError as error:
        raise SiteConfigError(f"{where}: {error.reason}. {remedy}") from error
    except SiteSilentError as error:
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
        return checked_public_key(bytes.fromhex(text)) if re.fullmatch(r"[0-9a-f]{64}", text) else key_of_jwk(json.loads(text))
    except (ValueError, AttributeError) as error:
        raise SiteConfigError(f"{file}: holds no Ed25519 public key ({error}). Give a JWK, or 64 hexadecimal digits.") from error
