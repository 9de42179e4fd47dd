"""A machine that lacks something: this one, seen from a mount namespace in which files are gone. Outside of it nothing changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from commonweal_local import doctor
from commonweal_local.machine import SYSTEM_PATH
from commonweal_local.toolchain.golang import USUAL_PLACES

ROOT = Path(__file__).resolve().parents[3]
NOBODY = 65534
# Where a private copy of `/usr/sbin` is always laid over it: what writes there (the policy that keeps services from starting) writes to the copy.
ALWAYS = Path("/usr/sbin")
PACKAGES = (
    "commonweal_api",
    "commonweal_kube",
    "commonweal_operator",
    "commonweal_runtime",
    "commonweal_stacks",
    "commonweal_local",
    "commonweal_cli",
)
CGROUPS = "/sys/fs/cgroup"

# Notes what it was asked, and has the real one say whether it could do that. Nothing is fetched; what is "installed" is what was hidden, or nothing.
APT_GET = """#!/bin/sh
echo "$@" >> {stage}/asked
echo "no_proxy=$no_proxy" >> {stage}/asked.environment
case "$*" in *install*)
  {real} --simulate "$@" || exit
  [ ! -d {stage}/kept ] || cp -a {stage}/kept/. /
esac
"""

# Both in one process: what takes time is importing. Each is the command as a person starts it, but for the name of the program.
COMMANDS = """
import sys
from commonweal_cli import main
for command in sys.argv[1:]:
    sys.argv[1:] = command.split()
    code = main.main()
    print(f"== {command} ended with {code}", file=sys.stderr, flush=True)
"""

# With processes and a network of its own, too: what other tests run beside it is none of this machine's, and nothing can be fetched.
ALONE = ("unshare", "--mount", "--net", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")


@dataclass(frozen=True)
class Told:
    """What the commands said on each stream, and what apt-get was asked."""

    out: str
    err: str
    asked: Sequence[str]
    environment: str

    @property
    def all(self) -> str:
        return self.out + self.err

    def findings(self) -> dict[str, str]:
        """Return the doctor's lines by subject."""
        subjects = [*(one.subject for one in doctor.looks(as_root=True)), "Go"]
        return {subject: line for line in self.out.splitlines() for subject in subjects if line[8:].startswith(f"{subject}: ")}


@dataclass
class Machine:
    """What is different from the machine that the test runs on. `lines` are shell, run as root before anything else is started."""

    stage: Path
    hidden: list[Path] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    brought: list[Path] = field(default_factory=list)
    unset: tuple[str, ...] = ()

    def without(self, *programs: str) -> Machine:
        """Hide programs wherever PATH, or the path of administrators, has them."""
        places = dict.fromkeys(Path(place) for place in [*os.environ["PATH"].split(":"), *SYSTEM_PATH.split(":"), *USUAL_PLACES] if place)
        return self.without_files(place / name for name in programs for place in places)

    def without_files(self, files: Iterable[Path]) -> Machine:
        """Hide these entries of their directories."""
        found = [file.parent.resolve() / file.name for file in files if os.path.lexists(file)]
        self.hidden = list(dict.fromkeys([*self.hidden, *found]))
        return self

    def but(self, *lines: str, unset: Sequence[str] = (), **environment: str) -> Machine:
        """Change something else before the commands start."""
        self.lines += lines
        self.environment |= environment
        self.unset = (*self.unset, *unset)
        return self

    def getting_it_back(self) -> Machine:
        """Have apt-get bring back what has been hidden so far."""
        self.brought = list(self.hidden)
        return self

    def run(self, *commands: str, user: int = 0) -> Told:
        """Run commands of `commonweal` there, one after the other, whatever each ends with."""
        return self.started(sys.executable, "-c", COMMANDS, *commands, user=user)

    def started(self, *argv: str, user: int = 0, cwd: Path = ROOT) -> Told:
        """Run a program there."""
        self._apt_get()
        record = self.stage / "asked"
        as_user = [str(self.stage / "setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        for place in ("home", "cache", "user"):
            (self.stage / place).mkdir(exist_ok=True)
            os.chown(self.stage / place, user, user)
        done = subprocess.run(
            [*ALONE, "--", "sh", "-ec", self._script(), "sh", *as_user, *argv],
            env=self._environment(),
            capture_output=True,
            check=False,
            cwd=cwd,
        )
        assert (self.stage / "laid").exists(), done.stderr
        asked = record.read_text().splitlines() if record.exists() else []
        environment = Path(f"{record}.environment")
        said = [stream.decode(errors="surrogateescape") for stream in (done.stdout, done.stderr)]
        return Told(*said, asked, environment.read_text() if environment.exists() else "")

    def _script(self) -> str:
        """Lay a private copy over each directory that loses something; then hide, then change the rest."""
        layers = self.stage / "layers"
        steps = [
            "mkdir -p /run/netns",
            "mount -t tmpfs none /run/netns",
            f"mkdir -p {layers}",
            f"mount -t tmpfs none {layers}",
            f"cp $(command -v setpriv) {self.stage}/setpriv",
        ]
        for number, directory in enumerate(dict.fromkeys([ALWAYS, *(file.parent for file in self.hidden)])):
            up, work = f"{layers}/{number}", f"{layers}/{number}.work"
            steps += [f"mkdir {up} {work}", f"mount -t overlay -o lowerdir={directory},upperdir={up},workdir={work} overlay {directory}"]
        gone = " ".join(str(file) for file in self.hidden)
        if self.brought:
            relative = " ".join(str(file.relative_to("/")) for file in self.brought)
            steps += [f"mkdir {self.stage}/kept", f"(cd / && cp -a --parents {relative} {self.stage}/kept)"]
        # `rm` may be among what goes, and so may be anything that the rest uses.
        return "\n".join([*steps, *self.lines, f"touch {self.stage}/laid", f"rm -rf {gone}" if gone else "", 'exec "$@"'])

    def _apt_get(self) -> None:
        """Put the apt-get that only notes in front of the real one."""
        program = self.stage / "bin" / "apt-get"
        program.parent.mkdir(exist_ok=True)
        program.write_text(APT_GET.format(stage=self.stage, real=shutil.which("apt-get")))
        program.chmod(0o755)

    def _environment(self) -> Mapping[str, str]:
        ours = {
            "PATH": f"{self.stage / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.stage / "user"),
            "COMMONWEAL_HOME": str(self.stage / "home"),
            "COMMONWEAL_CACHE": str(self.stage / "cache"),
            "PYTHONPATH": ":".join(dict.fromkeys(map(_source_of, PACKAGES))),
            "PIP_NO_INDEX": "1",
            **self.environment,
        }
        kept = {name: value for name, value in os.environ.items() if name.startswith("LC_") or name == "LANG"}
        return {name: value for name, value in {**kept, **ours}.items() if name not in self.unset}


def _source_of(package: str) -> str:
    """Return the folder that a package of ours is imported from."""
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parents[1])
