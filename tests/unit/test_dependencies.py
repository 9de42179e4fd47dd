"""What an install brings: a plain one what the command imports and no more, each extra what its part imports, every list in one place."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from commonweal_cli.main import COMMANDS
from commonweal_local.images import wheels

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = ROOT / "pyproject.toml"
SOURCES = {f"commonweal_{name}": ROOT / name / "src" for name in ("kube", "operator", "runtime", "stacks", "local", "cli")}
SOURCES["commonweal_api"] = ROOT / "crds" / "src"
# Whichever version these bring is the right one: the protocol of Pulumi's engine, and pydantic's own core.
WITH_ANOTHER = {"grpcio": "pulumi", "protobuf": "pulumi", "pydantic-core": "pydantic"}
# Named by a string, so that no import shows it.
BY_NAME = {
    "uvloop": "the loop of Kopf and of uvicorn",
    "httptools": "the parser of uvicorn's protocol",
    "govuk-frontend-jinja": "macros of the portal's templates",
}


def test_the_packages_that_the_design_names_stay_named() -> None:
    named = {name_of(text) for text in [*wheels.plain(PYPROJECT), *wheels.extra(PYPROJECT, "test")]}
    assert {"kopf", "kubernetes", "pulumi", "pulumi-kubernetes", "pyyaml", "pytest"} <= named


def test_a_package_is_asked_for_in_the_same_words_everywhere() -> None:
    """Other versions in an image than here would be untested."""
    project = wheels.project(PYPROJECT)
    asked: dict[str, set[str]] = {}
    for text in [*project["dependencies"], *(text for texts in project["optional-dependencies"].values() for text in texts)]:
        if name_of(text) != project["name"]:
            asked.setdefault(name_of(text), set()).add(text)
    assert {name: texts for name, texts in asked.items() if len(texts) > 1} == {}


def test_the_extra_for_tests_brings_all_that_anything_imports() -> None:
    everything = {name_of(text) for text in [*wheels.plain(PYPROJECT), *wheels.extra(PYPROJECT, "test")]}
    assert {
        name_of(text) for extra in wheels.project(PYPROJECT)["optional-dependencies"] for text in wheels.extra(PYPROJECT, extra)
    } <= everything
    tests = imported(path for folder in ("tests", "bench") for path in (ROOT / folder).rglob("*.py"))
    assert tests - everything - set(map(name_of, bench())) == set()


def test_a_plain_install_brings_what_the_command_imports_and_no_more() -> None:
    assert reached(command_modules()) == set(map(name_of, wheels.plain(PYPROJECT)))


def test_the_demonstration_needs_no_more_than_its_extra() -> None:
    needed = reached([*command_modules(), *modules("commonweal_cli.demo"), *modules("commonweal_operator")])
    brought = {name_of(text) for text in [*wheels.plain(PYPROJECT), *wheels.extra(PYPROJECT, "demo")]}
    assert needed - brought == set()
    assert "asyncpg" in needed


def test_the_stack_without_a_cluster_needs_no_more_than_its_extra() -> None:
    ours = [
        *modules("commonweal_cli.dev"),
        *modules("commonweal_cli.source"),
        *modules("commonweal_runtime"),
        *modules("commonweal_api"),
        *modules("commonweal_kube"),
    ]
    brought = {name_of(text) for text in [*wheels.plain(PYPROJECT), *wheels.extra(PYPROJECT, "dev")]}
    needed = reached(ours)
    assert needed - brought == set()
    assert "cel-expr-python" in needed


@pytest.mark.parametrize(
    ("package", "extras"), [("commonweal_operator", ["operator"]), ("commonweal_runtime", ["runtime", "store", "portal"])]
)
def test_images_install_what_their_code_imports_and_no_more(package: str, extras: list[str]) -> None:
    """They install the extras alone, not what a plain install brings."""
    brought = {name_of(text) for extra in extras for text in wheels.extra(PYPROJECT, extra)}
    needed = reached([*modules(package), *modules("commonweal_api")])
    assert needed - brought == set()
    assert brought - needed <= BY_NAME.keys()


# Run without all that a plain install does not bring: whatever imports it finds nothing.
AS_IN_A_PLAIN_INSTALL = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent, commands = set(sys.argv[1].split(",")), sys.argv[2].split(",")
sys.meta_path.insert(0, Absent())
from commonweal_cli import main
for command in commands:
    try:
        main.main([command, "--help"])
    except SystemExit as end:
        assert not end.code, command
print("all of them", main.main(["demo"]))
"""


def test_every_command_starts_in_a_plain_install_and_the_demonstration_names_its_extra() -> None:
    brought = {pin.partition("==")[0] for pin in wheels.pins(wheels.plain(PYPROJECT))}
    absent = {
        module
        for module, owners in metadata.packages_distributions().items()
        if not module.startswith("commonweal_") and not {canonicalize_name(owner) for owner in owners} & brought
    }
    assert {"asyncpg", "kopf", "pytest", "pyarrow", "litestar"} <= absent
    commands = sorted(name for name, command in COMMANDS.items() if command.extra is None)
    done = subprocess.run(
        [sys.executable, "-c", AS_IN_A_PLAIN_INSTALL, ",".join(absent), ",".join(commands)], capture_output=True, text=True, check=False
    )
    assert "all of them 1" in done.stdout, done.stderr
    assert re.search(r"`commonweal demo` needs the Python package (asyncpg|kopf).*pip install 'commonweal\[demo\]'", done.stderr)
    assert done.stderr.count("\n") == 1


def name_of(text: str) -> str:
    return str(canonicalize_name(Requirement(text).name))


def bench() -> list[str]:
    """Return the rivals that benches measure against; nothing else may need them."""
    return list(tomllib.loads(PYPROJECT.read_text())["dependency-groups"]["bench"])


def command_modules() -> list[str]:
    """Return what `commonweal` is, with all that it starts as programs of their own; not the demonstration, the stack without a cluster and the look at a source, which have extras."""
    ours = [*modules("commonweal_cli"), *modules("commonweal_local"), *modules("commonweal_stacks")]
    return [module for module in ours if not module.startswith(("commonweal_cli.demo.", "commonweal_cli.dev.", "commonweal_cli.source."))]


def modules(package: str) -> Iterator[str]:
    """Yield every module of a package of ours, by its whole name."""
    root = SOURCES[package.partition(".")[0]]
    for path in sorted((root / package.replace(".", "/")).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def reached(start: Iterable[str]) -> set[str]:
    """Return the distributions that these modules import, directly or through other modules of ours."""
    seen: set[str] = set()
    todo = list(start)
    while todo:
        module = todo.pop()
        if module in seen or file_of(module) is None:
            continue
        seen.add(module)
        todo += [module.rpartition(".")[0], *(name for name in names(module) if name.startswith("commonweal_"))]
    return imported(path for module in seen if (path := file_of(module)))


def imported(files: Iterable[Path]) -> set[str]:
    """Return the distributions whose modules these files import."""
    tops = {name.partition(".")[0] for file in files for name in names_in(file)}
    return {owner for top in tops for owner in owners_of(top)}


def file_of(module: str) -> Path | None:
    place = SOURCES.get(module.partition(".")[0], ROOT) / module.replace(".", "/")
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


def names(module: str) -> set[str]:
    file = file_of(module)
    return names_in(file) if file else set()


@cache
def names_in(file: Path) -> set[str]:
    """Return the modules that a file names in an import, at its top or inside a function. Relative imports are not used here."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, file
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@cache
def distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def owners_of(top: str) -> list[str]:
    """Return the distribution that a module comes from; none for the standard library's and for ours."""
    if top in sys.stdlib_module_names:
        return []
    if top == "google":  # a name that several distributions share; only one of them is used here
        return [WITH_ANOTHER["protobuf"]]
    found = [str(canonicalize_name(owner)) for owner in distributions().get(top, [])[:1]]
    return [WITH_ANOTHER.get(owner, owner) for owner in found if owner != "commonweal"]
