"""What is committed is what the models give, and drift is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from commonweal_api.generate import REPOSITORY, drifted, main, rendered, write


def test_what_is_committed_follows_from_the_models() -> None:
    assert drifted(REPOSITORY) == [], "run `python -m commonweal_api.generate` and commit what it writes"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with nothing in it but the project's own description."""
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_writing_twice_writes_once(copy: Path) -> None:
    assert write(copy) == sorted(rendered("0"))
    assert write(copy) == []


def test_check_names_what_drifted_and_changes_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(copy)
    changed, stray = copy / "crds" / "departments.yaml", copy / "crds" / "wishes.yaml"
    changed.write_text("changed by hand")
    stray.write_text("of no model")
    assert main(["--check", "--root", str(copy)]) == 1
    said = capsys.readouterr().out
    assert "drifted crds/departments.yaml\ndrifted crds/wishes.yaml\n" in said
    assert "python -m commonweal_api.generate" in said
    assert changed.read_text() == "changed by hand"


def test_the_command_puts_it_right(copy: Path) -> None:
    write(copy)
    (copy / "crds" / "departments.yaml").unlink()
    (copy / "crds" / "wishes.yaml").write_text("of no model")
    assert main(["--root", str(copy)]) == 0
    assert main(["--check", "--root", str(copy)]) == 0
    assert not (copy / "crds" / "wishes.yaml").exists()


def test_the_chart_holds_the_same_definitions_and_keeps_them() -> None:
    files = rendered("1.2.3")
    for path in (p for p in files if p.startswith("crds/")):
        plain, kept = yaml.safe_load(files[path]), yaml.safe_load(files[f"charts/commonweal-crds/templates/{Path(path).name}"])
        assert kept["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert kept == plain
    assert yaml.safe_load(files["charts/commonweal-crds/Chart.yaml"])["version"] == "1.2.3"


def test_the_reference_shows_every_kind_and_every_rule() -> None:
    page = rendered("0")["docs/reference/api.md"]
    for words in (
        "## Department",
        "## DataProduct",
        "## ConsentPolicy",
        "## ModelService",
        "`spec.validity.until` *",
        "spec.product.name: cannot be changed",
    ):
        assert words in page
