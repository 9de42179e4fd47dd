"""What is in each image and how it runs: the one list from which the archives made here and the Containerfiles come. Pure but for reading pyproject.toml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonweal_local.images import wheels

USER, USER_ID = "commonweal", 10001
LIBRARIES, OURS, ASSETS = "opt/commonweal/lib", "opt/commonweal/src", "opt/commonweal/portal"
SOURCES: Mapping[str, str] = {
    "commonweal_api": "crds/src",
    "commonweal_kube": "kube/src",
    "commonweal_operator": "operator/src",
    "commonweal_runtime": "runtime/src",
}
# What the code of each image imports besides its own package.
SHARED = ("commonweal_api", "commonweal_kube")
COMMAND = ("python3", "--version")
# Directories that a server writes to, with their modes.
SERVER_DIRECTORIES: Mapping[str, int] = {"var/lib/postgresql/data": 0o755, "run/postgresql": 0o1777}
# What libraries ask for and no process of an image imports: a quarter of what would be installed. A test starts the images' code without them.
UNUSED: Mapping[str, tuple[str, ...]] = {
    "the command line of litestar, but click, which uvicorn imports": ("markdown-it-py", "mdurl", "pygments", "rich", "rich-click"),
    "litestar's client for tests": ("certifi", "h11", "httpcore", "httpx"),
    "litestar's examples in OpenAPI documents of its own": ("faker", "polyfactory"),
    "litestar's plug-in for HTMX": ("litestar-htmx",),
    "cffi's reader of C, for extensions that are being built": ("pycparser",),
}
# The same, of one extra alone.
UNUSED_OF: Mapping[str, tuple[str, ...]] = {"operator": ("click",)}  # the command line of kopf


@dataclass(frozen=True)
class Versions:
    """The versions that decide names of packages and paths: `3.11`, `15`."""

    python: str
    postgres: str


# Of Debian 12, whose packages are what is tested.
BOOKWORM = Versions("3.11", "15")


@dataclass(frozen=True)
class Image:
    """One image: its extras of pyproject.toml, our packages, and whether a PostgreSQL server or the portal's style and script are in it."""

    name: str
    description: str
    extras: tuple[str, ...]
    packages: tuple[str, ...]
    server: bool = False
    pages: bool = False


IMAGES = (
    Image("operator", "The operator of Commonweal.", ("operator",), (*SHARED, "commonweal_operator")),
    Image(
        "runtime",
        "Data APIs and model runtimes of Commonweal.",
        ("runtime",),
        (*SHARED, "commonweal_runtime"),
    ),
    Image(
        "store",
        "PostgreSQL and the keeper of a department's store of Commonweal.",
        ("runtime", "store"),
        (*SHARED, "commonweal_runtime"),
        server=True,
    ),
    Image(
        "portal",
        "The pages for people and the small issuer of Commonweal.",
        ("runtime", "portal"),
        (*SHARED, "commonweal_runtime"),
        pages=True,
    ),
)


def base_packages(versions: Versions) -> tuple[str, ...]:
    """Return the Debian packages of every image."""
    return (f"python{versions.python}", "ca-certificates", "libstdc++6", "tzdata")


def server_packages(versions: Versions) -> tuple[str, ...]:
    """Return the Debian packages of a server. initdb starts its helpers through /bin/sh, hence dash; libc-bin has the locale C.UTF-8."""
    return (f"postgresql-{versions.postgres}", f"postgresql-client-{versions.postgres}", "dash", "libc-bin")


def environment(versions: Versions) -> dict[str, str]:
    """Return the variables of every image: our code is found, and nothing is written beside it."""
    return {
        "PATH": f"/usr/lib/postgresql/{versions.postgres}/bin:/usr/bin:/bin",
        "PYTHONPATH": f"/{OURS}:/{LIBRARIES}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",  # there are none, and looking for them reads the metadata of every package
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
    }


def labels(image: Image, pyproject: Path) -> dict[str, str]:
    """Return what an image says of itself, in OCI's words."""
    project = wheels.project(pyproject)
    said = {
        "title": f"{project['name']}-{image.name}",
        "description": image.description,
        "licenses": project["license"],
        "version": project["version"],
    }
    return {f"org.opencontainers.image.{key}": value for key, value in said.items()}


def unused(extras: Sequence[str]) -> frozenset[str]:
    """Return the names of the Python packages that are left out where these extras are installed."""
    own = (UNUSED_OF.get(extra, ()) for extra in extras)
    return frozenset(name for names in (*UNUSED.values(), *own) for name in names)


def trees(image: Image, root: Path) -> dict[str, Path]:
    """Return where each of our packages that an image holds lies, by its name."""
    return {name: root / SOURCES[name] / name for name in image.packages}
