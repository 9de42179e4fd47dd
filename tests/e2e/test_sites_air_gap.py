"""A site comes up with the network off: in a namespace without a route, from one archive, with fresh homes and caches."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from commonweal_api.signatures import public_key
from commonweal_cli.bundle.command import make
from commonweal_local.progress import Silent

SITE = "airgap"
SEED = bytes(range(32))
NAMESPACE = f"commonweal-gap-{os.getpid()}"
# Documentation's own network (RFC 5737): nobody is there, and with a route the answer would be another than that there is none.
NOWHERE = "import socket; socket.create_connection(('192.0.2.1', 443), 5)"
SECONDS = 420


@dataclass(frozen=True)
class Gap:
    """A machine without a network: commands run there with nothing of this user's environment."""

    directory: Path

    @property
    def opened(self) -> Path:
        return self.directory / "opened"

    @property
    def kubeconfig(self) -> Path:
        return self.opened / "home" / "sites" / SITE / "kubeconfig"

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program behind the gap to its end."""
        home = self.directory / "user"
        home.mkdir(exist_ok=True)
        environment = {"HOME": str(home), "PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        command = ["nsenter", f"--net=/run/netns/{NAMESPACE}", "--", *map(str, words)]
        return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False, timeout=SECONDS)

    def must(self, *words: str | Path) -> str:
        done = self.run(*words)
        assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def commonweal(self, *words: str | Path) -> str:
        return self.must(self.opened / "commonweal", *words)

    def kubectl(self, *words: str) -> str:
        return self.must(self.opened / "cache" / "bin" / "kubectl", "--kubeconfig", self.kubeconfig, *words)


@pytest.fixture(scope="module")
def gap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gap]:
    """The archive, made here where there may be a network, and opened where there is none."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root; run the tests with sudo")
    directory = tmp_path_factory.mktemp("gap")
    found = Gap(directory)
    bundle, key = directory / "bundle.tar", directory / "key.pub"
    key.write_text(public_key(SEED).hex())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMMONWEAL_HOME", str(directory / "maker"))
        make(bundle, SEED, Silent())
    _ip("netns", "add", NAMESPACE)
    try:
        _ip("-n", NAMESPACE, "link", "set", "lo", "up")
        found.must(sys.executable, "-P", "-m", "commonweal_cli", "bundle", "open", bundle, "--key", key, "--into", found.opened)
        bundle.unlink()
        yield found
        _end(found)
    finally:
        _ip("netns", "del", NAMESPACE)
        shutil.rmtree(directory, ignore_errors=True)


def _end(gap: Gap) -> None:
    for words in (("management", "down"), ("local", "down")):
        gap.commonweal(*words)
    assert json.loads(gap.commonweal("local", "status", "--json")) == []


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def test_behind_the_gap_there_is_no_way_out(gap: Gap) -> None:
    """What the other tests rest on: whoever reaches for the network there fails at once."""
    done = gap.run(sys.executable, "-c", NOWHERE)
    assert done.returncode != 0
    assert os.strerror(errno.ENETUNREACH) in done.stderr
    assert gap.must("ip", "route").strip() == ""


def test_the_environment_is_made_of_the_archive_alone(gap: Gap) -> None:
    python = gap.opened / "env" / "bin" / "python"
    said = gap.must(python, "-c", "import commonweal_local, pulumi; print(commonweal_local.__file__, pulumi.__file__)")
    assert all(Path(file).is_relative_to(gap.opened) for file in said.split())
    assert "No broken requirements found." in gap.must(python, "-m", "pip", "check")


def test_a_site_comes_up_with_its_platform(gap: Gap) -> None:
    _declare(gap.opened / "checkout" / "stacks" / "site")
    try:
        gap.commonweal("management", "up")
        gap.commonweal("site", "up", SITE)
        deployments = json.loads(gap.kubectl("get", "deployments", "-n", "commonweal-system", "-o", "json"))["items"]
        assert {d["metadata"]["name"]: d["status"].get("availableReplicas") for d in deployments} == {
            "commonweal-operator": 1,
            "identity": 2,
            "portal": 2,
        }
        brought = set(json.loads((gap.opened / "home" / "images.json").read_text()).values())
        running = {c["image"] for d in deployments for c in d["spec"]["template"]["spec"]["containers"]}
        assert running <= brought
    except AssertionError:
        print(_last_words(gap.opened / "home"))
        raise


def _declare(stacks: Path) -> None:
    """Write the site's stack file as a person would: that of another site, with another name."""
    content = yaml.safe_load((stacks / "Pulumi.onprem.yaml").read_text())
    content["config"]["commonweal:site"]["name"] = SITE
    (stacks / f"Pulumi.{SITE}.yaml").write_text(yaml.safe_dump(content))


def _last_words(home: Path) -> str:
    logs: Sequence[Path] = sorted(home.rglob("*.log"))
    return "\n".join(f"--- {log}\n{log.read_text(errors='replace')[-800:]}" for log in logs)
