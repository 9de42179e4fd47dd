"""Bringing a running site to other programs and files, with stand-in programs under the real supervisor."""

from __future__ import annotations

from pathlib import Path

from commonweal_local.sites import node
from commonweal_local.sites.site import Mode, Site
from commonweal_local.sites.state import recorded
from commonweal_local.sites.supervisor import Supervisor, fingerprint
from commonweal_local.waiting import within
from support.supervising import component, supervised


def test_a_fingerprint_is_of_the_words_and_of_the_sites_own_files_that_they_name(tmp_path: Path) -> None:
    site, outside = tmp_path / "site", tmp_path / "outside"
    logs = site / "logs"
    logs.mkdir(parents=True)
    for file in (site / "a", outside):
        file.write_text("one")
    argv = ["program", f"--config={site / 'a'}", str(outside), f"--log={logs / 'audit.log'}"]
    before = fingerprint(argv, site, logs)
    outside.write_text("two")
    (logs / "audit.log").write_text("what the program wrote")
    assert fingerprint(argv, site, logs) == before
    (site / "a").write_text("two")
    assert fingerprint(argv, site, logs) != before
    assert fingerprint([*argv, "--more"], site, logs) != fingerprint(argv, site, logs)


def test_what_is_the_same_goes_on_and_what_differs_is_replaced_at_once_without_counting_as_a_death(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("600")
    same, other = ["sleep", "600"], ["sh", "-c", "exec sleep 600", str(config)]
    with supervised(tmp_path) as supervisor:
        supervisor.start("one", same)
        supervisor.start("two", other)
        assert within(10, lambda: supervisor.runs("one", same) and supervisor.runs("two", other))
        assert within(10, lambda: bool(component(tmp_path, "one") and component(tmp_path, "two")))
        before = {name: component(tmp_path, name)["pid"] for name in ("one", "two")}
        config.write_text("601")
        assert not supervisor.runs("two", other), "it runs with the file as it was"
        assert not supervisor.replace("one", same)
        assert supervisor.replace("two", other)
        assert within(10, lambda: supervisor.runs("two", other) and component(tmp_path, "two")["pid"] != before["two"])
        assert component(tmp_path, "one")["pid"] == before["one"]
        assert component(tmp_path, "two")["restarts"] == 0


def test_the_state_says_how_far_a_change_is(tmp_path: Path) -> None:
    site = Site(tmp_path.name, 0, Mode.PODS, tmp_path.parent, {})
    assert recorded(site)["change"] == {"revision": 0, "step": "", "error": ""}
    Supervisor(tmp_path, tmp_path / "logs").report(4, "kubelet", "kubelet to be healthy")
    assert recorded(site)["change"] == {"revision": 4, "step": "kubelet", "error": "kubelet to be healthy"}


def test_what_the_pods_may_not_use_is_the_rest_of_the_machine() -> None:
    assert node.reserved_mib(8, 24 * 1024) == 16 * 1024
    assert node.reserved_mib(0, 24 * 1024) == 0, "no size: all of it"
    assert node.reserved_mib(48, 24 * 1024) == 0, "more than there is: all of it"
