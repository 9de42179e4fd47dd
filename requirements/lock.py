"""Write the lock files of this folder again, from the lists of pyproject.toml: `make lock`.

Each file names every package by version and by the digests of its files. What an image installs has the versions of the environment that is tested.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).resolve().parent
ENVIRONMENT = "environment"
PYTHON = "3.11"
# File -> the extras and dependency groups that it locks. The first is the environment in which everything is run and tested.
LOCKS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    ENVIRONMENT: (("test",), ("dev", "build")),
    "operator": (("operator",), ()),
    "runtime": (("runtime",), ()),
    "store": (("runtime", "store"), ()),
    "portal": (("runtime", "portal"), ()),
    "oracle": ((), ("oracle",)),
    "docs": ((), ("docs",)),
    "datamodel": ((), ("datamodel",)),
    "lock": ((), ("lock",)),
    "audit": ((), ("audit",)),
}
OF_IMAGES = ("operator", "runtime", "store", "portal")
WORDS = (
    "--universal",
    f"--python-version={PYTHON}",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--quiet",
)


def requirements(name: str, root: Path = ROOT) -> list[str]:
    """Return what a lock file is made from, each list of pyproject.toml written out."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = LOCKS[name]
    optional = project["project"]["optional-dependencies"]
    found = list(project["project"]["dependencies"]) if name == ENVIRONMENT else []
    for extra in extras:
        found += _of_extra(optional, extra)
    for group in groups:
        found += _of_group(project["dependency-groups"], group)
    return sorted(set(found))


def header(name: str, root: Path = ROOT) -> str:
    """Return how a lock file begins: with the digest of what it was made from."""
    digest = hashlib.sha256(json.dumps(requirements(name, root)).encode()).hexdigest()
    return f"# Made by `make lock` from lists of pyproject.toml (sha256 {digest}); change those, not this file.\n"


def main() -> None:
    """Write every file; versions that still fit are kept unless --upgrade is given."""
    for name in LOCKS:
        file = FOLDER / f"{name}.txt"
        constraint = [f"--constraint={FOLDER / ENVIRONMENT}.txt"] if name in OF_IMAGES else []
        words = ["uv", "pip", "compile", "-", *WORDS, *constraint, *sys.argv[1:], f"--output-file={file}"]
        subprocess.run(words, input="\n".join(requirements(name)), text=True, check=True, stdout=subprocess.DEVNULL)
        text = "".join(line for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if not line.lstrip().startswith("#"))
        file.write_text(header(name) + text, encoding="utf-8")
        print(f"{file.name}: {text.count('==')} packages")


def _of_extra(optional: dict[str, list[str]], extra: str) -> list[str]:
    found: list[str] = []
    for text in optional[extra]:
        if text.startswith("commonweal["):
            found += [each for other in text[len("commonweal[") : -1].split(",") for each in _of_extra(optional, other)]
        else:
            found.append(text)
    return found


def _of_group(groups: dict[str, list[str | dict[str, str]]], group: str) -> list[str]:
    found: list[str] = []
    for each in groups[group]:
        found += [each] if isinstance(each, str) else _of_group(groups, each["include-group"])
    return found


if __name__ == "__main__":
    main()
