"""What a folder asks for: its manifests read, doubles refused, what has no meaning here set aside and named. Pure but for reading files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from commonweal_api import KINDS
from commonweal_api.common import API_VERSION, department_at
from commonweal_cli.dev.places import Body, Place
from commonweal_local.exceptions import LocalError

PLURALS = {(API_VERSION, kind.__name__): kind.plural for kind in KINDS}
USED = {**PLURALS, ("v1", "Secret"): "secrets", ("v1", "ServiceAccount"): "serviceaccounts"}


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects by place, and which other kinds there are, with the first file of each."""

    objects: Mapping[Place, Body] = field(default_factory=dict)
    foreign: Mapping[str, Path] = field(default_factory=dict)

    @property
    def departments(self) -> list[str]:
        """The names of the departments, in the order of their manifests."""
        return [place.name for place in self.objects if place.plural == "departments"]


def read(folder: Path) -> Manifests:
    """Return what lies in the folder's files. LocalError names file and remedy of what cannot be read, and of an object that stands twice."""
    files = sorted(p for pattern in ("*.yaml", "*.yml", "*.json") for p in folder.glob(pattern))
    objects: dict[Place, Body] = {}
    foreign: dict[str, Path] = {}
    origin: dict[Place, Path] = {}
    for file, body in ((source, body) for source in files for body in _documents(source)):
        place = _place(body, file)
        if place is None:
            foreign.setdefault(str(body["kind"]), file)
            continue
        if place in objects:
            where = f"{origin[place].name} and {file.name}" if origin[place] != file else file.name
            raise LocalError(f"{body['kind']} {place.name} stands twice, in {where}", "Remove one of the two.")
        objects[place], origin[place] = body, file
    if not any(place.plural == "departments" for place in objects):
        raise LocalError(f"{folder}: there is no manifest of a Department", "Name a folder with one, such as examples/start-a-business.")
    return Manifests(objects, foreign)


def _documents(file: Path) -> Iterator[Body]:
    try:
        found = list(yaml.load_all(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise LocalError(f"{file.name}: is no YAML: {' '.join(str(error).split())}", "Correct the file.") from None
    for body in found:
        if body is None:
            continue
        if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict) or not {"apiVersion", "kind"} <= body.keys():
            raise LocalError(
                f"{file.name}: a document has no apiVersion, kind and metadata", "Write all three, or move the file elsewhere."
            )
        items = body.get("items") if body["kind"] == "List" else [body]
        yield from items or ()


def _place(body: Body, file: Path) -> Place | None:
    plural = USED.get((body["apiVersion"], body["kind"]))
    if plural is None:
        return None
    meta = body["metadata"]
    namespace = "" if plural == "departments" else str(meta.get("namespace", ""))
    name = meta.get("name")
    if not isinstance(name, str) or not name:
        raise LocalError(f"{file.name}: metadata.name is missing in a {body['kind']}", "Write a name.")
    if plural != "departments" and not department_at(namespace):
        raise LocalError(
            f"{file.name}: metadata.namespace of {body['kind']} {name} is {namespace or 'missing'}, which is no department's",
            "Write dept-<department>.",
        )
    return Place(body["apiVersion"], plural, namespace, name)
