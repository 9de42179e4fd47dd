"""The command line: what it finds, what it refuses, and that it always says what to do next."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal_cli import main
from commonweal_local import debian, doctor, machine
from commonweal_local.debian import Package
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.findings import Finding, Look, Verdict, look
from commonweal_local.progress import Silent
from commonweal_local.sites import bridge, checks
from commonweal_local.sites.site import Mode, Site


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        (["local", "exec", "nowhere", "--", "ls"], "commonweal local up nowhere"),
        (["local", "cut", "nowhere"], "commonweal local up nowhere"),
        (["local", "down", "nowhere"], "commonweal local up nowhere"),
        (["local", "load", "/no/such.tar"], "commonweal images"),
        (["tools", "docker"], "It has etcd"),
    ],
)
def test_an_expected_failure_is_one_line_with_the_remedy(command: list[str], remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(command) == 1
    error = capsys.readouterr().err
    assert error.startswith("commonweal: ")
    assert remedy in error
    assert error.count("\n") == 1


def test_status_without_sites_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["local", "status"]) == 0
    assert "commonweal local up" in capsys.readouterr().out


def test_status_as_json_lists_sites_that_are_down(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Site("north", 0, Mode.PODS, home / "sites", {}).save()
    assert main.main(["local", "status", "--json"]) == 0
    (north,) = json.loads(capsys.readouterr().out)
    assert (north["name"], north["running"], north["ready"]) == ("north", False, False)


def test_a_full_disk_is_missing_with_the_variable_to_set() -> None:
    finding = doctor.disk("cache", Path("/x"), lambda _: 4.9)
    assert finding.verdict is Verdict.MISSING
    assert "COMMONWEAL_CACHE" in finding.remedy
    assert doctor.disk("cache", Path("/x"), lambda _: 5.1).verdict is Verdict.GOOD


def test_little_memory_is_a_note_not_a_refusal() -> None:
    assert doctor.memory(2 * 2**20).verdict is Verdict.NOTE
    assert doctor.memory(20 * 2**20).verdict is Verdict.GOOD


def test_missing_packages_come_with_the_command_that_installs_them() -> None:
    runc, nftables = Package("runc", "starts each container", ("runc",)), Package("nftables", "leads services to their pods", ("nft",))
    finding = doctor.packages("sites", [runc, nftables], needed=True)
    assert finding.verdict is Verdict.MISSING
    assert "runc (starts each container), nftables (leads services to their pods)" in finding.found
    assert "apt-get install --no-install-recommends runc nftables" in finding.remedy
    assert doctor.packages("tests", [runc], needed=False).verdict is Verdict.NOTE
    assert doctor.packages("sites", [], needed=True).verdict is Verdict.GOOD


def test_a_machine_is_fit_unless_something_needed_is_missing() -> None:
    notes = [Finding("a", Verdict.GOOD, "x"), Finding("b", Verdict.NOTE, "x", "y")]
    assert doctor.is_fit(notes)
    assert not doctor.is_fit([*notes, Finding("c", Verdict.MISSING, "x", "y")])


def test_everything_that_is_wrong_has_a_remedy() -> None:
    findings = doctor.examine()
    assert len(findings) > 8
    assert all(finding.remedy for finding in findings if finding.verdict is not Verdict.GOOD)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CommandFailedError(["nft", "list"], 127, "No such file"), ["`nft list` ended with 127: No such file", "do this"]),
        (RecursionError(), ["RecursionError", "do this"]),
        (LocalError("There is no disk", "Buy one."), ["There is no disk", "Buy one."]),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "two\nlines"), ["two lines", "do this"]),
    ],
)
def test_a_look_that_fails_is_a_finding_in_one_line_and_the_others_are_taken(error: Exception, words: list[str]) -> None:
    def fails() -> Finding:
        raise error

    def half() -> Iterator[Finding]:
        yield Finding("seen", Verdict.GOOD, "yes")
        raise error

    good = Look("after", lambda: Finding("after", Verdict.GOOD, "fine"), "nothing")
    failed, halved, after = look([Look("a", fails, "do this", Verdict.MISSING), Look("b", half, "do this"), good])
    assert (failed.verdict, halved.verdict, after.verdict) == (Verdict.MISSING, Verdict.NOTE, Verdict.GOOD)
    assert all(word in failed.line() for word in words)
    assert "\n" not in failed.line()


@pytest.mark.parametrize("as_root", [True, False])
def test_each_thing_that_is_looked_at_says_what_to_do_when_it_cannot_be(*, as_root: bool) -> None:
    looks = doctor.looks(as_root=as_root)
    assert all(one.remedy for one in looks)
    assert len({one.subject for one in looks}) == len(looks)


def test_every_package_says_what_it_is_for() -> None:
    assert all(len(package.why.split()) > 2 and package.signs for package in debian.ALL_PACKAGES)
    assert len({package.name for package in debian.ALL_PACKAGES}) == len(debian.ALL_PACKAGES)


def test_a_package_is_missing_when_one_of_its_programs_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "there").write_text("#!/bin/sh\n")
    (tmp_path / "there").chmod(0o755)
    (tmp_path / "no-program").write_text("")
    signs = {"a": "there", "b": "not-there", "c": str(tmp_path / "there"), "d": "/not/there", "e": str(tmp_path / "no-program")}
    packages = [Package(name, "is tried", ("there", sign)) for name, sign in signs.items()]
    assert [package.name for package in debian.missing(packages)] == ["b", "d", "e"]


def test_a_program_that_needs_libraries_is_not_the_static_one(tmp_path: Path) -> None:
    """Debian's plain busybox, which many machines have: in a sandbox there is no loader for it."""
    assert not machine.is_static(Path(sys.executable).resolve())
    script = tmp_path / "busybox"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert debian.missing([Package("busybox-static", "runs sandboxes", (str(script),), static=True)])
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    script.write_bytes(head + struct.pack("<I", 1).ljust(56, b"\0"))
    assert not debian.missing([Package("busybox-static", "runs sandboxes", (str(script),), static=True)])


def test_without_apt_the_person_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match=r"Not installed: runc \(starts each container\)"):
        debian.install([Package("runc", "starts each container", ("runc",))], Silent())


@pytest.mark.parametrize("hidden", ["/run/x", "/var/lib/commonweal"])
def test_a_place_that_sites_cannot_see_is_refused(hidden: str) -> None:
    with pytest.raises(LocalError, match="which a site cannot see"):
        checks.hidden_places([Path(hidden)])


def test_a_full_disk_stops_a_site_before_it_starts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonweal_local.machine.free_gib", lambda _: 1.0)
    with pytest.raises(LocalError, match=r"1\.0 GiB free.*COMMONWEAL_HOME"):
        checks.before_any(home / "sites", Mode.CONTROL_PLANE)


def test_a_network_that_has_the_sites_addresses_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = [{"ifname": "lsite0", "addr_info": [{"local": "10.210.0.1"}]}, {"ifname": "vpn7", "addr_info": [{"local": "10.210.0.9"}]}]
    (tmp_path / "ip").write_text(f"#!/bin/sh\necho '{json.dumps(other)}'\n")
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(LocalError, match=r"vpn7 already has an address in 10\.210\.0\.0/24.*ip addr show vpn7"):
        bridge.make()


def test_a_cable_of_another_homes_site_of_that_name_is_left_alone(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, asked = Site("north", 7, Mode.PODS, home / "sites", {}), tmp_path / "asked"
    for alias, ours in ((f"commonweal 7 {home}/sites", True), ("", True), ("commonweal 3 /elsewhere/sites", False)):
        shown = json.dumps([{"ifname": site.link, "ifalias": alias}])
        (tmp_path / "ip").write_text(f"#!/bin/sh\ncase $* in *del*) echo $* >> {asked};; *) echo '{shown}';; esac\n")
        (tmp_path / "ip").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        asked.write_text("")
        bridge.disconnect(site)
        assert (asked.read_text() == f"link del {site.link}\n") is ours
        assert bridge.is_connected(site) is ours
    with pytest.raises(LocalError, match="already runs from /elsewhere/sites"):
        bridge.check_link_free(site)
