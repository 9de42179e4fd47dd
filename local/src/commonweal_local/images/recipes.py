"""What is in each image: layers shared where they are equal, ours last because it changes most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonweal_local import paths
from commonweal_local.failure import LocalError
from commonweal_local.images import bytecode, packages, wheels
from commonweal_local.images.oci import Config, Tree
from commonweal_local.shell import CommandFailed, run

# Part of every layer's key: raise it when the code here changes what a layer holds.
EDITION = "1"
USER_ID = 10001
LIBRARIES, OURS = "opt/commonweal/lib", "opt/commonweal/src"
CERTIFICATES = "usr/share/ca-certificates/mozilla/"
PACKAGES = {"commonweal_api": "crds/src", "commonweal_operator": "operator/src", "commonweal_runtime": "runtime/src"}


@dataclass(frozen=True)
class Release:
    """The versions that this machine's apt offers: they decide paths in the images."""

    python: str
    postgres: str


@dataclass(frozen=True)
class Layer:
    """A layer that need not be made when one with the same key exists."""

    title: str
    key: Sequence[str]
    fill: Callable[[Tree], None]


@dataclass(frozen=True)
class Image:
    """Its name and the titles of its layers, bottom first."""

    name: str
    layers: Sequence[str]


IMAGES = (
    Image("operator", ("python", "libraries-operator", "code-operator")),
    Image("runtime", ("python", "libraries-runtime", "code-runtime")),
    Image("store", ("python", "libraries-runtime", "postgres", "code-runtime")),
)


def release() -> Release:
    """Ask apt which Python and PostgreSQL it offers."""
    return Release(_version_of("python3", "."), _version_of("postgresql", ""))


def layers(offered: Release) -> dict[str, Layer]:
    """Every layer by title; finding the keys asks apt and the environment, and fetches nothing."""
    python = packages.closure([f"python{offered.python}", "ca-certificates", "tzdata"])
    server = [name for name in packages.closure(_server(offered)) if name not in python]
    made = [
        _debian_layer("python", packages.resolve(python), lambda tree: _finish_python(tree, offered)),
        _debian_layer("postgres", packages.resolve(server), _finish_postgres),
    ]
    for group in ("operator", "runtime"):
        made += [_libraries(group, offered), _code(group, offered)]
    return {layer.title: layer for layer in made}


def configuration(offered: Release) -> Config:
    """How every image runs: as uid 10001, importing our code, writing no bytecode."""
    environment = {
        "PATH": f"/usr/lib/postgresql/{offered.postgres}/bin:/usr/bin:/bin",
        "PYTHONPATH": f"/{OURS}:/{LIBRARIES}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
    }
    return Config(environment=environment, command=("python3", "--version"), user=f"{USER_ID}:{USER_ID}")


def _server(offered: Release) -> list[str]:
    # initdb starts its helpers through /bin/sh, hence dash; libc-bin has the locale C.UTF-8.
    return [f"postgresql-{offered.postgres}", f"postgresql-client-{offered.postgres}", "dash", "libc-bin"]


def _debian_layer(title: str, wanted: Sequence[packages.Package], finish: Callable[[Tree], None]) -> Layer:
    def fill(tree: Tree) -> None:
        packages.unpack(packages.fetch(wanted), tree)
        finish(tree)

    return Layer(title, [package.sha256 for package in wanted], fill)


def _finish_python(tree: Tree, offered: Release) -> None:
    """What the packages' scripts would have done, and the bare system around them."""
    for name in packages.MERGED:
        tree.link(name, f"usr/{name}")
        tree.directory(f"usr/{name}")
    for name in ("proc", "sys", "dev", "etc", "opt", "run", "var"):
        tree.directory(name)
    tree.directory("tmp", mode=0o1777)
    tree.link("var/run", "/run")
    tree.link("usr/bin/python3", f"python{offered.python}")
    tree.file("etc/passwd", f"root:x:0:0:root:/:/sbin/nologin\ncommonweal:x:{USER_ID}:{USER_ID}:Commonweal:/tmp:/sbin/nologin\n".encode())
    tree.file("etc/group", f"root:x:0:\ncommonweal:x:{USER_ID}:\n".encode())
    tree.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    bundle = [content for path, content in sorted(tree.files().items()) if path.startswith(CERTIFICATES)]
    tree.file("etc/ssl/certs/ca-certificates.crt", b"".join(bundle))
    bytecode.compile_tree(tree, offered.python)


def _finish_postgres(tree: Tree) -> None:
    tree.link("usr/bin/sh", "dash")
    tree.directory("var/lib/postgresql/data")
    tree.directory("run/postgresql", mode=0o1777)


def _libraries(group: str, offered: Release) -> Layer:
    pinned = wheels.pins(wheels.group(paths.source() / "pyproject.toml", group))

    def fill(tree: Tree) -> None:
        wheels.add_to(tree, pinned, offered.python, LIBRARIES)
        bytecode.compile_tree(tree, offered.python)

    return Layer(f"libraries-{group}", [offered.python, *pinned], fill)


def _code(group: str, offered: Release) -> Layer:
    trees = {name: paths.source() / PACKAGES[name] / name for name in ("commonweal_api", f"commonweal_{group}")}

    def fill(tree: Tree) -> None:
        for name, directory in trees.items():
            tree.add_directory_tree(directory, f"{OURS}/{name}")
        bytecode.compile_tree(tree, offered.python)

    return Layer(f"code-{group}", [offered.python, *_contents(trees)], fill)


def _contents(trees: Mapping[str, Path]) -> list[str]:
    tree = Tree()
    for name, directory in trees.items():
        tree.add_directory_tree(directory, name)
    return [f"{path} {content.hex()}" for path, content in tree.files().items()]


def _version_of(package: str, separator: str) -> str:
    """`3.11` of `3.11.2-1+b1`, or `15` of `15+248`: the first numbers of the version that apt offers."""
    try:
        found = run("apt-cache", "show", "--no-all-versions", package)
        version = next(line.split()[1] for line in found.splitlines() if line.startswith("Version:"))
    except (CommandFailed, StopIteration) as error:
        raise LocalError(
            f"apt does not offer {package} ({error})",
            "Images are made from Debian packages: run `sudo apt-get update` on Debian 12 or later.",
        ) from error
    words = version.replace("+", ".").split(".")
    return separator.join(words[:2]) if separator else words[0]
