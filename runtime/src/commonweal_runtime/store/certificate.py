"""The store's certificate: whoever holds the department's database key knows which one is good. Pure.

The authority's key is derived from the database key, as the logins' passwords are, so the data API and the models check what the keeper makes without being told
anything, and no key of it travels. Whoever could sign in the store's place holds every login already.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=7)
BACKDATED = timedelta(hours=1)  # a reader's clock may be behind
_AUTHORITY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "commonweal store authority")])
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
_SCALAR_BYTES = 48  # 128 bits more than the curve's order has, so that no key is likelier than another
_BEGIN, _END = datetime.fromisoformat("2020-01-01T00:00:00+00:00"), datetime.fromisoformat("2120-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key as PEM, and when it is to be replaced: after two thirds of its life."""

    certificate: str
    key: str
    renew_at: datetime


def issue(database_key: bytes, host: str, now: datetime) -> Certificate:
    """Return a new certificate of the store that listens at `host`, a DNS name or an address."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), _authority_key(database_key)
    certificate = (
        _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")]), key, now - BACKDATED, now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_name(host)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Certificate(_pem(certificate), private.decode(), now + LIFETIME * 2 / 3)


@cache
def trust(database_key: bytes) -> ssl.SSLContext:
    """Return what a client of the store checks its certificate and its name by: no other authority counts."""
    authority = _authority_key(database_key)
    certificate = (
        _builder(_AUTHORITY, authority, _BEGIN, _END)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=_pem(certificate))
    return context


def _authority_key(database_key: bytes) -> ec.EllipticCurvePrivateKey:
    stretched = HKDF(hashes.SHA256(), _SCALAR_BYTES, salt=None, info=b"commonweal store authority v1").derive(database_key)
    return ec.derive_private_key(1 + int.from_bytes(stretched) % (_ORDER - 1), ec.SECP256R1())


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_AUTHORITY)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
