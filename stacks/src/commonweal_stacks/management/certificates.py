"""Certificates of webhooks, derived from one secret of the stack: the same secret in the same year gives the same certificates.

So nothing but the secret need be kept, a second `pulumi up` changes nothing, and the first one of a new year renews them. Pure.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEARS = 2
SCALAR_BYTES = 48  # 128 bits more than the curve's order has, so that no key is likelier than another
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, with the authority's certificate; all PEM."""

    certificate: str
    key: str
    authority: str


def issue(seed: bytes, name: str, hosts: Sequence[str], *, year: int) -> Pair:
    """Return a server's certificate for these DNS names, from an authority that signs nothing else.

    It is valid from the first day of the year for two years: a stack that is brought up at least once a year never has an expired one.
    """
    authority_key, key = _key(seed, f"{name} authority"), _key(seed, f"{name} server")
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}-authority")])
    authority = (
        _builder(issuer, issuer, authority_key, year)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    server = (
        _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}-webhooks")]), issuer, key, year)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(_pem(server), private.decode(), _pem(authority))


def _key(seed: bytes, use: str) -> ec.EllipticCurvePrivateKey:
    stretched = HKDF(hashes.SHA256(), SCALAR_BYTES, salt=None, info=f"commonweal webhooks: {use}".encode()).derive(seed)
    return ec.derive_private_key(1 + int.from_bytes(stretched, "big") % (ORDER - 1), ec.SECP256R1())


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, year: int) -> x509.CertificateBuilder:
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    serial = int.from_bytes(hashlib.sha256(point + year.to_bytes(4, "big")).digest()[:16], "big") | 1
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(dt.datetime(year, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(year + YEARS, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
