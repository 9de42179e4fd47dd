"""The bill of materials of an image (CycloneDX 1.6, JSON): which packages are in it, for whoever asks whether a known weakness concerns them. Pure.

Nothing in it depends on when it was made: the same image has the same bill.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64decode
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any
from urllib.parse import quote, unquote

from commonweal_local.images.packages import Package

_NPM_LICENCES = {"dejavu-fonts-ttf": "Bitstream-Vera"}  # by its SPDX name, where a package names a file instead
_NAMESPACE = uuid.UUID("6f1ab13a-6f0c-5d0c-9c0e-2f8f1b4f9a10")
Component = dict[str, Any]


def bill(
    labels: Mapping[str, str], debian: Iterable[Package], python: Iterable[str], npm: Iterable[tuple[str, Mapping[str, str]]] = ()
) -> str:
    """Return the bill of an image with these labels, Debian packages, `name==version` of Python packages, and npm packages as a package-lock.json says them."""
    said = {key.rpartition(".")[2]: value for key, value in labels.items()}
    components = sorted(
        [*map(_debian, debian), *map(_python, python), *(_npm(*each) for each in npm)], key=lambda each: str(each["bom-ref"])
    )
    image = {"type": "container", "bom-ref": said["title"], "name": said["title"], "version": said["version"]}
    whole: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**image, "description": said["description"], "licenses": [{"license": {"id": said["licenses"]}}]}},
        "components": components,
        "dependencies": [{"ref": said["title"], "dependsOn": [each["bom-ref"] for each in components]}],
    }
    whole["serialNumber"] = uuid.uuid5(_NAMESPACE, json.dumps(whole, sort_keys=True)).urn
    return json.dumps(whole, indent=1) + "\n"


def _debian(package: Package) -> Component:
    name, version, architecture = unquote(package.file).removesuffix(".deb").split("_")
    purl = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}?arch={architecture}"
    return _component(name, version, purl) | {"hashes": [{"alg": "SHA-256", "content": package.sha256}]}


def _python(pin: str) -> Component:
    name, _, version = pin.partition("==")
    said = metadata.metadata(name)
    licence = said["License-Expression"] if "License-Expression" in said else None  # noqa: SIM401 - it has no `get` for a type checker
    return _component(name, version, f"pkg:pypi/{name}@{quote(version, safe='')}") | (
        {"licenses": [{"expression": licence}]} if licence else {}
    )


def _npm(name: str, said: Mapping[str, str]) -> Component:
    purl = f"pkg:npm/{quote(name)}@{quote(said['version'], safe='')}"
    content = b64decode(said["integrity"].removeprefix("sha512-")).hex()
    found = _component(name, said["version"], purl) | {"licenses": [{"expression": _NPM_LICENCES.get(name, said["license"])}]}
    return found | {"hashes": [{"alg": "SHA-512", "content": content}]}


def _component(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
