"""`commonweal doctor`, and the beginning of `commonweal demo`, on machines that lack something, one thing at a time and all together.

The beginning ends with what is decided about the machine's packages: apt-get is asked in earnest, and answers without doing it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commonweal_local import debian, doctor
from contract.machine.stage import CGROUPS, Machine

CNI = sorted(Path(debian.CNI).glob("*"))
POSTGRES = Path("/usr/lib/postgresql/15/bin/postgres")
MARIADB = Path("/usr/sbin/mariadbd")
# What is hidden, and the one package that has it.
OF_DEBIAN = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "nft": "nftables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "busybox": "busybox-static",
    "cni": "containernetworking-plugins",
    "postgres": "postgresql-15",
}
SEVERAL = {"a compiler": ("cc", "gcc", "clang", "c99")}
FILES = {"cni": CNI, "postgres": [POSTGRES], "mariadbd": [MARIADB]}
# What no part of the demonstration needs, or gets by itself.
NOT_NEEDED = ("go", "git", "a compiler", "npm", "systemctl", "mariadbd")
DEAD = "http://127.0.0.1:9"
PROXIES = {name: DEAD for each in ("http_proxy", "https_proxy", "all_proxy") for name in (each, each.upper())}
INSTALL = "install --yes --no-install-recommends --reinstall"


def lacking(machine: Machine, *names: str) -> Machine:
    for name in names:
        machine = machine.without_files(FILES[name]) if name in FILES else machine.without(*SEVERAL.get(name, (name,)))
    return machine


def without_packages(machine: Machine) -> Machine:
    """Hide all of every package."""
    signs = [sign for package in debian.ALL_PACKAGES for sign in package.signs]
    machine = machine.without_files(Path(sign) for sign in signs if sign.startswith("/"))
    return machine.without(*(sign for sign in signs if not sign.startswith("/")))


def bare(machine: Machine) -> Machine:
    """Hide all of every package, and what is not needed."""
    return lacking(without_packages(machine), *NOT_NEEDED)


def assert_whole(told: str) -> None:
    """Nothing was raised: every line of the doctor is a finding, and what is not well has a remedy."""
    assert "Traceback" not in told
    assert "could not be looked at" not in told
    findings = [line for line in told.splitlines() if re.match(r"(ok|note|MISSING) ", line)]
    assert len(findings) >= 10, told
    assert all(" -> " in line for line in findings if not line.startswith("ok"))


@pytest.mark.parametrize("hidden", OF_DEBIAN)
def test_what_is_missing_is_named_with_its_reason_and_installed_without_a_second_command(machine: Machine, hidden: str) -> None:
    told = lacking(machine, hidden).run("doctor", "demo")
    assert_whole(told.out)
    package = next(each for each in debian.DEMO_PACKAGES if each.name == OF_DEBIAN[hidden])
    purpose = "the demonstration's heritage machine" if package in debian.HERITAGE_PACKAGES else "sites"
    assert f"not installed: {package.line()} -> " in told.findings()[f"Debian packages for {purpose}"]
    assert f"gets now from Debian:\n  {package.line()}\n... installing 1 Debian packages" in told.err
    assert [line.partition(debian.WAIT)[2].strip() for line in told.asked] == ["update", f"{INSTALL} {package.name}"]
    assert f"of these there is still something missing: {package.line()}" in told.err, "nothing was installed here, and that is noticed"
    assert "Traceback" not in told.err


@pytest.mark.parametrize("hidden", NOT_NEEDED)
def test_what_is_not_needed_is_not_asked_for(machine: Machine, hidden: str) -> None:
    """Busybox is gone too, so that the demonstration ends where it has decided what to install."""
    told = lacking(machine, hidden, "busybox").run("doctor", "demo")
    assert_whole(told.out)
    assert [line.partition(debian.WAIT)[2].strip() for line in told.asked] == ["update", f"{INSTALL} busybox-static"]
    assert "Traceback" not in told.err
    if hidden == "go":
        assert "installs Go" in told.findings()["Go"]


def test_with_nothing_at_all_everything_is_named_and_asked_for_at_once(machine: Machine) -> None:
    told = bare(machine).run("doctor", "demo", "demo down")
    assert_whole(told.out)
    for package in debian.ALL_PACKAGES:
        assert package.line() in told.out
    for package in debian.DEMO_PACKAGES:
        assert f"  {package.line()}\n" in told.err
    assert told.asked[1].endswith(f"{INSTALL} {' '.join(package.name for package in debian.DEMO_PACKAGES)}")
    assert "== demo ended with 1" in told.err
    assert "== demo down ended with 0" in told.err, "where nothing can run, nothing is left"
    assert {one.subject for one in doctor.looks(as_root=True)} - {"certificates"} <= told.findings().keys()


def test_what_was_installed_is_used_at_once(machine: Machine) -> None:
    """The next thing that this machine lacks is a Go, which is nowhere to be had."""
    told = lacking(without_packages(machine).getting_it_back(), "go").run("demo")
    assert f"ok installing {len(debian.DEMO_PACKAGES)} Debian packages" in told.err
    assert "There is no Go" in told.err


def test_without_root_the_one_command_for_an_administrator_is_said_and_the_rest_goes_on(machine: Machine, somebody: int) -> None:
    told = bare(machine).run("doctor", "demo", user=somebody)
    assert_whole(told.out)
    for package in debian.DEMO_PACKAGES:
        assert f"  {package.line()}\n" in told.err
    assert f"Ask an administrator to run: {debian.install_command(debian.DEMO_PACKAGES)}\n" in told.err
    assert "Going on with what can be had without." in told.err
    assert told.asked == []
    assert (machine.stage / "home" / "control-plane" / "Pulumi.yaml").is_file(), "it went on"
    assert "There is no Go" in told.err, "to what neither this machine nor the package index has"


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([f"mount -t tmpfs none {CGROUPS}"], "cpu, cpuset, memory, pids"),
        ([f"mount -t tmpfs none {CGROUPS}", f"echo cpuset cpu io pids > {CGROUPS}/cgroup.controllers"], "memory"),
    ],
    ids=["none", "version 2 without memory"],
)
def test_without_control_groups_the_demonstration_says_so_before_it_installs_anything(
    machine: Machine, lines: list[str], named: str
) -> None:
    told = lacking(machine, "busybox").but(*lines).run("doctor", "demo")
    assert_whole(told.out)
    assert told.findings()["kernel: control groups"].startswith("MISSING")
    assert f"lack {named}, with which pods are bounded" in told.err
    assert "--mode control-plane" in told.err
    assert told.asked == []


@pytest.mark.parametrize(
    "locale",
    [
        {"LANG": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LANG": "C", "PYTHONIOENCODING": "ascii"},
    ],
    ids=lambda locale: " ".join(f"{name}={value}" for name, value in locale.items()),
)
def test_in_any_locale_no_character_is_one_too_many(machine: Machine, locale: dict[str, str]) -> None:
    home = machine.stage / "home" / "Größe ✓"
    told = (
        lacking(machine, "busybox").but(unset=("LANG", "LC_ALL", "LC_CTYPE"), COMMONWEAL_HOME=str(home)).but(**locale).run("doctor", "demo")
    )
    assert_whole(told.out)
    shown = str(home) if "PYTHONIOENCODING" not in locale else str(home).encode("ascii", "backslashreplace").decode()
    assert shown in told.findings()["disk of the home"]
    assert told.asked[1].endswith("busybox-static")


def test_a_home_that_cannot_be_written_is_named_with_the_variables_and_following_that_helps(machine: Machine) -> None:
    user = machine.stage / "user"
    read_only = [f"mount --bind {user} {user}", f"mount -o remount,ro,bind {user}"]
    told = (
        lacking(machine, "busybox").but(*read_only, unset=("COMMONWEAL_HOME", "COMMONWEAL_CACHE")).run("doctor", "demo", "tools", "images")
    )
    assert_whole(told.out)
    for place in ("cache", "home"):
        assert re.match(r"MISSING .* cannot be written .*COMMONWEAL_HOME.*COMMONWEAL_CACHE", told.findings()[f"disk of the {place}"])
    for command in ("demo", "tools", "images"):
        (said,) = re.findall(rf"^(.*)\n== {command} ended with 1$", told.err, re.MULTILINE)
        assert re.search(r"export COMMONWEAL_HOME=\S+ COMMONWEAL_CACHE=\S+", said)
    assert told.asked == []
    machine.unset = ()
    followed = machine.run("demo")
    assert followed.asked[1].endswith("busybox-static")


@pytest.mark.usefixtures("somebody")
def test_a_user_without_any_home_is_told_the_same(machine: Machine) -> None:
    told = machine.but(unset=("HOME", "COMMONWEAL_HOME", "COMMONWEAL_CACHE")).run("doctor", "demo", user=54321)
    assert_whole(told.out)
    assert "Traceback" not in told.err
    assert "commonweal: This user has no home directory, and HOME is not set. Set COMMONWEAL_HOME" in told.err


def test_proxies_are_kept_for_what_is_elsewhere_and_left_out_for_sites(machine: Machine) -> None:
    told = lacking(machine, "busybox").but(**PROXIES, NO_PROXY="mirror.example").run("doctor", "demo")
    assert_whole(told.out)
    assert "http_proxy, HTTP_PROXY" in told.findings()["proxy"]
    assert re.search(r"no_proxy=mirror\.example,.*10\.210\.0\.0/24", told.environment)
