"""A site keeps its place on the machine: no other home gets it, and who holds its address is named."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from commonweal_local.exceptions import LocalError
from commonweal_local.sites import places, ports
from commonweal_local.sites.site import MOST_SITES, Mode, Site

LOOPBACK = Mode.CONTROL_PLANE
CLUSTER = "commonweal-fleet/north"
TAKES = """
import sys
from pathlib import Path
from commonweal_local.sites import places
from commonweal_local.sites.site import Mode, Site
root = Path(sys.argv[1])
with places.locked():
    index = places.place_for(root, "north", Mode.CONTROL_PLANE, None)
    print("chosen", flush=True)
    sys.stdin.readline()
    site = Site("north", index, Mode.CONTROL_PLANE, root, {})
    site.save()
    places.claim(site)
"""


@pytest.fixture(autouse=True)
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMMONWEAL_CLAIMS", str(tmp_path / "claims"))
    return tmp_path / "claims"


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports that this machine's real sites have play no part, where a test does not ask for them."""
    monkeypatch.setattr(places, "_in_use", lambda _root, _mode: set())


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "one" / "sites", tmp_path / "other" / "sites"
    for home in (one, other):
        home.mkdir(parents=True)
    return one, other


def take(root: Path, name: str = "north", asked: int | None = None, cluster: str = "") -> Site:
    """Take a place for a site, as its start does."""
    with places.locked():
        site = Site(name, places.place_for(root, name, LOOPBACK, asked), LOOPBACK, root, {}, cluster=cluster)
        site.save()
        places.claim(site)
    return site


def test_a_site_whose_files_were_removed_finds_its_place_free_while_its_cluster_names_it(homes: tuple[Path, Path]) -> None:
    one, other = homes
    mine = take(one, cluster=CLUSTER)
    shutil.rmtree(mine.directory)
    assert take(other).index != mine.index, "nobody has its ports now, and yet it is taken"
    assert take(one, asked=mine.index, cluster=CLUSTER).index == mine.index


def test_a_site_that_is_down_keeps_its_place(homes: tuple[Path, Path]) -> None:
    one, other = homes
    mine = take(one)
    assert take(other).index != mine.index
    assert take(one).index == mine.index


def test_the_place_of_a_site_that_ended_is_free_again(homes: tuple[Path, Path]) -> None:
    one, other = homes
    mine = take(one, cluster=CLUSTER)
    shutil.rmtree(mine.directory)
    places.release(one, "north")
    assert take(other).index == mine.index


@pytest.mark.parametrize("removed", ["the files of a site made by hand", "the home of a site that a Cluster named"])
def test_what_nobody_names_any_more_is_forgotten(homes: tuple[Path, Path], claims: Path, removed: str) -> None:
    one, other = homes
    mine = take(one, cluster="" if "by hand" in removed else CLUSTER)
    shutil.rmtree(mine.directory if "by hand" in removed else one)
    assert take(other).index == mine.index
    assert len(list(claims.glob("*.json"))) == 1


def test_ending_all_sites_of_a_home_gives_up_what_has_no_files(homes: tuple[Path, Path]) -> None:
    one, other = homes
    gone, kept = take(one, "gone", cluster="f/gone"), take(one, "kept", cluster="f/kept")
    shutil.rmtree(gone.directory)
    places.release(one)
    assert take(other, "a").index == gone.index
    assert take(other, "b").index not in {gone.index, kept.index}


def test_a_place_that_it_must_have_and_another_has_is_refused_with_who_has_it(homes: tuple[Path, Path]) -> None:
    one, other = homes
    theirs = take(other)
    with pytest.raises(LocalError, match=rf"'north' is that of site 'north' of {other.parent} .*COMMONWEAL_HOME={other.parent}"):
        take(one, asked=theirs.index)
    assert not (one / "north").exists()
    assert "site 'north' of" in places.obstacle(Site("north", theirs.index, LOOPBACK, one, {}))


def test_while_one_home_takes_a_place_no_other_does(homes: tuple[Path, Path], claims: Path) -> None:
    one, other = homes
    words = [sys.executable, "-c", TAKES, str(one)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as taking:
        assert taking.stdin
        assert taking.stdout
        assert taking.stdout.readline() == "chosen\n"
        held = os.open(claims, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(held)
        taking.communicate("go on\n", timeout=30)
    assert Site.load(one, "north").index != take(other).index


def test_the_two_modes_have_addresses_of_their_own(homes: tuple[Path, Path]) -> None:
    one, other = homes
    mine = take(one)
    with places.locked():
        assert places.place_for(other, "north", Mode.PODS, None) == mine.index


def test_places_run_out_and_the_message_says_what_frees_one(homes: tuple[Path, Path]) -> None:
    one, other = homes
    most = MOST_SITES[LOOPBACK]
    for number in range(most):
        take(one if number % 2 else other, f"s{number}")
    assert places.free(one, "more", LOOPBACK) == 0
    with pytest.raises(LocalError, match="commonweal local down SITE"):
        take(one, "more")
    assert places.free(one, "s0", LOOPBACK) == 0
    places.release(other)
    assert places.free(one, "more", LOOPBACK) == 0, "their files are there"
    shutil.rmtree(other)
    assert places.free(one, "more", LOOPBACK) == most // 2


def test_its_own_place_counts_as_free_for_a_site_whose_files_are_gone(homes: tuple[Path, Path]) -> None:
    one, _ = homes
    for number in range(MOST_SITES[LOOPBACK]):
        take(one, f"s{number}", cluster=f"f/s{number}")
    shutil.rmtree(one / "s3")
    assert (places.free(one, "s3", LOOPBACK), places.free(one, "more", LOOPBACK)) == (1, 0)


def test_what_is_no_claim_is_left_alone(homes: tuple[Path, Path], claims: Path) -> None:
    claims.mkdir()
    (claims / "0-notes.json").write_text("[1]")
    (claims / "0-broken.json").write_text("{")
    assert take(homes[0]).index == 0
    assert [(claims / f"0-{name}.json").read_text() for name in ("notes", "broken")] == ["[1]", "{"]


def test_the_directory_is_open_to_every_user_and_what_is_in_it_only_to_its_owner(homes: tuple[Path, Path], claims: Path) -> None:
    take(homes[0])
    assert claims.stat().st_mode & 0o7777 == 0o1777
    assert [file.stat().st_mode & 0o777 for file in claims.glob("*.json")] == [0o644]


LISTENS = """
import socket
while True:
    one = socket.create_server(("127.0.0.1", 0))
    try:
        next_one = socket.create_server(("127.0.0.1", one.getsockname()[1] + 1))
        break
    except OSError:
        one.close()
print(one.getsockname()[1], flush=True)
input()
"""


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another program that listens on a port of this machine, and on the next one."""
    with subprocess.Popen([sys.executable, "-c", LISTENS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process, int(process.stdout.readline())
        process.kill()


def at_port(root: Path, port: int) -> Site:
    """A site all of whose ports are that one, and the next: none of another site's that runs on this machine."""
    site = Site("north", 0, LOOPBACK, root, {})
    site.__dict__["ports"] = replace(site.ports, **dict.fromkeys(asdict(site.ports), port))
    return site


def test_who_holds_a_port_is_named_and_the_site_waits_for_it(homes: tuple[Path, Path], stranger: tuple[subprocess.Popen[str], int]) -> None:
    process, port = stranger
    site = at_port(homes[0], port)
    with pytest.raises(
        LocalError, match=rf"Port {port}.*is held by .*python.*\(pid {process.pid}\).*keeps its address, and never takes another"
    ):
        ports.require_free(site)
    assert places.obstacle(site).endswith(f"(pid {process.pid}), which has port {port}")
    assert f"port {port} is held by" in ports.stranger(site, [])
    assert ports.stranger(site, [process.pid]) == "", "a program of the site is none"
    process.kill()
    process.wait(10)
    ports.require_free(site)
    assert places.obstacle(site) == ""
    assert ports.stranger(site, []) == ""


def test_a_connection_that_begins_at_a_port_holds_it_too(homes: tuple[Path, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as held:
        site = at_port(homes[0], held.getsockname()[1])
        with pytest.raises(LocalError, match=rf"\(pid {os.getpid()}\)"):
            ports.require_free(site)


def test_a_claim_says_whose_it_is(homes: tuple[Path, Path], claims: Path) -> None:
    take(homes[0], cluster=CLUSTER)
    (file,) = claims.glob("*.json")
    assert json.loads(file.read_text()) == {
        "root": str(homes[0]),
        "name": "north",
        "mode": "control-plane",
        "index": 0,
        "cluster": CLUSTER,
    }
