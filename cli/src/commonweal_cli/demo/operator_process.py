"""The operator as a process of this machine, for sites whose pods are simulated: the real program, with the site's own account for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import Kubectl
from commonweal_local import paths

SYSTEM = "commonweal-system"
NAME = "commonweal-operator"
STOP_SECONDS = 20


@contextmanager
def operator(cluster: Kubectl, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the operator of a site for the length of the block; what it says goes to `folder`/operator.log."""
    config = cluster.get("configmaps", NAME, SYSTEM)["data"]["config.yaml"]
    token = cluster.run("create", "token", NAME, "-n", SYSTEM, "--duration", "1h").strip()
    kubeconfig = json.loads(cluster.run("config", "view", "--raw", "--flatten", "-o", "json"))
    files = {"config.yaml": config, "kubeconfig": json.dumps(login(kubeconfig, token))}
    for name, text in files.items():
        paths.write(folder / name, text, mode=0o600)
    command = [sys.executable, "-m", "commonweal_operator", "--config", str(folder / "config.yaml")]
    command += ["--kubeconfig", str(folder / "kubeconfig"), "--probes", f"127.0.0.1:{_free_port()}"]
    with (folder / "operator.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PYTHONWARNINGS": "ignore"}
        )
    try:
        yield process
        if process.poll() is not None:
            raise KubectlError(f"{cluster.name}: the operator ended with {process.returncode}", f"Read {folder / 'operator.log'}.")
    finally:
        _stop(process)


def login(kubeconfig: dict[str, Any], token: str) -> dict[str, Any]:
    """Return the same kubeconfig with the operator's token instead of the administrator's certificate: its own rights, and no more."""
    context = kubeconfig["contexts"][0]
    return {
        **kubeconfig,
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": context["context"]["cluster"], "user": NAME}}],
        "current-context": NAME,
    }


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
