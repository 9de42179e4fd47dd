"""What Python packages an image carries: those that its code imports, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from commonweal_local import paths
from commonweal_local.images import contents, wheels
from commonweal_local.images.contents import IMAGES, Image

PYPROJECT = paths.source() / "pyproject.toml"
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, name + "."):
        if not found.name.startswith("commonweal_runtime.portal"):  # an image of its own carries what the pages import
            importlib.import_module(found.name)
print(",".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""
IMPORT_THESE = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
# The entry points of the images whose package has parts for other images.
SERVICES = {"runtime": ("data_api", "models"), "portal": ("identity", "portal")}


def carried(image: Image) -> set[str]:
    """Return the names of the Python packages that an image carries."""
    pinned = [pin for extra in image.extras for pin in wheels.pins(wheels.extra(PYPROJECT, extra), without=contents.unused(image.extras))]
    return {pin.partition("==")[0] for pin in pinned}


@cache
def distributions() -> dict[str, set[str]]:
    return {module: {canonicalize_name(owner) for owner in owners} for module, owners in metadata.packages_distributions().items()}


def started(libraries: Path, image: Image, program: str, words: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run a program where nothing can be imported but the standard library, our code and what the image carries."""
    for name in carried(image):
        for top in {file.parts[0] for file in metadata.files(name) or []} - {"..", "__pycache__"}:
            (libraries / top).symlink_to(Path(str(metadata.distribution(name).locate_file(top))))
    ours = {str(paths.source() / source) for source in contents.SOURCES.values()}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([*sorted(ours), str(libraries)])}
    return subprocess.run([sys.executable, "-S", "-c", program, *words], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("image", [image for image in IMAGES if image.name not in SERVICES], ids=lambda image: image.name)
def test_an_image_carries_what_its_code_imports_and_nothing_else(image: Image, tmp_path: Path) -> None:
    # Of what images share, only what an image's own package imports.
    done = started(tmp_path, image, IMPORT_ALL, ["commonweal_api", image.packages[-1]])
    assert done.returncode == 0, done.stderr
    imported = {owner for module in done.stdout.strip().split(",") for owner in distributions().get(module, ())}
    assert carried(image) - imported == set(), "carried, and imported by nothing: name it in contents.UNUSED"


@pytest.mark.parametrize("name", SERVICES)
def test_the_services_of_an_image_start_with_what_it_carries(name: str, tmp_path: Path) -> None:
    (image,) = (image for image in IMAGES if image.name == name)
    parts = [f"commonweal_runtime.{service}.{part}" for service in SERVICES[name] for part in ("app", "__main__")]
    done = started(tmp_path, image, IMPORT_THESE, parts)
    assert done.returncode == 0, done.stderr


def test_what_is_left_out_is_asked_for_by_something_that_is_not() -> None:
    """A name that nothing asks for any more does not stay in the list."""
    by_extra = {e: {pin.partition("==")[0] for pin in wheels.pins(wheels.extra(PYPROJECT, e))} for image in IMAGES for e in image.extras}
    assert contents.unused(()) <= set().union(*by_extra.values())
    assert all(contents.unused([e]) - contents.unused(()) <= wanted for e, wanted in by_extra.items())


def test_leaving_out_a_package_leaves_out_what_only_that_one_needs() -> None:
    pinned = wheels.pins(["pyjwt[crypto]>=2"], without=("cryptography",))
    assert [pin.partition("==")[0] for pin in pinned if not pin.startswith("typing-extensions")] == ["pyjwt"]
