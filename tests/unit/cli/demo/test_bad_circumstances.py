"""The demonstration where it cannot do everything, and after one that was cut short."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from commonweal_api import ConsentPolicy, DataProduct
from commonweal_cli import main
from commonweal_cli.demo import bring_up, cleanup, command, control_plane, heritage
from commonweal_cli.demo.operator_process import login
from commonweal_cli.demo.record import Record
from commonweal_cli.demo.report import Row
from commonweal_cli.exceptions import HeritageError, KubectlError
from commonweal_cli.kubectl import NOT_COUNTED, Kubectl
from commonweal_cli.site.operations import Outcome
from commonweal_local import machine, paths
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Silent
from commonweal_local.sites import bridge, checks, processes
from commonweal_local.sites.site import Mode
from commonweal_stacks.management_access import VARIABLE

START_A_CHILD = (
    "import subprocess, sys; print(subprocess.Popen(['sleep', '300'], stdout=subprocess.DEVNULL).pid, flush=True); sys.stdin.read()"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(cleanup.MARK, raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A run that has signed itself and started a child that would outlive it."""
    code = f"from commonweal_cli.demo import cleanup; cleanup.sign(); {START_A_CHILD}"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        yield process, child
        process.kill()
    if processes.alive(child):
        os.kill(child, signal.SIGKILL)


def test_what_a_killed_run_started_is_ended_and_named(run: tuple[subprocess.Popen[str], int], home: Path) -> None:
    process, child = run
    process.kill()
    process.wait()
    assert cleanup.orphans(Path("/proc"), str(home)) == [child]
    assert cleanup.end() == [f"sleep (process {child}) of an earlier run that was killed"]
    assert not processes.alive(child)


def test_what_a_living_run_started_is_left_alone(run: tuple[subprocess.Popen[str], int]) -> None:
    assert cleanup.end() == []
    assert processes.alive(run[1])


def test_what_a_run_of_another_home_started_is_left_alone(
    run: tuple[subprocess.Popen[str], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path / "other"))
    run[0].kill()
    run[0].wait()
    assert cleanup.end() == []
    assert processes.alive(run[1])


def test_a_site_that_was_only_half_started_is_ended(home: Path) -> None:
    """Between its start and the writing of its number nobody would know of it."""
    directory = home / "sites" / "onprem"
    code = "import signal; print('up', flush=True); signal.pause()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "-m", processes.MODULE, str(directory)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert cleanup.end() == [f"a site (process {process.pid}) that was only half started"]
        assert process.wait() == -signal.SIGKILL


def test_what_is_to_outlive_the_run_carries_no_mark() -> None:
    cleanup.sign()
    assert cleanup.MARK in os.environ
    assert cleanup.MARK not in cleanup.unmarked()


def test_a_nearly_full_disk_stops_the_run_before_any_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_gib", lambda _: 4.9)
    with pytest.raises(LocalError, match=r"4\.9 GiB free.*COMMONWEAL_HOME"):
        bring_up.mend(Silent())


def test_a_network_that_is_taken_stops_the_run_before_any_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "default_mode", lambda: Mode.PODS)
    monkeypatch.setattr(machine, "program", lambda name: f"/sbin/{name}")
    monkeypatch.setattr(bridge, "conflicting_interface", lambda: "vpn0")
    with pytest.raises(LocalError, match=r"vpn0 has an address in 10\.210\.0\.0/24.*ip addr show vpn0"):
        bring_up.mend(Silent())


def test_another_management_cluster_stops_the_run_before_anything_is_put_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "production.kubeconfig")
    with pytest.raises(LocalError, match=f"unset {VARIABLE}"):
        bring_up.mend(Silent())


def test_a_disk_that_fills_up_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command, "_carry_out", full)
    assert main.main(["demo"]) == 1
    error = capsys.readouterr().err
    assert "the disk is full" in error
    assert error.count("\n") == 1


def test_an_interrupt_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_carry_out", interrupted)
    assert main.main(["demo"]) == main.INTERRUPTED
    assert capsys.readouterr().err == "commonweal: interrupted; repeating the command goes on from here\n"


def test_a_quota_that_is_not_counted_yet_is_outwaited(tmp_path: Path) -> None:
    """The first call is refused as the API server refuses then; the second is not."""
    kubectl, seen = tmp_path / "kubectl", tmp_path / "seen"
    kubectl.write_text(f"#!/bin/sh\n[ -e {seen} ] && exit 0\ntouch {seen}\necho 'forbidden: {NOT_COUNTED}: department' >&2\nexit 1\n")
    kubectl.chmod(0o755)
    cluster = Kubectl(kubectl, tmp_path / "kubeconfig", "onprem")
    cluster.apply(tmp_path / "a.yaml")
    seen.unlink()
    with pytest.raises(KubectlError, match=NOT_COUNTED):
        cluster.apply(tmp_path / "a.yaml", seconds=-1)


def test_another_refusal_is_not_outwaited(tmp_path: Path) -> None:
    kubectl, calls = tmp_path / "kubectl", tmp_path / "calls"
    kubectl.write_text(f"#!/bin/sh\necho called >> {calls}\necho 'no such kind' >&2\nexit 1\n")
    kubectl.chmod(0o755)
    with pytest.raises(KubectlError, match="no such kind"):
        Kubectl(kubectl, tmp_path / "kubeconfig", "onprem").apply(tmp_path / "a.yaml")
    assert calls.read_text() == "called\n"


def test_a_site_without_the_small_issuer_is_named_with_the_setting_that_turns_it_on(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\nexit 0\n")
    kubectl.chmod(0o755)
    with pytest.raises(LocalError, match=r"Site onprem does not run the small issuer.*identity\.enabled: true in .*Pulumi\.onprem\.yaml"):
        bring_up.issuer_of(Kubectl(kubectl, tmp_path / "kubeconfig", "onprem"))
    service = {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.7"}]}}}
    kubectl.write_text(f"#!/bin/sh\necho '{json.dumps(service)}'\n")
    assert bring_up.issuer_of(Kubectl(kubectl, tmp_path / "kubeconfig", "onprem")) == "https://10.0.0.7"


def test_the_heritage_machine_of_another_home_is_neither_ended_nor_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()", heritage.START, "heritage", "/other/heritage"]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        monkeypatch.setattr(heritage, "_inhabitants", lambda: [process.pid])
        mine = heritage.HeritageMachine(tmp_path / "heritage")
        with pytest.raises(HeritageError, match="COMMONWEAL_HOME=/other commonweal demo down"):
            mine.up()
        mine.down()
        assert processes.alive(process.pid)
        process.kill()


# without root


def test_without_root_the_sites_differ_from_the_committed_ones_in_pods_balancers_and_images_only() -> None:
    copy = control_plane.project(bring_up.SITES)
    for name in bring_up.SITES:
        committed = yaml.safe_load((paths.source() / "stacks" / "site" / f"Pulumi.{name}.yaml").read_text())
        ours = yaml.safe_load((copy / f"Pulumi.{name}.yaml").read_text())
        assert ours["config"].pop("commonweal:images") == str(copy / "images.json")
        assert ours["config"]["commonweal:site"].pop("expose") == "ClusterIP"
        assert ours["config"]["commonweal:site"].pop("local") == {"mode": "ControlPlane"}
        del committed["config"]["commonweal:site"]["expose"]
        assert ours == committed


def test_without_root_a_site_without_a_stack_file_is_refused() -> None:
    with pytest.raises(LocalError, match="There is no site 'moon'"):
        control_plane.project(["moon"])


def test_the_operator_logs_in_with_its_own_account_only() -> None:
    admin: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "admin", "user": {"client-key-data": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "admin"}}],
        "current-context": "x",
    }
    mine = login(admin, "token-of-the-operator")
    assert "secret" not in json.dumps(mine)
    assert mine["clusters"] == admin["clusters"]
    assert mine["users"][0]["user"] == {"token": "token-of-the-operator"}


def test_only_a_status_about_the_present_generation_counts() -> None:
    item = {"metadata": {"generation": 2}, "status": {"conditions": [{"observedGeneration": 2}]}}
    assert control_plane.reported(item)
    assert not control_plane.reported({**item, "metadata": {"generation": 3}})
    assert not control_plane.reported({**item, "status": {}})


def test_a_second_pulumi_up_that_changes_something_is_not_fine() -> None:
    assert control_plane.unchanged(Outcome({"same": 44}, (), 1.5)).ok
    changed = control_plane.unchanged(Outcome({"same": 43, "update": 1}, (), 1.5))
    assert (changed.ok, changed.got) == (False, "1 changes")


def test_what_the_api_server_must_refuse_is_wrong_for_one_reason_only() -> None:
    """Mended in the one thing that the refusal names, each manifest is a valid one."""
    law = {"basis": {"type": "PublicTask", "legalPower": "An Act"}}
    ConsentPolicy.model_validate(control_plane._ours("ConsentPolicy", "a", control_plane.REGISTRY, control_plane.AGREEMENT | law))
    ConsentPolicy.model_validate(control_plane._ours("ConsentPolicy", "a", control_plane.REGISTRY, control_plane.CHANGED))
    DataProduct.model_validate(control_plane._ours("DataProduct", "a", control_plane.REGISTRY, control_plane.PRODUCT))
    with pytest.raises(ValidationError, match="legalPower"):
        ConsentPolicy.model_validate(control_plane._ours("ConsentPolicy", "a", control_plane.REGISTRY, control_plane.AGREEMENT))


def test_the_record_is_whole_json(tmp_path: Path) -> None:
    row = Row("reads", "404", "404", ok=True, milliseconds=1.25)
    Record("pods", ok=True, seconds=70.0, stages={"sites": 9.0}, memory_mib={"onprem": 900}, alike=True, journeys={"onprem": [row]}).write(
        tmp_path / "demo.json"
    )
    kept = json.loads((tmp_path / "demo.json").read_text())
    assert kept["journeys"]["onprem"][0]["milliseconds"] == 1.25
    assert kept["memory_mib"] == {"onprem": 900}
