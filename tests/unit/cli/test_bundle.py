"""The archive of an air gap: the same content gives the same bytes, and nothing is believed but the signature."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commonweal_api.signatures import public_key
from commonweal_cli.bundle import archive, contents, opening
from commonweal_cli.bundle.archive import Contents, Entry
from commonweal_cli.bundle.command import public, seed_of
from commonweal_cli.main import main
from commonweal_local.exceptions import LocalError
from commonweal_local.images import builder
from commonweal_local.progress import Silent
from commonweal_stacks.conformity.statement import BUNDLE, sign

SEED = bytes(range(32))
KEY = public_key(SEED)
MOMENT = 1_750_000_000
Member = tuple[tarfile.TarInfo, bytes]


def _nothing(_: int) -> None:
    pass


def _made(
    file: Path, *, change: Callable[[list[Member]], list[Member]] = list, links: dict[str, str] | None = None, **predicate: Any
) -> Path:
    """Write a small bundle; `change` gets the members of it to spoil them."""
    linked = {"cache/bin/etcd": "kube/etcd"} if links is None else links
    entries = [Entry("checkout/a.txt", b"words"), Entry("cache/bin/kube/etcd", b"#!/bin/sh\n", executable=True)]
    found = Contents(entries, linked)
    subjects = archive.digests(found, _nothing)
    described = {"python": "3.11", "machine": "x86_64", "revision": "r", "links": linked, **predicate}
    envelope = sign(BUNDLE, subjects, described, seed=SEED, at=datetime.fromtimestamp(MOMENT, UTC))
    archive.write(file, found, envelope, modified=MOMENT, told=_nothing)
    _rewrite(file, change)
    return file


def _rewrite(file: Path, change: Callable[[list[Member]], list[Member]]) -> None:
    with tarfile.open(file) as tar:
        members = [(member, tar.extractfile(member).read() if member.isfile() else b"") for member in tar]  # type: ignore[union-attr]
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for member, content in change(members):
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _plain(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def _link(name: str, target: str) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = tarfile.SYMTYPE, target
    return made


def _replaced(name: str, by: Member) -> Callable[[list[Member]], list[Member]]:
    return lambda members: [by if member.name == name else (member, content) for member, content in members]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (_made(tmp_path / name).read_bytes() for name in ("a.tar", "b.tar"))
    assert first == second
    assert str(tmp_path).encode() not in first


def test_what_was_packed_comes_out(tmp_path: Path) -> None:
    into = tmp_path / "out"
    statement = opening.unpack(_made(tmp_path / "b.tar"), [KEY], into, Silent())
    assert (into / "checkout" / "a.txt").read_text() == "words"
    assert (into / "cache" / "bin" / "etcd").resolve() == (into / "cache" / "bin" / "kube" / "etcd").resolve()
    assert (into / "cache" / "bin" / "etcd").stat().st_mode & 0o777 == 0o755
    assert statement["predicate"]["revision"] == "r"
    assert not (into / archive.STATEMENT).exists()


SPOILT: dict[str, tuple[Callable[[list[Member]], list[Member]], str]] = {
    "another content": (_replaced("checkout/a.txt", (_plain("checkout/a.txt"), b"wordz")), "checkout/a.txt has another SHA-256"),
    "a file too many": (lambda members: [*members, (_plain("checkout/b"), b"")], "checkout/b is not named in the signed statement"),
    "a file twice": (lambda members: [*members, members[-2]], "checkout/a.txt stands twice"),
    "a file too few": (lambda members: [m for m in members if m[0].name != "checkout/a.txt"], "checkout/a.txt is missing"),
    "a path upwards": (lambda members: [*members, (_plain("checkout/../../x"), b"")], "checkout/../../x leads out of the directory"),
    "an absolute path": (lambda members: [*members, (_plain("/etc/passwd"), b"")], "/etc/passwd leads out of the directory"),
    "a link for a file": (_replaced("checkout/a.txt", (_link("checkout/a.txt", "/etc/passwd"), b"")), "checkout/a.txt is no plain file"),
    "another link": (_replaced("cache/bin/etcd", (_link("cache/bin/etcd", "/bin/sh"), b"")), "is not the link to kube/etcd"),
    "a file for a link": (_replaced("cache/bin/etcd", (_plain("cache/bin/etcd"), b"x")), "is not the link to kube/etcd"),
    "no statement": (lambda members: members[1:], "does not begin with bundle.json"),
    "a statement of nobody": (_replaced(archive.STATEMENT, (_plain(archive.STATEMENT), b"{}")), "bundle.json"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_of_an_archive_that_does_not_fit_nothing_stays(what: str, tmp_path: Path) -> None:
    change, says = SPOILT[what]
    file, into = _made(tmp_path / "b.tar", change=change), tmp_path / "out"
    with pytest.raises(LocalError) as refusal:
        opening.unpack(file, [KEY], into, Silent())
    assert says in str(refusal.value)
    with pytest.raises(LocalError):
        archive.read(file, [KEY], into=None, told=_nothing)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.tar"]


@pytest.mark.parametrize("target", ["/etc", "../../../etc", "../../.."])
def test_a_signed_link_that_leads_out_is_refused_all_the_same(target: str, tmp_path: Path) -> None:
    file = _made(tmp_path / "b.tar", links={"cache/out": target})
    with pytest.raises(LocalError, match="leads out of the directory"):
        opening.unpack(file, [KEY], tmp_path / "out", Silent())


def test_a_bundle_of_somebody_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="not among the keys that are trusted"):
        opening.unpack(_made(tmp_path / "b.tar"), [public_key(bytes(32))], tmp_path / "out", Silent())


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    file = _made(tmp_path / "b.tar")
    file.write_bytes(file.read_bytes()[:2800])
    with pytest.raises(LocalError, match=r"cannot be read as an archive|is missing|another SHA-256"):
        opening.unpack(file, [KEY], tmp_path / "out", Silent())


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(LocalError, match="is not empty"):
        opening.unpack(_made(tmp_path / "b.tar"), [KEY], tmp_path / "out", Silent())
    assert (tmp_path / "out" / "mine").read_text() == "mine"


def test_a_file_that_changes_meanwhile_is_named(tmp_path: Path) -> None:
    changing = tmp_path / "changing"
    changing.write_text("before")
    found = Contents([Entry("checkout/changing", changing)])
    envelope = sign(BUNDLE, archive.digests(found, _nothing), {}, seed=SEED, at=datetime.fromtimestamp(MOMENT, UTC))
    changing.write_text("behind")
    with pytest.raises(LocalError, match="changing was changed while the archive was made"):
        archive.write(tmp_path / "b.tar", found, envelope, modified=MOMENT, told=_nothing)
    assert not (tmp_path / "b.tar").exists()


def test_another_python_or_machine_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"for Python 2\.7 on pdp11"):
        opening.install(tmp_path, {"predicate": {"python": "2.7", "machine": "pdp11"}}, Silent())


def test_the_checkout_is_what_is_under_version_control() -> None:
    names = {entry.name for entry in contents.checkout()}
    assert {"checkout/pyproject.toml", "checkout/stacks/site/Pulumi.yaml", "checkout/local/toolchain/go.mod"} <= names
    assert not any(".venv/" in name or "__pycache__" in name for name in names)


def test_the_machines_key_is_made_once_and_kept_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    assert seed_of(None) == seed_of(None)
    assert (tmp_path / "bundle-key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "0" * 63, "G" * 64])
def test_a_file_that_holds_no_key_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    for read in (seed_of, public):
        with pytest.raises(LocalError, match=str(file)):
            read(file)


def test_images_of_an_opened_bundle_are_used_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path / "cache"))
    images = tmp_path / "cache" / "images"
    images.mkdir(parents=True)
    (images / "store-1.tar").write_bytes(b"")
    (images / builder.OPENED).write_text('{"store": "localhost/commonweal/store:1"}')
    assert builder.build(Silent()) == builder.built() == {"store": "localhost/commonweal/store:1"}


def test_verify_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, key = _made(tmp_path / "b.tar"), tmp_path / "key.pub"
    key.write_text(KEY.hex())
    assert main(["bundle", "verify", str(file), "--key", str(key)]) == 0
    assert "2 files of revision r" in capsys.readouterr().out
    content = bytearray(file.read_bytes())
    content[content.index(b"words")] ^= 1
    file.write_bytes(content)
    assert main(["bundle", "verify", str(file), "--key", str(key)]) == 1
    assert "checkout/a.txt has another SHA-256" in capsys.readouterr().err


def test_digests_are_of_the_content() -> None:
    assert archive.digests(Contents([Entry("a", b"x")]), _nothing) == {"a": hashlib.sha256(b"x").hexdigest()}
