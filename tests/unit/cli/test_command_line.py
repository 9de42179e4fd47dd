"""The command line's conventions: every command has a help text and stands in the reference, sites are named in one way, exit codes mean one thing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

from commonweal_cli import main
from commonweal_cli.completion import VARIABLE
from commonweal_cli.conventions import DONE, FAILED, UNANSWERED, USAGE
from commonweal_cli.where import login
from commonweal_local.exceptions import LocalError
from support.scripts import script

ROOT = Path(__file__).parents[3]


def tool() -> ModuleType:
    return script(ROOT / "docs" / "tools" / "commands.py")


COMMANDS = list(tool().commands(main.commonweal, click.Context(main.commonweal, info_name="commonweal")))
PAGE = (ROOT / "docs" / "reference" / "commands.md").read_text()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    return tmp_path


def test_the_reference_is_what_the_commands_say() -> None:
    assert tool().main(["--check"]) == 0


def test_every_command_and_option_has_a_help_text_and_stands_in_the_reference() -> None:
    assert len(COMMANDS) > 40
    for command, context in COMMANDS[1:]:
        assert command.help, context.command_path
        assert f" {context.command_path}\n" in PAGE
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (context.command_path, option.name)
                assert option.hidden or option.opts[0] in PAGE


def test_a_site_is_named_in_one_way() -> None:
    for command, context in COMMANDS:
        for parameter in command.params:
            named = {*parameter.opts, *parameter.secondary_opts}
            if isinstance(parameter, click.Option) and "--site" in named:
                assert any("--kubeconfig" in other.opts for other in command.params), context.command_path
            if isinstance(parameter, click.Argument) and "SITE" in str(parameter.metavar):
                assert not any("--site" in other.opts for other in command.params), context.command_path


def test_help_of_everything_imports_no_command() -> None:
    code = (
        "import sys; from commonweal_cli.main import main; main(['--help']);"
        "print([m for m in sys.modules if m.startswith('commonweal_cli.') and m.count('.') > 1], 'pulumi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[] False\n")
    assert all(f"\n  {name} " in done.stdout for name in main.COMMANDS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_the_shell_can_read(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["completion", shell]) == DONE
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    assert VARIABLE in script.read_text()
    assert "commonweal" in script.read_text()
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(script)], check=True)


@pytest.mark.parametrize(
    ("typed", "found"), [("commonweal mana", "management"), ("commonweal local res", "restore-etcd"), ("commonweal local cut no", "north")]
)
def test_a_shell_is_told_how_words_go_on(
    typed: str, found: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "sites" / "north").mkdir(parents=True)
    (home / "sites" / "north" / "kubeconfig").touch()
    monkeypatch.setattr("commonweal_local.surroundings.set_right", lambda: None)
    for name, value in ((VARIABLE, "bash_complete"), ("COMP_WORDS", typed), ("COMP_CWORD", str(len(typed.split()) - 1))):
        monkeypatch.setenv(name, value)
    assert main.main() == DONE
    assert f"plain,{found}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["nothing"],
        ["local"],
        ["local", "up"],
        ["local", "rotate", "north", "--authorities", "--encryption"],
        ["score"],
        ["score", "--site", "north", "--kubeconfig", "file"],
        ["audit", "verify", "tax", "--site", "north", "--kubeconfig", "file"],
        ["fleet", "rings"],
        ["fleet", "rings", "--all", "--sites", "a,b"],
        ["conform", "onprem"],
        ["conform", "a", "b", "--expect", "xyz"],
        ["conform", "verify", "file"],
        ["demo", "--mode", "dream"],
        ["move", "tax", "--from", "north"],
        ["erasure", "verify", "file"],
        ["completion", "tcsh"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_right(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(wrong) == USAGE
    said = capsys.readouterr()
    assert "Usage: commonweal" in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["agreement", "show", "no-such-file"], FAILED),
        (["agreement", "show", "one", "-n", "dept-tax", "--site", "atlantis"], FAILED),
        (["audit", "verify", "tax", "--site", "atlantis"], FAILED),
        (["bundle", "verify", "no-such-file", "--key", "none"], FAILED),
        (["local", "rotate", "atlantis"], FAILED),
        (["move", "tax", "--from", "atlantis", "--to", "atlantis"], FAILED),
        (["site", "preview", "atlantis"], FAILED),
        (["lint", "no-such-file"], UNANSWERED),
        (["score", "--site", "atlantis"], UNANSWERED),
        (["score", "--kubeconfig", "no-such-file"], UNANSWERED),
        (["conform", "verify", "no-such-file", "--key", "none"], UNANSWERED),
    ],
)
def test_an_expected_failure_is_said_and_has_its_exit_code(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(words) == status
    said = capsys.readouterr()
    assert said.err.startswith("commonweal: ")
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("spelling", [["--output", "json"], ["--json"]])
@pytest.mark.parametrize("words", [["local", "status"], ["management", "status"], ["fleet", "status"], ["lint", str(ROOT / "examples")]])
def test_a_result_can_be_had_as_json(words: list[str], spelling: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main.main([*words, *spelling])
    json.loads(capsys.readouterr().out)


def test_words_after_the_site_are_the_programs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("commonweal_local.sites.find", lambda name: name)
    monkeypatch.setattr("commonweal_local.sites.host.inside", lambda site: ["enter", site])
    monkeypatch.setattr("os.execvp", lambda _, words: started.append(words) or sys.exit(0))
    for words in (["--", "ls", "--help"], ["ls", "--help"]):
        with pytest.raises(SystemExit):
            main.main(["local", "exec", "north", *words])
    assert started == [["enter", "north", "ls", "--help"]] * 2


def test_a_cluster_is_logged_in_to_by_file_by_site_or_as_kubectl_does(home: Path) -> None:
    own = home / "sites" / "north" / "kubeconfig"
    own.parent.mkdir(parents=True)
    own.touch()
    for site, file, found in (("north", None, own), (None, own, own), (None, None, None)):
        with login(site, file) as given:
            assert given == found
    with pytest.raises(LocalError, match=r"There is no kubeconfig of atlantis.*give its kubeconfig"), login("atlantis", None):
        pass
