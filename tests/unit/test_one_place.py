"""What the house does in one place stays there: read off the syntax tree, so that a second place is found before it says something else."""

from __future__ import annotations

import ast
import builtins
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


def _exceptions() -> dict[tuple[str, str], ast.ClassDef]:
    """Return every class that is an exception, by path and name: one of its bases is a built-in one, or one that was found already."""
    classes = [(path, node) for path, tree in trees().items() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    known = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)}
    found: dict[tuple[str, str], ast.ClassDef] = {}
    while new := {(path, node.name): node for path, node in classes if (path, node.name) not in found and known & set(_bases(node))}:
        found |= new
        known |= {name for _, name in new}
    return found


def _bases(node: ast.ClassDef) -> Iterator[str]:
    for base in node.bases:
        whole = base.value if isinstance(base, ast.Subscript) else base
        yield whole.attr if isinstance(whole, ast.Attribute) else getattr(whole, "id", "")


def test_each_package_has_one_register_of_exceptions() -> None:
    elsewhere = [f"{path}: {name}" for path, name in _exceptions() if len(Path(path).parts) != 4 or Path(path).name != "exceptions.py"]
    assert elsewhere == [], "define it in exceptions.py of its package, with when it is raised and who turns it into what"


def test_no_name_of_an_exception_stands_twice() -> None:
    names = [name for _, name in _exceptions()]
    assert len(names) > 30
    assert sorted({name for name in names if names.count(name) > 1}) == []
    assert [name for name in names if not name.endswith("Error") or name.startswith("_")] == []


def test_every_exception_says_when_it_is_raised_and_what_becomes_of_it() -> None:
    said = {name: (ast.get_docstring(node) or "").strip() for (_, name), node in _exceptions().items()}
    assert [name for name, text in said.items() if text.count(".") + text.count(":") < 2] == []
