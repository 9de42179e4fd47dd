"""The portal's compiled style and script: what is pinned, what is in them, and by which names they are served."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from reportlab.pdfbase.ttfonts import TTFont

from commonweal_local.portal_assets import assets
from commonweal_local.portal_assets.build import FONTS, SOURCES, linked, named_by_content
from commonweal_local.progress import Silent


@pytest.fixture(scope="module")
def made() -> Path:
    return assets(Silent())


def test_every_package_is_pinned_by_its_digest() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert {"node_modules/govuk-frontend", "node_modules/sass"} <= packages.keys()
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())


def test_the_same_sources_are_compiled_once(made: Path) -> None:
    before = (made / "manifest.json").stat().st_mtime_ns
    assert assets(Silent()) == made
    assert (made / "manifest.json").stat().st_mtime_ns == before


def test_each_file_has_the_name_of_its_content(made: Path) -> None:
    names = json.loads((made / "manifest.json").read_text())
    assert {"portal.css", "portal.js", "enabled.js", "govuk-frontend.js", "favicon.svg"} <= names.keys()
    assert named_by_content({name: (made / hashed).read_bytes() for name, hashed in names.items()}) == names


def test_nothing_of_it_belongs_to_gov_uk_alone_or_is_fetched_from_elsewhere(made: Path) -> None:
    style = next(made.glob("portal.*.css")).read_text(encoding="utf-8-sig")
    assert not re.search(r"GDS Transport|@font-face|crest|crown|url\(", style)
    assert "Arial" in style
    for script in made.glob("*.js"):
        assert "sourceMappingURL" not in script.read_text()


@pytest.mark.parametrize("font", FONTS)
def test_the_fonts_of_receipts_have_every_letter_of_welsh(made: Path, font: str) -> None:
    names = json.loads((made / "manifest.json").read_text())
    glyphs = TTFont(font, made / names[font]).face.charToGlyph
    letters = "abcdefghijklmnopqrstuvwxyzâêîôûŵŷáéíóúẃýàèìòùẁỳäëïöüẅÿ’–"
    assert [letter for letter in letters + letters.upper() if ord(letter) not in glyphs] == []


def test_scripts_import_by_the_name_of_the_content() -> None:
    files = linked({"govuk-frontend.js": b"x", "a.js": b'import { initAll } from "@govuk-frontend";'})
    name = named_by_content(files)["govuk-frontend.js"]
    assert files["a.js"].decode() == f'import {{ initAll }} from "./{name}";'
