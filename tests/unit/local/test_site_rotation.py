"""What lies in a site's files at each moment of a rotation, so that a kill at any of them leaves something that goes on."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from commonweal_local.doctor import certificates
from commonweal_local.exceptions import LocalError
from commonweal_local.findings import Verdict
from commonweal_local.sites import ca_rotation, data_guard, encryption, pki
from commonweal_local.sites.site import Mode, Site
from commonweal_stacks.blueprint import REVISIONS, current

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site("onprem", 0, Mode.CONTROL_PLANE, tmp_path, {})
    pki.make(made, now=NOW)
    return made


def certificate(site: Site, file: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((site.pki / f"{file}.crt").read_bytes())


def chains(site: Site) -> list[str]:
    """The leaves that nobody would trust: their key is another, or no trusted authority issued them."""
    wrong = []
    for leaf in pki.leaves(site):
        one = certificate(site, leaf.file)
        fits = one.public_key() == pki.private_key(site.pki / f"{leaf.file}.key").public_key()
        issuers = [authority for authority in pki.trusted(site, leaf.authority) if authority.subject == one.issuer]
        if not fits or not issuers:
            wrong.append(leaf.file)
            continue
        one.verify_directly_issued_by(issuers[0])
    return wrong


def test_a_site_keeps_its_certificates_until_they_end_soon(site: Site) -> None:
    before = certificate(site, "apiserver")
    pki.make(site, now=NOW + dt.timedelta(days=300))
    assert certificate(site, "apiserver") == before
    pki.make(site, now=NOW + dt.timedelta(days=336))
    assert certificate(site, "apiserver") != before
    assert chains(site) == []
    assert certificate(site, "ca").not_valid_after_utc.year == 2036


def test_a_key_without_its_certificate_is_mended_at_the_next_start(site: Site) -> None:
    (site.pki / "admin.key").unlink()
    pki.private_key(site.pki / "admin.key")
    assert chains(site) == ["admin"]
    pki.make(site, now=NOW)
    assert chains(site) == []
    assert (site.pki / "admin.key").stat().st_mode & 0o777 == 0o600


def test_new_certificates_have_new_keys_and_the_kubeconfig_carries_them(site: Site) -> None:
    keys = {leaf.file: (site.pki / f"{leaf.file}.key").read_bytes() for leaf in pki.leaves(site)}
    kubeconfig = site.kubeconfig.read_text()
    pki.renew(site, NOW)
    assert [file for file, old in keys.items() if (site.pki / f"{file}.key").read_bytes() == old] == []
    assert site.kubeconfig.read_text() != kubeconfig
    assert json.loads(site.kubeconfig.read_text()) == pki.kubeconfig(site, "admin")
    assert chains(site) == []


def test_authorities_change_in_three_steps_with_everything_trusted_in_each(site: Site) -> None:
    old = {name: certificate(site, name) for name in pki.AUTHORITIES}
    trust, switch, forget = ca_rotation.steps(site)
    trust.carry_out(site, NOW)
    assert [pki.trusted(site, name)[0] for name in pki.AUTHORITIES] == list(old.values())
    assert [len(pki.trusted(site, name)) for name in pki.AUTHORITIES] == [2, 2, 2]
    assert chains(site) == []
    switch.carry_out(site, NOW)
    assert chains(site) == []
    assert certificate(site, "admin").issuer != old["ca"].subject
    assert x509.load_pem_x509_certificates((site.pki / pki.SIGNER).read_bytes()) == [pki.signing_certificate(site, "ca")]
    forget.carry_out(site, NOW)
    assert chains(site) == []
    assert [pki.trusted(site, name) == [old[name]] for name in pki.AUTHORITIES] == [False] * 3
    assert [len(pki.trusted(site, name)) for name in pki.AUTHORITIES] == [1, 1, 1]


@pytest.mark.parametrize("killed_at", range(0, 24, 2))
def test_a_change_of_authorities_that_was_killed_goes_on(site: Site, killed_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {name: certificate(site, name) for name in pki.AUTHORITIES}
    write, count = ca_rotation.write, 0

    class Killed(Exception):  # noqa: N818 - it is what happens
        pass

    def dying(path: Path, content: str, **more: int) -> Path:
        nonlocal count
        if count == killed_at:
            raise Killed
        count += 1
        return write(path, content, **more)

    with monkeypatch.context() as patch:
        for module in (ca_rotation, pki):
            patch.setattr(module, "write", dying)
        carry_out(site, until=Killed)
    pki.make(site, now=NOW)  # as a start of the site would
    assert chains(site) == []
    carry_out(site)
    assert chains(site) == []
    assert [pki.trusted(site, name) == [old[name]] for name in pki.AUTHORITIES] == [False] * 3
    assert [len(pki.trusted(site, name)) for name in pki.AUTHORITIES] == [1, 1, 1]
    assert not list(site.pki.glob("*.next.key"))


def carry_out(site: Site, until: type[Exception] = KeyError) -> None:
    try:
        for step in ca_rotation.steps(site):
            step.carry_out(site, NOW)
    except until:
        return


def test_an_authority_whose_key_was_exchanged_is_refused_with_the_remedy(site: Site) -> None:
    (site.pki / "ca.key").unlink()
    with pytest.raises(LocalError, match=r"ca\.key is not the key of a certificate in ca\.crt.*from a backup's keys"):
        pki.signing_certificate(site, "ca")


@pytest.mark.parametrize(
    ("days", "said", "soon"),
    [
        (0, "certificates until 2027-11-22", False),
        (334, "certificates until 2027-11-22", False),
        (335, "ends 2027-11-22: `commonweal local rotate onprem`", True),
        (366, "ended 2027-11-22: `commonweal local rotate onprem`", True),
    ],
)
def test_what_ends_soon_is_said_with_the_remedy(site: Site, days: int, said: str, soon: bool) -> None:
    text, warned = pki.outlook(site, NOW + dt.timedelta(days=days))
    assert said in text
    assert warned is soon
    finding = certificates("site onprem", (text, warned), "`commonweal local rotate onprem`")
    assert finding.verdict is (Verdict.NOTE if soon else Verdict.GOOD)
    assert bool(finding.remedy) is soon


def providers(file: Path) -> list[str]:
    config = json.loads(file.read_text())
    (rule,) = config["resources"]
    assert rule["resources"] == ["secrets", "configmaps"]
    return [name for provider in rule["providers"] for name in provider]


def test_a_new_site_seals_from_its_first_write_and_one_with_data_reads_what_is_there(tmp_path: Path) -> None:
    fresh, old = tmp_path / "fresh", tmp_path / "old"
    assert providers(encryption.make(fresh, current(), had_data=False)) == ["secretbox"]
    assert providers(encryption.make(old, current(), had_data=True)) == ["secretbox", "identity"]
    assert encryption.is_settled(fresh)
    assert not encryption.is_settled(old)
    assert (fresh / encryption.FILE).stat().st_mode & 0o777 == 0o600
    kept = encryption.keys(fresh)
    encryption.make(fresh, current(), had_data=True)
    assert encryption.keys(fresh) == kept
    encryption.settle(old)
    assert providers(old / encryption.FILE) == ["secretbox"]


def test_a_rotation_writes_with_the_new_key_and_reads_with_the_old_until_it_is_settled(tmp_path: Path) -> None:
    encryption.make(tmp_path, current(), had_data=False)
    (old,) = encryption.keys(tmp_path)
    name = encryption.begin(tmp_path)
    assert encryption.keys(tmp_path)[1:] == [old]
    assert encryption.begin(tmp_path) == name, "a rotation that was cut short is gone on with"
    assert len(encryption.keys(tmp_path)) == 2
    encryption.settle(tmp_path)
    assert encryption.readers(tmp_path) == [name]
    encryption.accept(tmp_path, [old])
    assert encryption.readers(tmp_path) == [name, *encryption.names([old])]
    assert old.hex() not in name


def covering(*resources: str) -> Any:
    return replace(current(), encrypted=resources)


def rules(pki: Path) -> list[tuple[list[str], list[str]]]:
    """Resources and the names of their providers, in the order in which they are tried."""
    found = json.loads((pki / encryption.FILE).read_text())["resources"]
    return [(rule["resources"], [name for provider in rule["providers"] for name in provider]) for rule in found]


def test_a_revision_that_seals_other_resources_is_read_both_ways_until_all_is_stored_as_it_says(tmp_path: Path) -> None:
    encryption.make(tmp_path, covering("secrets", "configmaps"), had_data=False)
    kept = encryption.keys(tmp_path)
    encryption.cover(tmp_path, covering("configmaps", "secrets"))
    assert rules(tmp_path) == [(["secrets", "configmaps"], ["secretbox"])], "nothing is another"

    encryption.cover(tmp_path, covering("secrets", "serviceaccounts"))
    assert rules(tmp_path) == [(["secrets", "serviceaccounts"], ["secretbox", "identity"]), (["configmaps"], ["identity", "secretbox"])]
    assert encryption.reads_plain(tmp_path)
    assert not encryption.is_settled(tmp_path)
    written = (tmp_path / encryption.FILE).read_bytes()
    encryption.cover(tmp_path, covering("secrets", "serviceaccounts"))
    assert (tmp_path / encryption.FILE).read_bytes() == written, "a change that was cut short is gone on with"

    encryption.settle(tmp_path)
    assert rules(tmp_path) == [(["secrets", "serviceaccounts"], ["secretbox"])]
    assert encryption.is_settled(tmp_path)
    assert encryption.keys(tmp_path) == kept

    encryption.cover(tmp_path, covering("secrets"))
    assert rules(tmp_path) == [(["secrets"], ["secretbox"]), (["serviceaccounts"], ["identity", "secretbox"])]
    assert not encryption.is_settled(tmp_path)
    encryption.cover(tmp_path, covering("secrets", "serviceaccounts"))
    assert rules(tmp_path) == [(["secrets", "serviceaccounts"], ["secretbox", "identity"])], "back before it was settled"


@pytest.mark.parametrize("each", REVISIONS.values(), ids=list(REVISIONS))
def test_local_sites_can_seal_and_write_again_what_a_revision_covers(each: Any) -> None:
    assert each.encryption == encryption.HOW
    assert not [name for name in each.encrypted if "." in name or "*" in name], (
        "resources of the core group are listed and written again by name"
    )


def change(what: str) -> Callable[[Site], None]:
    def etcd(site: Site) -> None:
        (site.directory / "etcd" / "member" / "wal").mkdir(parents=True)

    return {"remembered": data_guard.remember, "data": etcd, "nothing": lambda _: None}[what]


@pytest.mark.parametrize(("before", "lost"), [("nothing", False), ("data", False), ("remembered", True)])
def test_a_site_that_had_data_and_has_none_does_not_start(site: Site, before: str, lost: bool) -> None:
    change(before)(site)
    assert data_guard.is_lost(site) is lost
    if lost:
        with pytest.raises(LocalError, match="commonweal local restore-etcd onprem --from FILE"):
            data_guard.require(site)
        change("data")(site)
    data_guard.require(site)
