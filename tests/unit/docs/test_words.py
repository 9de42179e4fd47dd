"""Error texts, documents and YAML use plain present-day words: docs/contributing/style.md says which, and what instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal_cli.bundle import checkout

ROOT = Path(__file__).parents[3]
STYLE = "docs/contributing/style.md"
WORDS = re.compile(
    r"(?<![-«])\b(mend(?:s|ed|ing)?|anew|(?:is|are|was|were|be) none|there (?:is|are) none|said nothing|w(?:ould|ill) not go|whom|shall|hence"
    r"|there(?:of|in)|begun again)\b",
    re.IGNORECASE,
)
# (An option's or a variable's name, after a hyphen or in «», is not prose.) In what a program says, it must be clear who is meant.
NAMELESS = re.compile(WORDS.pattern[:-3] + r"|nobody|somebody)\b", re.IGNORECASE)
NAMES = ("nobody",)  # the user of that name, which every Linux has
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def texts(code: str) -> Iterator[tuple[int, str]]:
    """Yield every text in the code that a program may say: all but docstrings, with the line where it stands."""
    tree = ast.parse(code)
    heads = [node.body[0] for node in ast.walk(tree) if isinstance(node, DOCUMENTED) and node.body]
    docstrings = {id(head.value) for head in heads if isinstance(head, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def found(path: str) -> list[str]:
    """Return every place of the file with a word that should be another."""
    text = (ROOT / path).read_text()
    if path.endswith(".py"):
        return [f"{path}:{line}: {match[0]}" for line, said in texts(text) if said not in NAMES for match in NAMELESS.finditer(said)]
    lines = enumerate(text.splitlines(), 1)
    return [f"{path}:{number}: {match[0]}" for number, line in lines for match in WORDS.finditer(line)]


def linted() -> list[str]:
    files = checkout.files(ROOT)
    code = [path for path in files if path.endswith(".py") and "/src/" in path]
    prose = [
        path for path in files if path.endswith((".md", ".yaml", ".yml", ".sh")) and not path.startswith(("tests/", "local/toolchain/"))
    ]
    return [*code, *(path for path in prose if path != STYLE)]


def test_error_texts_and_documents_use_plain_words() -> None:
    places = [place for path in linted() for place in found(path)]
    assert places == [], f"{STYLE} says what to write instead"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ('raise ValueError("Mend it.")', ["Mend"]),
        ('def f():\n    """Made anew."""\n    return "made anew"', ["anew"]),
        ('x = f"{y} is none of ours"', ["is none"]),
        ('x = "nobody may"  # nobody reads comments here', ["nobody"]),
        ('x = "henceforth, the commander recommends"', []),
    ],
)
def test_the_words_are_found_in_texts_and_not_in_others(code: str, words: list[str]) -> None:
    assert [match[0] for _, said in texts(code) for match in NAMELESS.finditer(said)] == words


def test_the_style_page_says_what_to_write_instead() -> None:
    page = (ROOT / STYLE).read_text()
    rows = [row for row in re.findall(r"^\| (.+?) \| .+ \|$", page, re.MULTILINE) if row not in ("not", "---")]
    assert len(rows) == 10
    assert [row for row in rows if not WORDS.search(row)] == []
