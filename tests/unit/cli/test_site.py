"""How Pulumi is run: which programs it finds, what its environment says, what is told of its events."""

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
import yaml
from pulumi.automation.events import EngineEvent

from commonweal_cli.main import main as commonweal
from commonweal_cli.site import operations, programs
from commonweal_cli.site.events import Listener
from commonweal_cli.site.programs import CLI, HOST, PLUGIN
from commonweal_cli.site.site_stack import PLATFORM, Facts, SiteStack, Validity, validity, without
from commonweal_cli.site.stack import Outcome, Stack, environment, kept_secret, remedy
from commonweal_local import toolchain
from commonweal_local.exceptions import LocalError
from commonweal_local.standins.language.execute import main as execute
from commonweal_local.standins.language.host import printed, required_plugins
from commonweal_local.toolchain import Origin, Tool

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


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the toolchain has built: the CLI and the plug-in, in a directory of their own; nothing of Pulumi's is installed."""
    for name in (CLI, PLUGIN):
        program(tmp_path / "built" / name)
    monkeypatch.setattr(toolchain, "find", lambda name: Tool(name, tmp_path / "built" / name, Origin.BUILT))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home-of-pulumi"))
    return tmp_path / "built"


@pytest.mark.parametrize(
    ("vendors", "ours"),
    [
        ([], {CLI, HOST, PLUGIN}),
        ([f"path/{HOST}"], {CLI, PLUGIN}),
        ([f"built/{HOST}", f"path/{PLUGIN}"], {CLI}),
        ([f"home-of-pulumi/plugins/resource-kubernetes-v4.25.0/{PLUGIN}"], {CLI, HOST}),
        ([f"home-of-pulumi/plugins/resource-kubernetes-v4.34.2/{PLUGIN}"], {CLI, HOST, PLUGIN}),
    ],
)
def test_what_is_installed_goes_before_what_is_built(tmp_path: Path, built: Path, vendors: list[str], ours: set[str]) -> None:
    for vendor in vendors:
        program(tmp_path / vendor)
    made = programs.directory() / "bin"
    assert {file.name for file in made.iterdir()} == ours
    assert (made / CLI).resolve() == built / CLI
    assert programs.directory() / "bin" == made


def test_the_language_host_is_a_script_that_runs_this_very_interpreter(built: Path) -> None:
    script = programs.directory() / "bin" / HOST
    assert os.access(script, os.X_OK)
    assert f'exec "{sys.executable}"' in script.read_text()


def test_the_language_host_prints_its_port_and_ends_quietly_when_interrupted(built: Path) -> None:
    script = programs.directory() / "bin" / HOST
    with subprocess.Popen([script, "127.0.0.1:1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert int(process.stdout.readline()) > 0
        process.terminate()
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_the_language_host_asks_for_the_plug_in_in_the_version_of_the_sdk() -> None:
    (asked,) = [plugin for plugin in required_plugins() if plugin["name"] == "kubernetes"]
    assert asked == {"name": "kubernetes", "version": "4.25.0", "server": "", "kind": "resource"}


def test_what_a_policy_pack_prints_is_passed_on_stream_by_stream_to_its_end() -> None:
    script = "import sys; print(1, flush=True); print('x' * 200_000); print('why', file=sys.stderr)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        said = {"stdout": b"", "stderr": b""}
        for piece in printed(child):
            for name, text in piece.items():
                said[name] += text
    assert said == {"stdout": b"1\n" + b"x" * 200_000 + b"\n", "stderr": b"why\n"}


def test_a_program_that_is_nowhere_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "find", lambda _name: None)
    with pytest.raises(LocalError, match=r"pulumi is neither on PATH nor built.*commonweal tools"):
        programs.directory()


def test_the_environment_keeps_state_in_files_downloads_nothing_and_leaves_the_callers_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_SKIP_UPDATE_CHECK"):
        monkeypatch.delenv(variable, raising=False)
    told = environment()
    assert told["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/home/pulumi/state"
    assert told["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"

    passphrase = Path(told["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert passphrase.stat().st_mode & 0o777 == 0o600
    assert len(passphrase.read_text()) == 64
    assert kept_secret("passphrase").read_text() == passphrase.read_text()

    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://x")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "y")
    monkeypatch.setenv("PULUMI_SKIP_UPDATE_CHECK", "false")
    assert environment() == {"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}


def test_sites_that_start_at_once_share_one_passphrase_and_one_master() -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: kept_secret("sectors-master").read_text(), range(64)))
    assert len(found[0]) == 64
    assert set(found) == {found[0]}


def test_the_machines_stack_file_keeps_salt_and_secrets_and_no_settings(tmp_path: Path) -> None:
    stack = Stack("onprem", tmp_path, directory="sites/onprem", title="site onprem")
    stack.directory.mkdir(parents=True)
    assert stack._keep_secrets_only() == {}
    assert stack.file.stat().st_mode & 0o777 == 0o600
    # As an earlier version left it, which copied the settings.
    old = {"encryptionsalt": "salt", "config": {"commonweal:site": {"size": "small"}, "commonweal:sectorsMaster": {"secure": "xyz"}}}
    stack.file.write_text(yaml.safe_dump(old))

    assert stack._keep_secrets_only() == {"commonweal:sectorsMaster": {"secure": "xyz"}}

    assert yaml.safe_load(stack.file.read_text()) == {"encryptionsalt": "salt", "config": {"commonweal:sectorsMaster": {"secure": "xyz"}}}


def locked(home: Path, stack: str, holder: dict[str, Any]) -> Path:
    lock = home / "pulumi" / "state" / ".pulumi" / "locks" / "organization" / stack / "x.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(json.dumps(holder))
    return lock


def test_the_lock_of_a_killed_run_is_taken_away_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: commonweal-site\n")
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
    host, home, stack = os.uname().nodename, tmp_path / "home", SiteStack("onprem", tmp_path)
    said: list[str] = []

    lock = locked(home, "commonweal-site/onprem", {"pid": gone.pid, "hostname": host})
    stack._release(said.append)
    assert not lock.exists()
    assert said == ["an earlier run on site onprem was killed: taking its lock away"]

    for holder in ({"pid": os.getpid(), "hostname": host}, {"pid": gone.pid, "hostname": "another"}):
        lock = locked(home, "commonweal-site/onprem", holder)
        with pytest.raises(LocalError, match="another run works on site onprem"):
            stack._release(said.append)
        assert lock.exists()


def test_a_stack_of_the_same_name_in_another_project_does_not_stand_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    (tmp_path / "Pulumi.yaml").write_text("name: commonweal-management\n")
    locked(tmp_path / "home", "commonweal-site/main", {"pid": os.getpid(), "hostname": os.uname().nodename})
    state = tmp_path / "home" / "pulumi" / "state" / ".pulumi" / "stacks"
    stack = Stack("main", tmp_path, directory="management", title="the management stack")
    for project, there in (("commonweal-site", False), ("commonweal-management", True)):
        (state / project).mkdir(parents=True)
        (state / project / "main.json").write_text("{}")
        assert stack.has_state() is there

    stack._release(pytest.fail)


def test_what_the_plug_in_cannot_do_by_itself_comes_with_its_own_remedy() -> None:
    assert "PULUMI_K8S_ENABLE_PATCH_FORCE=true" in remedy(
        'Apply failed with 1 conflict: conflict with "pulumi-kubernetes-1a2b3c4d": .data.a'
    )
    assert "`up` deletes it first" in remedy('Preview failed: RoleBinding "b" is invalid: roleRef: cannot change roleRef')
    assert "PATCH_FORCE" not in remedy('Apply failed with 1 conflict: conflict with "another-team": .data.a')


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


def event(**body: Any) -> EngineEvent:
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, **body})


def test_events_are_told_as_lines_and_counted() -> None:
    lines: list[str] = []
    listener = Listener(lines.append)
    for heard in (
        event(diagnosticEvent={"severity": "warning", "message": "using pulumi-language-python from $PATH at /x"}),
        event(diagnosticEvent={"severity": "debug", "message": "no one cares"}),
        event(resOutputsEvent={"metadata": {"op": "create", "urn": URN, "type": "kubernetes:core/v1:Namespace"}}),
        event(resOutputsEvent={"metadata": {"op": "same", "urn": URN, "type": "kubernetes:core/v1:Namespace"}}),
        event(diagnosticEvent={"severity": "error", "urn": URN, "message": "it broke\n"}),
        event(resOutputsEvent={"metadata": {"op": "same", "urn": STACK, "type": "pulumi:pulumi:Stack", "new": {"outputs": {"a": 1}}}}),
        event(summaryEvent={"resourceChanges": {"create": 1, "same": 2, "read": 1}}),
    ):
        listener.hear(heard)
    assert lines == ["created Namespace/commonweal-system", "it broke"]
    assert listener.errors == ["Namespace/commonweal-system: it broke"]
    assert (listener.counts, listener.outputs) == ({"create": 1, "same": 2}, {"a": 1})


def test_a_preview_tells_a_replacement_once_and_names_the_fields() -> None:
    listener = Listener(lambda _line: None, dry_run=True)
    changed = {"diffKind": "update", "inputDiff": True}
    for op in ("create-replacement", "replace", "delete-replaced", "same"):
        step = {"op": op, "urn": URN, "detailedDiff": {"spec.b": changed, "spec.a": changed}}
        listener.hear(event(resourcePreEvent={"metadata": step}))
    assert listener.changed == ["replace Namespace/commonweal-system: spec.a, spec.b"]


def test_a_policy_that_must_hold_is_an_error_and_another_is_a_warning() -> None:
    lines: list[str] = []
    listener = Listener(lines.append)
    for level in ("mandatory", "advisory"):
        listener.hear(event(policyEvent={"message": "it locks in\n", "enforcementLevel": level, "resourceUrn": URN}))
    assert listener.errors == ["Namespace/commonweal-system: it locks in"]
    assert lines == ["Namespace/commonweal-system: it locks in", "warning: Namespace/commonweal-system: it locks in"]


def test_an_outcome_is_one_line() -> None:
    assert operations.summary(Outcome({"create": 2, "same": 1}, (), 1.25)) == "2 created, 1 unchanged (1.2 s)"
    assert operations.summary(Outcome({}, (), 0.0)) == "nothing to do (0.0 s)"


@pytest.mark.parametrize("command", ["up", "preview", "destroy", "env"])
def test_a_site_without_a_stack_file_is_refused_by_the_command_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commonweal(["site", command, "atlantis"]) == 1
    assert "there is no site atlantis" in capsys.readouterr().err


def test_the_runner_refuses_unknown_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    run: Callable[[list[str]], Any] = execute
    with pytest.raises(SystemExit):
        run(["--no-such-thing"])
    assert "no-such-thing" in capsys.readouterr().err
