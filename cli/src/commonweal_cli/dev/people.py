"""Who can sign in at a stack's issuer, and whose tokens services hold."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from commonweal_api.directory import FILE, Listed, directory
from commonweal_api.people_issuer import PORTAL, PORTAL_WEB, held
from commonweal_cli.demo.person import accounts, keys, made_up_accounts
from commonweal_local import paths
from commonweal_operator.desired.issuer import enrolled
from commonweal_runtime.identity.keys import SigningKey

PASSWORD = "made-up people"
SITE = "dev"
SITE_ISSUER = "https://commonweal-dev.invalid"
TOKEN_SECONDS = 86_400


def enrol(file: Path, departments: Collection[str], *, sample: bool) -> None:
    """Write the people's accounts: the keys of the first made-up people are theirs, or where the example's own sources are filled, those that these know them by."""
    known = accounts if sample and set(keys(1)) <= set(departments) else made_up_accounts
    paths.write(file, json.dumps(known(PASSWORD)), mode=0o600)


def name_to(departments: Sequence[Listed], file: Path, master: bytes, folder: Path) -> None:
    """Write into `folder` what the issuer holds: as on a site, the ids of the people in `file` at these departments, their directory, and keys of which nothing else follows."""
    names = [department.name for department in departments]
    files = held(master, enrolled(file.read_bytes()), names, [PORTAL, PORTAL_WEB]).files
    for name, text in {**files, FILE: directory(SITE, departments).text}.items():
        paths.write(folder / name, text, mode=0o600)


def signing_key(file: Path) -> SigningKey:
    """Return the stack's throw-away key, which signs for its people and its services; made on the first call."""
    if not file.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        paths.write(file, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), mode=0o600)
    return SigningKey.read(file)


def account_token(signing: SigningKey, account: str, audience: str, now: float | None = None) -> str:
    """Return a day's token of a ServiceAccount, `namespace/name`, for one audience."""
    at = int(time.time() if now is None else now)
    subject = f"system:serviceaccount:{account.replace('/', ':')}"
    return signing.sign({"iss": SITE_ISSUER, "sub": subject, "aud": [audience], "iat": at, "nbf": at, "exp": at + TOKEN_SECONDS}, "JWT")
