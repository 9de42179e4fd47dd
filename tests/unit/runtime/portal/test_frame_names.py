"""The layout is drawn around every page and shares its names: what it sets for itself must not be what a page is given."""

from __future__ import annotations

import re

from commonweal_runtime.portal import languages

LAYOUT = languages.LOCALE.parent / "templates" / "layout.html"


def test_names_of_the_layout_begin_with_its_own() -> None:
    names = re.findall(r"{%-? set (\w+)", LAYOUT.read_text(encoding="utf-8"))
    assert names
    assert [name for name in names if not name.startswith("layout_")] == []
