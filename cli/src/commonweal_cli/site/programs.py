"""The programs of a run: Pulumi's own where they are installed, else the toolchain's, and our language host."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from pathlib import Path

from commonweal_local import paths, toolchain
from commonweal_local.exceptions import LocalError

CLI, HOST, PLUGIN = "pulumi", "pulumi-language-python", "pulumi-resource-kubernetes"


def directory() -> Path:
    """Return a directory whose `bin` holds the CLI, and of the two plug-ins those that its engine would not find by itself. Raises LocalError.

    The engine looks for a plug-in on PATH, a language host beside itself as well, and a resource plug-in in the Pulumi home, there in exactly the
    version of the SDK.
    """
    cli = _tool(CLI)
    links = {CLI: cli}
    if not shutil.which(PLUGIN) and not _in_home().is_file():
        links[PLUGIN] = _tool(PLUGIN)
    host = (
        ""
        if shutil.which(HOST) or (cli.resolve().parent / HOST).is_file()
        else f'#!/bin/sh\nexec "{sys.executable}" -P -m commonweal_local.standins.language "$@"\n'
    )
    key = hashlib.sha256("\n".join([host, *map(str, links.values())]).encode()).hexdigest()[:12]
    made = paths.cache() / "pulumi" / key
    for name, target in links.items():
        link(made / "bin" / name, target)
    if host:
        place(made / "bin" / HOST, host, mode=0o755)
    return made


def _tool(name: str) -> Path:
    tool = toolchain.find(name)
    if tool is None:
        raise LocalError(f"the program {name} is neither on PATH nor built", "Build the tools (`commonweal tools`), or install Pulumi.")
    return tool.path


def _in_home() -> Path:
    """Return where `pulumi plugin install` puts the plug-in of this SDK."""
    home = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    return home / "plugins" / f"resource-kubernetes-v{importlib.metadata.version('pulumi-kubernetes')}" / PLUGIN


def link(place: Path, target: Path) -> None:
    """Make a link unless there is one; of several at once the first one wins."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        place.symlink_to(target)


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
