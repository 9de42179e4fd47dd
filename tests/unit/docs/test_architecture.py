"""The architecture's page says what the contracts and the code say: its picture, its packages, its table of concepts, the children of a department."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import orjson

from commonweal_api.department import DepartmentSpec
from commonweal_api.plan import ModelPlan, StorePlan
from commonweal_operator.desired.department import NamespaceContent, department_children
from commonweal_operator.desired.platform import PlatformConfig
from support.scripts import script

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOTHING: frozenset[str] = frozenset()
IMAGES = {name: f"localhost/commonweal/{name}:0" for name in ("runtime", "store")}


def tool() -> ModuleType:
    return script(ROOT / "docs" / "tools" / "layers.py")


def test_the_picture_is_drawn_from_the_contracts() -> None:
    assert tool().main(["--check"]) == 0, "run `python docs/tools/layers.py`"


def test_every_package_and_every_room_with_a_floor_is_in_the_picture() -> None:
    module = tool()
    words = " ".join(
        "".join(text.itertext()) for text in ET.fromstring(module.drawn(PROJECT)).iter("{http://www.w3.org/2000/svg}text")
    ).split()
    _, inside = module.house(PROJECT)
    rooms = [room for floors in inside.values() for floor in floors for room in floor]
    assert rooms
    assert [name for name in [*PROJECT["tool"]["importlinter"]["root_packages"], *rooms] if name not in words] == []


def test_every_package_has_one_paragraph() -> None:
    packages = PROJECT["tool"]["importlinter"]["root_packages"]
    assert sorted(re.findall(r"^\*\*`(commonweal_\w+)`\*\* \(", PAGE, re.MULTILINE)) == sorted(packages)
    assert set(tool().SAID) == set(packages)


def test_every_file_that_a_concept_is_said_to_lie_in_is_there() -> None:
    named = re.findall(r"`((?:crds|kube|operator|runtime|stacks|local|cli)/src/[^`]+)`", PAGE)
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_children_of_a_department_are_the_ones_that_it_has() -> None:
    content = NamespaceContent(
        name="library",
        uid="1",
        spec=DepartmentSpec.model_validate({"displayName": "Library", "contact": "mailto:library@example.org"}),
        store=StorePlan.model_validate({"department": "library", "displayName": "Library", "contact": "mailto:library@example.org"}),
        models=ModelPlan.model_validate({"department": "library"}),
        consumers=NOTHING,
        callers=NOTHING,
        peers=NOTHING,
    )
    made = [
        orjson.loads(child.body)
        for child in department_children(content, PlatformConfig.model_validate({"images": IMAGES, "authority": "PEM"}))
    ]
    shown = [(kind, name.replace("<name>", "library")) for kind, name in re.findall(r"^\| ([A-Z]\w+) \| `([^`]+)` \|", PAGE, re.MULTILINE)]
    assert shown == [(each["kind"], each["metadata"]["name"]) for each in made]
    assert f"\n{len(made)} objects, made by" in PAGE
