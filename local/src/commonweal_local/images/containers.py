"""A site's containerd: which images it has, and importing those that it lacks. Run inside the site."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from commonweal_local.exceptions import LocalError
from commonweal_local.shell import run

CTR = ("ctr", "--namespace", "k8s.io", "images")


def reference_of(archive: Path) -> str:
    """The name under which containerd will keep the image of an OCI archive."""
    return identity_of(archive)[0]


def identity_of(archive: Path) -> tuple[str, str]:
    """The name of the image in an OCI archive, and the digest of its manifest, which stands for its content."""
    try:
        with tarfile.open(archive) as tar:
            index = tar.extractfile("index.json")
            manifest = json.load(index)["manifests"][0] if index else {}
        return str(manifest["annotations"]["io.containerd.image.name"]), str(manifest["digest"])
    except (OSError, KeyError, IndexError, tarfile.TarError, ValueError) as error:
        raise LocalError(
            f"{archive} is not an OCI archive with a name in it ({error})", "`commonweal images` writes such archives."
        ) from error


def import_images(archives: Iterable[Path], inside: Sequence[str] = ()) -> list[str]:
    """Import what is not there yet and return the names of what was imported.

    Our names end in a digest of the content, so a name that is there is the same image. `inside` is a command that enters the site.
    """
    present = set(run(*inside, *CTR, "list", "--quiet").split())
    imported = []
    for archive in archives:
        name = reference_of(archive)
        if name not in present:
            run(*inside, *CTR, "import", archive)
            imported.append(name)
    return imported
