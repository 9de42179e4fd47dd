"""Authorities whose key follows from a secret, and what they issue: whoever holds the secret knows which certificates are good. Pure.

An authority's own certificate is the same text wherever it is made. A leaf is, too, if its key is derived: then it can be compared instead of remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BACKDATED = timedelta(hours=1)  # a reader's clock may be behind
SITE_AUTHORITY = "commonweal site authority"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
_SCALAR_BYTES = 48  # 128 bits more than the curve's order has, so that no key is likelier than another
_BEGIN, _END = datetime.fromisoformat("2020-01-01T00:00:00+00:00"), datetime.fromisoformat("2120-01-01T00:00:00+00:00")
_LONGEST_COMMON_NAME = 64


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key as PEM."""

    certificate: str
    key: str


class Authority:
    """The authority of that name for one secret. It signs servers' certificates and no other authority."""

    def __init__(self, secret: bytes, name: str) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = _derived(secret, f"{name} v1")
        self._leaves = HKDF(hashes.SHA256(), 32, salt=None, info=f"{name}: leaves v1".encode()).derive(secret)

    @cached_property
    def certificate(self) -> str:
        """The authority's own certificate as PEM, which is public: the same bytes each time."""
        builder = self._builder(self._name, self._key, _BEGIN, _END)
        return _pem(
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        )

    def issue(self, hosts: Sequence[str], begin: datetime, end: datetime, *, derived_from: str = "") -> Issued:
        """Return a server's certificate for DNS names and addresses, valid from an hour before `begin`.

        Its key is by chance, or with `derived_from` the one that follows from that text: another text, another key. The same arguments then give the same bytes.
        """
        key = (
            _derived(self._leaves, "|".join((derived_from, *hosts, begin.isoformat())))
            if derived_from
            else ec.generate_private_key(ec.SECP256R1())
        )
        certificate = (
            self._builder(_subject(hosts[0]), key, begin - BACKDATED, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        )
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Issued(_pem(certificate), private.decode())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime) -> x509.CertificateBuilder:
        point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
        serial = int.from_bytes(hashlib.sha256(point + begin.isoformat().encode()).digest()[:16]) | 1
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(begin)
            .not_valid_after(end)
        )


def is_address(host: str) -> bool:
    """Whether a host is given by its address, not by a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _derived(secret: bytes, use: str) -> ec.EllipticCurvePrivateKey:
    stretched = HKDF(hashes.SHA256(), _SCALAR_BYTES, salt=None, info=use.encode()).derive(secret)
    return ec.derive_private_key(1 + int.from_bytes(stretched) % (_ORDER - 1), ec.SECP256R1())


def _usage(*, signs: bool) -> x509.KeyUsage:
    """Return what a key is for; readers that go by the letter of RFC 5280 want it said."""
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(host: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:_LONGEST_COMMON_NAME])])


def _general_name(host: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(host)) if is_address(host) else x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
