"""The demonstration's own logic: what it calls ready, what it accepts from an issuer, what it prints."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import yaml

from commonweal_api import KINDS, ConsentPolicy
from commonweal_cli.demo.journey import short_agreement
from commonweal_cli.demo.report import Row, table
from commonweal_cli.kubectl import lacking

EXAMPLES = Path(__file__).parents[4] / "examples"


def product(generation: int = 2, observed: int = 2, status: str = "True") -> dict[str, object]:
    condition = {"type": "Ready", "status": status, "reason": "Serving", "message": "all is well", "observedGeneration": observed}
    return {"kind": "DataProduct", "metadata": {"name": "companies", "generation": generation}, "status": {"conditions": [condition]}}


def test_an_object_is_ready_only_for_its_present_generation() -> None:
    """A condition about an older spec is not an answer about this one."""
    assert lacking(product()) is None
    assert "DataProduct companies" in str(lacking(product(generation=3)))
    assert "no status yet" in str(lacking(product() | {"status": {}}))
    assert lacking(product(status="False")) == "DataProduct companies: Serving: all is well"


def test_the_table_says_no_loudly_and_aligns_its_columns() -> None:
    text = table([Row("reads", "404", "404", ok=True, milliseconds=1.25), Row("refuses", "403", "200", ok=False)])
    lines = text.splitlines()
    assert lines[2].startswith("yes")
    assert lines[2].endswith("1.2")
    assert lines[3].startswith("NO")
    assert lines[2].index("404") == lines[3].index("403")


def test_the_agreement_of_a_few_seconds_is_a_valid_one() -> None:
    parsed = ConsentPolicy.model_validate(short_agreement(datetime(2026, 11, 22, 12, 0, 8, tzinfo=UTC)))
    assert parsed.spec.validity.until == datetime(2026, 11, 22, 12, 0, 8, tzinfo=UTC)


def test_every_example_is_valid() -> None:
    """Each manifest of ours in examples/ parses as its kind."""
    kinds = {kind.__name__: kind for kind in KINDS}
    seen = 0
    for path in sorted(EXAMPLES.glob("*/*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            if manifest["apiVersion"].startswith("commonweal.dev/"):
                kinds[manifest["kind"]].model_validate(manifest)
                seen += 1
    assert seen >= 13
