"""Volumes that are mounted elsewhere: the reader gives their files over HTTP, what it gives is what lies there, and it cannot lead its asker anywhere else."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commonweal_api import CsvSource, DataProduct
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.csv_files import open_csv
from commonweal_runtime.store.sources.file_reader import FileReader
from commonweal_runtime.store.sources.parquet import open_parquet
from commonweal_runtime.store.sources.places import mounted
from commonweal_runtime.store.sources.served import served
from support.postgres import free_port
from support.waiting import wait_for


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    (folder / "files").mkdir()
    return folder


@pytest.fixture(scope="module")
def reader(root: Path) -> Iterator[str]:
    """The reader's base URL."""
    port = free_port()
    environment = {**os.environ, "COMMONWEAL_VOLUMES_DIR": str(root), "COMMONWEAL_LISTEN": "127.0.0.1", "COMMONWEAL_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-P", "-m", "commonweal_runtime.volumes"], env=environment)
    base = f"http://127.0.0.1:{port}"

    def up() -> bool | None:
        try:
            with urllib.request.urlopen(f"{base}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return None

    try:
        wait_for("the reader", up)
        yield base
    finally:
        process.terminate()
        process.wait(30)


def write(path: Path, count: int, word: str = "Person") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"ref": [f"P{n}" for n in range(count)], "full_name": [f"{word} {n} " + "x" * 200 for n in range(count)]})
    fresh = path.with_suffix(".fresh")
    pq.write_table(table, fresh, row_group_size=1000, compression="none")
    fresh.replace(path)


def spec(location: str) -> Any:
    fields = [{"name": "fullName", "column": "full_name", "type": "String"}]
    body = {"title": "P", "version": "1.0.0", "class": "Person", "source": {"parquet": {"location": location}}, "fields": fields}
    manifest = {"metadata": {"name": "people", "namespace": "dept-x"}, "spec": body | {"subject": {"column": "ref"}}}
    return DataProduct.model_validate(manifest).spec


def rows(location: str) -> list[Any]:
    async def read() -> list[Any]:
        product = spec(location)
        async with open_parquet(product, product.source.parquet, None) as source:
            return await _all(source)

    return asyncio.run(read())


async def _all(source: FileReader) -> list[Any]:
    await source.inspect()
    found = [row async for batch in source.batches(None) for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]
    await source.verify()
    return found


def test_what_is_read_over_http_is_what_lies_on_the_volume(reader: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "files" / "people" / "1.parquet", 9000)
    write(root / "files" / "people" / "b" / "2.parquet", 10)
    monkeypatch.setenv("COMMONWEAL_VOLUMES_DIR", str(root))
    here = rows("volume://files/people")
    monkeypatch.setenv("COMMONWEAL_VOLUMES", reader)
    assert rows("volume://files/people") == here
    assert len(here) == 9010
    assert (root / "files" / "people" / "1.parquet").stat().st_size > 1 << 20, "more than one range"


def test_csv_files_are_read_over_http_and_no_others_beside_them(reader: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "files" / "mixed" / "1.parquet", 3)
    (root / "files" / "mixed" / "2.csv.gz").write_bytes(gzip.compress(b"ref,full_name\nP1,Ada\nP2\n"))
    monkeypatch.setenv("COMMONWEAL_VOLUMES", reader)
    product = spec("volume://files/mixed")
    source = CsvSource.model_validate({"location": "volume://files/mixed"})

    async def read() -> list[Any]:
        async with open_csv(product, source, None) as opened:
            return await _all(opened)

    assert asyncio.run(read()) == [("P1", "Ada"), ("\0", "\0")]


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("volume://files/nothing", "FileMissing"),
        ("volume://unknown/people", "VolumeMissing"),
        ("volume://../etc", "LocationRefused"),
        ("volume://files/../../etc", "LocationRefused"),
        ("volume://files/out", "LocationRefused"),
    ],
)
def test_a_refusal_is_told_as_if_the_volume_were_mounted_here(
    reader: str, root: Path, monkeypatch: pytest.MonkeyPatch, location: str, reason: str
) -> None:
    if not (root / "files" / "out").is_symlink():
        (root / "files" / "out").symlink_to("/etc")
    monkeypatch.setenv("COMMONWEAL_VOLUMES_DIR", str(root))
    with pytest.raises(SourceReadError) as here:
        mounted(location).files()
    with pytest.raises(SourceReadError) as there:
        served(reader, location).files()
    assert (there.value.reason, there.value.detail) == (here.value.reason, here.value.detail)
    assert there.value.reason.value == reason


@pytest.mark.parametrize("name", ["/etc/passwd", "../../../../../../etc/passwd", "../../../etc/hostname"])
def test_no_file_outside_the_volume_is_given_by_name(reader: str, root: Path, name: str) -> None:
    write(root / "files" / "people" / "1.parquet", 10)
    query = urlencode({"location": "volume://files/people", "name": name})
    request = urllib.request.Request(f"{reader}/content?{query}", headers={"Range": "bytes=0-100"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    refused.value.close()
    assert refused.value.code == 422


def test_a_file_that_is_written_anew_while_it_is_read_is_noticed(reader: str, root: Path) -> None:
    write(root / "files" / "moving" / "1.parquet", 9000)
    place = served(reader, "volume://files/moving")
    (file,) = place.files()
    with place.open(file) as stream:
        assert stream.read(4) == b"PAR1"
        write(root / "files" / "moving" / "1.parquet", 9000, "Somebody")
        stream.seek(1 << 20)
        with pytest.raises(SourceReadError, match="changed while it was read"):
            stream.read(100)


class _Tricky(http.server.BaseHTTPRequestHandler):
    """A reader that somebody has taken over."""

    asked: list[str] = []  # noqa: RUF012 - of the one server of the test below

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/files") and "redirect" in self.path:
            self.send_response(302)
            self.send_header("Location", "/secret")
            self.end_headers()
            return
        body = b'{"reason": "SourceGone", "detail": "\\u202ebad\\u0000"}'
        if "told" in self.path:
            body = b'{"reason": "FileMissing", "detail": "\\u202ebad\\u0000 ' + b"y" * 9000 + b'"}'
        if "endless" in self.path:
            body = b"[" * (3 << 20)
        self.send_response(422 if "told" in self.path or "reason" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_reader_that_was_taken_over_leads_nowhere_and_says_nothing_unseen() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Tricky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        for word in ("redirect", "endless", "another-reason"):
            with pytest.raises(SourceReadError, match="gives no usable answer"):
                served(base, f"volume://files/{word}").files()
        assert not [path for path in _Tricky.asked if "secret" in path], "a redirect is not followed"
        with pytest.raises(SourceReadError) as told:
            served(base, "volume://files/told").files()
        assert told.value.reason.value == "FileMissing"
        assert told.value.detail.isprintable()
        assert len(told.value.detail) <= 500
    finally:
        server.shutdown()
        server.server_close()
