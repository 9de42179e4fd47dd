"""What is in each image: layers shared where they are equal, ours last because it changes most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonweal_local import paths
from commonweal_local.images import bytecode, packages, wheels
from commonweal_local.images.oci import Config, Tree
from commonweal_local.images.selection import Selection

# Part of every layer's key: raise it when the code here changes what a layer holds.
EDITION = "3"
USER_ID = 10001
LIBRARIES, OURS = "opt/commonweal/lib", "opt/commonweal/src"
CERTIFICATES = "usr/share/ca-certificates/mozilla/"
PACKAGES = {
    "commonweal_api": "crds/src",
    "commonweal_kube": "kube/src",
    "commonweal_operator": "operator/src",
    "commonweal_runtime": "runtime/src",
}
# What the code of each group imports besides its own package.
SHARED = ("commonweal_api", "commonweal_kube")


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
    Image("store", ("python", "libraries-runtime", "postgres", "libraries-store", "code-runtime")),
)


def layers(chosen: Selection) -> dict[str, Layer]:
    """Every layer by title; finding the keys fetches nothing."""
    made = [
        _debian_layer("python", chosen.base, lambda tree: _finish_python(tree, chosen.python)),
        _debian_layer("postgres", chosen.server, _finish_postgres),
    ]
    for group in ("operator", "runtime"):
        made += [_libraries(group, chosen.python), _code(group, chosen.python)]
    made.append(_libraries("store", chosen.python))  # on top of the runtime's, for the keeper: 120 MB that no other pod needs
    return {layer.title: layer for layer in made}


def configuration(chosen: Selection) -> Config:
    """How every image runs: as uid 10001, importing our code, writing no bytecode."""
    environment = {
        "PATH": f"/usr/lib/postgresql/{chosen.postgres}/bin:/usr/bin:/bin",
        "PYTHONPATH": f"/{OURS}:/{LIBRARIES}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",  # there are none, and looking for them reads the metadata of every package
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
    }
    return Config(environment=environment, command=("python3", "--version"), user=f"{USER_ID}:{USER_ID}")


def _debian_layer(title: str, wanted: Sequence[packages.Package], finish: Callable[[Tree], None]) -> Layer:
    def fill(tree: Tree) -> None:
        packages.unpack(packages.fetch(wanted), tree)
        finish(tree)

    return Layer(title, [package.sha256 for package in wanted], fill)


def _finish_python(tree: Tree, python: str) -> None:
    """What the packages' scripts would have done, and the bare system around them."""
    for name in packages.MERGED:
        tree.link(name, f"usr/{name}")
        tree.directory(f"usr/{name}")
    for name in ("proc", "sys", "dev", "etc", "opt", "run", "var"):
        tree.directory(name)
    tree.directory("tmp", mode=0o1777)
    tree.link("var/run", "/run")
    tree.link("usr/bin/python3", f"python{python}")
    tree.file("etc/passwd", f"root:x:0:0:root:/:/sbin/nologin\ncommonweal:x:{USER_ID}:{USER_ID}:Commonweal:/tmp:/sbin/nologin\n".encode())
    tree.file("etc/group", f"root:x:0:\ncommonweal:x:{USER_ID}:\n".encode())
    tree.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    bundle = [content for path, content in sorted(tree.files().items()) if path.startswith(CERTIFICATES)]
    tree.file("etc/ssl/certs/ca-certificates.crt", b"".join(bundle))
    tree.link("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt")
    bytecode.compile_tree(tree, python)


def _finish_postgres(tree: Tree) -> None:
    tree.link("usr/bin/sh", "dash")
    tree.directory("var/lib/postgresql/data")
    tree.directory("run/postgresql", mode=0o1777)


def _libraries(group: str, python: str) -> Layer:
    pinned = wheels.pins(wheels.extra(paths.source() / "pyproject.toml", group))

    def fill(tree: Tree) -> None:
        wheels.add_to(tree, pinned, python, LIBRARIES)
        bytecode.compile_tree(tree, python)

    return Layer(f"libraries-{group}", [python, *pinned], fill)


def _code(group: str, python: str) -> Layer:
    trees = {name: paths.source() / PACKAGES[name] / name for name in (*SHARED, f"commonweal_{group}")}

    def fill(tree: Tree) -> None:
        for name, directory in trees.items():
            tree.add_directory_tree(directory, f"{OURS}/{name}")
        bytecode.compile_tree(tree, python)

    return Layer(f"code-{group}", [python, *_contents(trees)], fill)


def _contents(trees: Mapping[str, Path]) -> list[str]:
    tree = Tree()
    for name, directory in trees.items():
        tree.add_directory_tree(directory, name)
    return [f"{path} {content.hex()}" for path, content in tree.files().items()]
