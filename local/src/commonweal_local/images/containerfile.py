"""`images/<name>/Containerfile`, made from the list in `contents`, for whoever has a container engine.

python -m commonweal_local.images.containerfile [--check]
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from commonweal_api.generated import write_or_check
from commonweal_local import paths
from commonweal_local.images import contents
from commonweal_local.images.contents import ASSETS, BOOKWORM, LIBRARIES, OURS, SOURCES, USER, USER_ID, Image

BASE = "debian:12-slim"
COMMAND = "python -m commonweal_local.images.containerfile"
MADE = f"# Made from local/src/commonweal_local/images/contents.py by `{COMMAND}`; change that, not this file."
COMPILER = "local/src/commonweal_local"
BUILD, LOCK = "/opt/build", "/opt/requirements.txt"
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
LISTS = "rm -rf /var/lib/apt/lists/*"


def text(image: Image, root: Path) -> str:
    """Return the Containerfile of an image, to be built with the repository as its context."""
    pyproject = root / "pyproject.toml"
    copied = [f"COPY {SOURCES[name]}/{name} /{OURS}/{name}" for name in image.packages]
    compiled = f"python3 -m compileall -q -f --invalidation-mode unchecked-hash /{OURS}"
    lines = [
        MADE,
        f"# In the repository's root: podman build --file images/{image.name}/Containerfile --tag commonweal/{image.name} .",
        f"# A digest pins the base: --build-arg BASE={BASE}@sha256:...",
        f"ARG BASE={BASE}",
        "",
        "FROM ${BASE} AS python",
        _run(*_installed(contents.base_packages(BOOKWORM)), f"ln -s python{BOOKWORM.python} /usr/bin/python3"),
        "",
        "FROM python AS build",
        _run(*_installed([f"python{BOOKWORM.python}-venv"])),
        _run(f"python3 -m venv {BUILD}"),
        f"COPY {_lock(image)} {LOCK}",
        _run(f"{BUILD}/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary=:all: --requirement {LOCK}"),
        "# Nothing in the image imports these.",
        _run(_words(f"{BUILD}/bin/pip uninstall --yes", sorted(contents.unused(image.extras) | {"pip", "setuptools"}))),
        *copied,
        _run(compiled),
        "",
        *(_assets() if image.pages else []),
        "FROM python",
        *([_run(*_server())] if image.server else []),
        _run(*_user()),
        f"COPY --from=build {BUILD}/lib/python{BOOKWORM.python}/site-packages /{LIBRARIES}",
        f"COPY --from=build /{OURS} /{OURS}",
        *([f"COPY --from=assets /{ASSETS} /{ASSETS}"] if image.pages else []),
        _pairs("ENV", contents.environment(BOOKWORM)),
        _pairs("LABEL", contents.labels(image, pyproject)),
        f"USER {USER_ID}:{USER_ID}",
        f"CMD {json.dumps(contents.COMMAND)}",
        "",
    ]
    return "\n".join(lines)


def _assets() -> list[str]:
    """Return the stage that compiles the portal's style and script, by the program that does it for the archives; npm checks every package's digest."""
    return [
        "FROM python AS assets",
        _run(*_installed(["nodejs", "npm"])),
        f"COPY {COMPILER} /opt/{COMPILER}",
        _run(f"PYTHONPATH=/opt/{COMPILER.rpartition('/')[0]} python3 -m commonweal_local.portal_assets /{ASSETS}"),
        "",
    ]


def ignored() -> str:
    """Return .containerignore: an engine is given what the Containerfiles copy, and nothing else."""
    copied = sorted({f"{SOURCES[name]}/{name}" for image in contents.IMAGES for name in image.packages})
    locks = sorted(_lock(image) for image in contents.IMAGES)
    return "\n".join([MADE, "**", *(f"!{path}" for path in (*copied, COMPILER, *locks)), "**/__pycache__", ""])


def rendered(root: Path) -> dict[Path, str]:
    """Return the text of each file that is made from the list."""
    made = {root / "images" / image.name / "Containerfile": text(image, root) for image in contents.IMAGES}
    return {**made, root / ".containerignore": ignored()}


def _lock(image: Image) -> str:
    return f"requirements/{image.name}.txt"


def _run(*steps: str) -> str:
    return "RUN " + " \\\n    && ".join(steps)


def _words(command: str, words: Iterable[str]) -> str:
    return " \\\n        ".join([command, *map(shlex.quote, words)])


def _pairs(instruction: str, pairs: dict[str, str]) -> str:
    return f"{instruction} " + " \\\n    ".join(f"{key}={json.dumps(value)}" for key, value in pairs.items())


def _installed(packages: Iterable[str]) -> list[str]:
    return ["apt-get update", f"{INSTALL} {' '.join(packages)}", LISTS]


def _server() -> list[str]:
    """Return the steps that install PostgreSQL, without the database that Debian's scripts would make."""
    directories = [f"install -d -m {mode:o} /{path}" for path, mode in contents.SERVER_DIRECTORIES.items()]
    return [
        "mkdir -p /etc/postgresql-common",
        "echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf",
        *_installed(["--option Dpkg::Options::=--force-confold", *contents.server_packages(BOOKWORM)]),
        *directories,
    ]


def _user() -> list[str]:
    """Return the steps that make the user, and take from every program the right to be somebody else."""
    return [
        f"groupadd --gid {USER_ID} {USER}",
        f"useradd --uid {USER_ID} --gid {USER_ID} --home-dir /tmp --no-create-home --shell /usr/sbin/nologin {USER}",
        "find / -xdev -type f -perm /6000 -exec chmod a-s {} +",
    ]


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with `--check` say which is not as it would be written."""
    return write_or_check(rendered(paths.source()), arguments, COMMAND)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
