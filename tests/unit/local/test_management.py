"""The embedded management cluster's ports, programs and command, without any of them running."""

from __future__ import annotations

import datetime as dt
import json
import socket
from pathlib import Path

import pytest

from commonweal_cli.main import main as commonweal
from commonweal_local import management
from commonweal_local.management import layout as planes
from commonweal_local.management import process
from commonweal_local.sites import pki
from commonweal_stacks.management import controllers
from support import upstream

PROGRAMS = {name: f"/bin/{name}" for name in planes.PROGRAMS}


def test_a_home_without_one_says_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    assert commonweal(["management", "status"]) == 1
    assert "commonweal management up" in capsys.readouterr().out
    assert commonweal(["management", "status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["running"] is False
    assert management.down() == []


def test_ports_are_those_of_the_kept_block_unless_somebody_took_one(tmp_path: Path) -> None:
    block = planes.free_block(7)
    one = planes.plane(tmp_path, PROGRAMS, block)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", one.webhook_port))
        taken.listen()
        assert planes.free_block(block) != block
    assert planes.free_block(block) == block


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    one = planes.plane(tmp_path, PROGRAMS, 3)
    one.save()
    found = planes.Plane.load(tmp_path, planes.NAME)
    assert (found.block, found.ports, found.programs) == (3, one.ports, PROGRAMS)
    assert found.kubeconfig == tmp_path / "management" / "kubeconfig"


def test_its_certificates_are_looked_at_those_of_cluster_api_too(tmp_path: Path) -> None:
    one, made = planes.plane(tmp_path, PROGRAMS, 0), dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    planes.furnish(one, made)
    assert planes.outlook(one, made) == ("certificates until 2027-11-22", False)
    (one.pki / f"{planes.WEBHOOKS}.crt").unlink()
    pki.issue(one, planes.LEAVES[-1], made - dt.timedelta(days=1))
    late = made + dt.timedelta(days=340)
    assert planes.outlook(one, late) == ("certificate webhooks ends 2027-11-21: `commonweal management down --keep`, then `up`", True)
    planes.furnish(one, late)
    assert planes.outlook(one, late) == ("certificates until 2028-10-27", False)


def test_every_program_works_on_loopback_and_core_runs_with_its_webhooks(tmp_path: Path) -> None:
    one = planes.plane(tmp_path, PROGRAMS, 0)
    core = planes.core_line(one)
    assert f"--webhook-port={one.webhook_port}" in core
    assert [flag for flag in core if "addr" in flag] == [
        f"--health-addr=127.0.0.1:{one.health_port}",
        f"--diagnostics-address=127.0.0.1:{one.metrics_port}",
    ]
    lines = planes.server_lines(one)
    assert list(lines) == ["etcd", "kube-apiserver", "kube-controller-manager"]
    assert "--bind-address=127.0.0.1" in lines["kube-apiserver"]
    assert not [flag for flag in lines["kube-apiserver"] if "token-auth-file" in flag]
    assert f"--controllers={','.join(planes.CONTROLLERS)}" in lines["kube-controller-manager"]


def test_processes_and_deployments_run_core_with_the_same_features(tmp_path: Path) -> None:
    assert f"--feature-gates={controllers.GATES}" in planes.core_line(planes.plane(tmp_path, PROGRAMS, 0))


def test_each_controller_waits_for_the_kinds_that_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path))
    upstream.write(tmp_path)
    core, provider = process.controllers_of(planes.plane(tmp_path, PROGRAMS, 0))
    clusters = process.Kind("cluster.x-k8s.io", "v1beta2", "clusters")
    assert core.kinds == (clusters,)
    assert {kind.plural for kind in provider.kinds} == {"localclusters", "localcontrolplanes", "clusters"}
    assert provider.argv[-2:] == ["--kubeconfig", str(tmp_path / "management" / "pki" / "local-provider.conf")]
