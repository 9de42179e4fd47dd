"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from commonweal_api.generate import rendered
from commonweal_cli.bundle import checkout

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 40
# Written by programs, not by people: expected output, a dump, checksums of what is built, and what benches measured.
GENERATED = (
    "tests/golden/",
    "tests/fixtures/",
    "local/toolchain/",
    "bench/results/",
    "docs/reference/commands.md",
    "charts/commonweal/values.schema.json",
    "local/src/commonweal_local/portal_assets/sources/package-lock.json",
)
# An absolute path under somebody's home, or under a folder that is on nobody else's machine. Mount paths in containers are not meant: they are an interface.
MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(?:home|Users|root|work)/\w")


@cache
def committed() -> dict[str, str]:
    """Return the text of every file of the project that is text."""
    paths = [path for path in checkout.files(ROOT) if not path.endswith(".png")]
    assert len(paths) > 100
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in paths}


def test_the_standard_library_keeps_its_operator() -> None:
    """The folder is called `operator`; were it a package, `import operator` from this folder would find it."""
    assert (ROOT / "operator").is_dir()
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_files_are_short() -> None:
    locks = {path for path in committed() if re.fullmatch(r"requirements/[a-z]+\.txt", path)}
    ours = {
        path: text
        for path, text in committed().items()
        if not path.startswith(GENERATED) and path not in rendered("0") and path not in locks
    }
    long = {path: text.count("\n") for path, text in ours.items() if text.count("\n") > MOST_LINES}
    assert long == {}, f"at most {MOST_LINES} lines: split by responsibility"


def test_functions_are_short() -> None:
    long = {}
    for path in (p for p in committed() if p.endswith(".py")):
        for node in ast.walk(ast.parse(committed()[path])):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long[f"{path}:{node.lineno} {node.name}"] = lines
    assert long == {}, f"at most {MOST_LINES_OF_A_FUNCTION} lines: take a step out and name it"


@pytest.mark.parametrize(
    ("text", "named"), [("cd /" + "home/ada/x", True), ("a=/" + "work/x", True), ("/run/x", False), ("https://h/" + "home/x", False)]
)
def test_the_pattern_finds_machine_paths(text: str, *, named: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is named


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [f"{path}: {match[0]}" for path, text in committed().items() for match in MACHINE_PATH.finditer(text)]
    assert found == [], "name it relative to the project, to a cache folder or to a variable"
