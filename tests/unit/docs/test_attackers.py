"""The page of what an attacker can do names tests and leaves; each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from commonweal_stacks.conformity.probes import departments, server

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "explanation" / "attackers.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[^`:]+\.py)::(test_\w+)`", PAGE)))
LEAVES = sorted(set(re.findall(r"`((?:access|platform|operator|admission)\.[a-z-]+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_every_test_that_the_page_names_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_leaf_that_the_page_names_exists() -> None:
    assert set(LEAVES) <= {*departments.NAMES, *server.PROBES}
    assert len(LEAVES) > 3


@pytest.mark.parametrize(
    "role",
    ["stranger", "consumer", "viewer", "editor", "steward", "registrar", "`edit` by mistake", "issuer", "operator", "reader of volumes"],
)
def test_every_role_has_a_row(role: str) -> None:
    assert any(role in line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| "))
