"""Write all that follows from the models: `python -m commonweal_api.generate`, and with `--check` say what has drifted.

Definitions go to `crds/`, the same ones as a chart to `charts/commonweal-crds/`, the lock-in policies to `charts/commonweal/`, and the reference pages to
`docs/reference/`.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from commonweal_api import KINDS
from commonweal_api.lockin import admission
from commonweal_api.lockin.page import lock_in_page
from commonweal_api.reference import api_page, reasons_page, rights_page
from commonweal_api.schema import crd

REPOSITORY = Path(__file__).resolve().parents[3]
LOCK_IN = "charts/commonweal/templates/admission/lock-in.yaml"
LOCK_IN_HEADER = (
    "# Made from crds/src/commonweal_api/lockin/rules.yaml by `python -m commonweal_api.generate`; change the rules, not this file.\n"
)
HEADER = "# Made from the models by `python -m commonweal_api.generate`; change the models, not this file.\n"
CHART = """apiVersion: v2
name: commonweal-crds
description: The kinds of Commonweal. Kept when the release is uninstalled, for deleting a definition deletes every object of its kind.
type: application
version: {version}
appVersion: "{version}"
"""


@cache
def rendered(version: str) -> Mapping[str, str]:
    """Return every generated file by its path in the repository."""
    files = {"charts/commonweal-crds/Chart.yaml": HEADER + CHART.format(version=version)}
    for kind in KINDS:
        definition = crd(kind)
        files[f"crds/{kind.plural}.yaml"] = HEADER + _yaml(definition)
        files[f"charts/commonweal-crds/templates/{kind.plural}.yaml"] = HEADER + _yaml(_kept(definition))
    files[LOCK_IN] = LOCK_IN_HEADER + "---\n".join(_yaml(document) for document in admission.manifests())
    pages = {"api": api_page(KINDS), "lock-in": lock_in_page(), "reasons": reasons_page(), "rights": rights_page()}
    return MappingProxyType(files | {f"docs/reference/{name}.md": page for name, page in pages.items()})


def drifted(root: Path) -> list[str]:
    """Return the paths whose content is not what the models give, and definitions that no model gives any more."""
    files = rendered(_version(root))
    stale = [path for path, text in files.items() if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text]
    here = [
        found.relative_to(root).as_posix()
        for place in ("crds", "charts/commonweal-crds/templates")
        for found in (root / place).glob("*.yaml")
    ]
    return sorted([*stale, *(path for path in here if path not in files)])


def write(root: Path) -> list[str]:
    """Write what has drifted, remove what no model gives any more, and return the paths touched."""
    touched, files = drifted(root), rendered(_version(root))
    for path in touched:
        target = root / path
        if path in files:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(files[path], encoding="utf-8")
        else:
            target.unlink()
    return touched


def _version(root: Path) -> str:
    project: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def _kept(definition: dict[str, Any]) -> dict[str, Any]:
    metadata = definition["metadata"] | {"annotations": {"helm.sh/resource-policy": "keep"}}
    return definition | {"metadata": metadata}


def _yaml(document: dict[str, Any]) -> str:
    text: str = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=140)
    if "{{" in text:
        raise ValueError(f"{document['metadata']['name']}: «{{{{» would be read by Helm as a template; write it otherwise")
    return text


class _Plain(yaml.SafeDumper):
    """No anchors: a reader should see each schema whole."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 when `--check` finds drift, else 0."""
    parser = argparse.ArgumentParser(prog="python -m commonweal_api.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name what has drifted")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="the repository (default: the one this package lies in)")
    options = parser.parse_args(arguments)
    touched = drifted(options.root) if options.check else write(options.root)
    for path in touched:
        sys.stdout.write(f"{'drifted' if options.check else 'wrote'} {path}\n")
    if options.check and touched:
        sys.stdout.write("Run `python -m commonweal_api.generate` and commit what it writes.\n")
    return 1 if options.check and touched else 0


if __name__ == "__main__":
    raise SystemExit(main())
