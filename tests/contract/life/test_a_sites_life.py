"""Encryption at rest, backup and restore, and rotation, on a real API server over a real etcd that is read directly."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commonweal_kube.exceptions import ApiServerUnavailableError
from commonweal_local import sites, toolchain
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Silent
from commonweal_local.sites import backup, data_guard, encryption, pki, restore, rotation
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.etcd import Etcd
from commonweal_local.sites.site import Site
from commonweal_local.waiting import until, within
from support.waiting import HANG

KNOWN = "correct-horse-battery-staple"


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def quiet(_: str) -> None:
    """Nobody listens."""


def create(site: Site, kind: str, name: str, **content: Any) -> None:
    Api(site).call("POST", f"/api/v1/namespaces/default/{kind}", {"metadata": {"name": name}, **content})


def delete(site: Site, kind: str, name: str) -> None:
    Api(site).call("DELETE", f"/api/v1/namespaces/default/{kind}/{name}")


def found_in_etcd(site: Site, text: str) -> list[str]:
    return [key for key, value in Etcd(site).values("/registry/") if text.encode() in value]


def holdings(site: Site) -> dict[str, str]:
    """What the site holds, by key of etcd; versions are those of the content, which a restored object keeps."""
    api = Api(site)
    found = {}
    for kind in ("secrets", "configmaps", "serviceaccounts", "namespaces", "pods"):
        for item in api.call("GET", f"/api/v1/{kind}")["items"]:
            meta = item["metadata"]
            found[f"{kind}/{meta.get('namespace', '')}/{meta['name']}"] = json.dumps([meta["uid"], item.get("data"), item.get("spec")])
    return found


def changed(site: Site, before: dict[str, str]) -> list[str]:
    """What was there before and is gone or another now; what controllers, started anew each time, add later on does not count."""
    after = holdings(site)
    return [key for key, value in before.items() if after.get(key) != value]


def pid_of(site: Site, name: str) -> int:
    pid = rotation.host_pid(site, name)
    assert pid is not None
    return pid


@pytest.fixture
def secret(site: Site) -> Iterator[str]:
    create(site, "secrets", "known", stringData={"password": KNOWN})
    yield "/registry/secrets/default/known"
    delete(site, "secrets", "known")


def test_a_site_from_before_is_sealed_when_it_starts_again_and_nothing_in_etcd_tells_a_secret(site: Site) -> None:
    file = site.pki / encryption.FILE
    config = json.loads(file.read_text())
    config["resources"][0]["providers"].insert(0, {"identity": {}})
    file.write_text(json.dumps(config))
    rotation.start_anew(site, "kube-apiserver")
    until("the API server to read the file", HANG, lambda: Api(site).ready(), meanwhile=Unreachable)
    encryption.rewrite(Api(site), site.pki)  # now etcd holds what it held before there was a key
    create(site, "secrets", "known", stringData={"password": KNOWN})
    assert found_in_etcd(site, KNOWN) == ["/registry/secrets/default/known"]

    sites.down([site.name], keep=True)
    file.unlink()
    sites.up([site.name], mode=site.mode, progress=Silent())
    assert encryption.is_settled(site.pki)
    assert file.stat().st_mode & 0o777 == 0o600
    assert found_in_etcd(site, KNOWN) == []
    assert encryption.others(Etcd(site), site.pki) == []
    assert "known" in str(Api(site).call("GET", "/api/v1/namespaces/default/secrets/known"))
    delete(site, "secrets", "known")


def test_another_key_seals_everything_anew_and_the_old_one_is_forgotten(site: Site, secret: str) -> None:
    (before,) = encryption.readers(site.pki)
    (old,) = encryption.keys(site.pki)
    held = dict(Etcd(site).values(secret))[secret]
    said: list[str] = []
    rotation.encryption_key(site, said.append)
    (after,) = encryption.readers(site.pki)
    assert after != before
    assert old not in encryption.keys(site.pki)
    value = dict(Etcd(site).values(secret))[secret]
    assert (before.encode() in held, before.encode() in value, after.encode() in value) == (True, False, True)
    assert any(after in line for line in said)
    assert "known" in str(Api(site).call("GET", "/api/v1/namespaces/default/secrets/known"))


def test_a_lost_etcd_directory_comes_back_as_it_was_at_the_backup(site: Site, secret: str, tmp_path: Path) -> None:
    create(site, "configmaps", "kept", data={"when": "before"})
    api = Api(site)
    before, version = holdings(site), int(api.call("GET", "/api/v1/nodes")["metadata"]["resourceVersion"])
    file = tmp_path / "one.backup"
    manifest = backup.take(site, file, now())
    assert {path.stat().st_mode & 0o777 for path in (file, backup.keys_file(file))} == {0o600}
    with pytest.raises(LocalError, match="there already"):
        backup.take(site, file, now())
    create(site, "configmaps", "later", data={"when": "after"})

    shutil.rmtree(site.directory / "etcd")
    os.kill(pid_of(site, "etcd"), signal.SIGKILL)
    assert within(HANG, lambda: "is gone: restore a backup" in (site.logs / "etcd.log").read_text())
    assert data_guard.is_lost(site)

    done = restore.restore(site, file, keys=None, etcdutl=toolchain.path_of("etcdutl"), now=now(), say=quiet)
    assert done.manifest == manifest
    assert "configmaps/default/later" not in holdings(site)
    assert changed(site, before) == []
    assert not data_guard.is_lost(site)
    assert int(Api(site).call("GET", "/api/v1/nodes")["metadata"]["resourceVersion"]) > version + 10**9
    assert not (site.directory / "etcd.replaced").exists()
    create(site, "configmaps", "written-again")
    delete(site, "configmaps", "written-again")
    delete(site, "configmaps", "kept")


def test_a_backup_that_was_changed_is_another_sites_or_lacks_its_keys_is_refused_before_anything_is_touched(
    site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "one.backup"
    manifest = backup.take(site, file, now())
    pid = pid_of(site, "etcd")
    changed = tmp_path / "changed.backup"
    shutil.copy(file, changed)
    whole = bytearray(changed.read_bytes())
    whole[len(whole) // 2] ^= 1
    changed.write_bytes(whole)
    etcdutl = toolchain.path_of("etcdutl")
    for bad, why in ((changed, "damaged"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(LocalError, match=why):
            restore.restore(site, bad, keys=None, etcdutl=etcdutl, now=now(), say=quiet)
    other = Site("another", 7, site.mode, site.root, site.programs)
    with pytest.raises(LocalError, match="is a backup of site 'lifea', not of 'another'"):
        backup.read(file, other)
    shutil.copytree(site.pki, other.pki)
    encryption.begin(other.pki)
    encryption.settle(other.pki)
    with pytest.raises(LocalError, match=r"no longer has.*--keys"):
        backup.keys_for(file, manifest, other, tmp_path / "nowhere")
    assert backup.keys_for(file, manifest, other, backup.keys_file(file)) == encryption.keys(site.pki)
    shutil.rmtree(other.directory)
    assert pid_of(site, "etcd") == pid


def test_every_certificate_is_issued_anew_and_objects_stay_as_they_are(site: Site) -> None:
    before = {leaf.file: (site.pki / f"{leaf.file}.crt").read_bytes() for leaf in pki.leaves(site)}
    authority, contents = (site.pki / "ca.crt").read_bytes(), holdings(site)
    rotation.certificates(site, now(), quiet)
    assert [file for file, old in before.items() if (site.pki / f"{file}.crt").read_bytes() == old] == []
    assert (site.pki / "ca.crt").read_bytes() == authority
    served = ssl.get_server_certificate(("127.0.0.1", site.ports.api), ca_certs=str(site.pki / "ca.crt"))
    assert served.strip() == (site.pki / "apiserver.crt").read_text().strip()
    assert changed(site, contents) == []
    (status,) = sites.status()
    assert "certificates until" in status.certificates
    assert within(HANG, lambda: sites.status()[0].ready)


def test_new_authorities_leave_no_trust_in_the_old_ones(site: Site) -> None:
    old, contents = Api(site), holdings(site)
    old.ready()
    trusted = {name: (site.pki / f"{name}.crt").read_bytes() for name in pki.AUTHORITIES}
    said: list[str] = []
    rotation.change_authorities(site, now(), said.append)
    assert [name for name, was in trusted.items() if (site.pki / f"{name}.crt").read_bytes() == was] == []
    assert all(len(pki.trusted(site, name)) == 1 for name in pki.AUTHORITIES)
    with pytest.raises(ApiServerUnavailableError, match="certificate"):
        old.ready()
    assert Etcd(site).healthy()
    root = Api(site)
    assert within(
        HANG,
        lambda: (
            root.call("GET", "/api/v1/namespaces/default/configmaps/kube-root-ca.crt")["data"]["ca.crt"]
            == (site.pki / "ca.crt").read_text()
        ),
    )
    assert [key for key in changed(site, contents) if "kube-root-ca.crt" not in key and "extension-apiserver" not in key] == []


def test_a_site_that_does_not_run_is_not_backed_up(site: Site, tmp_path: Path) -> None:
    other = Site("asleep", 6, site.mode, site.root, site.programs)
    pki.make(other)
    with pytest.raises((LocalError, *Unreachable)):
        backup.take(other, tmp_path / "none.backup", now())
    assert list(tmp_path.iterdir()) == []
    shutil.rmtree(other.directory)
