"""The page of roles is what the chart says, and says so when the chart has what it does not know."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from support.scripts import script

ROOT = Path(__file__).parents[3]


def tool() -> ModuleType:
    return script(ROOT / "docs" / "tools" / "roles.py")


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "charts" / "commonweal" / "templates", tmp_path / "templates"))


def test_the_page_is_what_the_chart_says() -> None:
    assert tool().main(["--check"]) == 0, "run `python docs/tools/roles.py`"


def test_a_right_that_is_added_is_shown(templates: Path) -> None:
    assert "`pods/exec`" not in tool().page()
    file = templates / "access" / "roles.yaml"
    file.write_text(file.read_text().replace("resources: [pods/log]", "resources: [pods/log, pods/exec]", 1))
    assert "| `pods/exec` | `get` |  |  |  |" in tool().page(templates)


def test_a_field_that_is_freed_leaves_the_guarded_ones(templates: Path) -> None:
    file = templates / "admission" / "what-leaves.yaml"
    file.write_text(file.read_text().replace("['title', 'cy', 'learning']", "['title', 'cy', 'learning', 'callers']"))
    assert "| ModelService | `purpose`, `features` | `title`, `cy`, `learning`, `callers` |" in tool().page(templates)
    file.write_text(file.read_text().replace("'callers']", "'caller']"))
    with pytest.raises(ValueError, match="frees what modelservices do not have: caller"):
        tool().page(templates)


def test_a_fifth_role_is_not_left_out(templates: Path) -> None:
    file = templates / "access" / "more.yaml"
    file.write_text("kind: ClusterRole\nmetadata: {name: commonweal-department-guest}\nrules: []\n")
    with pytest.raises(ValueError, match="holds other roles than viewer, editor, steward, registrar"):
        tool().page(templates)
