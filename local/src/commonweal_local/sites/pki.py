"""A site's certificates and kubeconfigs: three authorities, one key for service accounts, one certificate per program.

`<authority>.crt` is what is trusted: the authority's certificate, and during a change of authorities a second one. `<authority>.key` signs.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from commonweal_local.exceptions import LocalError
from commonweal_local.paths import write
from commonweal_local.sites import encryption
from commonweal_local.sites.site import DOMAIN, Site

AUTHORITY_LIFETIME = dt.timedelta(days=3650)
LEAF_LIFETIME = dt.timedelta(days=365)
# A certificate with less left than this is issued again when its site starts; `status` and `doctor` warn of it.
RENEW_WITHIN = dt.timedelta(days=30)
# Clocks of a laptop that just woke may lag behind.
BACKDATED = dt.timedelta(hours=1)
AUTHORITIES = ("ca", "etcd-ca", "front-ca")
# The controller manager signs with a file that must hold one certificate only.
SIGNER = "ca-signer.crt"
KUBECONFIGS = ("admin", "kcm", "scheduler", "proxy", "kubelet", "kwok")


@dataclass(frozen=True)
class Leaf:
    """One certificate to issue: its file name, subject, names and authority."""

    file: str
    common_name: str
    organisation: str | None = None
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    authority: str = "ca"


def leaves(site: Site) -> list[Leaf]:
    """Every certificate of a site."""
    api_names = (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{site.network.domain}",
        "localhost",
        f"{site.name}.{DOMAIN}",
    )
    api_addresses = tuple(sorted({site.address, "127.0.0.1", site.network.api}))
    return [
        Leaf("apiserver", "kube-apiserver", names=api_names, addresses=api_addresses),
        Leaf("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"),
        Leaf("etcd", "etcd", names=("localhost",), addresses=("127.0.0.1",), authority="etcd-ca"),
        Leaf("etcd-client", "kube-apiserver", authority="etcd-ca"),
        Leaf("front", "front-proxy-client", authority="front-ca"),
        Leaf("admin", "kubernetes-admin", "system:masters"),
        Leaf("kcm", "system:kube-controller-manager"),
        Leaf("scheduler", "system:kube-scheduler"),
        Leaf("proxy", "system:kube-proxy"),
        Leaf("kwok", "kwok", "system:masters"),
        Leaf("kubelet", f"system:node:{site.node}", "system:nodes", names=(site.node,), addresses=(site.address,)),
    ]


def make(site: Site, *, now: dt.datetime | None = None) -> None:
    """Make whatever is missing, does not fit its key or authority, or ends soon; the rest is kept, so that a site keeps its identity.

    Safe to repeat, also after a run that was killed between a key and its certificate.
    """
    site.pki.mkdir(parents=True, exist_ok=True)
    site.pki.chmod(0o700)
    moment = now or dt.datetime.now(dt.UTC)
    for authority in AUTHORITIES:
        if not (site.pki / f"{authority}.crt").exists():
            write(site.pki / f"{authority}.crt", issue_authority(site, authority, private_key(site.pki / f"{authority}.key"), moment))
    public = site.pki / "sa.pub"
    if not public.exists():
        write(public, _pem_public(private_key(site.pki / "sa.key")))
    for leaf in leaves(site):
        issue(site, leaf, moment)
    encryption.make(site.pki, site.settings, had_data=(site.directory / "etcd" / "member").exists())
    write_kubeconfigs(site)


def renew(site: Site, now: dt.datetime) -> None:
    """Issue every certificate anew, each with a new key, by the authorities that sign; then the kubeconfigs."""
    for leaf in leaves(site):
        (site.pki / f"{leaf.file}.key").unlink(missing_ok=True)
        _issue_leaf(site, leaf, now)
    write_kubeconfigs(site)


def write_kubeconfigs(site: Site) -> None:
    """Write every kubeconfig from the certificates, and the signer's certificate."""
    write(site.pki / SIGNER, pem(signing_certificate(site, "ca")))
    for who in KUBECONFIGS:
        write(site.kubeconfig if who == "admin" else site.pki / f"{who}.conf", kubeconfig(site, who), mode=0o600)


def trusted(site: Site, authority: str) -> list[x509.Certificate]:
    """The certificates of an authority that are trusted now."""
    return x509.load_pem_x509_certificates((site.pki / f"{authority}.crt").read_bytes())


def signing_certificate(site: Site, authority: str) -> x509.Certificate:
    """The trusted certificate whose key signs. Raises LocalError when there is none."""
    public = private_key(site.pki / f"{authority}.key").public_key()
    for certificate in trusted(site, authority):
        if certificate.public_key() == public:
            return certificate
    raise LocalError(
        f"{site.pki / authority}.key is not the key of a certificate in {authority}.crt",
        f"Put the pair back from a backup's keys, or make the site again: `commonweal local down {site.name}`, then `up`.",
    )


def ends(site: Site, more: Iterable[str] = ()) -> dict[str, dt.datetime]:
    """When each certificate of the site ends: leaves, authorities and what else it has; a missing one is left out."""
    files = [*AUTHORITIES, *(leaf.file for leaf in leaves(site)), *more]
    held = {file: site.pki / f"{file}.crt" for file in files}
    return {
        name: min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes()))
        for name, path in held.items()
        if path.exists()
    }


def outlook(site: Site, now: dt.datetime) -> tuple[str, bool]:
    """When the first certificate of the site ends, in a sentence, and whether that is soon; nothing to say of a site without certificates."""
    return first_end(ends(site), now, f"`commonweal local rotate {site.name}`")


def first_end(found: Mapping[str, dt.datetime], now: dt.datetime, remedy: str) -> tuple[str, bool]:
    """When the first of these certificates ends, in a sentence, with the remedy when that is soon. Pure."""
    if not found:
        return "", False
    name, end = min(found.items(), key=lambda pair: pair[1])
    soon = end - now <= RENEW_WITHIN
    if not soon:
        return f"certificates until {end:%Y-%m-%d}", False
    return f"certificate {name} {'ended' if end <= now else 'ends'} {end:%Y-%m-%d}: {remedy}", True


def issue(site: Site, leaf: Leaf, now: dt.datetime) -> None:
    """Make one certificate unless it is there, fits and lasts; the site's authorities must be there."""
    if not _fits(site, leaf, now):
        _issue_leaf(site, leaf, now)


def kubeconfig(site: Site, who: str) -> dict[str, object]:
    """A kubeconfig that carries its certificates, so that it works wherever it is copied to."""

    def data(file: str) -> str:
        return base64.b64encode((site.pki / file).read_bytes()).decode()

    cluster = {"server": site.server, "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data(f"{who}.crt"), "client-key-data": data(f"{who}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": site.name,
        "clusters": [{"name": site.name, "cluster": cluster}],
        "users": [{"name": who, "user": user}],
        "contexts": [{"name": site.name, "context": {"cluster": site.name, "user": who}}],
    }


def private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The private key in a file, made if there is none; only its owner may read it."""
    if path.exists():
        kept = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(kept, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{path} holds another kind of key than the elliptic curve key that was written there")
        return kept
    made = ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    write(path, pem.decode(), mode=0o600)
    return made


def _pem_public(key: ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public.decode()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def issue_authority(site: Site, name: str, key: ec.EllipticCurvePrivateKey, now: dt.datetime) -> str:
    """A certificate of an authority for itself, as PEM. Its name holds its key's, since two with one name cannot be told apart."""
    mark = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"local-site-{site.name}-{name}-{mark}")])
    certificate = (
        _builder(subject, subject, key, now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return pem(certificate)


def _fits(site: Site, leaf: Leaf, now: dt.datetime) -> bool:
    """Whether the certificate is there, is its key's, was signed by the authority that signs now, and lasts."""
    file = site.pki / f"{leaf.file}.crt"
    if not file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    if certificate.public_key() != private_key(site.pki / f"{leaf.file}.key").public_key():
        return False
    try:
        certificate.verify_directly_issued_by(signing_certificate(site, leaf.authority))
    except (ValueError, InvalidSignature):
        return False
    return certificate.not_valid_after_utc - now > RENEW_WITHIN


def _issue_leaf(site: Site, leaf: Leaf, now: dt.datetime) -> None:
    key = private_key(site.pki / f"{leaf.file}.key")
    signer = private_key(site.pki / f"{leaf.authority}.key")
    issuer = signing_certificate(site, leaf.authority)
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)]
    if leaf.organisation:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.organisation))
    builder = (
        _builder(x509.Name(attributes), issuer.subject, key, now, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in leaf.names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in leaf.addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    write(site.pki / f"{leaf.file}.crt", pem(builder.sign(signer, hashes.SHA256())))


def pem(certificate: x509.Certificate) -> str:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
