"""Where the archive of an image lies, by its reference."""

from __future__ import annotations

from pathlib import Path

from commonweal_local import paths
from commonweal_local.exceptions import LocalError


def archive_path(reference: str) -> Path:
    """`localhost/commonweal/store:TAG` -> the archive in the cache."""
    name, _, tag = reference.rpartition("/")[2].partition(":")
    return paths.cache() / "images" / f"{name}-{tag}.tar"


def bill_path(reference: str) -> Path:
    """Return where the bill of materials of an image lies: beside its archive."""
    return archive_path(reference).with_suffix(".cdx.json")


def archive_of(image: str | Path) -> Path:
    """The archive of an image given as a reference, or as the archive itself; raises LocalError when there is none."""
    is_reference = isinstance(image, str) and image.startswith("localhost/")
    archive = archive_path(str(image)) if is_reference else Path(image)
    if not archive.is_file():
        raise LocalError(f"There is no archive of {image} ({archive})", "`commonweal images` builds the images.")
    return archive
