"""Every setting is documented: stack files and chart values by generation, variables of the environment by looking for them in the code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal_cli.bundle import checkout
from commonweal_stacks import settings_page
from commonweal_stacks.checkout import source
from commonweal_stacks.site import Provider
from commonweal_stacks.site_kinds import Part

ROOT = Path(__file__).parents[3]
PREFIX = "COMMONWEAL_"
MARKS = {"COMMONWEAL_DEMO"}  # marks processes as the demonstration's, for itself: nobody sets it


def literals(text: str) -> Iterator[str]:
    """Yield every text in the code that is the name of a variable of ours."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"COMMONWEAL_[A-Z_]+", node.value):
            yield node.value


def documented() -> set[str]:
    return {name for rows in settings_page.ENVIRONMENT.values() for name, _, _ in rows}


def test_every_variable_of_ours_is_documented_and_is_read() -> None:
    files = [path for path in checkout.files(ROOT) if path.endswith(".py") and "/src/" in path and "settings_page" not in path]
    read = {name for path in files for name in literals((ROOT / path).read_text())} - MARKS
    assert read == {name for name in documented() if name.startswith(PREFIX)}


def test_the_page_is_what_the_settings_say() -> None:
    assert settings_page.main(["--check"]) == 0, "run `python -m commonweal_stacks.settings_page`"


def test_every_value_of_the_chart_is_on_the_page() -> None:
    def keys(schema: dict, path: str = "") -> Iterator[str]:
        for name, inner in schema.get("properties", {}).items():
            deeper = list(keys(inner, f"{path}{name}."))
            yield from deeper or [f"{path}{name}"]

    schema = json.loads((source() / "charts" / "commonweal" / "values.schema.json").read_text())
    wanted = set(keys(schema)) - {"global"}  # Helm's own
    assert {name for name in wanted if f"| `{name}` |" not in settings_page.page()} == set()


def test_a_setting_without_a_word_is_named() -> None:
    class Silent(Part):
        word: str = ""

    assert all(info.description for info in Provider.model_fields.values())
    with pytest.raises(ValueError, match=r"Silent.word has no description"):
        list(settings_page.rows(Silent))
