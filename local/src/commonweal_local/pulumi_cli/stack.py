"""A stack on this machine: its directory, its secrets, its state, and runs of the CLI on it."""

from __future__ import annotations

import json
import os
import secrets as randomness
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from commonweal_local import paths
from commonweal_local.failure import LocalError
from commonweal_local.pulumi_cli.events import Listener, follow
from commonweal_local.pulumi_cli.plugins import find_pulumi, missing_plugins, place, stand_in_directory
from commonweal_stacks.site import stack_file

PROJECT_FILES = ("Pulumi.yaml", "__main__.py")
RECORDS = ("cluster", "management")  # what is remembered of the last run: the identities of the clusters it worked on
SECRET_BYTES = 32
LOOK_AGAIN_SECONDS = 0.1

Say = Callable[[str], None]


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
    return place(root() / name, randomness.token_hex(SECRET_BYTES), mode=0o600)


def environment(pulumi: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the CLI's environment: state in files, a passphrase, no downloads, the stand-ins where the vendor's plug-ins are missing.

    What the caller's environment says about the backend and the passphrase stays.
    """
    env = dict(os.environ if base is None else base)
    if "PULUMI_BACKEND_URL" not in env:
        state = root() / "state"
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        env["PULUMI_BACKEND_URL"] = f"file://{state}"
    if "PULUMI_CONFIG_PASSPHRASE" not in env and "PULUMI_CONFIG_PASSPHRASE_FILE" not in env:
        env["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(kept_secret("passphrase"))
    env["PULUMI_DEBUG_COMMANDS"] = "true"  # without it the CLI has no --event-log
    env.setdefault("PULUMI_SKIP_UPDATE_CHECK", "true")
    env.setdefault("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")
    missing = missing_plugins(pulumi, env)
    if missing:
        env["PATH"] = os.pathsep.join([str(stand_in_directory(missing)), env.get("PATH", "")])
    return env


class Stack:
    """One stack of one project. The committed project is copied to a directory of this machine, and only the copy is ever written to.

    `directory` is where the copy lies, below `root()`; `title` is what errors call the stack. Several stacks may be worked on at once; of
    two runs on one stack the second is refused.
    """

    def __init__(self, name: str, project: Path, *, directory: str, title: str) -> None:
        self.name, self.project, self.title = name, project, title
        self.directory = root() / directory
        self.file = self.directory / stack_file(name)
        self._pulumi = find_pulumi()
        self._environment = environment(self._pulumi)

    def secrets(self) -> Mapping[str, str]:
        """Return the keys of the stack's configuration that hold a secret made on this machine, each with the name of that secret."""
        return {}

    def prepare(self, say: Say) -> None:
        """Make the stack ready to run. Raises LocalError."""
        committed = self.committed()
        self._release(say)
        self._refresh_copy(committed)
        if not self.has_state():
            self._command("stack", "select", "--create", self.name)
        self._keep_secrets()

    def settle(self, uid: str, say: Say) -> None:
        """Forget the state when the stack's cluster is another than at the last run: what it held went with it."""
        known = self.recorded("cluster")
        if known and known != uid:
            say(f"the cluster of {self.title} is another than before: forgetting the state of the old one")
            self.forget()
        self.record("cluster", uid)

    def run(self, operation: str, flags: Sequence[str], say: Say, environment: Mapping[str, str] | None = None) -> Outcome:
        """Run one operation of the CLI, telling its progress line by line. Raises LocalError with the reasons it gave."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="commonweal-pulumi-") as scratch:
            log, said = Path(scratch, "events.json"), Path(scratch, "output.txt")
            log.touch()
            listener = Listener(say, dry_run=operation == "preview")
            status = self._listen([operation, *flags, "--event-log", str(log)], log, said, listener, environment or {})
            output = said.read_text(encoding="utf-8", errors="replace")
        if status != 0:
            reasons = "\n".join(listener.errors) or output.strip()[-2000:]
            raise LocalError(f"pulumi {operation} of {self.title} failed:\n{reasons}", "Correct what it names and run it again.")
        return Outcome(listener.counts, tuple(listener.changed), time.monotonic() - started, listener.outputs)

    def forget(self) -> None:
        """Forget the stack's state; nothing on any cluster is touched. The secrets in its file stay."""
        self._release(lambda _line: None)
        if self.directory.is_dir():
            self._command("stack", "rm", self.name, "--yes", "--force", "--preserve-config", check=self.has_state())
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
        own = str(root()) in self._environment["PULUMI_BACKEND_URL"]
        return own and (root() / "state" / ".pulumi" / "stacks" / self._project_name() / f"{self.name}.json").is_file()

    def checkpoint(self) -> dict[str, Any]:
        """Return the stack's state as the CLI exports it; its secrets stay encrypted."""
        exported: dict[str, Any] = json.loads(self._command("stack", "export", "--stack", self.name))
        return exported

    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Put a state in the place of the present one."""
        self._command("stack", "import", "--stack", self.name, stdin=json.dumps(checkpoint))

    def _project_name(self) -> str:
        """Return the project's name, under which the CLI files states and locks."""
        file = self.project / "Pulumi.yaml"
        return str(yaml.safe_load(file.read_text(encoding="utf-8"))["name"]) if file.is_file() else "*"

    def _release(self, say: Say) -> None:
        """Take away the locks of runs that were killed, as their process is gone; refuse to start beside one that lives."""
        for file in root().glob(f"state/.pulumi/locks/*/{self._project_name()}/{self.name}/*.json"):
            lock = json.loads(file.read_text(encoding="utf-8"))
            if lock.get("hostname") != socket.gethostname() or Path("/proc", str(lock.get("pid"))).exists():
                raise LocalError(
                    f"another run works on {self.title}: process {lock.get('pid')} on {lock.get('hostname')}",
                    f"Wait for it. If it is gone for good, delete {file}.",
                )
            say(f"an earlier run on {self.title} was killed: taking its lock away")
            file.unlink()

    def _listen(self, arguments: Sequence[str], log: Path, said: Path, listener: Listener, more: Mapping[str, str]) -> int:
        command = [str(self._pulumi), *arguments, "--stack", self.name, "--non-interactive", "--color", "never", "--suppress-permalink"]
        env = {**self._environment, **more}
        with said.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=self.directory, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
            try:
                for event in follow(log, lambda: _ended(process)):
                    listener.hear(event)
            except BaseException:
                process.terminate()  # the engine then writes its state down and lets go of its lock
                process.wait()
                raise
            return process.wait()

    def _refresh_copy(self, committed: Mapping[str, Any]) -> None:
        """Bring the machine's copy up to date: settings from the committed file, secrets and salt from the copy."""
        for name in PROJECT_FILES:
            paths.write(self.directory / name, (self.project / name).read_text(encoding="utf-8"))
        old = yaml.safe_load(self.file.read_text(encoding="utf-8")) if self.file.is_file() else None
        kept = old or {}
        hidden = {key: value for key, value in (kept.get("config") or {}).items() if isinstance(value, Mapping) and "secure" in value}
        fresh = {**kept, "config": {**committed, **hidden}}
        if fresh != old:
            paths.write(self.file, yaml.safe_dump(fresh, sort_keys=False), mode=0o600)

    def _keep_secrets(self) -> None:
        """Give the stack those of its secrets that its file does not hold yet."""
        config = (yaml.safe_load(self.file.read_text(encoding="utf-8")) or {}).get("config") or {}
        for key, name in self.secrets().items():
            if key not in config:
                value = kept_secret(name).read_text(encoding="utf-8")
                self._command("config", "set", "--secret", key, "--stack", self.name, stdin=value)

    def _command(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        command = [str(self._pulumi), *arguments, "--non-interactive"]
        done = subprocess.run(command, cwd=self.directory, env=self._environment, input=stdin, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise LocalError(f"`pulumi {' '.join(arguments)}` failed: {done.stderr.strip()}", f"The state lies in {root()}.")
        return done.stdout


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(LOOK_AGAIN_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
