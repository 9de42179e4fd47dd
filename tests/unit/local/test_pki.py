"""A site's certificates, tried by the TLS of the standard library."""

from __future__ import annotations

import json
import ssl
import stat
from pathlib import Path

import pytest

from commonweal_local.sites import pki
from commonweal_local.sites.site import Mode, Site

STEPS = 8


@pytest.fixture(scope="module")
def north(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site("north", 0, Mode.PODS, tmp_path_factory.mktemp("sites"), {})
    pki.make(made)
    return made


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, object]:
    """Both sides of a TLS handshake in memory; returns the client's certificate as the server saw it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    asking = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(STEPS):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(answering.getpeercert() or {})


def server_side(site: Site, certificate: str = "apiserver", authority: str = "ca") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.pki / f"{certificate}.crt", site.pki / f"{certificate}.key")
    context.load_verify_locations(site.pki / f"{authority}.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_side(site: Site, certificate: str = "admin", authority: str = "ca") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(site.pki / f"{authority}.crt"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(site.pki / f"{certificate}.crt", site.pki / f"{certificate}.key")
    return context


@pytest.mark.parametrize(
    "name",
    ["kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "north.sites.internal", "10.210.0.11", "10.230.0.1", "127.0.0.1"],
)
def test_the_api_server_is_trusted_under_each_of_its_names(north: Site, name: str) -> None:
    assert handshake(server_side(north), client_side(north), name)


def test_the_api_server_is_not_trusted_under_another_name(north: Site) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(server_side(north), client_side(north), "south.sites.internal")


def test_the_administrator_is_known_as_a_member_of_system_masters(north: Site) -> None:
    subject = handshake(server_side(north), client_side(north), "localhost")["subject"]
    assert subject == ((("organizationName", "system:masters"),), (("commonName", "kubernetes-admin"),))


def test_a_certificate_of_one_authority_is_worthless_before_another(north: Site) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate verify failed"):
        handshake(server_side(north, "etcd", "etcd-ca"), client_side(north, "admin", "etcd-ca"), "localhost")


def test_the_api_server_reaches_etcd_with_its_own_certificate(north: Site) -> None:
    assert handshake(server_side(north, "etcd", "etcd-ca"), client_side(north, "etcd-client", "etcd-ca"), "localhost")


def test_making_again_keeps_every_certificate(north: Site) -> None:
    before = {file.name: file.read_bytes() for file in north.pki.iterdir()}
    pki.make(north)
    assert {file.name: file.read_bytes() for file in north.pki.iterdir()} == before


def test_nobody_else_can_read_keys_or_kubeconfigs(north: Site) -> None:
    private = [north.kubeconfig, *north.pki.glob("*.key"), *north.pki.glob("*.conf")]
    assert len(private) > 10
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in private)
    assert stat.S_IMODE(north.pki.stat().st_mode) == 0o700


def test_the_kubeconfig_needs_no_other_file(north: Site, tmp_path: Path) -> None:
    document = json.loads(north.kubeconfig.read_text())
    assert document["clusters"][0]["cluster"]["server"] == "https://10.210.0.11:6443"
    assert str(north.root) not in north.kubeconfig.read_text()
