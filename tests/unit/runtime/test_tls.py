"""What a process presents and whom it believes: read again when it changes, and never worse than before."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import pytest

from commonweal_runtime.certificates import Presented, Trust, is_secured, presented
from commonweal_runtime.exceptions import CertificateMissingError
from support.certificates import OTHER_SITE, in_place, swapped, trusting


def is_believed(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """Whether both come to an agreement, in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(6):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return one.version() == "TLSv1.3"


def test_another_pair_is_presented_once_it_is_in_place(tmp_path: Path) -> None:
    shown = Presented(in_place(tmp_path, by=OTHER_SITE))
    assert not is_believed(shown.context, trusting())
    in_place(tmp_path)
    shown.refresh()
    assert is_believed(shown.context, trusting())


def test_nothing_is_read_again_that_did_not_change(tmp_path: Path) -> None:
    shown = Presented(in_place(tmp_path))
    before = shown.context
    shown.refresh()
    assert shown.context is before


@pytest.mark.parametrize("broken", [{"tls.crt": "", "tls.key": ""}, {"tls.crt": "half a"}, {"tls.key": "-----BEGIN"}, {"tls.crt": None}])
def test_a_broken_pair_leaves_the_one_before_and_is_said_once(
    tmp_path: Path, broken: dict[str, str | None], caplog: pytest.LogCaptureFixture
) -> None:
    shown = Presented(in_place(tmp_path))
    good = {name: (tmp_path / name).read_text() for name in ("tls.crt", "tls.key", "ca.crt")}
    swapped(tmp_path, {name: text for name, text in (good | broken).items() if text is not None})
    with caplog.at_level(logging.WARNING):
        shown.refresh()
        shown.refresh()
    assert is_believed(shown.context, trusting())
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    in_place(tmp_path)
    before = shown.context
    shown.refresh()
    assert shown.context is not before, "the next good one counts"


def test_a_certificate_with_the_key_of_another_is_left(tmp_path: Path) -> None:
    shown = Presented(in_place(tmp_path))
    key = (tmp_path / "tls.key").read_text()
    in_place(tmp_path, by=OTHER_SITE)
    swapped(tmp_path, {"tls.crt": (tmp_path / "tls.crt").read_text(), "tls.key": key})
    shown.refresh()
    assert is_believed(shown.context, trusting())


def test_without_a_certificate_only_this_machine_is_served(tmp_path: Path) -> None:
    assert presented("127.0.0.1", {}) is presented("::1", {}) is None
    for listen in ("0.0.0.0", "::", "10.0.0.1"):
        with pytest.raises(CertificateMissingError, match=r"COMMONWEAL_TLS_DIR is not set.*Set it to a directory"):
            presented(listen, {})
    with pytest.raises(CertificateMissingError, match=r"Mount the Secret of this workload there"):
        presented("127.0.0.1", {"COMMONWEAL_TLS_DIR": str(tmp_path)})
    assert presented("0.0.0.0", {"COMMONWEAL_TLS_DIR": str(in_place(tmp_path))}) is not None


def test_whom_to_believe_is_read_again_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    trust, server = Trust(in_place(tmp_path), system=False), Presented(tmp_path).context
    assert is_believed(server, trust.context)
    swapped(tmp_path, {"ca.crt": "broken"})
    assert is_believed(server, trust.context)
    swapped(tmp_path, {"ca.crt": OTHER_SITE.certificate})
    assert not is_believed(server, trust.context)


def test_who_is_given_nobody_to_believe_believes_nobody(tmp_path: Path) -> None:
    server = Presented(in_place(tmp_path)).context
    assert not is_believed(server, Trust(None, system=False).context)
    assert not is_believed(server, Trust(None, system=True).context)
    assert not is_believed(server, Trust(tmp_path / "empty", system=False).context)


def test_nothing_older_than_tls_1_3_is_spoken(tmp_path: Path) -> None:
    old = trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert not is_believed(Presented(in_place(tmp_path)).context, old)


@pytest.mark.parametrize(
    ("url", "secured"),
    [
        ("https://a.example", True),
        ("http://127.0.0.1:1/x", True),
        ("http://[::1]:1", True),
        ("http://10.0.0.2", False),
        ("http://127.0.0.1.example", False),
        ("ftp://a", False),
        ("", False),
    ],
)
def test_what_is_sent_in_the_clear_never_leaves_this_machine(url: str, secured: bool) -> None:
    assert is_secured(url) is secured
