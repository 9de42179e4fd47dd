"""A real server process gets another certificate again and again while it is asked without a pause: nobody is refused, and who connects anew sees the new one."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from contract.wire.conftest import Start
from support.certificates import OTHER_SITE, SITE, in_place, swapped, trusting
from support.waiting import HANG, wait_for

ROTATIONS = 6


def serial(url: str, client: ssl.SSLContext) -> int:
    """Return which certificate somebody sees who connects now."""
    where = urlsplit(url)
    connection = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=HANG, context=client)
    connection.connect()
    try:
        found = connection.sock.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(found).serial_number
    finally:
        connection.close()


class Asking:
    """Asks without a pause, on a kept connection or on a new one each time."""

    def __init__(self, url: str, *, kept: bool) -> None:
        self._where, self._kept = urlsplit(url), kept
        self.answers: list[int] = []
        self.failures: list[BaseException] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._trust = trusting()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        connection = self._new()
        while not self._ended.is_set():
            try:
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                answer.read()
                self.answers.append(answer.status)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(error)
                return
            if not self._kept:
                connection.close()
                connection = self._new()
        connection.close()

    def _new(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._where.hostname or "", self._where.port, timeout=HANG, context=self._trust)


def test_through_many_rotations_nobody_is_refused_and_the_new_certificate_is_seen(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    url = start(in_place(folder))
    seen = [serial(url, trusting())]
    with Asking(url, kept=True) as old, Asking(url, kept=False) as new:
        for number in range(ROTATIONS):
            in_place(folder)
            wait_for("the next certificate", lambda: serial(url, trusting()) != seen[-1] or None)
            seen.append(serial(url, trusting()))
            had = len(old.answers), len(new.answers)
            wait_for("answers under it", lambda had=had: (len(old.answers) > had[0] and len(new.answers) > had[1]) or None)
            assert not old.failures, number
    assert old.failures == new.failures == []
    assert set(old.answers) == set(new.answers) == {200}
    assert len(set(seen)) == ROTATIONS + 1


def test_a_half_written_pair_is_not_presented_and_the_next_good_one_is(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    url = start(in_place(folder))
    before = serial(url, trusting())
    other = OTHER_SITE.issue(["127.0.0.1"], *_day())
    swapped(folder, {"tls.crt": other.certificate, "tls.key": SITE.issue(["127.0.0.1"], *_day()).key})
    log = tmp_path / "volumes" / "log"
    wait_for("the pair to be looked at", lambda: "cannot be used" in log.read_text() or None)
    assert serial(url, trusting()) == before
    in_place(folder)
    wait_for("the next certificate", lambda: serial(url, trusting()) != before or None)


@pytest.mark.parametrize("program", ["volumes", "data_api", "models", "identity"])
def test_a_server_without_its_certificate_ends_and_says_what_to_do(program: str, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", f"commonweal_runtime.{program}"]
    environment = {k: v for k, v in os.environ.items() if k != "COMMONWEAL_TLS_DIR"}
    without = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG, check=False)
    assert without.returncode == 1
    assert "COMMONWEAL_TLS_DIR is not set, and without a certificate nothing is served beyond this machine" in without.stderr
    environment["COMMONWEAL_TLS_DIR"] = str(tmp_path)
    empty = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG, check=False)
    assert empty.returncode == 1
    assert f"{tmp_path}: no certificate that can be presented" in empty.stderr
    assert "Mount the Secret of this workload there" in empty.stderr


def _day() -> tuple[datetime, datetime]:
    return datetime.now(UTC), datetime.now(UTC) + timedelta(days=1)
