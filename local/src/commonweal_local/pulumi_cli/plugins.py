"""Which programs the engine finds: the CLI, the vendor's plug-ins where they are installed, else the stand-ins."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from commonweal_local import paths
from commonweal_local.failure import LocalError

STAND_INS = {
    "pulumi-language-python": "commonweal_local.pulumi_language",
    "pulumi-resource-kubernetes": "commonweal_local.pulumi_kubernetes",
}


def find_pulumi(environment: Mapping[str, str] | None = None) -> Path:
    """Return the CLI: from PATH, else from the cache of built tools. Raises LocalError."""
    env = os.environ if environment is None else environment
    built = paths.cache() / "bin"
    found = shutil.which("pulumi", path=env.get("PATH", "")) or shutil.which("pulumi", path=str(built))
    if not found:
        raise LocalError(f"the program pulumi is neither on PATH nor in {built}", "Build the tools (`make tools`), or install pulumi.")
    return Path(found)


def missing_plugins(pulumi: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the plug-ins that the vendor has not put on PATH, beside the CLI or into the Pulumi home."""
    places = os.pathsep.join([environment.get("PATH", ""), str(pulumi.resolve().parent)])
    home = Path(environment.get("PULUMI_HOME") or Path(environment.get("HOME", "~"), ".pulumi")).expanduser()
    installed = {
        "pulumi-language-python": [home / "bin" / "pulumi-language-python"],
        "pulumi-resource-kubernetes": sorted(home.glob("plugins/resource-kubernetes-v4.*/pulumi-resource-kubernetes")),
    }
    return [name for name in STAND_INS if not shutil.which(name, path=places) and not any(file.is_file() for file in installed[name])]


def stand_in_directory(names: list[str]) -> Path:
    """Return a directory with a script for each of these stand-ins, which run with this very interpreter."""
    scripts = {name: f'#!/bin/sh\nexec "{sys.executable}" -P -m {STAND_INS[name]} "$@"\n' for name in sorted(names)}
    key = hashlib.sha256("\n".join([*scripts, *scripts.values()]).encode()).hexdigest()[:12]
    directory = paths.cache() / "plugins" / key
    for name, script in scripts.items():
        place(directory / name, script, mode=0o755)
    return directory


def place(file: Path, text: str, *, mode: int) -> Path:
    """Write a file whole unless it is there already; of several at once the first one wins, and all find the same text."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, encoding="utf-8") as draft:
            draft.write(text)
            draft.flush()
            os.fchmod(draft.fileno(), mode)
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, file)
    return file
