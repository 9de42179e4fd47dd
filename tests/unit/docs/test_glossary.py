"""Each word of the glossary is used, and each kind of ours is among them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from commonweal_api import KINDS
from commonweal_cli.bundle import checkout

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "glossary.md").read_text()
ROWS = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \| (.+) \|$", TEXT, re.MULTILINE)
WORDS = [row[0] for row in ROWS]
CODE = re.compile(r"`(commonweal_[a-z_.]+)`")


@cache
def elsewhere() -> str:
    """Return what the code and the other documents say, in lower case."""
    ours = [path for path in checkout.files(ROOT) if path.endswith((".py", ".md", ".sql", ".yaml")) and not path.startswith("tests/")]
    return "\n".join((ROOT / path).read_text() for path in ours if path != "docs/glossary.md").lower()


def test_the_glossary_is_read() -> None:
    assert len(WORDS) > 30
    assert len(set(WORDS)) == len(WORDS)
    assert TEXT.count("| **") == len(WORDS), "a row that no pattern finds is a row that nothing checks"


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_used(word: str) -> None:
    assert len(re.findall(rf"\b{word}", elsewhere())) > 2


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_explained_in_one_or_two_sentences_and_has_a_place(word: str) -> None:
    means, where = next(row[1:] for row in ROWS if row[0] == word)
    assert 1 <= len(re.findall(r"[.:)] ?(?=[A-Z(]|$)", means)) <= 4
    assert "`" in where or "](" in where


def test_every_kind_is_explained() -> None:
    places = " ".join(row[2] for row in ROWS)
    assert [kind.__name__ for kind in KINDS if f"kind `{kind.__name__}`" not in places] == []


@pytest.mark.parametrize("module", sorted(set(CODE.findall(TEXT))))
def test_a_module_that_is_named_is_there(module: str) -> None:
    path = module.replace(".", "/")
    found = [file for file in checkout.files(ROOT) if file.endswith((f"src/{path}.py", f"src/{path}/__init__.py"))]
    assert found, f"{module} has gone; say where the word lives now"
