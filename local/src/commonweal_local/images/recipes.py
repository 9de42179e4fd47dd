"""The layers of each image: shared where they are equal, ours last because it changes most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonweal_local import paths, portal_assets
from commonweal_local.images import bill, bytecode, contents, packages, wheels
from commonweal_local.images.contents import ASSETS, LIBRARIES, OURS, USER, USER_ID, Image
from commonweal_local.images.oci import Config, Tree
from commonweal_local.images.selection import Selection

# Part of every layer's key: raise it when the code here changes what a layer holds.
EDITION = "3"
CERTIFICATES = "usr/share/ca-certificates/mozilla/"


@dataclass(frozen=True)
class Layer:
    """A layer that need not be made when one with the same key exists."""

    title: str
    key: Sequence[str]
    fill: Callable[[Tree], None]


def layers_of(image: Image) -> list[str]:
    """Return the titles of an image's layers, bottom first."""
    first, *further = (f"libraries-{extra}" for extra in image.extras)
    return [
        "python",
        first,
        *(["postgres"] if image.server else []),
        *further,
        *(["portal-assets"] if image.pages else []),
        _code_title(image),
    ]


def layers(chosen: Selection) -> dict[str, Layer]:
    """Every layer by title; finding the keys fetches nothing."""
    made = [
        _debian_layer("python", chosen.base, lambda tree: _finish_python(tree, chosen.python)),
        _debian_layer("postgres", chosen.server, _finish_postgres),
        Layer("portal-assets", [portal_assets.folder().name], _portal_assets),
    ]
    for image in contents.IMAGES:
        made += [*(_libraries(extra, chosen.python) for extra in image.extras), _code(image, chosen.python)]
    return {layer.title: layer for layer in made}


def configuration(image: Image, chosen: Selection) -> Config:
    """How an image runs: as uid 10001, importing our code, writing no bytecode."""
    return Config(
        environment=contents.environment(chosen.versions),
        command=contents.COMMAND,
        user=f"{USER_ID}:{USER_ID}",
        labels=contents.labels(image, _pyproject()),
    )


def _pyproject() -> Path:
    return paths.source() / "pyproject.toml"


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
    tree.file("etc/passwd", f"root:x:0:0:root:/:/sbin/nologin\n{USER}:x:{USER_ID}:{USER_ID}:Commonweal:/tmp:/sbin/nologin\n".encode())
    tree.file("etc/group", f"root:x:0:\n{USER}:x:{USER_ID}:\n".encode())
    tree.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    bundle = [content for path, content in sorted(tree.files().items()) if path.startswith(CERTIFICATES)]
    tree.file("etc/ssl/certs/ca-certificates.crt", b"".join(bundle))
    tree.link("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt")
    bytecode.compile_tree(tree, python)


def _finish_postgres(tree: Tree) -> None:
    tree.link("usr/bin/sh", "dash")
    for path, mode in contents.SERVER_DIRECTORIES.items():
        tree.directory(path, mode=mode)


def _portal_assets(tree: Tree) -> None:
    tree.add_directory_tree(portal_assets.folder(), ASSETS)


def bill_of(image: Image, chosen: Selection) -> str:
    """Return the bill of materials of an image."""
    debian = [*chosen.base, *(chosen.server if image.server else ())]
    python = sorted({pin for extra in image.extras for pin in _pinned(extra)})
    pages = portal_assets.served() if image.pages else ()
    return bill.bill(contents.labels(image, _pyproject()), debian, python, pages)


def _pinned(extra: str) -> list[str]:
    return wheels.pins(wheels.extra(_pyproject(), extra), without=contents.unused([extra]))


def _libraries(extra: str, python: str) -> Layer:
    pinned = _pinned(extra)

    def fill(tree: Tree) -> None:
        wheels.add_to(tree, pinned, python, LIBRARIES)
        bytecode.compile_tree(tree, python)

    return Layer(f"libraries-{extra}", [python, *pinned], fill)


def _code_title(image: Image) -> str:
    return image.packages[-1].replace("commonweal_", "code-")


def _code(image: Image, python: str) -> Layer:
    trees = contents.trees(image, paths.source())

    def fill(tree: Tree) -> None:
        for name, directory in trees.items():
            tree.add_directory_tree(directory, f"{OURS}/{name}")
        bytecode.compile_tree(tree, python)

    return Layer(_code_title(image), [python, *_contents(trees)], fill)


def _contents(trees: Mapping[str, Path]) -> list[str]:
    tree = Tree()
    for name, directory in trees.items():
        tree.add_directory_tree(directory, name)
    return [f"{path} {content.hex()}" for path, content in tree.files().items()]
