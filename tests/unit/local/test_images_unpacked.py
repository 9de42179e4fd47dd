"""A tree of unpacked images is given to a site as links, whole or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from commonweal_local.images import oci, unpacked
from commonweal_local.images.unpacked import COPIED, LINKED


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def archive(folder: Path, name: str, content: bytes = b"x") -> Path:
    folder.mkdir(exist_ok=True)
    tree = oci.Tree()
    tree.file("bin/program", content)
    return oci.write_archive(folder / f"{name}.tar", f"localhost/{name}:1", [tree.write(folder / f"{name}.layer")], oci.Config())


def tree_for(archives: list[Path]) -> Path:
    """Make a tree as containerd would leave it."""
    tree = unpacked.tree_of(archives)
    (tree / LINKED[0] / "sha256").mkdir(parents=True)
    (tree / LINKED[0] / "sha256" / "abc").write_bytes(b"layer")
    (tree / LINKED[1] / "1" / "fs").mkdir(parents=True, mode=0o711)
    (tree / LINKED[1] / "1" / "fs" / "program").write_bytes(b"program")
    (tree / LINKED[1] / "1" / "fs" / "link").symlink_to("program")
    for part in COPIED:
        (tree / part).parent.mkdir(parents=True, exist_ok=True)
        (tree / part).write_bytes(b"database")
    return tree


def test_another_image_or_another_content_has_another_tree(cache: Path, tmp_path: Path) -> None:
    one, other = archive(tmp_path / "a", "one"), archive(tmp_path / "a", "other")
    changed = archive(tmp_path / "b", "one", b"y")
    trees = {unpacked.tree_of(archives) for archives in ([one], [one, other], [changed])}
    assert len(trees) == 3
    assert unpacked.tree_of([other, one, one]) == unpacked.tree_of([one, other])
    assert all(tree.is_relative_to(cache) for tree in trees)


def test_files_are_shared_and_databases_are_each_sites_own(cache: Path, tmp_path: Path) -> None:
    archives = [archive(tmp_path / "a", "one")]
    tree, place = tree_for(archives), cache / "site" / "containerd"
    assert unpacked.lay(archives, place)
    for part in (f"{LINKED[0]}/sha256/abc", f"{LINKED[1]}/1/fs/program"):
        assert (place / part).stat().st_ino == (tree / part).stat().st_ino
    assert (place / LINKED[1] / "1" / "fs").stat().st_mode == (tree / LINKED[1] / "1" / "fs").stat().st_mode
    assert (place / LINKED[1] / "1" / "fs" / "link").readlink() == Path("program")
    for part in COPIED:
        (place / part).write_bytes(b"another")
        assert (tree / part).read_bytes() == b"database"


def test_a_site_that_has_images_keeps_them(cache: Path, tmp_path: Path) -> None:
    archives = [archive(tmp_path / "a", "one")]
    tree_for(archives)
    place = cache / "site"
    place.mkdir()
    assert not unpacked.lay(archives, place)
    assert list(place.iterdir()) == []


def test_images_that_were_never_unpacked_are_left_to_the_site(cache: Path, tmp_path: Path) -> None:
    assert not unpacked.lay([archive(tmp_path / "a", "one")], cache / "site")
    assert not (cache / "site").exists()


def test_what_a_killed_run_left_is_begun_anew_and_half_a_tree_gives_nothing(cache: Path, tmp_path: Path) -> None:
    archives = [archive(tmp_path / "a", "one")]
    tree, place = tree_for(archives), cache / "site" / "containerd"
    left = place.with_name("containerd.new") / LINKED[0] / "sha256" / "half"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"ha")
    assert unpacked.lay(archives, place)
    assert not (place / LINKED[0] / "sha256" / "half").exists()
    (tree / COPIED[1]).unlink()
    assert not unpacked.lay(archives, cache / "other" / "containerd")
    assert list((cache / "other").iterdir()) == []


def test_trees_that_nobody_asked_for_go_and_links_to_them_stay(cache: Path, tmp_path: Path) -> None:
    old, young = [archive(tmp_path / "a", "one")], [archive(tmp_path / "a", "other")]
    tree, kept = tree_for(old), tree_for(young)
    place = cache / "site" / "containerd"
    unpacked.lay(old, place)
    os.utime(tree, (time.time() - 100, time.time() - 100))
    unpacked.prune(50)
    assert not tree.exists()
    assert kept.exists()
    assert (place / LINKED[1] / "1" / "fs" / "program").read_bytes() == b"program"
