"""Certificates for tests."""

from __future__ import annotations

import secrets
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from commonweal_api.certificates import SITE_AUTHORITY, Authority


def self_signed(folder: Path, address: str) -> tuple[Path, Path]:
    """Write a certificate for an IP address, and its key, as PEM; return the files."""
    private, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, SHA256())
    )
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, key


SITE = Authority(b"\xab" * 32, SITE_AUTHORITY)  # that of the key with which contract tests install the chart
OTHER_SITE = Authority(b"\xcd" * 32, SITE_AUTHORITY)


def in_place(folder: Path, *hosts: str, by: Authority = SITE, believed: Authority = SITE, days: int = 1) -> Path:
    """Put a new certificate and which authority to trust into a directory as the kubelet does: all files beside the old ones, then one link is swapped. Return the directory."""
    now = datetime.now(UTC)
    issued = by.issue(hosts or ("127.0.0.1",), now, now + timedelta(days=days))
    return swapped(folder, {"tls.crt": issued.certificate, "tls.key": issued.key, "ca.crt": believed.certificate})


def swapped(folder: Path, files: dict[str, str]) -> Path:
    """Put files into a directory as the kubelet does."""
    version = folder / f"..{len(list(folder.iterdir()))}-{secrets.token_hex(4)}"
    version.mkdir()
    for name, text in files.items():
        (version / name).write_text(text)
    (folder / "..next").symlink_to(version.name)
    (folder / "..next").replace(folder / "..data")
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    return folder


def trusting(authority: Authority = SITE) -> ssl.SSLContext:
    """Return what a client of a site's workloads checks their certificates by."""
    context = ssl.create_default_context(cadata=authority.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context
