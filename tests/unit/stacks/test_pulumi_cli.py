"""How the CLI is run: which plug-ins it finds, what its environment says, what is told of its events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from commonweal_local import pulumi
from commonweal_local.failure import LocalError
from commonweal_local.pulumi_cli.events import Listener, follow
from commonweal_local.pulumi_cli.plugins import STAND_INS, find_pulumi, missing_plugins, stand_in_directory
from commonweal_local.pulumi_cli.site import PLATFORM, Facts, SiteStack, Validity, validity, without
from commonweal_local.pulumi_cli.stack import Outcome, Stack, environment, kept_secret
from commonweal_local.pulumi_language.execute import main as execute

STACK = "urn:pulumi:onprem::commonweal-site::pulumi:pulumi:Stack::commonweal-site-onprem"
URN = "urn:pulumi:onprem::commonweal-site::commonweal:platform:Platform$kubernetes:core/v1:Namespace::Namespace/commonweal-system"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path / "cache"))


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("vendors", "missing"),
    [
        ([], list(STAND_INS)),
        (["path/pulumi-language-python"], ["pulumi-resource-kubernetes"]),
        (["cli/pulumi-language-python", "path/pulumi-resource-kubernetes"], []),
        (["home/plugins/resource-kubernetes-v4.34.2/pulumi-resource-kubernetes"], ["pulumi-language-python"]),
        (["home/plugins/resource-kubernetes-v3.30.0/pulumi-resource-kubernetes"], list(STAND_INS)),
    ],
)
def test_the_vendors_plug_ins_go_before_the_stand_ins(tmp_path: Path, vendors: list[str], missing: list[str]) -> None:
    cli = program(tmp_path / "cli" / "pulumi")
    for vendor in vendors:
        program(tmp_path / vendor)
    assert missing_plugins(cli, {"PATH": str(tmp_path / "path"), "PULUMI_HOME": str(tmp_path / "home")}) == missing


def test_a_stand_in_is_a_script_that_runs_this_very_interpreter() -> None:
    directory = stand_in_directory(list(STAND_INS))
    for name in STAND_INS:
        assert os.access(directory / name, os.X_OK)
        assert f'exec "{sys.executable}"' in (directory / name).read_text()
    assert stand_in_directory(list(STAND_INS)) == directory
    assert stand_in_directory(["pulumi-language-python"]) != directory


@pytest.mark.parametrize("name", list(STAND_INS))
def test_a_stand_in_prints_its_port_and_ends_quietly_when_interrupted(name: str) -> None:
    script = stand_in_directory([name]) / name
    with subprocess.Popen([script, "127.0.0.1:1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert int(process.stdout.readline()) > 0
        process.terminate()
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_a_cli_that_is_nowhere_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"pulumi is neither on PATH nor in .*Build the tools"):
        find_pulumi({"PATH": str(tmp_path)})


def test_the_environment_keeps_state_in_files_downloads_nothing_and_leaves_the_callers_choices(tmp_path: Path) -> None:
    cli = program(tmp_path / "cli" / "pulumi")
    env = environment(cli, {"PATH": "/usr/bin", "PULUMI_HOME": str(tmp_path / "none")})
    assert env["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/home/pulumi/state"
    assert env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert (Path(env["PATH"].split(os.pathsep)[0]) / "pulumi-resource-kubernetes").is_file()

    passphrase = Path(env["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert passphrase.stat().st_mode & 0o777 == 0o600
    assert len(passphrase.read_text()) == 64
    assert kept_secret("passphrase").read_text() == passphrase.read_text()

    chosen = {"PATH": "", "HOME": str(tmp_path), "PULUMI_BACKEND_URL": "s3://x", "PULUMI_CONFIG_PASSPHRASE": "y"}
    env = environment(cli, chosen)
    assert (env["PULUMI_BACKEND_URL"], env["PULUMI_CONFIG_PASSPHRASE"]) == ("s3://x", "y")
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in env


def test_sites_that_start_at_once_share_one_passphrase_and_one_master() -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: kept_secret("sectors-master").read_text(), range(64)))
    assert len(found[0]) == 64
    assert set(found) == {found[0]}


def test_the_machines_copy_follows_the_committed_file_and_keeps_its_own_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "cli" / "pulumi")
    monkeypatch.setenv("PATH", str(tmp_path / "cli"))
    project = tmp_path / "project"
    project.mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        (project / name).write_text("")
    stack = SiteStack("onprem", project)
    stack._refresh_copy({"commonweal:site": {"name": "onprem"}, "commonweal:images": "a"})
    assert stack.file.stat().st_mode & 0o777 == 0o600
    stack.file.write_text("encryptionsalt: salt\nconfig:\n  commonweal:images: a\n  commonweal:sectorsMaster: {secure: xyz}\n")

    stack._refresh_copy({"commonweal:site": {"name": "onprem"}, "commonweal:images": "b"})

    assert "encryptionsalt: salt" in stack.file.read_text()
    assert "commonweal:images: b" in stack.file.read_text()
    assert "secure: xyz" in stack.file.read_text()


def test_the_lock_of_a_killed_run_is_taken_away_and_that_of_a_living_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "cli" / "pulumi")
    monkeypatch.setenv("PATH", str(tmp_path / "cli"))
    (tmp_path / "Pulumi.yaml").write_text("name: commonweal-site\n")
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
    lock = tmp_path / "home" / "pulumi" / "state" / ".pulumi" / "locks" / "organization" / "commonweal-site" / "onprem" / "x.json"
    lock.parent.mkdir(parents=True)
    host = os.uname().nodename
    said: list[str] = []

    lock.write_text(json.dumps({"pid": gone.pid, "hostname": host}))
    SiteStack("onprem", tmp_path)._release(said.append)
    assert not lock.exists()
    assert said == ["an earlier run on site onprem was killed: taking its lock away"]

    for holder in ({"pid": os.getpid(), "hostname": host}, {"pid": gone.pid, "hostname": "another"}):
        lock.write_text(json.dumps(holder))
        with pytest.raises(LocalError, match="another run works on site onprem"):
            SiteStack("onprem", tmp_path)._release(said.append)
        assert lock.exists()


def test_a_stack_of_the_same_name_in_another_project_does_not_stand_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "cli" / "pulumi")
    monkeypatch.setenv("PATH", str(tmp_path / "cli"))
    (tmp_path / "Pulumi.yaml").write_text("name: commonweal-management\n")
    state = tmp_path / "home" / "pulumi" / "state" / ".pulumi"
    for file in (state / "locks/organization/commonweal-site/main/x.json", state / "stacks/commonweal-site/main.json"):
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"pid": os.getpid(), "hostname": os.uname().nodename}))
    stack = Stack("main", tmp_path, directory="management", title="the management stack")

    stack._release(pytest.fail)

    assert not stack.has_state()


OLD, NEW = "uid-of-the-old-one", "uid-of-the-new-one"


@pytest.mark.parametrize(
    ("facts", "platform", "look_first"),
    [
        (Facts(cluster="", was=""), True, False),
        (Facts(cluster=OLD, was=""), True, False),
        (Facts(cluster=OLD, was=OLD, declared=True, management="m", management_was="m"), True, False),
        (Facts(cluster=NEW, was=OLD, declared=True, management="m", management_was="m"), False, False),
        (Facts(cluster="", was=OLD, declared=True, management="m", management_was="m"), True, False),
        (Facts(cluster="", was=OLD, declared=False, management="m", management_was="m"), False, False),
        (Facts(cluster="", was=OLD, declared=False, management="n", management_was="m"), True, True),
        (Facts(cluster="", was=OLD, declared=False, management="n", management_was="m", lost=True), False, True),
        (Facts(cluster=OLD, was=OLD, declared=False, management="n", management_was="m"), True, True),
        (Facts(cluster=NEW, was=OLD, declared=False, management="n", management_was="m"), False, True),
        (Facts(cluster=NEW, was=OLD, adopted=True), False, False),
        (Facts(cluster=OLD, was=OLD, adopted=True), True, False),
    ],
)
def test_a_state_holds_as_long_as_its_clusters_live_and_a_lost_management_cluster_takes_no_site_along(
    facts: Facts, platform: bool, look_first: bool
) -> None:
    assert validity(facts) == Validity(platform=platform, look_first=look_first)


@pytest.mark.parametrize(
    ("management", "was", "look_first", "entry"),
    [("", "", False, True), ("m", "", False, True), ("m", "m", False, True), ("n", "m", True, True), ("", "m", False, False)],
)
def test_an_adopted_site_is_entered_again_and_does_without_a_management_cluster_that_is_gone(
    management: str, was: str, look_first: bool, entry: bool
) -> None:
    facts = Facts(cluster=OLD, was=OLD, adopted=True, management=management, management_was=was)
    assert validity(facts) == Validity(platform=True, look_first=look_first, entry=entry)


def test_forgetting_the_platform_keeps_what_lies_on_the_management_cluster() -> None:
    start = "urn:pulumi:onprem::commonweal-site::"
    layer = f"{start}commonweal:platform:Platform$kubernetes:core/v1:Namespace::Namespace/commonweal-system"
    component, provider = (
        f"{start}commonweal:platform:Platform::onprem",
        f"{start}commonweal:platform:Platform$pulumi:providers:kubernetes::onprem",
    )
    cluster = f"{start}kubernetes:cluster.x-k8s.io/v1beta2:Cluster::Cluster.cluster.x-k8s.io/commonweal-fleet/onprem"
    everything = [{"urn": urn} for urn in (STACK, cluster, component, provider, layer)]
    assert without(PLATFORM, everything) == [{"urn": STACK}, {"urn": cluster}]


def test_events_are_told_as_lines_and_counted() -> None:
    lines: list[str] = []
    listener = Listener(lines.append)
    for event in (
        {"diagnosticEvent": {"severity": "warning", "message": "using pulumi-language-python from $PATH at /x"}},
        {"diagnosticEvent": {"severity": "debug", "message": "no one cares"}},
        {"resOutputsEvent": {"metadata": {"op": "create", "urn": URN, "type": "kubernetes:core/v1:Namespace"}}},
        {"resOutputsEvent": {"metadata": {"op": "same", "urn": URN, "type": "kubernetes:core/v1:Namespace"}}},
        {"diagnosticEvent": {"severity": "error", "urn": URN, "message": "it broke\n"}},
        {"resOutputsEvent": {"metadata": {"op": "same", "urn": STACK, "type": "pulumi:pulumi:Stack", "new": {"outputs": {"a": 1}}}}},
        {"summaryEvent": {"resourceChanges": {"create": 1, "same": 2}}},
    ):
        listener.hear(event)
    assert lines == ["created Namespace/commonweal-system", "it broke"]
    assert listener.errors == ["Namespace/commonweal-system: it broke"]
    assert (listener.counts, listener.outputs) == ({"create": 1, "same": 2}, {"a": 1})


def test_a_preview_tells_a_replacement_once_and_names_the_fields() -> None:
    listener = Listener(lambda _line: None, dry_run=True)
    for op in ("create-replacement", "replace", "delete-replaced", "same"):
        step = {"op": op, "urn": URN, "detailedDiff": {"spec.b": {}, "spec.a": {}}}
        listener.hear({"resourcePreEvent": {"metadata": step}})
    assert listener.changed == ["replace Namespace/commonweal-system: spec.a, spec.b"]


def test_a_log_is_followed_to_its_last_line_though_written_in_pieces(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"a": 1}\n{"b"')
    pieces = iter([": 2}\n", ""])

    def ended() -> bool:
        piece = next(pieces)
        with log.open("a") as file:
            file.write(piece)
        return not piece

    assert list(follow(log, ended)) == [{"a": 1}, {"b": 2}]


def test_an_outcome_is_one_line() -> None:
    assert pulumi.summary(Outcome({"create": 2, "same": 1}, (), 1.25)) == "2 created, 1 unchanged (1.2 s)"
    assert pulumi.summary(Outcome({}, (), 0.0)) == "nothing to do (0.0 s)"


@pytest.mark.parametrize("command", ["up", "preview", "destroy"])
def test_a_site_without_a_stack_file_is_refused_by_the_command_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path / "cli" / "pulumi")
    monkeypatch.setenv("PATH", str(tmp_path / "cli"))
    assert pulumi.main([command, "atlantis"]) == 1
    assert "there is no site atlantis" in capsys.readouterr().err


def test_the_runner_refuses_unknown_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    run: Callable[[list[str]], Any] = execute
    with pytest.raises(SystemExit):
        run(["--no-such-thing"])
    assert "no-such-thing" in capsys.readouterr().err
