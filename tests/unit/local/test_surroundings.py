"""What a command takes over from its surroundings: proxies, homes that cannot be written, disks that refuse."""

from __future__ import annotations

import errno
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from commonweal_cli import main
from commonweal_local import paths, surroundings, toolchain
from commonweal_local.exceptions import LocalError
from commonweal_local.sites import bridge

DEAD = "http://127.0.0.1:9"


def test_nothing_is_changed_where_no_proxy_is_named() -> None:
    environment = {"no_proxy": "a.example", "PATH": "/bin"}
    surroundings.ask_neighbours_directly(environment)
    assert environment == {"no_proxy": "a.example", "PATH": "/bin"}


def test_what_a_person_excepted_stays_excepted() -> None:
    environment = {"HTTPS_PROXY": DEAD, "NO_PROXY": "a.example, 192.0.2.0/24"}
    surroundings.ask_neighbours_directly(environment)
    surroundings.ask_neighbours_directly(environment)
    assert environment["no_proxy"] == environment["NO_PROXY"] == ",".join(["a.example", "192.0.2.0/24", *surroundings.near()])


@pytest.mark.parametrize(
    ("host", "near"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "127.8.9.1", "::1", "10.210.0.250", "10.227.3.4", "10.237.0.10")),
        *((host, True) for host in ("onprem.sites.internal", "api.dept-x.svc", "a.svc.cluster.local")),
        *((host, False) for host in ("10.211.0.1", "10.228.0.1", "192.0.2.7", "sites.internal.example", "example.org", "")),
    ],
)
def test_near_is_this_machine_and_its_sites_and_nothing_else(host: str, *, near: bool) -> None:
    assert surroundings.is_near(host) is near


def test_where_the_home_can_be_written_nothing_is_moved(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "COMMONWEAL_CACHE": str(tmp_path / "cache")}
    surroundings.find_caches(environment)
    assert environment == {"HOME": str(tmp_path), "COMMONWEAL_CACHE": str(tmp_path / "cache")}


@pytest.mark.parametrize("home", ["/proc/self/nowhere", "/dev/null/home"])
def test_where_it_cannot_what_others_keep_goes_into_our_cache_but_for_what_a_person_chose(home: str, tmp_path: Path) -> None:
    environment = {"HOME": home, "COMMONWEAL_CACHE": str(tmp_path), "GOPATH": "/srv/go"}
    surroundings.find_caches(environment)
    assert environment["HOME"] == home, "credentials lie there"
    assert environment["GOPATH"] == "/srv/go"
    assert environment["XDG_CACHE_HOME"] == str(tmp_path / "others")


@pytest.mark.parametrize("written_down", ["/proc/self/nowhere", None])
def test_pulumi_is_told_of_a_home_that_only_the_environment_names(
    written_down: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "_home_of_the_user", lambda: written_down)
    environment = {"HOME": str(tmp_path)}
    surroundings.find_caches(environment)
    assert environment == {"HOME": str(tmp_path), "PULUMI_HOME": str(tmp_path / ".pulumi")}


def test_without_home_that_of_the_user_is_taken(tmp_path: Path) -> None:
    environment = {"COMMONWEAL_CACHE": str(tmp_path)}
    surroundings.find_caches(environment)
    assert environment["HOME"] == pwd.getpwuid(os.geteuid()).pw_dir


def test_a_place_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match=r"cannot be written \(.*file is not writable.*COMMONWEAL_HOME.*COMMONWEAL_CACHE"):
        paths.require_writable(tmp_path / "file" / "below")
    paths.require_writable(tmp_path / "not" / "yet" / "there")


@pytest.mark.parametrize(
    ("number", "place", "remedy"),
    [
        (errno.EROFS, "{home}/sites/north/site.json", "COMMONWEAL_HOME"),
        (errno.EACCES, "{cache}", "COMMONWEAL_CACHE"),
        (errno.EACCES, "/", "COMMONWEAL_HOME"),
        (errno.EACCES, "/etc/shadow", "change its rights"),
        (errno.ENOSPC, "/anywhere", "Free some space"),
    ],
)
def test_what_a_disk_refuses_is_one_line_with_the_remedy(
    number: int, place: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path / "cache"))

    def refused(_: object) -> int:
        raise OSError(number, os.strerror(number), place.format(home=tmp_path / "home", cache=tmp_path / "cache"))

    monkeypatch.setattr(toolchain, "everything", refused)
    assert main.main(["tools"]) == 1
    said = capsys.readouterr().err
    assert remedy in said
    assert said.count("\n") == 1


def test_any_other_error_stays_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> int:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/anywhere")

    monkeypatch.setattr(toolchain, "everything", fails)
    with pytest.raises(FileNotFoundError):
        main.main(["tools"])


def test_text_is_utf_8_in_a_locale_of_another_encoding() -> None:
    """Started anew with the same words and options; what is printed and cannot be written raises nothing."""
    code = "import sys; from commonweal_local.surroundings import set_right; set_right(); print(ascii(sys.argv[1:]), chr(233), chr(0xDCFF))"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LC_") and name != "LANG"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "a b", "é"],
        env={**kept, "PYTHONPATH": ":".join(sys.path), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode("utf-8") == f"['a b', {'é'!a}] é \\udcff\n"


def test_a_kernel_that_does_not_filter_bridged_packets_yet_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, links = tmp_path / "asked", json.dumps([{"ifname": bridge.BRIDGE}])
    for name, said in (("modprobe", ""), ("ip", f"echo '{links}'")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} $* >> {asked}\n{said}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for there, loaded in ((tmp_path, 0), (tmp_path / "not-there", 1)):
        monkeypatch.setattr(bridge, "FILTER", there)
        bridge.make()
        assert asked.read_text().count("modprobe br_netfilter") == loaded
