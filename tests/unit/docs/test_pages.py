"""The documents hold together: every link leads somewhere, and what the README asks to be written is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from commonweal_api import KINDS

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"
PAGES = [README, *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:|<)([^)\s#]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
MANIFEST = re.compile(r"```yaml\n(apiVersion: commonweal.dev/.*?)```", re.DOTALL)
MODEL_OF = {kind.__name__: kind for kind in KINDS}


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as renderers of Markdown make them."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_something_that_is_there(page: Path) -> None:
    broken = []
    for path, anchor in LINK.findall(CODE.sub("", page.read_text())):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}" if anchor else path)
    assert broken == []


@pytest.mark.parametrize("page", [page for page in PAGES if MANIFEST.search(page.read_text())], ids=lambda page: page.stem)
def test_every_whole_manifest_that_is_shown_is_valid(page: Path) -> None:
    for text in MANIFEST.findall(page.read_text()):
        for manifest in yaml.safe_load_all(text):
            MODEL_OF[manifest["kind"]].model_validate(manifest)


def test_the_readme_is_read_in_five_minutes() -> None:
    text = README.read_text()
    assert text.count("\n") <= 110
    shown = {manifest.split("kind: ")[1].split("\n")[0]: manifest.count("\n") for manifest in MANIFEST.findall(text)}
    assert shown == {"DataProduct": 12, "ConsentPolicy": 12}


def test_every_page_is_in_the_sites_navigation() -> None:
    """`make docs` says so, too, but needs packages that a plain test run has not."""
    shown = re.findall(r"([\w/-]+\.md)", (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2])
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    wanted = [page for page in pages if not page.startswith("adr/") or page == "adr/README.md"]
    assert sorted(wanted) == sorted(page for page in shown if not page.startswith("repository/"))
