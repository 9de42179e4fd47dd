"""Definitions and webhooks of Cluster API and its providers, taken out of pinned Go modules into the cache."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress
from commonweal_local.toolchain import golang
from commonweal_stacks.management.upstream import UPSTREAM, Upstream, directory_of


def ensure(name: str, progress: Progress) -> Path:
    """The folder of the definitions of that name, fetched if need be; see `upstream.directory_of`. Raises LocalError."""
    if name not in UPSTREAM:
        raise LocalError(f"There are no definitions of {name!r}", f"There are those of {', '.join(UPSTREAM)}.")
    directory = directory_of(name)
    if directory.is_dir():
        return directory
    go = golang.ensure(progress)
    with paths.one_at_a_time(directory.parent):
        if not directory.is_dir():
            with progress.step(f"fetching the definitions of {directory.name}"):
                _take(_module(go, UPSTREAM[name], directory.parent), UPSTREAM[name], directory)
    return directory


def _module(go: Path, part: Upstream, empty: Path) -> Path:
    """The module's sources in Go's own cache; what the proxy sent must have the checksum that is written here."""
    said = golang.download(go, part.module, part.version, empty)
    if said["Sum"] != part.checksum:
        raise LocalError(
            f"The module proxy sent another {part.module} {part.version} ({said['Sum']}) than the one pinned here ({part.checksum})",
            "Do not use that proxy; set GOPROXY to one that you trust.",
        )
    return Path(said["Dir"])


def _take(module: Path, part: Upstream, directory: Path) -> None:
    """Copy what is needed, whole or not at all."""
    config = module / part.config
    draft = Path(tempfile.mkdtemp(dir=directory.parent))
    (draft / "crds").mkdir()
    for file in sorted((config / "crd" / "bases").glob("*.yaml")):
        shutil.copyfile(file, draft / "crds" / file.name)
    shutil.copyfile(config / "crd" / "kustomization.yaml", draft / "crds.kustomization.yaml")
    shutil.copyfile(module / "metadata.yaml", draft / "metadata.yaml")
    for source, name in ((config / "webhook" / "manifests.yaml", "webhooks.yaml"), (config / "rbac" / "role.yaml", "role.yaml")):
        if source.is_file():
            shutil.copyfile(source, draft / name)
    draft.chmod(0o755)
    draft.rename(directory)
