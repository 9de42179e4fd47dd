"""What mkdocs is told beside mkdocs.yml: the pages that lie at the root of the repository are pages of the site, and links into the code show as paths."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
AT_THE_ROOT = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
FOLDER = "repository"  # of the site; beside docs/, so that README.md is not taken for the site's index
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]+)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the repository's root."""
    for name in AT_THE_ROOT:
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, f"{FOLDER}/{_name(name)}", content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the page with links out of docs/ led to where the site has their target, or shown as the path that they name."""
    here = page.file.src_uri
    folder = "" if here.startswith(f"{FOLDER}/") else posixpath.join("docs", posixpath.dirname(here))

    def led(found: re.Match[str]) -> str:
        text, target, anchor = found[1], posixpath.normpath(posixpath.join(folder, found[2])), found[3] or ""
        if target.startswith("docs/"):
            place = target.removeprefix("docs/")
        elif target in AT_THE_ROOT:
            place = f"{FOLDER}/{_name(target)}"
        else:
            return f"{text} (`{target}`)" if text else f"`{target}`"
        return f"[{text}]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{anchor})"

    return LINK.sub(led, markdown)


def _name(name: str) -> str:
    return "readme-page.md" if name == "README.md" else name.lower()
