"""A stack on this machine: its secrets, its state, and runs on it through Pulumi's Automation API."""

from __future__ import annotations

import json
import os
import re
import secrets as randomness
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pulumi import automation
from pulumi.automation.errors import CommandError, StackNotFoundError

from commonweal_cli.site import programs
from commonweal_cli.site.events import Listener
from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_local.sites.processes import alive
from commonweal_local.waiting import within
from commonweal_stacks.site import stack_file

PROJECT_FILES = ("Pulumi.yaml", "__main__.py")
RECORDS = ("cluster", "management", "settings")  # what is remembered of the last run: on which clusters it worked, with which settings
SECRET_BYTES = 32
DYING_SECONDS = 3.0
# Nothing is fetched behind a person's back; what the caller's environment says stays.
SETTINGS = {"PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
# An update takes back by itself what a person's kubectl changed; a preview, which writes nothing, has to be told, or it fails where the update would not.
FORCED = {"PULUMI_K8S_ENABLE_PATCH_FORCE": "true"}

Say = Callable[[str], None]
Operation = Literal["up", "preview", "destroy"]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Outcome:
    """What a run did: how many resources by kind of change, each change as a line, the outputs, and how long it took (seconds)."""

    counts: Mapping[str, int]
    changed: Sequence[str]
    seconds: float
    outputs: Mapping[str, Any] = field(default_factory=dict)


def root() -> Path:
    """Return the directory of Pulumi's state on this machine."""
    return paths.home() / "pulumi"


def kept_secret(name: str) -> Path:
    """Return the file of a secret that is made once (64 hexadecimal characters) and only its owner may read."""
    root().mkdir(parents=True, exist_ok=True, mode=0o700)
    return programs.place(root() / name, randomness.token_hex(SECRET_BYTES), mode=0o600)


def environment() -> dict[str, str]:
    """Return what the CLI is told beside the caller's environment: state in files, a passphrase, no downloads. The caller's own choices stay."""
    told = {key: value for key, value in SETTINGS.items() if key not in os.environ}
    if "PULUMI_BACKEND_URL" not in os.environ:
        state = root() / "state"
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        told["PULUMI_BACKEND_URL"] = f"file://{state}"
    if not os.environ.keys() & {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}:
        told["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(kept_secret("passphrase"))
    return told


class Stack:
    """One stack of one project, which is read and never written to: salt and secrets lie in a stack file of this machine's.

    `directory` is where that lies, below `root()`; `title` is what errors call the stack. Several stacks may be worked on at once; of two runs
    on one stack the second is refused. `packs` are policy packs: directories.
    """

    def __init__(self, name: str, project: Path, *, directory: str, title: str, packs: Sequence[Path] = ()) -> None:
        self.name, self.project, self.title = name, project, title
        self.directory = root() / directory
        self.file = self.directory / stack_file(name)
        self.packs = [str(pack) for pack in packs]

    def secrets(self) -> Mapping[str, str]:
        """Return the keys of the stack's configuration that hold a secret made on this machine, each with the name of that secret."""
        return {}

    def prepare(self, say: Say) -> None:
        """Make the stack ready to run. Raises LocalError."""
        self.committed()
        self._release(say)
        paths.write(self.directory / "Pulumi.yaml", (self.project / "Pulumi.yaml").read_text(encoding="utf-8"))
        kept = self._keep_secrets_only()
        if not self.has_state():
            self._asked(self._selected)
        for key, name in self.secrets().items():
            if key not in kept:
                self._set_secret(key, kept_secret(name).read_text(encoding="utf-8"))

    def settle(self, uid: str, say: Say) -> None:
        """Forget the state when the stack's cluster is another than at the last run: what it held went with it."""
        known = self.recorded("cluster")
        if known and known != uid:
            say(f"the cluster of {self.title} is another than before: forgetting the state of the old one")
            self.forget()
        self.record("cluster", uid)

    def run(
        self, operation: Operation, say: Say, options: Mapping[str, bool] | None = None, *, more: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run one operation of a stack that is ready, telling its progress line by line. Raises LocalError with the reasons it gave.

        `options` are the Automation API's (`refresh`, `run_program`); `more` is added to the environment.
        """
        started, listener = time.monotonic(), Listener(say, dry_run=operation == "preview")
        stack = self._asked(self._selected)
        workspace = stack.workspace
        asked = FORCED if operation == "preview" else {}
        workspace.work_dir, workspace.env_vars = str(self.project), {**environment(), **asked, **(more or {})}
        runs: Mapping[Operation, Callable[..., Any]] = {
            "up": partial(stack.up, policy_packs=self.packs, show_secrets=False),
            "preview": partial(stack.preview, policy_packs=self.packs),
            "destroy": partial(stack.destroy, show_secrets=False),
        }
        settings: dict[str, Any] = {"config_file": str(self.file), "color": "never", **(options or {})}
        refused = Listener(lambda _line: None, dry_run=True)
        try:
            if operation == "destroy":  # by itself it begins with what it may delete, and only then comes to what is protected
                stack.preview_destroy(on_event=refused.hear, **settings)
            runs[operation](on_event=listener.hear, **settings)
        except CommandError as error:
            reasons = "\n".join([*refused.errors, *listener.errors]) or str(error).strip()[-2000:]
            raise LocalError(f"pulumi {operation} of {self.title} failed:\n{reasons}", remedy(reasons)) from error
        return Outcome(listener.counts, tuple(listener.changed), time.monotonic() - started, listener.outputs)

    def forget(self) -> None:
        """Forget the stack's state; nothing on any cluster is touched. The secrets in its file stay."""
        self._release(lambda _line: None)
        if self.directory.is_dir():
            with suppress(StackNotFoundError):
                self._asked(lambda: self._workspace().remove_stack(self.name, force=True, preserve_config=True))
        for what in RECORDS:
            (self.directory / what).unlink(missing_ok=True)

    def record(self, what: str, text: str) -> None:
        """Remember something about the last run, one of `RECORDS`, beside the stack; `forget` drops it."""
        paths.write(self.directory / what, text, mode=0o600)

    def recorded(self, what: str) -> str:
        """Return what was remembered, or nothing."""
        file = self.directory / what
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def committed(self) -> dict[str, Any]:
        """Return the configuration in the committed stack file. Raises LocalError."""
        file = self.project / stack_file(self.name)
        try:
            config = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]
        except OSError as error:
            raise LocalError(
                f"there is no {self.title}: {file}: {error.strerror}", "Write the file; that of another stack shows how."
            ) from error
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise LocalError(f"{file} holds no `config` mapping", "Write it as in the file of another stack.") from error
        return dict(config)

    def has_state(self) -> bool:
        """Return whether the state is known to be there; that of a backend of the caller's own is not looked for."""
        own = str(root()) in {**os.environ, **environment()}["PULUMI_BACKEND_URL"]
        return own and (root() / "state" / ".pulumi" / "stacks" / self._project_name() / f"{self.name}.json").is_file()

    def checkpoint(self) -> dict[str, Any]:
        """Return the stack's state. Its secrets stay encrypted, which they do not in what the Automation API exports."""
        workspace = self._workspace()
        words = ["stack", "export", "--stack", self.name]
        done = self._asked(lambda: workspace.pulumi_command.run(words, workspace.work_dir, workspace.env_vars))
        exported: dict[str, Any] = json.loads(done.stdout)
        return exported

    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Put a state in the place of the present one."""
        state = automation.Deployment(version=checkpoint["version"], deployment=dict(checkpoint["deployment"]))
        self._asked(lambda: self._workspace().import_stack(self.name, state))

    def environment(self) -> dict[str, str]:
        """Return what makes `pulumi` by hand, in the project's directory, work on this stack as `run` does. Raises LocalError."""
        found = programs.directory() / "bin"
        chosen = {"PULUMI_STACK": self.name, "PULUMI_OPTION_CONFIG_FILE": str(self.file), "PULUMI_OPTION_POLICY_PACK": ",".join(self.packs)}
        return {"PATH": os.pathsep.join([str(found), os.environ["PATH"]]), **environment(), **{k: v for k, v in chosen.items() if v}}

    def _workspace(self) -> automation.LocalWorkspace:
        """Return the workspace of what is this machine's; a run then turns to the project."""
        command = automation.PulumiCommand(root=str(programs.directory()))
        return automation.LocalWorkspace(work_dir=str(self.directory), env_vars=environment(), pulumi_command=command)

    def _selected(self) -> automation.Stack:
        return automation.Stack.create_or_select(self.name, self._workspace())

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except StackNotFoundError:
            raise
        except CommandError as error:
            raise LocalError(f"pulumi failed on {self.title}: {str(error).strip()}", f"The state lies in {root()}.") from error

    def _project_name(self) -> str:
        """Return the project's name, under which the CLI files states and locks."""
        file = self.project / "Pulumi.yaml"
        return str(yaml.safe_load(file.read_text(encoding="utf-8"))["name"]) if file.is_file() else "*"

    def _release(self, say: Say) -> None:
        """Take away the locks of runs that were killed, as their process is gone; refuse to start beside one that lives."""
        for file in root().glob(f"state/.pulumi/locks/*/{self._project_name()}/{self.name}/*.json"):
            lock = json.loads(file.read_text(encoding="utf-8"))
            # What was killed a moment ago is still listed until its last thread and then its entry are gone.
            if lock.get("hostname") != socket.gethostname() or not within(DYING_SECONDS, lambda pid=int(lock["pid"]): not alive(pid)):  # type: ignore[misc]
                raise LocalError(
                    f"another run works on {self.title}: process {lock.get('pid')} on {lock.get('hostname')}",
                    f"Wait for it. If it is gone for good, delete {file}.",
                )
            say(f"an earlier run on {self.title} was killed: taking its lock away")
            file.unlink()

    def _keep_secrets_only(self) -> Mapping[str, Any]:
        """Return the secrets in this machine's stack file, which from now on holds nothing else but the salt: settings are read where they are committed."""
        old = yaml.safe_load(self.file.read_text(encoding="utf-8")) if self.file.is_file() else None
        config = (old or {}).get("config") or {}
        kept = {key: value for key, value in config.items() if isinstance(value, Mapping) and "secure" in value}
        if old is None or kept != config:
            paths.write(self.file, yaml.safe_dump({**(old or {}), "config": kept}, sort_keys=False), mode=0o600)
        return kept

    def _set_secret(self, key: str, value: str) -> None:
        """Put a secret into the stack file through standard input: the Automation API would show it to whoever lists processes."""
        command = [
            str(programs.directory() / "bin" / "pulumi"),
            "config",
            "set",
            "--secret",
            key,
            "--stack",
            self.name,
            "--non-interactive",
        ]
        told = {**os.environ, **environment()}
        done = subprocess.run(command, cwd=self.directory, env=told, input=value, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LocalError(f"pulumi could not keep {key} of {self.title}: {done.stderr.strip()}", f"The state lies in {root()}.")


def remedy(reasons: str) -> str:
    """Return what to do about a run that failed for these reasons. Pure."""
    if re.search(r'conflicts? with "pulumi-kubernetes-', reasons):
        return (
            "Fields of it were last written by a run that was killed before it could write that down. Run it once with "
            "PULUMI_K8S_ENABLE_PATCH_FORCE=true in the environment."
        )
    if re.search(r"Preview failed:.*(cannot change|are forbidden)", reasons):
        return "If the object is to be made again under its name, the plug-in cannot preview that: `up` deletes it first. Else correct what it names."
    return "Correct what it names and run it again."
