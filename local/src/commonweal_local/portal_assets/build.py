"""Compiles the portal's style and script. Files are named by their content, so that browsers may keep them for ever; `manifest.json` says which is which."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from commonweal_local import paths
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.portal_assets import node
from commonweal_local.progress import Progress
from commonweal_local.shell import run

SOURCES = Path(__file__).with_name("sources")
MANIFEST = "manifest.json"
FRONTEND = "govuk-frontend.js"
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")  # of receipts on paper: PDF's own fonts have no ŵ and no ŷ
_INSIDE = '"@govuk-frontend"'  # how a script of ours names govuk-frontend's


def assets(progress: Progress) -> Path:
    """Return the folder of the compiled assets, made if it is not there; the same sources make the same folder. Raises LocalError."""
    with paths.one_at_a_time(paths.cache() / "portal-assets"):
        made = folder()
        if not (made / MANIFEST).exists():
            with progress.step("compiling the portal's style and script", measured="portal assets"):
                _make(made, node.ensure(progress))
    return made


def folder() -> Path:
    """Return where the assets of these sources lie once they are compiled; the folder's name is a digest of the sources."""
    return paths.cache() / "portal-assets" / _digest()


def served() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the npm packages of which something is in the assets, each by its name with what package-lock.json says of it."""
    for path, said in sorted(json.loads((SOURCES / "package-lock.json").read_bytes())["packages"].items()):
        if path and not said.get("dev"):
            yield path.removeprefix("node_modules/"), said


def named_by_content(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return each file's name with a digest of its content before the suffix. Pure."""
    return {name: f"{Path(name).stem}.{hashlib.sha256(content).hexdigest()[:16]}{Path(name).suffix}" for name, content in files.items()}


def linked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files, with scripts that import govuk-frontend by its name by content. Pure."""
    frontend = f'"./{named_by_content({FRONTEND: files[FRONTEND]})[FRONTEND]}"'.encode()
    return {
        name: content.replace(_INSIDE.encode(), frontend) if name.endswith(".js") and name != FRONTEND else content
        for name, content in files.items()
    }


def _digest() -> str:
    whole = hashlib.sha256(Path(__file__).read_bytes())
    for file in sorted(SOURCES.iterdir()):
        whole.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return whole.hexdigest()[:32]


def _make(made: Path, programs: node.Node) -> None:
    shutil.rmtree(made, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=made.parent, prefix="make-") as folder:
        work = Path(folder)
        files = linked(_compiled(work, programs))
        names, ready = named_by_content(files), work / "ready"
        ready.mkdir()
        for name, content in files.items():
            (ready / names[name]).write_bytes(content)
        paths.write(ready / MANIFEST, names)
        for file in ready.iterdir():
            file.chmod(0o644)
        ready.chmod(0o755)
        ready.replace(made)


def _compiled(work: Path, programs: node.Node) -> dict[str, bytes]:
    """Return the files by their plain names. npm checks every package against the digest in package-lock.json, and runs no script of any."""
    for name in ("package.json", "package-lock.json", "portal.scss"):
        shutil.copy(SOURCES / name, work / name)
    modules = work / "node_modules"
    flags = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    try:
        run(*programs.npm, "ci", f"--prefix={work}", *flags)
        style = run(
            *programs.node,
            modules / "sass" / "sass.js",
            "--style=compressed",
            "--no-source-map",
            "--quiet-deps",
            f"--load-path={modules}",
            work / "portal.scss",
        )
    except CommandFailedError as error:
        raise LocalError(
            f"The portal's style could not be compiled ({error})",
            "Without a network, set npm's registry to one that can be reached (`npm config set registry`), then repeat.",
        ) from error
    script = (modules / "govuk-frontend" / "dist" / "govuk" / "govuk-frontend.min.js").read_bytes()
    own = {file.name: file.read_bytes() for file in sorted(SOURCES.iterdir()) if file.suffix in (".js", ".svg")}
    fonts = {name: (modules / "dejavu-fonts-ttf" / "ttf" / name).read_bytes() for name in FONTS}
    return {"portal.css": style.encode(), FRONTEND: _without_map(script), **own, **fonts}


def _without_map(script: bytes) -> bytes:
    """Return a script without the comment that names a map beside it, which is not served."""
    return re.sub(rb"//# sourceMappingURL=\S+\s*$", b"\n", script)
