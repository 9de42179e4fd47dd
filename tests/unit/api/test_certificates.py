"""An authority is what its secret makes it, and what it issues is believed by name, by address, and by nobody who believes another one."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from commonweal_api.certificates import SITE_AUTHORITY, Authority, is_address
from support.certificates import OTHER_SITE, SITE, swapped, trusting

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTS = ("data-api.dept-a-platform.svc.cluster.local", "data-api.dept-a-platform.svc", "10.1.2.3", "fd00::7")


def believed(folder: Path, hosts: tuple[str, ...], name: str, client: ssl.SSLContext, *, ended: bool = False) -> bool:
    """Whether a client that connects to `name` believes who presents a certificate for `hosts`."""
    begin = NOW - timedelta(days=40) if ended else NOW
    issued = SITE.issue(hosts, begin, begin + timedelta(days=30))
    swapped(folder, {"tls.crt": issued.certificate, "tls.key": issued.key})
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    ours, theirs = socket.socketpair()

    def present() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            pass

    thread = threading.Thread(target=present)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as secured:
            return secured.send(b"x") == 1
    except ssl.SSLCertVerificationError:
        return False
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", HOSTS)
def test_each_name_and_address_is_believed_by_the_letter(tmp_path: Path, name: str) -> None:
    assert believed(tmp_path, HOSTS, name, trusting())


@pytest.mark.parametrize("name", ["data-api.dept-b-platform.svc", "10.1.2.4", "data-api"])
def test_no_other_name_is(tmp_path: Path, name: str) -> None:
    assert not believed(tmp_path, HOSTS, name, trusting())


def test_nor_by_who_believes_another_authority_nor_after_its_end(tmp_path: Path) -> None:
    assert not believed(tmp_path, HOSTS, HOSTS[0], trusting(OTHER_SITE))
    assert not believed(tmp_path, HOSTS, HOSTS[0], trusting(), ended=True)


def test_an_authority_is_the_same_wherever_it_is_made_and_another_for_another_secret_or_name() -> None:
    assert Authority(b"\xab" * 32, SITE_AUTHORITY).certificate == SITE.certificate
    keys = {
        x509.load_pem_x509_certificate(a.certificate.encode()).public_key().public_numbers()  # type: ignore[union-attr]
        for a in (SITE, OTHER_SITE, Authority(b"\xab" * 32, "another authority"))
    }
    assert len(keys) == 3


def test_a_derived_certificate_is_the_same_bytes_until_its_names_its_term_or_its_place_change() -> None:
    first = SITE.issue(HOSTS, NOW, NOW + timedelta(days=30), derived_from="uid")
    assert SITE.issue(HOSTS, NOW, NOW + timedelta(days=30), derived_from="uid") == first
    others = [
        SITE.issue(HOSTS[:2], NOW, NOW + timedelta(days=30), derived_from="uid"),
        SITE.issue(HOSTS, NOW + timedelta(days=20), NOW + timedelta(days=50), derived_from="uid"),
        SITE.issue(HOSTS, NOW, NOW + timedelta(days=30), derived_from="another"),
        SITE.issue(HOSTS, NOW, NOW + timedelta(days=30)),
        SITE.issue(HOSTS, NOW, NOW + timedelta(days=30)),
    ]
    assert len({one.key for one in (first, *others)}) == 6


def test_a_leaf_signs_nobody() -> None:
    leaf = x509.load_pem_x509_certificate(SITE.issue(HOSTS, NOW, NOW + timedelta(days=30)).certificate.encode())
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False


def test_an_address_is_told_from_a_name() -> None:
    assert [is_address(h) for h in HOSTS] == [False, False, True, True]
