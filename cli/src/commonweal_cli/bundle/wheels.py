"""What Python and Debian packages the archive carries: exactly the versions that are installed or offered here."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from commonweal_local import debian, paths
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.images import locked, packages
from commonweal_local.images.wheels import extra, pins, plain
from commonweal_local.progress import Step
from commonweal_local.shell import run

INSTALLER = "pip"


def pinned() -> list[str]:
    """Return `name==version` of all that the command of this checkout needs, the demonstration included, and of pip, which installs it."""
    pyproject = paths.source() / "pyproject.toml"
    return pins([*plain(pyproject), *extra(pyproject, "demo"), INSTALLER])


def wheels(step: Step) -> list[Path]:
    """Return the wheel of each pinned package for this Python, fetched where the cache lacks it. Raises LocalError."""
    directory = paths.cache() / "bundle-wheels"
    directory.mkdir(parents=True, exist_ok=True)
    wanted = pinned()
    lacking = sorted(set(wanted) - _present(directory).keys())
    if lacking:
        step.update(f"fetching {len(lacking)} of {len(wanted)}")
        words = ["--quiet", "--require-hashes", "--no-deps", "--disable-pip-version-check", "--only-binary=:all:", f"--dest={directory}"]
        listed = directory / "requirements.txt"
        paths.write(listed, locked.requirements(lacking))
        try:
            run(sys.executable, "-m", "pip", "download", *words, f"--requirement={listed}")
        except CommandFailedError as error:
            raise LocalError(
                f"pip could not fetch the wheels of the bundle ({error})",
                "Check the package index that pip is configured for (`pip config list`).",
            ) from error
    found = _present(directory)
    return [found[pin] for pin in wanted]


def _present(directory: Path) -> dict[str, Path]:
    found = {}
    for file in sorted(directory.glob("*.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(file.name)
        except InvalidWheelFilename:
            continue
        found[f"{canonicalize_name(name)}=={version}"] = file
    return found


def debian_packages(step: Step) -> list[Path]:
    """Return the package files that sites need on a bare Debian, with all that those need; none where there is no apt. Raises LocalError."""
    if not debian.has_apt():
        return []
    step.update("asking apt what sites need")
    # As if nothing were installed: what is there already on the other machine is passed over when they are installed.
    bare = ("-o", "Dir::State::status=/dev/null", "--print-uris", "--quiet=2", "--yes", "--no-install-recommends")
    try:
        said = run("apt-get", *bare, "install", *(package.name for package in debian.SITE_PACKAGES))
    except CommandFailedError as error:
        raise LocalError(f"apt could not say what sites need ({error})", "Run `sudo apt-get update`, then repeat.") from error
    return packages.fetch(packages.resolve(_names(said)))


def _names(said: str) -> Iterable[str]:
    return sorted({line.split()[1].partition("_")[0] for line in said.splitlines() if line.startswith("'")})
