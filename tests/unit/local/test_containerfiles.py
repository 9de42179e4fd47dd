"""The committed Containerfiles: made from the list of what is in an image, and safe to build from."""

from __future__ import annotations

from pathlib import Path

import pytest

from commonweal_local import paths
from commonweal_local.images import containerfile, contents
from commonweal_local.images.contents import IMAGES, Image
from commonweal_local.images.oci import Config
from commonweal_local.images.recipes import configuration, layers_of
from commonweal_local.images.selection import Selection

ROOT = paths.source()
each_image = pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Containerfile with what they are given, continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ").splitlines()
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def final(image: Image) -> list[tuple[str, str]]:
    """Return the instructions of the last stage, which is the image."""
    found = instructions((ROOT / "images" / image.name / "Containerfile").read_text())
    last = max(n for n, (name, _) in enumerate(found) if name == "FROM")
    return found[last + 1 :]


def test_the_committed_files_are_as_the_list_says() -> None:
    assert containerfile.main(["--check"]) == 0, f"run `{containerfile.COMMAND}`"


def test_a_file_that_is_out_of_date_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    monkeypatch.setattr(paths, "source", lambda: tmp_path)
    assert containerfile.main([]) == 0
    assert containerfile.main(["--check"]) == 0
    (tmp_path / "images" / "store" / "Containerfile").write_text("FROM scratch\n")
    assert containerfile.main(["--check"]) == 1
    assert "store/Containerfile is out of date" in capsys.readouterr().err


@each_image
def test_both_ways_run_the_same(image: Image) -> None:
    """User, command, variables and labels of the archive that is made here are those of the Containerfile."""
    selection = Selection(contents.BOOKWORM.python, contents.BOOKWORM.postgres, [], [])
    config, last = configuration(image, selection), dict(final(image))
    assert config.user == last["USER"]
    assert last["CMD"] == '["python3", "--version"]'
    for instruction, pairs in (("ENV", config.environment), ("LABEL", config.labels)):
        assert last[instruction] == " ".join(f'{key}="{value}"' for key, value in pairs.items())


@each_image
def test_the_image_is_nobody_in_particular_and_holds_no_tool_to_build_with(image: Image) -> None:
    found = final(image)
    assert dict(found)["USER"] == f"{contents.USER_ID}:{contents.USER_ID}"
    assert [name for name, _ in found][-2:] == ["USER", "CMD"]
    assert not [given for name, given in found if name == "RUN" and "pip" in given]
    assert [given.partition(" ")[0] for name, given in found if name == "COPY"] == [
        "--from=build",
        "--from=build",
        *(["--from=assets"] if image.pages else []),
    ]


@each_image
def test_what_is_copied_is_there_and_let_through(image: Image) -> None:
    let_through = {line.removeprefix("!") for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    text = (ROOT / "images" / image.name / "Containerfile").read_text()
    copied = [given.split()[0] for name, given in instructions(text) if name == "COPY" and not given.startswith("--from")]
    assert [Path(path).name for path in copied] == [f"{image.name}.txt", *image.packages, *(["commonweal_local"] if image.pages else [])]
    assert {path for path in copied if not (ROOT / path).exists()} == set()
    assert set(copied) <= let_through


def test_layers_are_shared_where_images_are_alike() -> None:
    assert {image.name: layers_of(image) for image in IMAGES} == {
        "operator": ["python", "libraries-operator", "code-operator"],
        "runtime": ["python", "libraries-runtime", "code-runtime"],
        "store": ["python", "libraries-runtime", "postgres", "libraries-store", "code-runtime"],
        "portal": ["python", "libraries-runtime", "libraries-portal", "portal-assets", "code-runtime"],
    }


def test_labels_are_part_of_an_archives_configuration() -> None:
    assert b'"Labels": {"a": "b"}' in Config(labels={"a": "b"}).document([])
    assert b"Labels" not in Config().document([])
