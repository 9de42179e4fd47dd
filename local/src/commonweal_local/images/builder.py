"""Building the images: each layer once per content, each image once per set of layers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from commonweal_local import paths
from commonweal_local.failure import LocalError
from commonweal_local.images import oci, recipes
from commonweal_local.images.archives import archive_path
from commonweal_local.progress import Progress

REPOSITORY = "localhost/commonweal"
TAG_LENGTH = 16


def build(progress: Progress) -> dict[str, str]:
    """Make every image that is not there yet, write `images.json`, and return it: `{"operator": reference, ...}`.

    The tag is a digest of the content. Nothing is made twice; archives that no image needs any more are removed.
    """
    with progress.step("images: asking apt for versions"):
        offered = recipes.release()
        layers = recipes.layers(offered)
    made = {title: _layer(layer, progress) for title, layer in layers.items()}
    config = recipes.configuration(offered)
    references = {image.name: _image(image, made, config, progress) for image in recipes.IMAGES}
    _prune(references, made)
    paths.write(paths.images_file(), references)
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
    out = paths.cache() / "images" / "layers" / f"{layer.title}-{key}.tar"
    if not out.exists():
        with progress.step(f"image layer {layer.title}"):
            tree = oci.Tree()
            layer.fill(tree)
            tree.write(out)
    return out


def _image(image: recipes.Image, made: Mapping[str, Path], config: oci.Config, progress: Progress) -> str:
    layers = [made[title] for title in image.layers]
    reference = f"{REPOSITORY}/{image.name}:{oci.digest_of(layers, config)[:TAG_LENGTH]}"
    if not archive_path(reference).exists():
        with progress.step(f"image {reference}"):
            oci.write_archive(archive_path(reference), reference, layers, config)
    return reference


def _prune(references: Mapping[str, str], made: Mapping[str, Path]) -> None:
    """Remove what earlier builds left: with each change of code that would be a hundred megabytes."""
    wanted = {archive_path(reference) for reference in references.values()} | set(made.values())
    directory = paths.cache() / "images"
    for file in [*directory.glob("*.tar"), *(directory / "layers").glob("*.tar")]:
        if file not in wanted:
            file.unlink()
