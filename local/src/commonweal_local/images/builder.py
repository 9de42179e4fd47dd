"""Building the images: each layer once per content, each image once per set of layers."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from commonweal_local import paths, portal_assets
from commonweal_local.exceptions import LocalError
from commonweal_local.images import oci, recipes, selection, unpacked
from commonweal_local.images.archives import archive_path, bill_path
from commonweal_local.images.contents import IMAGES, Image
from commonweal_local.images.selection import Selection
from commonweal_local.progress import Progress

REPOSITORY = "localhost/commonweal"
TAG_LENGTH = 16
KEPT_SECONDS = 3600
# In a cache that came out of a bundle: the images that the bundle brought. They are used as they are, for nothing can be fetched to make others.
OPENED = "opened.json"


def build(progress: Progress) -> dict[str, str]:
    """Make every image that is not there yet, write `images.json`, and return it: `{"operator": reference, ...}`.

    The tag is a digest of the content. Nothing is made twice; archives that no image has needed for an hour are removed. In a cache that came out of a
    bundle nothing is made at all.
    """
    if (paths.cache() / "images" / OPENED).is_file():
        paths.write(paths.images_file(), (paths.cache() / "images" / OPENED).read_text(encoding="utf-8"))
        return built()
    with paths.one_at_a_time(paths.cache() / "images"):  # two builds would do the same work twice
        with progress.step("images: versions of Debian packages"):
            chosen = selection.select()
        portal_assets.assets(progress)
        made = {title: _layer(layer, progress) for title, layer in recipes.layers(chosen).items()}
        references = {image.name: _image(image, made, chosen, progress) for image in IMAGES}
        _prune()
        paths.write(paths.images_file(), references)
    return references


def build_for_sites(progress: Progress) -> dict[str, str]:
    """As `build`; then unpack the images, where that can be done, so that no site of this machine has to do it by itself."""
    references = build(progress)
    unpacked.make([archive_path(reference) for reference in references.values()], progress)
    return references


def built() -> dict[str, str]:
    """The references of `images.json`; raises LocalError when images were never built, or their archives are gone."""
    try:
        references = {str(name): str(value) for name, value in json.loads(paths.images_file().read_text()).items()}
    except OSError as error:
        raise LocalError(f"There is no {paths.images_file()}", "`commonweal images` builds the images.") from error
    for reference in references.values():
        if not archive_path(reference).is_file():
            raise LocalError(f"The archive of {reference} is gone ({archive_path(reference)})", "`commonweal images` builds it again.")
    return references


def _layer(layer: recipes.Layer, progress: Progress) -> Path:
    key = hashlib.sha256("\n".join([recipes.EDITION, *layer.key]).encode()).hexdigest()[:TAG_LENGTH]
    out = paths.cache() / "images" / "layers" / f"{layer.title}-{key}.tar.gz"
    if not out.exists():
        with progress.step(f"image layer {layer.title}"):
            tree = oci.Tree()
            layer.fill(tree)
            tree.write(out)
    return _used(out)


def _image(image: Image, made: Mapping[str, Path], chosen: Selection, progress: Progress) -> str:
    layers, config = [made[title] for title in recipes.layers_of(image)], recipes.configuration(image, chosen)
    reference = f"{REPOSITORY}/{image.name}:{oci.digest_of(layers, config)[:TAG_LENGTH]}"
    if not archive_path(reference).exists():
        with progress.step(f"image {reference}"):
            oci.write_archive(archive_path(reference), reference, layers, config)
    paths.write(bill_path(reference), recipes.bill_of(image, chosen))
    for file in (archive_path(reference), *map(oci.beside, layers)):
        _used(file)
    return reference


def _used(file: Path) -> Path:
    """Note that the file is in use now, for `_prune`."""
    os.utime(file)
    return file


def _prune() -> None:
    """Remove what no build has used for an hour: each change of code would leave a hundred megabytes."""
    directory = paths.cache() / "images"
    for file in [*directory.glob("*.tar"), *directory.glob("*.cdx.json"), *(directory / "layers").iterdir()]:
        if time.time() - file.stat().st_mtime > KEPT_SECONDS:
            file.unlink()
    unpacked.prune(KEPT_SECONDS)
