"""The key that signs tokens outlives the process, mounted or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from commonweal_api.signatures import issuer_jwks, issuer_seed
from commonweal_runtime.identity.keys import SigningKey

MASTER = bytes(range(32))


def pem(private: Any) -> bytes:
    return bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_a_mounted_key_keeps_its_id_and_a_weak_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    assert SigningKey.read(file).id == SigningKey.read(file).id
    assert SigningKey.read(file).algorithm == "RS256"
    file.write_bytes(pem(Ed25519PrivateKey.from_private_bytes(MASTER)))
    assert SigningKey.read(file).algorithm == "EdDSA"
    for weak in (rsa.generate_private_key(public_exponent=65537, key_size=1024), ec.generate_private_key(ec.SECP384R1())):
        file.write_bytes(pem(weak))
        with pytest.raises(ValueError, match="P-256"):
            SigningKey.read(file)


def test_a_master_key_has_one_signing_key_for_ever() -> None:
    """The id is written down: with another one, an upgrade would end every session."""
    key = SigningKey.of(issuer_seed(MASTER))
    assert (key.id, key.algorithm) == ("RO0s38_NhnlM3TnJSyqK04m3-MJvlxo6hhrYMowZUBg", "EdDSA")
    assert SigningKey.of(issuer_seed(MASTER[::-1])).id != key.id
    assert issuer_jwks(MASTER) == key.jwks()  # what the operator tells the departments, without asking the issuer
