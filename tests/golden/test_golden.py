"""Golden pairs: objects in, every manifest of one department out, readable in review.

Agreements are signed by both parties unless the case says who signs (`signedBy` of the head, by name). `COMMONWEAL_GOLDEN=write pytest tests/golden`
writes the outputs anew; read the difference before you commit it.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from commonweal_kube.objects import ObjectCache
from commonweal_kube.queue import Key
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.keys import DepartmentKeys
from commonweal_operator.kinds.reading import key_of, read
from commonweal_operator.kinds.rules import KindRules
from commonweal_operator.kinds.view import ClusterView
from support.signing import keys_status, signed

HERE = Path(__file__).resolve().parent
CASES = sorted(path.parent.name for path in HERE.glob("*/input.yaml"))


class Readable(yaml.SafeDumper):
    """Long texts as blocks, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _plan_as_mapping(obj: dict[str, Any]) -> dict[str, Any]:
    data = obj.get("data", {})
    return obj | {"data": {k: orjson.loads(v) if k.endswith(".json") else v for k, v in data.items()}} if data else obj


class Claims:
    """A cluster that holds nothing yet but volume claims."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def observed(self, kind: str, namespace: str, name: str) -> Any:
        return kind == "PersistentVolumeClaim" and name in self._names


def _signed(body: dict[str, Any], by: dict[str, list[str]], bodies: list[dict[str, Any]]) -> dict[str, Any]:
    name = body["metadata"]["name"]
    if body["kind"] == "Department":
        return body | {"status": {"keys": keys_status(name)}}
    if body["kind"] == "ConsentPolicy":
        wanted = ("DataProduct", body["spec"]["product"]["name"], body["metadata"]["namespace"])
        about = next((b for b in bodies if (b["kind"], b["metadata"]["name"], b["metadata"].get("namespace")) == wanted), None)
        return signed(body, by=tuple(by[name]) if name in by else None, product=about)
    return body


def manifests(case: Path) -> str:
    """Return the manifests of the case's department as YAML, in the order of application."""
    head, *bodies = yaml.safe_load_all(case.read_text())
    platform = PlatformConfig.model_validate(head["platform"])
    view = ClusterView(ObjectCache(key_of, read), platform, DepartmentKeys(platform))
    view.attach(Claims(head.get("claims", [])))
    rules = KindRules(view)
    for version, body in enumerate((_signed(b, head.get("signedBy", {}), bodies) for b in bodies), 1):
        meta = {"uid": f"uid-of-{body['kind'].lower()}-{body['metadata']['name']}", "resourceVersion": str(version), "generation": 1}
        change = view.objects.put(body | {"metadata": body["metadata"] | meta})
        assert change is not None
        list(rules.changed(change))
    inputs = rules.gather(Key(f"dept-{head['department']}", "Department", head["department"]), datetime.fromisoformat(head["now"]))
    assert inputs is not None
    children = rules.children(inputs)
    # Shown as a mapping: a plan is one long line of JSON in the object itself.
    documents = [_plan_as_mapping(orjson.loads(child.body)) for child in children]
    return yaml.dump_all(documents, Dumper=Readable, sort_keys=False, width=150, allow_unicode=True)


@pytest.mark.parametrize("case", CASES)
def test_the_objects_of_a_case_give_exactly_its_manifests(case: str) -> None:
    found, output = manifests(HERE / case / "input.yaml"), HERE / case / "output.yaml"
    if os.environ.get("COMMONWEAL_GOLDEN") == "write":
        output.write_text(found)
    assert found == output.read_text()


def test_there_are_cases() -> None:
    assert len(CASES) >= 5


@pytest.mark.parametrize("case", CASES)
def test_the_same_objects_give_the_same_bytes(case: str) -> None:
    assert manifests(HERE / case / "input.yaml") == manifests(HERE / case / "input.yaml")
