"""The picture of a journey shows what the journey's rows say, and nothing else."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from commonweal_cli.demo import recording
from commonweal_cli.demo.command import recorded
from commonweal_cli.demo.report import Row

ROOT = Path(__file__).parents[4]
ROWS = [Row("the person <withdraws>", "200", "200", ok=True, milliseconds=3.14), Row("the very next read", "404", "200", ok=False)]
SVG = "{http://www.w3.org/2000/svg}"


def words(picture: str) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(picture).iter(f"{SVG}text")]


def test_every_row_is_there_with_its_mark_and_time() -> None:
    said = words(recording.picture("cloud", ROWS))
    assert said[0] == "$ commonweal journey  # site cloud"
    assert said[1:] == ["✓", "the person <withdraws>", "200", "3.1 ms", "✗", "the very next read", "200", "1 of 2 as they must be"]


def test_every_line_is_inside_the_picture() -> None:
    root = ET.fromstring(recording.picture("cloud", ROWS * 20))
    height = float(root.attrib["viewBox"].split()[3])
    assert max(float(text.attrib["y"]) for text in root.iter(f"{SVG}text")) < height


def test_it_is_drawn_only_where_it_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "journey.svg"
    recorded(None, {"cloud": ROWS})
    assert list(tmp_path.iterdir()) == []
    recorded(file, {"cloud": ROWS, "onprem": []})
    assert file.read_text() == recording.picture("cloud", ROWS)


def test_the_readme_shows_a_whole_journey() -> None:
    said = words((ROOT / "docs" / "pictures" / "journey.svg").read_text())
    assert "Benefits reads the consenting person" in said
    assert "the very next read" in said
    good, all_ = said[-1].split()[0], said[-1].split()[2]
    assert good == all_ == str(said.count("✓"))
