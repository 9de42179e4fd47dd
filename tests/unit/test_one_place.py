"""What the house does in one place stays there: read off the syntax tree, so that a second place is found before it says something else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from commonweal_cli.bundle import checkout

ROOT = Path(__file__).resolve().parents[2]
SIGNATURES = "crds/src/commonweal_api/signatures.py"
# The issuer of sign-ins takes keys of three algorithms, and its signatures are OpenID Connect's.
ISSUER = "runtime/src/commonweal_runtime/identity/keys.py"


@cache
def trees() -> dict[str, ast.Module]:
    """Return the syntax tree of every module that is installed."""
    found = {path: ast.parse((ROOT / path).read_text(encoding="utf-8")) for path in checkout.files(ROOT) if _installed(path)}
    assert len(found) > 300
    return found


def _installed(path: str) -> bool:
    return path.endswith(".py") and "/src/commonweal_" in path


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_one_module_knows_ed25519() -> None:
    found = {path for path, tree in trees().items() if any(name.endswith("asymmetric.ed25519") for name in _imports(tree))}
    assert found == {SIGNATURES, ISSUER}


def test_one_module_spells_canonical_json() -> None:
    found = {
        path
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and {"sort_keys", "separators"} <= {word.arg for word in node.keywords}
    }
    assert found == {SIGNATURES}


def test_one_module_makes_ids_of_keys_and_keys_of_sectors() -> None:
    wanted = {"canonical", "key_id", "kid_of", "public_key", "jwk_of", "base64url", "sector_key"}
    found = {
        (path, node.name)
        for path, tree in trees().items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in wanted and path != SIGNATURES
    }
    assert found == {("crds/src/commonweal_api/agreement_signatures.py", "kid_of")}  # of a text, not of a key
